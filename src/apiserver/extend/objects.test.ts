// Objects of custom resources: what is kept of them, what is refused, who owns their fields.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { int64Of } from '../../api/int64.ts'
import type { KubeObject } from '../../api/kind.ts'
import { asJson, type JsonObject } from '../../api/schema/node.ts'
import { CustomResourceDefinition } from '../../kinds/apiextensions/customresourcedefinition.ts'
import type { SchemaProps, ValidationRule } from '../../kinds/apiextensions/jsonschema.ts'
import { openTestServer } from '../testing.ts'

import { dns1035Errors, qualifiedNameErrors } from '../../api/names.ts'
import { create, cronTabs, define, find, group, type SchemaProperties, specOf, until } from './testing.ts'

test('objects are pruned and defaulted by their schema, and otherwise kept as they were sent', async t => {
  const server = await openTestServer(t)
  const kind = await define(
    server,
    cronTabs({
      count: { type: 'integer', default: 1 },
      name: { type: 'string', nullable: true },
      nested: { type: 'object', properties: { on: { type: 'boolean', default: true } } },
      deep: { type: 'object', default: {}, properties: { size: { type: 'string', default: 'small' } } },
      free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      list: { type: 'array', items: { type: 'object', properties: { port: { type: 'integer', default: 80 } } } },
      either: { 'x-kubernetes-int-or-string': true },
    }),
  )
  const big = int64Of(2n ** 53n + 1n)
  const table: [sent: JsonObject, stored: JsonObject][] = [
    [{}, { count: 1, deep: { size: 'small' } }],
    [
      { count: 0, unknown: 1 },
      { count: 0, deep: { size: 'small' } },
    ],
    [
      { count: null, name: null },
      { count: 1, deep: { size: 'small' }, name: null },
    ],
    [
      { nested: {}, deep: { size: '' } },
      { count: 1, deep: { size: '' }, nested: { on: true } },
    ],
    [
      { free: { b: null, a: [{ z: 1, y: 0 }] } },
      { count: 1, deep: { size: 'small' }, free: { a: [{ y: 0, z: 1 }], b: null } },
    ],
    [{ list: [{}, { port: 1, x: 2 }] }, { count: 1, deep: { size: 'small' }, list: [{ port: 80 }, { port: 1 }] }],
    [{ either: '50%' }, { count: 1, deep: { size: 'small' }, either: '50%' }],
    [{ count: big }, { count: big, deep: { size: 'small' } }],
  ]
  for (const [i, [sent, stored]] of table.entries()) {
    const made = await create(server.admin, kind, sent, `t${i}`)
    assert.deepEqual(specOf(made), stored)
    assert.deepEqual(specOf((await server.admin.get(kind, `t${i}`)) as KubeObject), stored)
  }
})

