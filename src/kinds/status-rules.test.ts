import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AnyKind, KubeObject } from '../api/kind.ts'
import { root } from '../api/path.ts'
import { decode } from '../api/schema/decode.ts'
import type { JsonObject } from '../api/schema/node.ts'
import { builtinKinds } from './all.ts'

const problemsOf = (kind: AnyKind, status: JsonObject, old: JsonObject = {}) => {
  const asObject = (value: JsonObject) =>
    decode(kind.schema, { metadata: { name: 'x', namespace: 'y' }, status: value }) as KubeObject
  return [...kind.validateStatus!(asObject(status), asObject(old), root)].map(p => `${p.field}: ${p.body}`)
}

/** Numbers that Kubernetes takes as they come. */
const unchecked = new Set(['PodDisruptionBudget.observedGeneration', 'HorizontalPodAutoscaler.observedGeneration'])

for (const kind of builtinKinds.filter(k => k.validateStatus)) {
  const status = kind.schema.fields.status!.struct!()
  const numbers = Object.entries(status.fields)
    .filter(([, node]) => node.type === 'int32' || node.type === 'int64')
    .map(([name]) => name)
    .filter(name => !unchecked.has(`${kind.kind}.${name}`))
  if (!numbers.length) continue
  test(`${kind.apiVersion} ${kind.kind}: no number of the status is negative`, () => {
    for (const name of numbers) {
      const found = problemsOf(kind, { [name]: -1 }).filter(text => text.startsWith(`status.${name}: `))
      assert.match(found.join('\n'), /must be greater than or equal to 0/, name)
    }
  })
}

test('a part is not larger than the whole, nor more available than ready', () => {
  const kind = builtinKinds.find(k => k.kind === 'Deployment')!
  assert.deepEqual(problemsOf(kind, { replicas: 1, readyReplicas: 2, availableReplicas: 3 }), [
    'status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas',
    'status.availableReplicas: Invalid value: 3: cannot be greater than status.replicas',
    'status.availableReplicas: Invalid value: 3: cannot be greater than readyReplicas',
  ])
})

test('collisions are counted, never forgotten', () => {
  for (const kind of builtinKinds.filter(k => k.schema.fields.status?.struct?.().fields.collisionCount)) {
    assert.deepEqual(problemsOf(kind, { collisionCount: 3 }, { collisionCount: 2 }), [], kind.kind)
    for (const status of [{}, { collisionCount: 1 }] as JsonObject[])
      assert.deepEqual(
        problemsOf(kind, status, { collisionCount: 2 }),
        [`status.collisionCount: Invalid value: ${status.collisionCount ?? 0}: cannot be decremented`],
        kind.kind,
      )
  }
})

const pod = (status: JsonObject, old: JsonObject, restartPolicy = 'Never') => {
  const kind = builtinKinds.find(k => k.kind === 'Pod')!
  const asObject = (value: JsonObject) =>
    decode(kind.schema, {
      metadata: { name: 'x', namespace: 'y' },
      spec: { restartPolicy, containers: [{ name: 'c' }], initContainers: [{ name: 'i' }] },
      status: value,
    }) as KubeObject
  return [...kind.validateStatus!(asObject(status), asObject(old), root)].map(p => `${p.field}: ${p.body}`)
}

test('what has ended for good does not come back', () => {
  const of = (list: string, name: string, state: JsonObject) => ({ [list]: [{ name, state }] })
  const running = { running: { startedAt: '2020-01-01T00:00:00Z' } }
  const failed = { terminated: { exitCode: 1 } }
  const message = 'Forbidden: may not be transitioned to non-terminated state'
  const main = [of('containerStatuses', 'c', running), of('containerStatuses', 'c', failed)] as const
  assert.deepEqual(pod(...main), [`status.containerStatuses[0].state: ${message}`])
  assert.deepEqual(pod(...main, 'OnFailure'), [])
  assert.deepEqual(pod(...main, 'Always'), [])
  const init = [of('initContainerStatuses', 'i', running), of('initContainerStatuses', 'i', failed)] as const
  assert.deepEqual(pod(...init), [`status.initContainerStatuses[0].state: ${message}`])
  assert.deepEqual(pod(...init, 'Always'), [])
})

test('a pod has one address of each family', () => {
  const message = 'may specify no more than one IP for each IP family'
  const ips = (...list: string[]) => ({ podIPs: list.map(ip => ({ ip })) })
  assert.deepEqual(pod(ips('10.0.0.1', 'fd00::1'), {}), [])
  assert.match(pod(ips('10.0.0.1', '10.0.0.2'), {}).join(), new RegExp(`status.podIPs: .*${message}`))
  assert.match(pod(ips('10.0.0.1', 'fd00::1', 'fd00::2'), {}).join(), new RegExp(message))
  assert.match(pod(ips('nowhere'), {}).join(), /status.podIPs\[0\]: Invalid value: "nowhere": must be a valid IP/)
  // What is there already may stay.
  assert.deepEqual(pod(ips('010.0.0.1'), ips('010.0.0.1')), [])
})
