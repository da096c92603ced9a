// Definitions in the shapes that people's have: whole pod templates, quantities as integers or strings, defaults within
// defaults, free trees, choices by required fields, many fields at once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../../api/kind.ts'
import { asJson, type Json, type JsonObject, type Node, type Struct } from '../../api/schema/node.ts'
import type { SchemaProps } from '../../kinds/apiextensions/jsonschema.ts'
import { PodTemplateSpec } from '../../kinds/core/podtemplatespec.ts'
import { openTestServer } from '../testing.ts'
import { create, cronTabs, define, specOf } from './testing.ts'

/** A structural schema of a struct, as generators of definitions make it of Go types. */
function schemaOf(struct: Struct): SchemaProps {
  const required = Object.entries(struct.fields).flatMap(([name, node]) => (node.required ? [name] : []))
  return {
    type: 'object',
    description: struct.doc,
    properties: Object.fromEntries(Object.entries(struct.fields).map(([name, node]) => [name, nodeSchema(node)])),
    ...(required.length && { required }),
  }
}

function nodeSchema(node: Node): SchemaProps {
  const description = node.doc ?? ''
  switch (node.type) {
    case 'struct':
      // Metadata of templates is generated without its fields.
      return node.struct!().name === 'meta.v1.ObjectMeta'
        ? { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, description }
        : { ...schemaOf(node.struct!()), description }
    case 'list':
      return {
        type: 'array',
        description,
        items: asJson(nodeSchema(node.item!)),
        ...(node.listType === 'map' &&
          node.keys?.length === 1 && {
            'x-kubernetes-list-type': 'map',
            'x-kubernetes-list-map-keys': node.keys,
          }),
      }
    case 'map':
      return { type: 'object', description, additionalProperties: asJson(nodeSchema(node.item!)) }
    case 'quantity':
    case 'intOrString':
      return { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }], description }
    case 'bool':
      return { type: 'boolean', description }
    case 'int32':
    case 'int64':
      return { type: 'integer', format: node.type, description }
    case 'double':
      return { type: 'number', description }
    default:
      return { type: 'string', description }
  }
}

/** Makes the keys of lists required, without which a definition is refused. */
function withKeys(schema: SchemaProps): SchemaProps {
  const properties = schema.properties && {
    properties: Object.fromEntries(Object.entries(schema.properties).map(([name, inner]) => [name, withKeys(inner)])),
  }
  const items = schema.items as SchemaProps | undefined
  const keys = schema['x-kubernetes-list-map-keys'] ?? []
  return {
    ...schema,
    ...properties,
    ...(items && {
      items: asJson({
        ...withKeys(items),
        ...(keys.length && { required: [...new Set([...(items.required ?? []), ...keys])] }),
      }),
    }),
  }
}

const linesOf = (schema: SchemaProps) => JSON.stringify(schema, undefined, 1).split('\n').length

test('a definition may embed a whole pod template, which is pruned and merged like one', async t => {
  const server = await openTestServer(t)
  const template = withKeys(schemaOf(PodTemplateSpec as Struct))
  assert.ok(linesOf(template) > 6_000, `${linesOf(template)} lines`)
  const kind = await define(server, cronTabs({ template }))
  const containers = (...list: JsonObject[]) => ({ template: { spec: { containers: list } } })
  const made = await create(server.admin, kind, {
    template: {
      metadata: { labels: { app: 'x' } },
      spec: { containers: [{ name: 'a', image: 'i', unknown: 1, resources: { limits: { cpu: 1, memory: '1Gi' } } }] },
    },
  })
  assert.deepEqual(specOf(made), {
    template: {
      metadata: { labels: { app: 'x' } },
      spec: { containers: [{ image: 'i', name: 'a', resources: { limits: { cpu: 1, memory: '1Gi' } } }] },
    },
  })
  const applied = (await server.admin.apply(
    kind,
    'a',
    { spec: containers({ name: 'b', image: 'j' }) },
    'me',
  )) as KubeObject
  const { spec } = specOf(applied).template as { spec: { containers: { name: string }[] } }
  assert.deepEqual(
    spec.containers.map(({ name }) => name),
    ['a', 'b'],
  )
  await assert.rejects(create(server.admin, kind, containers({ image: 'i' }), 'b'), {
    message: `CronTab.stable.example.com "b" is invalid: spec.template.spec.containers[0].name: Required value`,
  })
})