test('values that do not fit the schema are refused, in the words of Kubernetes', async t => {
  const server = await openTestServer(t)
  const kind = await define(
    server,
    cronTabs({
      count: { type: 'integer', minimum: 1, maximum: 5, multipleOf: 1 },
      name: { type: 'string', minLength: 2, maxLength: 4, pattern: '^a' },
      mode: { type: 'string', enum: ['On', 'Off'] },
      when: { type: 'string', format: 'date-time' },
      set: { type: 'array', maxItems: 2, items: { type: 'string' }, 'x-kubernetes-list-type': 'set' },
      keyed: {
        type: 'array',
        items: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } },
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['name'],
      },
      map: { type: 'object', additionalProperties: { type: 'integer' }, minProperties: 1 },
      one: {
        type: 'object',
        properties: { a: { type: 'string' }, b: { type: 'string' } },
        oneOf: [{ required: ['a'] }, { required: ['b'] }],
      },
      any: {
        type: 'object',
        properties: { a: { type: 'string' }, b: { type: 'string' } },
        anyOf: [{ required: ['a'] }, { required: ['b'] }],
      },
      not: { type: 'string', not: { enum: ['x'] } },
      inner: {
        type: 'object',
        'x-kubernetes-embedded-resource': true,
        'x-kubernetes-preserve-unknown-fields': true,
      },
    }),
  )
  const table: [spec: JsonObject, ...problems: string[]][] = [
    [{ count: 'x' }, 'spec.count: Invalid value: "string": spec.count in body must be of type integer: "string"'],
    [
      { count: 1.5 },
      'spec.count: Invalid value: "number": spec.count in body must be of type integer: "number"',
      'spec.count: Invalid value: 1.5: spec.count in body should be a multiple of 1',
    ],
    [{ count: 0 }, 'spec.count: Invalid value: 0: spec.count in body should be greater than or equal to 1'],
    [{ count: 6 }, 'spec.count: Invalid value: 6: spec.count in body should be less than or equal to 5'],
    [{ name: 'a' }, 'spec.name: Invalid value: "a": spec.name in body should be at least 2 chars long'],
    [
      { inner: { apiVersion: 'a/b/c', kind: 'X_Y', metadata: { name: 'A_b/', labels: { 'a b': 'c' } } } },
      'spec.inner.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
      `spec.inner.kind: Invalid value: "X_Y": may have mixed case, but should otherwise match: ${dns1035Errors('x_y')[0]}`,
      'spec.inner.metadata.name: Invalid value: "A_b/": may not contain \'/\'',
      `spec.inner.metadata.labels: Invalid value: "a b": ${qualifiedNameErrors('a b')[0]}`,
    ],
    [{ name: 'abcde' }, 'spec.name: Too long: may not be more than 4 bytes'],
    [{ name: 'bcd' }, 'spec.name: Invalid value: "bcd": spec.name in body should match \'^a\''],
    [{ mode: 'Maybe' }, 'spec.mode: Unsupported value: "Maybe": supported values: "On", "Off"'],
    [{ when: 'now' }, 'spec.when: Invalid value: "now": spec.when in body must be of type date-time: "now"'],
    [{ set: ['a', 'a'] }, 'spec.set[1]: Duplicate value: "a"'],
    [{ set: ['a', 'b', 'c'] }, 'spec.set: Too many: 3: must have at most 2 items'],
    [{ set: [1] }, 'spec.set[0]: Invalid value: "integer": spec.set[0] in body must be of type string: "integer"'],
    [{ keyed: [{ name: 'a' }, { name: 'a' }] }, 'spec.keyed[1]: Duplicate value: {"name":"a"}'],
    [{ keyed: [{}] }, 'spec.keyed[0].name: Required value'],
    [{ map: { a: 'b' } }, 'spec.map.a: Invalid value: "string": spec.map.a in body must be of type integer: "string"'],
    [{ map: {} }, 'spec.map: Invalid value: 0: spec.map in body should have at least 1 properties'],
    [
      { one: { a: '', b: '' } },
      '<nil>: Invalid value: "": "spec.one" must validate one and only one schema (oneOf). Found 2 valid alternatives',
    ],
    [
      { one: {} },
      '<nil>: Invalid value: "": "spec.one" must validate one and only one schema (oneOf). Found none valid',
      'spec.one.a: Required value',
    ],
    [
      { any: {} },
      '<nil>: Invalid value: "": "spec.any" must validate at least one schema (anyOf)',
      'spec.any.a: Required value',
    ],
    [{ not: 'x' }, '<nil>: Invalid value: "": "spec.not" must not validate the schema (not)'],
    [
      { inner: {} },
      'spec.inner.apiVersion: Required value: must not be empty',
      'spec.inner.kind: Required value: must not be empty',
    ],
  ]
  for (const [spec, ...problems] of table) {
    const text = problems.length === 1 ? problems[0] : `[${problems.join(', ')}]`
    await assert.rejects(create(server.admin, kind, spec), {
      reason: 'Invalid',
      message: `CronTab.${group} "a" is invalid: ${text}`,
    })
  }
  assert.deepEqual((await server.admin.list(kind)).items, [])
})

test('a problem that an object had before does not stop the change of another field', async t => {
  const server = await openTestServer(t)
  const loose = cronTabs({
    name: { type: 'string' },
    size: { type: 'integer' },
    list: { type: 'array', items: { type: 'string' } },
  })
  const kind = await define(server, loose)
  await create(server.admin, kind, { name: 'bad', list: ['bad'], size: 1 })
  const strict = cronTabs({
    name: { type: 'string', pattern: '^good' },
    size: { type: 'integer' },
    list: { type: 'array', items: { type: 'string', pattern: '^good' } },
  })
  await server.admin.patch(CustomResourceDefinition, `crontabs.${group}`, 'merge', { spec: strict.spec })
  await until('the new schema is served', () => find(server, 'v1') !== kind)
  const now = find(server, 'v1')!
  const patch = (spec: JsonObject) => server.admin.patch(now, 'a', 'merge', { spec }) as Promise<KubeObject>
  assert.equal(specOf(await patch({ size: 2 })).size, 2)
  await assert.rejects(patch({ name: 'worse' }), { reason: 'Invalid' })
  // An element of a list without keys is a new one.
  await assert.rejects(patch({ list: ['bad', 'good'] }), { reason: 'Invalid' })
})

