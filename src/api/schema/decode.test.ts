import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deployment } from '../../kinds/apps/deployment.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { parseJson } from '../../wire/json.ts'
import { double, json, struct } from './build.ts'
import { decode } from './decode.ts'

test('fields have the order of the schema, zero values are dropped, and maps are sorted', () => {
  const pod = decode(Pod.schema, {
    spec: { containers: [{ image: 'x', name: 'a', stdin: false }], hostNetwork: false },
    metadata: { labels: { b: '1', a: '2' }, name: 'p' },
    kind: 'Pod',
    apiVersion: 'v1',
  })
  assert.equal(
    JSON.stringify(pod),
    '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","labels":{"a":"2","b":"1"}},"spec":{"containers":[{"name":"a","image":"x","resources":{}}]},"status":{}}',
  )
})

test('an optional field keeps its zero value, and a plain field does not', () => {
  const spec = decode(Deployment.schema, { spec: { replicas: 0, minReadySeconds: 0 } }).spec
  assert.equal(spec.replicas, 0)
  assert.equal('minReadySeconds' in spec, false)
})

test('decoding a decoded value changes nothing', () => {
  const once = decode(
    Pod.schema,
    { metadata: { name: 'p' }, spec: { containers: [{ name: 'a', resources: { limits: { memory: '1024Mi' } } }] } },
    { defaults: true },
  )
  assert.equal(JSON.stringify(decode(Pod.schema, structuredClone(once), { defaults: true })), JSON.stringify(once))
  assert.equal(once.spec.containers[0]!.resources.limits!.memory, '1Gi')
})

test('unknown fields are reported with their full paths', () => {
  const unknown: string[] = []
  decode(
    Pod.schema,
    { spec: { containers: [{ name: 'a', imagee: 'x' }], extra: 1 } },
    { onUnknown: path => unknown.push(path) },
  )
  assert.deepEqual(unknown, ['spec.containers[0].imagee', 'spec.extra'])
})

test('a value of the wrong type has the error of Go', () => {
  const table: [object, string][] = [
    [
      { spec: { replicas: '2' } },
      'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      { spec: { replicas: 1.5 } },
      'json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      { metadata: { labels: { a: 1 } } },
      'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string',
    ],
    [
      { spec: { template: { spec: { containers: {} } } } },
      'json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container',
    ],
  ]
  for (const [input, message] of table) assert.throws(() => decode(Deployment.schema, input), { message })
})

test('__proto__ is an ordinary key', () => {
  const input = JSON.parse('{"metadata":{"annotations":{"__proto__":"x"}}}')
  assert.equal(JSON.stringify(decode(Pod.schema, input).metadata), '{"annotations":{"__proto__":"x"}}')
})

test('opaque JSON and doubles have numbers where a body has fractions', () => {
  const schema = struct('test.Numbers', '', { any: json({}), ratio: double({}) })
  const text = '{"any":{"a":[1.5,{"b":2e3}],"c":7,"__proto__":0.25},"ratio":0.1}'
  const value = decode(schema, parseJson(text, true))
  assert.equal(JSON.stringify(value), '{"any":{"a":[1.5,{"b":2000}],"c":7,"__proto__":0.25},"ratio":0.1}')
  assert.equal((value as { ratio: unknown }).ratio, 0.1)
  assert.equal((value as { any: { a: unknown[] } }).any.a[0], 1.5)
})
