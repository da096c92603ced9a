// What the tests of custom resources share: a definition of CronTabs, and its kind once it is served.
import assert from 'node:assert/strict'
import type { AnyKind, KubeObject } from '../../api/kind.ts'
import { asJson, type JsonObject } from '../../api/schema/node.ts'
import { CustomResourceDefinition } from '../../kinds/apiextensions/customresourcedefinition.ts'
import type { SchemaProps } from '../../kinds/apiextensions/jsonschema.ts'
import { type Caller, openTestServer } from '../testing.ts'

export const group = 'stable.example.com'
export type SchemaProperties = Readonly<Record<string, SchemaProps>>

/** A definition of CronTab with one version, whose schema has these properties of its spec. */
export const cronTabs = (properties: SchemaProperties, more: { spec?: JsonObject; version?: JsonObject } = {}) => ({
  metadata: { name: `crontabs.${group}` },
  spec: {
    group,
    scope: 'Namespaced',
    names: { plural: 'crontabs', kind: 'CronTab', shortNames: ['ct'] },
    versions: [version('v1', properties, { storage: true, ...more.version })],
    ...more.spec,
  },
})

export const version = (name: string, properties: SchemaProperties, more: JsonObject = {}) => ({
  name,
  served: true,
  storage: false,
  schema: {
    openAPIV3Schema: {
      type: 'object',
      properties: {
        spec: { type: 'object', properties },
        status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      },
    },
  },
  ...more,
})

type Server = Awaited<ReturnType<typeof openTestServer>>

/** Resolves when a condition holds, which is looked at after each turn of the event loop. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 2_000; i++) {
    if (await condition()) return
    await new Promise(resolve => setImmediate(resolve))
  }
  assert.fail(`in vain: ${what}`)
}

export const find = ({ core }: Server, name: string, plural = 'crontabs') =>
  core.catalog.find({ group, version: name, plural })

/** Creates a definition, and returns the kind of its version when it is served. */
export async function define(server: Server, definition: object, name = 'v1', plural = 'crontabs'): Promise<AnyKind> {
  await server.admin.create(CustomResourceDefinition, definition)
  await until(`${plural} are served`, () => find(server, name, plural) !== undefined)
  return find(server, name, plural)!
}

export const specOf = (object: KubeObject) => asJson(object).spec as JsonObject
export const create = (admin: Caller, kind: AnyKind, spec: JsonObject, name = 'a') =>
  admin.create(kind, {
    apiVersion: kind.apiVersion,
    kind: kind.kind,
    metadata: { name },
    spec: spec,
  }) as Promise<KubeObject>