test('rules of a definition are compiled, and refused with the fault or the cost', async t => {
  const { admin } = await openTestServer(t)
  const rule = (text: string, more: JsonObject = {}) => ({
    spec: { type: 'object', 'x-kubernetes-validations': [{ rule: text, ...more }] } as SchemaProps,
  })
  const printed = (text: string, message = '') =>
    `{"Rule":${JSON.stringify(text)},"Message":"","MessageExpression":${JSON.stringify(message)},"Reason":null,"FieldPath":"","OptionalOldSelf":null}`
  const list = (of: SchemaProps): SchemaProps => ({ type: 'array', items: of as JsonObject })
  const at = 'spec.validation.openAPIV3Schema.properties[spec].properties'
  const advice =
    '(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)'
  const table: [properties: SchemaProperties, ...problems: string[]][] = [
    [
      rule('self.foo'),
      `${at}[spec].x-kubernetes-validations[0].rule: Invalid value: ${printed('self.foo')}: compilation failed: ERROR: <input>:1:5: undefined field 'foo'\n | self.foo\n | ....^`,
    ],
    [
      rule('1'),
      `${at}[spec].x-kubernetes-validations[0].rule: Invalid value: ${printed('1')}: cel expression must evaluate to a bool`,
    ],
    [
      rule('true', { messageExpression: '1' }),
      `${at}[spec].x-kubernetes-validations[0].messageExpression: Invalid value: ${printed('true', '1')}: messageExpression must evaluate to a string`,
    ],
    [
      {
        a: {
          ...list({ type: 'string', maxLength: 9, 'x-kubernetes-validations': [{ rule: 'self == oldSelf' }] }),
          maxItems: 9,
        },
      },
      `${at}[a].items.x-kubernetes-validations[0].rule: Invalid value: "self == oldSelf": oldSelf cannot be used on the uncorrelatable portion of the schema within ${at}[a]`,
    ],
    [
      {
        a: {
          ...list(list({ type: 'string' })),
          'x-kubernetes-validations': [{ rule: 'self.all(x, x.all(y, self.all(z, y in z)))' }],
        } as SchemaProps,
      },
      `${at}[a].x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x ${advice}`,
      `spec.validation.openAPIV3Schema.properties[spec].properties[a].x-kubernetes-validations[0].rule: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema`,
      `spec.validation.openAPIV3Schema: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of more than 100x ${advice}`,
    ],
  ]
  for (const [properties, ...problems] of table) {
    const text = problems.length === 1 ? problems[0] : `[${problems.join(', ')}]`
    await assert.rejects(admin.create(CustomResourceDefinition, cronTabs(properties)), {
      message: `CustomResourceDefinition.apiextensions.k8s.io "crontabs.${group}" is invalid: ${text}`,
    })
  }
})

test('rules are evaluated on objects, with the old value where there is one', async t => {
  const server = await openTestServer(t)
  const rules = (...list: ValidationRule[]): SchemaProps => ({ 'x-kubernetes-validations': list })
  const definition = cronTabs({
    min: { type: 'integer' },
    max: { type: 'integer', ...rules({ rule: 'self < 100', reason: 'FieldValueForbidden' }) },
    fixed: { type: 'string', ...rules({ rule: 'self == oldSelf', message: 'fixed is immutable' }) },
    once: {
      type: 'string',
      ...rules({
        rule: 'oldSelf.hasValue() || self == "new"',
        optionalOldSelf: true,
        messageExpression: '"not " + self',
      }),
    },
    keyed: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
      maxItems: 5,
      items: {
        type: 'object',
        required: ['name'],
        properties: { name: { type: 'string' }, size: { type: 'integer' } },
        'x-kubernetes-validations': [{ rule: 'self.size >= oldSelf.size', fieldPath: '.size' }],
      },
    },
  })
  const whole: SchemaProps = definition.spec.versions[0]!.schema.openAPIV3Schema.properties.spec
  Object.assign(whole, rules({ rule: '!has(self.min) || self.min <= self.max' }))
  const kind = await define(server, definition)
  const invalid = (...problems: string[]) => ({
    message: `CronTab.${group} "a" is invalid: ${problems.length === 1 ? problems[0] : `[${problems.join(', ')}]`}`,
  })
  const bad: [spec: JsonObject, ...problems: string[]][] = [
    [{ min: 2, max: 1 }, 'spec: Invalid value: "object": failed rule: !has(self.min) || self.min <= self.max'],
    [{ max: 100 }, 'spec.max: Forbidden: failed rule: self < 100'],
    [{ once: 'old' }, 'spec.once: Invalid value: "string": not old'],
    [
      { min: 2 },
      'spec: Invalid value: "object": no such key: max evaluating rule: !has(self.min) || self.min <= self.max',
    ],
    [
      { max: 'x' },
      'spec.max: Invalid value: "string": spec.max in body must be of type integer: "string"',
      '<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
    ],
  ]
  for (const [spec, ...problems] of bad) await assert.rejects(create(server.admin, kind, spec), invalid(...problems))
  await create(server.admin, kind, { fixed: 'x', once: 'new', keyed: [{ name: 'one', size: 2 }] })
  const patch = (spec: JsonObject) => server.admin.patch(kind, 'a', 'merge', { spec }) as Promise<KubeObject>
  await assert.rejects(patch({ fixed: 'y' }), invalid('spec.fixed: Invalid value: "string": fixed is immutable'))
  await assert.rejects(
    patch({
      keyed: [
        { name: 'two', size: 1 },
        { name: 'one', size: 1 },
      ],
    }),
    invalid('spec.keyed[1].size: Invalid value: "object": failed rule: self.size >= oldSelf.size'),
  )
  assert.equal(specOf(await patch({ once: 'other' })).once, 'other')
})

