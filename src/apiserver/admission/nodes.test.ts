// How long pods stay on failing nodes, and the taint of new nodes.
import { deepStrictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { Node } from '../../kinds/core/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { openTestServer } from '../testing.ts'

const notReady = 'node.kubernetes.io/not-ready'
const unreachable = 'node.kubernetes.io/unreachable'
const fiveMinutes = (key: string) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 })

test('a pod tolerates a failing node for five minutes, unless it has its own toleration', async t => {
  const { admin } = await openTestServer(t)
  const table: [given: object[], all: object[]][] = [
    [[], [fiveMinutes(notReady), fiveMinutes(unreachable)]],
    [
      [{ key: 'a', operator: 'Exists' }],
      [{ key: 'a', operator: 'Exists' }, fiveMinutes(notReady), fiveMinutes(unreachable)],
    ],
    [
      [{ ...fiveMinutes(notReady), tolerationSeconds: 5 }],
      [{ ...fiveMinutes(notReady), tolerationSeconds: 5 }, fiveMinutes(unreachable)],
    ],
    [[{ key: unreachable, operator: 'Exists' }], [{ key: unreachable, operator: 'Exists' }, fiveMinutes(notReady)]],
    [[{ operator: 'Exists' }], [{ operator: 'Exists' }]],
    [[{ operator: 'Exists', effect: 'NoExecute' }], [{ operator: 'Exists', effect: 'NoExecute' }]],
    [
      [{ operator: 'Exists', effect: 'NoSchedule' }],
      [{ operator: 'Exists', effect: 'NoSchedule' }, fiveMinutes(notReady), fiveMinutes(unreachable)],
    ],
  ]
  for (const [tolerations, all] of table) {
    const pod = await admin.create(
      Pod,
      { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'app' }], tolerations } },
      { options: { dryRun: true } },
    )
    deepStrictEqual(pod.spec.tolerations, all, JSON.stringify(tolerations))
  }
})

test('a new node gets the not-ready taint, and only once', async t => {
  const { admin } = await openTestServer(t)
  const taint = { key: notReady, effect: 'NoSchedule' }
  const other = { key: 'a', effect: 'NoSchedule' }
  const table: [given: object[], all: object[]][] = [
    [[], [taint]],
    [[other], [other, taint]],
    [[taint], [taint]],
    [[{ ...taint, effect: 'NoExecute' }], [{ ...taint, effect: 'NoExecute' }, taint]],
  ]
  for (const [taints, all] of table) {
    const node = await admin.create(Node, { metadata: { name: 'n' }, spec: { taints } }, { options: { dryRun: true } })
    deepStrictEqual(node.spec.taints, all, JSON.stringify(taints))
  }
  await admin.create(Node, { metadata: { name: 'n' } })
  const ready = await admin.patch(Node, 'n', 'merge', { spec: { taints: null } })
  deepStrictEqual(ready.spec.taints, undefined)
})
