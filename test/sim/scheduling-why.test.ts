// What `kutter why` shows about a pod: its place in the queue, and its last decision, node by node.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeDecision } from '../../src/cluster/why.ts'
import type { Draft } from '../../src/api/kind.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { type Sim, simulate } from './cluster.ts'

const namespace = 'default'
const pod = (name: string, spec: Draft<Pod['spec']> = {}, cpu = '100m'): Draft<Pod> => ({
  metadata: { name, namespace },
  spec: { containers: [{ name: 'c', image: 'app:1', resources: { requests: { cpu } } }], ...spec },
})
const get = (sim: Sim, name: string) => sim.client.mirror(Pod).get(namespace, name)
const explain = (sim: Sim, name: string) => sim.scheduler!.explain(namespace, name)

test('a pod is explained in whatever state it is', async () => {
  await simulate({ nodes: 2, cpu: '2' }, async sim => {
    await sim.clock.forward(100)
    const { client } = sim
    await sim.addNode('small', { status: { allocatable: { cpu: '1', memory: '32Gi', pods: '110' } } })
    const tainted = { spec: { taints: [{ key: 'k', effect: 'NoSchedule' as const }] } }
    await sim.addNode('kept', tainted)
    await client.create(Pod, pod('placed'))
    await client.create(Pod, pod('gated', { schedulingGates: [{ name: 'a/b' }] }))
    await client.create(Pod, pod('elsewhere', { schedulerName: 'mine' }))
    await client.create(Pod, pod('direct', { nodeName: 'node-0' }))
    await sim.until('placed', () => Boolean(get(sim, 'placed')?.spec.nodeName))
    await client.create(Pod, pod('huge', {}, '50'))
    await sim.until('refused', () => Boolean(explain(sim, 'huge').decision))

    const placed = explain(sim, 'placed')
    const { nodeName } = get(sim, 'placed')!.spec
    assert.equal(placed.summary, `Pod default/placed is bound to node ${nodeName}.`)
    assert.equal(placed.state, 'bound')
    assert.equal(placed.decision?.nodes[0]?.name, nodeName)
    // The request is 200 m of 2 and 200 MiB of 32 GiB, so LeastAllocated gives (90 + 99) / 2.
    assert.ok(placed.decision!.nodes[0]!.scores!.NodeResourcesFit! >= 90)
    assert.deepEqual(placed.decision?.nodes.find(node => node.name === 'kept')?.refused, {
      plugin: 'TaintToleration',
      reasons: ['node(s) had untolerated taint(s)'],
    })
    const text = describeDecision(placed)
    assert.match(text, new RegExp(`PASSED +TOTAL +NodeResourcesFit .*\n +${nodeName} \\* +\\d+`))
    assert.match(text, /REFUSED +BY +WHY\n +kept +TaintToleration +node\(s\) had untolerated taint\(s\)\n$/)

    const says = (name: string, state: string, summary: RegExp) => {
      assert.equal(explain(sim, name).state, state)
      assert.match(explain(sim, name).summary, summary)
    }
    says('gated', 'gated', /^Pod default\/gated is not in the queue: it has scheduling gates \(a\/b\)\.$/)
    says('elsewhere', 'other-scheduler', /asks for the scheduler "mine"; this one serves default-scheduler\.$/)
    says(
      'direct',
      'bound',
      /is bound to node node-0\. The decision is not on record: the pod was bound before this scheduler started/,
    )
    says('huge', 'waiting', /waits until something changes for NodeResourcesFit, TaintToleration\.$/)
    says('nothing', 'unknown', /^There is no pod default\/nothing\.$/)
    const refused =
      '0/4 nodes are available: 1 node(s) had untolerated taint(s), 3 Insufficient cpu. no new claims to deallocate, preemption: '
    assert.ok(describeDecision(explain(sim, 'huge')).includes(`\n  ${refused}`))

    // A new pod of the same name does not have the decision of the former one.
    await client.delete(Pod, { namespace, name: 'huge' }, { gracePeriodSeconds: 0 })
    await client.create(Pod, pod('huge', { schedulingGates: [{ name: 'a/b' }] }, '50'))
    await sim.clock.forward(100)
    assert.equal(explain(sim, 'huge').decision, undefined)
  })
})

test('kept decisions take bounded memory', async () => {
  await simulate({ nodes: 1, cpu: '200' }, async sim => {
    await sim.clock.forward(100)
    const many = 1100
    for (let i = 0; i < many; i++) await sim.client.create(Pod, pod(`p-${i}`, {}, '1m'))
    await sim.until('the last has been looked at', () => Boolean(explain(sim, `p-${many - 1}`).decision))
    assert.equal(explain(sim, 'p-0').decision, undefined)
    assert.match(explain(sim, 'p-0').summary, /or too many decisions were made since\.$/)
  })
})
