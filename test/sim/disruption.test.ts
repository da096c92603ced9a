// Disruption budgets and evictions: many at once, pods that stay after all, owners without a number of replicas.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isReason } from '../../src/base/errors.ts'
import { DaemonSet } from '../../src/kinds/apps/daemonset.ts'
import { Deployment } from '../../src/kinds/apps/deployment.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { Eviction } from '../../src/kinds/policy/eviction.ts'
import { PodDisruptionBudget } from '../../src/kinds/policy/poddisruptionbudget.ts'
import { deployment, ref, rolledOut, type Sim, simulate } from './cluster.ts'

const namespace = 'default'
const named = (name: string) => ({ name, namespace })
const budget = ({ client }: Sim) => client.mirror(PodDisruptionBudget).get(namespace, 'guard')!
const guard = (sim: Sim, spec: object) =>
  sim.client.create(PodDisruptionBudget, {
    metadata: named('guard'),
    spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
  })

/** Returns true if the eviction was allowed, false if a budget refused it. */
async function evict({ client }: Sim, pod: Pod): Promise<boolean> {
  try {
    await client.createUnder(Pod, ref(pod), 'eviction', Eviction, { metadata: ref(pod) })
    return true
  } catch (error) {
    if (isReason(error, 'TooManyRequests')) return false
    throw error
  }
}

test('of twenty evictions at once only as many are allowed as the budget permits', async () => {
  await simulate({ nodes: 4 }, async sim => {
    await guard(sim, { maxUnavailable: 3 })
    await sim.client.create(Deployment, deployment('web', 20))
    await sim.until('the budget', () => rolledOut(sim.client, 'web') && budget(sim).status.disruptionsAllowed === 3)
    for (let round = 0; round < 3; round++) {
      const allowed = await Promise.all(sim.pods(namespace).map(pod => evict(sim, pod)))
      assert.equal(allowed.filter(Boolean).length, 3)
      await sim.until('all are back', () => rolledOut(sim.client, 'web') && budget(sim).status.disruptionsAllowed === 3)
    }
  })
})

test('a pod that stays after its eviction counts again after two minutes, and is no longer marked', async () => {
  await simulate({ nodes: 2 }, async sim => {
    await guard(sim, { minAvailable: 1 })
    await sim.client.create(Deployment, deployment('web', 2))
    await sim.until('one allowed', () => budget(sim).status.disruptionsAllowed === 1)
    const [pod] = sim.pods(namespace)
    const name = pod!.metadata.name!
    // The state after an eviction that changed the budget and then failed to delete the pod.
    const now = new Date(sim.clock.now()).toISOString()
    const status = { disruptionsAllowed: 0, disruptedPods: { [name]: now } }
    await sim.client.patch(PodDisruptionBudget, named('guard'), 'merge', { status }, { subresource: 'status' })
    const mark = { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', lastTransitionTime: now }
    await sim.client.patch(Pod, ref(pod!), 'strategic', { status: { conditions: [mark] } }, { subresource: 'status' })
    await sim.clock.forward(100_000)
    assert.equal(budget(sim).status.disruptionsAllowed, 0)
    await sim.until('it counts again', () => budget(sim).status.disruptionsAllowed === 1)
    const target = () =>
      sim.client
        .mirror(Pod)
        .get(namespace, name)!
        .status.conditions!.find(c => c.type === 'DisruptionTarget')!
    await sim.until('no mark', () => target().status === 'False')
    assert.equal(target().reason ?? '', '')
    const told = sim.client.mirror(Event).list(namespace)
    assert.ok(told.some(e => e.reason === 'NotDeleted' && e.involvedObject.name === name))
  })
})

test('pods that are not ready can be evicted as their budget’s policy permits', async () => {
  await simulate({ nodes: 2, fate: () => 'running' }, async sim => {
    await guard(sim, { minAvailable: 1 })
    await sim.client.create(Deployment, deployment('web', 2))
    await sim.until('two', () => sim.pods(namespace).filter(pod => pod.status.phase === 'Running').length === 2)
    await sim.until('the budget', () => budget(sim).status.expectedPods === 2)
    assert.equal(await evict(sim, sim.pods(namespace)[0]!), false)
    const spec = { unhealthyPodEvictionPolicy: 'AlwaysAllow' }
    await sim.client.patch(PodDisruptionBudget, named('guard'), 'merge', { spec })
    await sim.until('it is seen', () => budget(sim).status.observedGeneration === budget(sim).metadata.generation)
    assert.equal(await evict(sim, sim.pods(namespace)[0]!), true)
  })
})

test('for pods whose owner has no size a budget can have a number, but not a percentage', async () => {
  await simulate({ nodes: 3 }, async sim => {
    await guard(sim, { maxUnavailable: 1 })
    const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'app:1' }] } }
    await sim.client.create(DaemonSet, {
      metadata: named('web'),
      spec: { selector: { matchLabels: { app: 'web' } }, template },
    })
    const condition = () => budget(sim).status.conditions?.find(c => c.type === 'DisruptionAllowed')
    await sim.until('the failure', () => condition()?.reason === 'SyncFailed')
    assert.equal(condition()!.message, 'daemonsets.apps does not implement the scale subresource')
    await sim.until('three', () => sim.pods(namespace).filter(pod => pod.status.phase === 'Running').length === 3)
    assert.equal(await evict(sim, sim.pods(namespace)[0]!), false)
    const spec = { maxUnavailable: null, minAvailable: 2 }
    await sim.client.patch(PodDisruptionBudget, named('guard'), 'merge', { spec })
    await sim.until('one allowed', () => budget(sim).status.disruptionsAllowed === 1)
    assert.equal(condition()!.reason, 'SufficientPods')
    assert.equal(await evict(sim, sim.pods(namespace)[0]!), true)
  })
})
