// What is taken from the OpenAPI v2 documents of extension servers, and how it becomes part of the one of this server.
import { deepStrictEqual, ok, strictEqual, throws } from 'node:assert/strict'
import { test } from 'node:test'
import type { Json, JsonObject } from '../../api/schema/node.ts'
import { mergeSwagger, readSwagger } from './swagger.ts'

const prefix = 'apis/g.example.com/v1'
const ref = (name: string) => ({ $ref: `#/definitions/${name}` })
const returning = (name: string): JsonObject => ({
  get: { operationId: 'x', responses: { 200: { description: 'OK', schema: ref(name) } } },
})
const document = (paths: JsonObject, definitions: JsonObject, more: JsonObject = {}): JsonObject => ({
  swagger: '2.0',
  info: { title: 'T', version: 'v1' },
  paths,
  definitions,
  ...more,
})
const text = (description: string): JsonObject => ({ type: 'string', description })

test('only what is about the group and version is taken, with the definitions that it needs', () => {
  const paths = {
    [`/${prefix}/as`]: returning('A'),
    [`/${prefix}beta1/as`]: returning('C'),
    '/apis/other/v1/bs': returning('C'),
    '/version/': returning('C'),
  }
  const definitions = {
    A: { type: 'object', properties: { b: ref('B'), self: ref('A'), none: ref('Missing') } },
    B: text('b'),
    C: text('c'),
  }
  const { A, B } = definitions
  deepStrictEqual(readSwagger(document(paths, definitions), prefix), {
    paths: { [`/${prefix}/as`]: returning('A') },
    definitions: { A, B },
  })
  strictEqual(readSwagger(document({ '/version/': returning('C') }, definitions), prefix), undefined)
})

test('parameters stand where they were referred to', () => {
  const dryRun = { name: 'dryRun', in: 'query', type: 'string' }
  const get = { parameters: [{ $ref: '#/parameters/dryRun-1' }], responses: {} }
  const read = readSwagger(document({ [`/${prefix}/as`]: { get } }, {}, { parameters: { 'dryRun-1': dryRun } }), prefix)
  deepStrictEqual(read!.paths, { [`/${prefix}/as`]: { get: { ...get, parameters: [dryRun] } } })
})

test('a document that has another form is refused', () => {
  const nested = (depth: number): Json => (depth ? { items: nested(depth - 1) } : {})
  const path = `/${prefix}/as`
  const bad: Json[] = [
    null,
    'text',
    {},
    { paths: [] },
    { paths: { [path]: { get: 7 } } },
    { paths: { [path]: { get: { responses: null } } } },
    { paths: { [path]: { get: { responses: {}, parameters: 7 } } } },
    document({ [path]: returning('A') }, { A: { properties: { b: null } } }),
    document({ [path]: returning('A') }, { A: nested(1_000) }),
  ]
  for (const one of bad) throws(() => readSwagger(one, prefix), JSON.stringify(one).slice(0, 100))
})

test('equal definitions are shared, and others get another name, which references follow', () => {
  const gvk = (kind: string) => ({ 'x-kubernetes-group-version-kind': [{ group: '', version: 'v1', kind }] })
  const own = document(
    { '/api/v1/as': returning('A') },
    { A: text('ours'), Same: { ...text('same'), ...gvk('X') }, B_v2: text('taken'), B: text('ours') },
  )
  const theirs = readSwagger(
    document(
      { [`/${prefix}/as`]: returning('A'), [`/${prefix}/bs`]: returning('B') },
      {
        A: { properties: { same: ref('Same'), b: ref('B') } },
        Same: { ...text('same'), ...gvk('Y') },
        B: text('theirs'),
      },
    ),
    prefix,
  )!
  const merged = mergeSwagger(own, [theirs])
  deepStrictEqual(merged.paths, {
    '/api/v1/as': returning('A'),
    [`/${prefix}/as`]: returning('A_v2'),
    [`/${prefix}/bs`]: returning('B_v3'),
  })
  deepStrictEqual(merged.definitions, {
    A: text('ours'),
    Same: {
      ...text('same'),
      'x-kubernetes-group-version-kind': [
        { group: '', version: 'v1', kind: 'X' },
        { group: '', version: 'v1', kind: 'Y' },
      ],
    },
    B_v2: text('taken'),
    B: text('ours'),
    A_v2: { properties: { same: ref('Same'), b: ref('B_v3') } },
    B_v3: text('theirs'),
  })
  // A second server with the same definitions shares those of the first.
  const again = readSwagger(document({ [`/${prefix}/cs`]: returning('B') }, { B: text('theirs') }), prefix)!
  const twice = mergeSwagger(own, [theirs, again])
  deepStrictEqual(twice.definitions, merged.definitions)
  deepStrictEqual((twice.paths as JsonObject)[`/${prefix}/cs`], returning('B_v3'))
})

test('of two documents with one path the first one counts, and names are never those of prototypes', () => {
  const path = `/${prefix}/as`
  const first = readSwagger(document({ [path]: returning('constructor') }, { constructor: text('1') }), prefix)!
  const second = readSwagger(document({ [path]: returning('B') }, { B: text('2') }), prefix)!
  const { paths, definitions } = mergeSwagger(document({}, {}), [first, second])
  deepStrictEqual(paths, { [path]: returning('constructor') })
  ok(Object.hasOwn(definitions as JsonObject, 'constructor'))
})