test('a rule that fails for a part that was so before is a warning, and for a changed one an error', async t => {
  const server = await openTestServer(t)
  const definition = (limit: number) =>
    cronTabs({
      part: {
        type: 'object',
        properties: { size: { type: 'integer' } },
        'x-kubernetes-validations': [{ rule: `self.size < ${limit}`, message: `must be below ${limit}` }],
      },
      other: { type: 'string' },
    })
  const before = await define(server, definition(10))
  await create(server.admin, before, { part: { size: 5 } })
  const { versions } = definition(3).spec
  await server.admin.patch(CustomResourceDefinition, `crontabs.${group}`, 'merge', { spec: { versions } })
  await until('the new rule is served', () => find(server, 'v1')!.fingerprint !== before.fingerprint)
  const patch = async (spec: JsonObject) => {
    const more = { namespace: 'default', name: 'a', body: { spec }, patchType: 'merge' } as const
    return (await server.admin.ask('patch', find(server, 'v1')!, more)).warnings ?? []
  }
  assert.deepEqual(await patch({ other: 'x' }), ['spec.part: Invalid value: "object": must be below 3'])
  const refused = { message: `CronTab.${group} "a" is invalid: spec.part: Invalid value: "object": must be below 3` }
  await assert.rejects(patch({ part: { size: 6 } }), refused)
  assert.deepEqual(await patch({ part: { size: 2 } }), [])
})

test('metadata.generation counts changes of everything but metadata and, with a subresource, the status', async t => {
  for (const hasStatus of [true, false]) {
    const server = await openTestServer(t)
    const kind = await define(
      server,
      cronTabs(
        { size: { type: 'integer' } },
        { version: { storage: true, ...(hasStatus && { subresources: { status: {} } }) } },
      ),
    )
    await create(server.admin, kind, { size: 1 })
    const patch = (body: JsonObject, subresource = '') =>
      server.admin.patch(kind, 'a', 'merge', body, { subresource }) as Promise<KubeObject>
    const steps: [body: JsonObject, subresource: string, generation: number][] = [
      [{ metadata: { labels: { a: 'b' } } }, '', 1],
      [{ spec: { size: 2 } }, '', 2],
      [{ status: { done: true } }, '', hasStatus ? 2 : 3],
      ...(hasStatus
        ? ([[{ status: { done: true }, spec: { size: 9 } }, 'status', 2]] as [JsonObject, string, number][])
        : []),
    ]
    for (const [body, subresource, generation] of steps)
      assert.equal((await patch(body, subresource)).metadata.generation, generation, JSON.stringify(body))
    const { spec, status } = asJson((await server.admin.get(kind, 'a')) as KubeObject)
    assert.deepEqual([spec, status], [{ size: 2 }, { done: true }])
  }
})

test('server-side apply owns fields of custom resources, also those without a schema', async t => {
  const server = await openTestServer(t)
  const kind = await define(
    server,
    cronTabs({
      free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      keyed: {
        type: 'array',
        items: {
          type: 'object',
          required: ['name'],
          properties: { name: { type: 'string' }, port: { type: 'integer' } },
        },
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['name'],
      },
      whole: { type: 'array', items: { type: 'string' } },
    }),
  )
  const apply = (spec: JsonObject, manager: string) =>
    server.admin.apply(kind, 'a', { spec }, manager) as Promise<KubeObject>
  await apply({ free: { a: { x: 1 } }, keyed: [{ name: 'one', port: 1 }], whole: ['a'] }, 'first')
  const both = await apply({ free: { a: { y: 2 }, b: 3 }, keyed: [{ name: 'two', port: 2 }] }, 'second')
  assert.deepEqual(specOf(both), {
    free: { a: { x: 1, y: 2 }, b: 3 },
    keyed: [
      { name: 'one', port: 1 },
      { name: 'two', port: 2 },
    ],
    whole: ['a'],
  })
  await assert.rejects(apply({ free: { a: { x: 2 } } }, 'second'), {
    reason: 'Conflict',
    message: 'Apply failed with 1 conflict: conflict with "first": .spec.free.a.x',
  })
  await assert.rejects(apply({ whole: ['b'] }, 'second'), { reason: 'Conflict' })
  assert.deepEqual(specOf(await apply({}, 'first')), { free: { a: { y: 2 }, b: 3 }, keyed: [{ name: 'two', port: 2 }] })
})