test('a quantity is an integer or a string of its pattern', async t => {
  const server = await openTestServer(t)
  const quantity: SchemaProps = {
    'x-kubernetes-int-or-string': true,
    anyOf: [{ type: 'integer' }, { type: 'string' }],
    pattern:
      '^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$',
  }
  const kind = await define(server, cronTabs({ size: quantity }))
  for (const [i, size] of [1, '1Gi', '0.5', '-3e2'].entries()) await create(server.admin, kind, { size }, `ok${i}`)
  for (const size of ['1 Gi', 1.5, true, ''] as Json[])
    await assert.rejects(create(server.admin, kind, { size }, 'bad'), { reason: 'Invalid' }, String(size))
})

test('an empty default makes room for the defaults in it, at any depth', async t => {
  const server = await openTestServer(t)
  const inner: SchemaProps = { type: 'object', default: {}, properties: { deep: { type: 'integer', default: 7 } } }
  const outer: SchemaProps = {
    type: 'object',
    default: {},
    properties: { inner, list: { type: 'array', default: [], items: { type: 'string' } } },
  }
  const kind = await define(server, cronTabs({ outer, other: inner }))
  const table: [spec: JsonObject, stored: JsonObject][] = [
    [{}, { other: { deep: 7 }, outer: { inner: { deep: 7 }, list: [] } }],
    [{ outer: { inner: { deep: 1 } } }, { other: { deep: 7 }, outer: { inner: { deep: 1 }, list: [] } }],
    [
      { outer: null, other: {} },
      { other: { deep: 7 }, outer: { inner: { deep: 7 }, list: [] } },
    ],
  ]
  for (const [i, [spec, stored]] of table.entries())
    assert.deepEqual(specOf(await create(server.admin, kind, spec, `t${i}`)), stored)
})

test('a free tree is kept as it is, with what its schema says of some of it', async t => {
  const server = await openTestServer(t)
  const kind = await define(
    server,
    cronTabs({
      values: {
        type: 'object',
        'x-kubernetes-preserve-unknown-fields': true,
        properties: { known: { type: 'object', properties: { size: { type: 'integer', default: 1 } } } },
      },
    }),
  )
  const tree = { z: [{ y: null, x: [[1], [{ w: '' }]] }], a: { constructor: 1, toString: { deep: true } } }
  const made = await create(server.admin, kind, { values: { ...tree, known: { gone: 1 } } })
  assert.deepEqual(specOf(made), {
    values: {
      a: { constructor: 1, toString: { deep: true } },
      known: { size: 1 },
      z: [{ x: [[1], [{ w: '' }]], y: null }],
    },
  })
  await assert.rejects(create(server.admin, kind, { values: { known: { size: 'x' } } }, 'b'), { reason: 'Invalid' })
})

test('a source is exactly one of several', async t => {
  const server = await openTestServer(t)
  const source = (name: string): SchemaProps => ({ type: 'object', properties: { [name]: { type: 'string' } } })
  const kind = await define(
    server,
    cronTabs({
      source: {
        type: 'object',
        properties: { git: source('url'), image: source('name') },
        oneOf: [{ required: ['git'] }, { required: ['image'] }],
      },
    }),
  )
  await create(server.admin, kind, { source: { git: { url: 'u' } } }, 'git')
  await assert.rejects(create(server.admin, kind, { source: { git: {}, image: {} } }, 'both'), {
    message: /must validate one and only one schema \(oneOf\)\. Found 2 valid alternatives$/,
  })
})
