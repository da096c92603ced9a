// Definitions in the shapes of those that people install, over HTTP alone: each is accepted, its objects come back with
// defaults and without unknown fields, wrong ones are refused with the messages of Kubernetes, and two managers share one.
import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { stringify } from 'yaml'
import type { JsonObject } from '../../src/api/schema/node.ts'
import { openSim } from './cluster.ts'
import { readShapes, type Shape } from './definition-shapes.ts'
import { type Https, openHttps } from './https.ts'

const timeout = 60_000
const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const merge = { 'content-type': 'application/merge-patch+json' }

const sim = await openSim({ scheduler: false, controllers: false })
const https = await openHttps(sim)
const shapes = readShapes((await https.send('GET', '/openapi/v3/api/v1')).body as JsonObject)
test.after(async () => {
  await https.close()
  await sim.close()
})

const pathOf = ({ definition: { spec }, send }: Shape) =>
  `/apis/${send.apiVersion}/${spec.scope === 'Namespaced' ? 'namespaces/default/' : ''}${spec.names.plural}`

async function define({ send }: Https, shape: Shape): Promise<void> {
  const { code, body } = await send('POST', crds, shape.definition)
  strictEqual(code, 201, JSON.stringify(body))
  while ((await send('GET', pathOf(shape))).code !== 200) await turn()
  const conditions = (await send('GET', `${crds}/${shape.definition.metadata.name}`)).body.status.conditions
  deepStrictEqual(
    conditions.map(({ type, status }: Record<string, string>) => `${type}=${status}`),
    ['NamesAccepted=True', 'Established=True'],
  )
}

for (const shape of shapes)
  test(`${shape.name}: accepted, defaulted, checked, shown and applied`, { timeout }, async () => {
    const { send } = https
    const { definition, send: object } = shape
    await define(https, shape)
    const path = pathOf(shape)
    const named = (name: string) => ({ ...object, metadata: { ...(object.metadata as object), name } })
    const created = await send('POST', path, named('one'))
    strictEqual(created.code, 201, created.text)
    deepStrictEqual(created.body.spec, shape.spec)
    const { body: read, text } = await send('GET', `${path}/one`)
    deepStrictEqual(read, created.body)
    // Digits beyond those of a double are kept.
    for (const [number] of JSON.stringify(object).matchAll(/\d{16,}/g)) ok(text.includes(number), number)
    const { body: replaced } = await send('PUT', `${path}/one`, text)
    strictEqual(replaced.metadata.resourceVersion, read.metadata.resourceVersion, 'what is sent back is no change')

    for (const { change, message } of shape.refused) {
      const { code, body } = await send('PATCH', `${path}/one`, change, merge)
      strictEqual(code, 422, JSON.stringify(body))
      const expected = `${object.kind}.${definition.spec.group} "one" is invalid: `
      const messages =
        body.details.causes.length > 1 ? `[${body.message.slice(expected.length + 1, -1)}]` : body.message
      ok(body.message.startsWith(expected), body.message)
      ok(messages.includes(message), `${body.message}\nis not\n${expected}${message}`)
    }

    const table = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' }
    const { rows } = (await send('GET', `${path}/one`, undefined, table)).body
    if (shape.columns)
      deepStrictEqual(
        rows[0].cells.slice(1, 1 + shape.columns.length).map((cell: unknown) => cell ?? '<none>'),
        shape.columns,
      )

    for (const { manager, fields, conflict } of shape.apply) {
      const { apiVersion, kind } = object
      const body = { apiVersion, kind, metadata: { name: 'two' }, ...fields }
      const type = { 'content-type': 'application/apply-patch+yaml' }
      const answer = await send('PATCH', `${path}/two?fieldManager=${manager}`, body, type)
      if (conflict === undefined) ok(answer.code === 200 || answer.code === 201, answer.text)
      else deepStrictEqual([answer.code, answer.body.message], [409, conflict])
    }
    deepStrictEqual((await send('GET', `${path}/two`)).body.spec, shape.applied)

    const { paths } = (await send('GET', '/openapi/v3')).body
    const documented = (await send('GET', paths[`apis/${object.apiVersion}`].serverRelativeURL)).text
    for (const description of Object.values(shape.explain)) ok(documented.includes(description), description)
  })

test('the definition with a template of a pod has more than ten thousand lines', () => {
  const { definition } = shapes.find(({ name }) => name === 'services')!
  // As YAML, with lines as long as generators make them.
  ok(stringify(definition).split('\n').length > 10_000)
})

test('OpenAPI leaves the type of a default and of other free values open', async () => {
  const name = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps'
  const { definitions } = (await https.send('GET', '/openapi/v2')).body
  for (const field of ['default', 'example', 'items', 'additionalProperties'])
    strictEqual(definitions[name].properties[field].type, undefined, field)
  strictEqual(definitions[name].properties.enum.items.type, undefined)
})

test('a scale has the selector that its status names', { timeout }, async () => {
  const { send } = https
  const shape = shapes.find(({ name }) => name === 'machines')!
  const path = `${pathOf(shape)}/one`
  await send('PATCH', `${path}/status`, { status: { replicas: 1, selector: 'a=b,c in (d)' } }, merge)
  const scale = (await send('GET', `${path}/scale`)).body
  deepStrictEqual(
    [scale.kind, scale.spec, scale.status],
    ['Scale', { replicas: 1 }, { replicas: 1, selector: 'a=b,c in (d)' }],
  )
  const scaled = await send('PATCH', `${path}/scale`, { spec: { replicas: 7 } }, merge)
  strictEqual(scaled.body.spec.replicas, 7)
  const { metadata, spec } = (await send('GET', path)).body
  deepStrictEqual([spec.replicas, metadata.generation], [7, 2])
})

test('versions show what their schemas have, and say that they are deprecated', { timeout }, async () => {
  const { send } = https
  const shape = shapes.find(({ name }) => name === 'machines')!
  const { headers, body } = await send('GET', `${pathOf(shape).replace('v1beta2', 'v1beta1')}/one`)
  deepStrictEqual(body.spec, { replicas: 7, template: { spec: { version: 'v1.36.0' } } })
  match(String(headers.warning), /machines\.example\.com\/v1beta1 MachineSet is deprecated; use v1beta2/)
  const routes = shapes.find(({ name }) => name === 'routes')!
  for (const version of ['v1', 'v1beta1', 'v1alpha3']) {
    const one = await send('GET', `${pathOf(routes).replace('/v1/', `/${version}/`)}/one`)
    deepStrictEqual([one.body.apiVersion, one.body.spec], [`mesh.example.com/${version}`, routes.spec])
  }
})

test('what the definitions bring is listed by category and short name', { timeout }, async () => {
  const { send } = https
  for (const { definition, send: object } of shapes) {
    const { names } = definition.spec as unknown as {
      names: { plural: string; shortNames?: string[]; categories?: string[] }
    }
    const { resources } = (await send('GET', `/apis/${object.apiVersion}`)).body
    const found = resources.find(({ name }: { name: string }) => name === names.plural)
    deepStrictEqual([found.shortNames, found.categories], [names.shortNames, names.categories])
  }
})
