// What a pod takes over from its runtime class, and which contradictions are refused.
import { deepStrictEqual, rejects } from 'node:assert/strict'
import { test } from 'node:test'
import { Pod } from '../../kinds/core/pod.ts'
import { RuntimeClass } from '../../kinds/node/runtimeclass.ts'
import { openTestServer } from '../testing.ts'

const containers = [{ name: 'c', image: 'app' }]
/** The default tolerations for failing nodes, which every pod gets. */
const own = (pod: Pod) => (pod.spec.tolerations ?? []).filter(t => !t.key?.startsWith('node.kubernetes.io/'))

test('a pod takes over the overhead and the scheduling of its class', async t => {
  const { admin } = await openTestServer(t)
  await admin.create(RuntimeClass, {
    metadata: { name: 'sandboxed' },
    handler: 'kata',
    overhead: { podFixed: { cpu: '250m' } },
    scheduling: { nodeSelector: { kata: 'yes' }, tolerations: [{ key: 'kata', operator: 'Exists' }] },
  })
  const pod = await admin.create(Pod, {
    metadata: { name: 'p' },
    spec: { containers, runtimeClassName: 'sandboxed', nodeSelector: { disk: 'ssd', kata: 'yes' } },
  })
  deepStrictEqual(
    [pod.spec.overhead, pod.spec.nodeSelector, own(pod)],
    [{ cpu: '250m' }, { disk: 'ssd', kata: 'yes' }, [{ key: 'kata', operator: 'Exists' }]],
  )
})

test('a pod that contradicts its class is refused', async t => {
  const { admin } = await openTestServer(t)
  await admin.create(RuntimeClass, {
    metadata: { name: 'costly' },
    handler: 'a',
    overhead: { podFixed: { cpu: '250m' } },
    scheduling: { nodeSelector: { kata: 'yes' } },
  })
  await admin.create(RuntimeClass, { metadata: { name: 'free' }, handler: 'b' })
  const create = (spec: object) =>
    admin.create(Pod, { metadata: { name: 'p' }, spec: { containers, ...spec } }, { options: { dryRun: true } })
  await create({ runtimeClassName: 'costly', overhead: { cpu: '0.25' } })
  const without = 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead'
  const table: [spec: object, why: string][] = [
    [{ runtimeClassName: 'none' }, 'pod rejected: RuntimeClass "none" not found'],
    [
      { runtimeClassName: 'costly', overhead: { cpu: '1' } },
      "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
    ],
    [{ runtimeClassName: 'free', overhead: { cpu: '1' } }, without],
    [{ overhead: { cpu: '1' } }, without],
    [
      { runtimeClassName: 'costly', nodeSelector: { kata: 'no' } },
      'conflict: runtimeClass.scheduling.nodeSelector[kata] = yes; pod.spec.nodeSelector[kata] = no',
    ],
  ]
  for (const [spec, why] of table)
    await rejects(create(spec), { reason: 'Forbidden', message: `pods "p" is forbidden: ${why}` })
})

test('if one toleration covers another, only the wider one stays', async t => {
  const { admin } = await openTestServer(t)
  const equal = (value: string, more: object = {}) => ({ key: 'k', operator: 'Equal', value, ...more })
  const exists = (more: object = {}) => ({ key: 'k', operator: 'Exists', ...more })
  const evicted = (tolerationSeconds?: number) => ({
    effect: 'NoExecute',
    ...(tolerationSeconds !== undefined && { tolerationSeconds }),
  })
  const table: [pod: object[], fromClass: object[], left: object[]][] = [
    [[], [exists()], [exists()]],
    [[exists()], [exists()], [exists()]],
    [[equal('v')], [exists()], [exists()]],
    [[exists()], [equal('v')], [exists()]],
    [[equal('v')], [equal('w')], [equal('v'), equal('w')]],
    [[exists({ effect: 'NoSchedule' })], [exists()], [exists()]],
    [[exists({ effect: 'NoSchedule' })], [exists(evicted())], [exists({ effect: 'NoSchedule' }), exists(evicted())]],
    [[exists(evicted(10))], [exists(evicted(20))], [exists(evicted(20))]],
    [[exists(evicted())], [exists(evicted(20))], [exists(evicted())]],
    [[{ operator: 'Exists' }], [exists(), equal('v')], [{ operator: 'Exists' }]],
    [[equal('v')], [equal('v', { effect: 'NoSchedule' })], [equal('v')]],
  ]
  for (const [tolerations, fromClass, left] of table) {
    await admin.create(RuntimeClass, {
      metadata: { name: 'class' },
      handler: 'h',
      scheduling: { tolerations: fromClass },
    })
    const pod = await admin.create(Pod, {
      metadata: { name: 'p' },
      spec: { containers, runtimeClassName: 'class', tolerations },
    })
    deepStrictEqual(own(pod), left, JSON.stringify([tolerations, fromClass]))
    await admin.remove(Pod, 'p')
    await admin.remove(RuntimeClass, 'class')
  }
})
