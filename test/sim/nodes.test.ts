// Nodes that join, are lost, return and are deleted; and many of them at once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deployment } from '../../src/kinds/apps/deployment.ts'
import { Node } from '../../src/kinds/core/node.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { ServiceAccount } from '../../src/kinds/core/serviceaccount.ts'
import { deployment, rolledOut, simulate } from './cluster.ts'

const bearing = (tolerationSeconds: number) =>
  ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'].map(key => ({
    key,
    operator: 'Exists' as const,
    effect: 'NoExecute' as const,
    tolerationSeconds,
  }))

function patient(name: string, replicas: number) {
  const base = deployment(name, replicas)
  const template = base.spec!.template!
  return {
    ...base,
    spec: { ...base.spec, template: { ...template, spec: { ...template.spec, tolerations: bearing(300) } } },
  }
}

test('the pods of a dead node are replaced, and the node is used again when it returns', async () => {
  await simulate({ nodes: 3 }, async sim => {
    const { client, until, pods, clock, cut } = sim
    await client.create(Deployment, patient('web', 6))
    await until('the rollout', () => rolledOut(client, 'web'))
    const dead = pods('default')[0]!.spec.nodeName!
    cut.add(dead)
    const node = () => client.mirror(Node).get(undefined, dead)!
    const ready = () => node().status.conditions?.find(c => c.type === 'Ready')
    await until('silence is noticed', () => ready()?.status === 'Unknown')
    assert.equal(ready()?.reason, 'NodeStatusUnknown')
    assert.equal(ready()?.message, 'Kubelet stopped posting node status.')
    await until('the taints', () => (node().spec.taints?.length ?? 0) === 2)
    await clock.forward(240_000)
    assert.equal(pods('default').filter(pod => pod.metadata.deletionTimestamp).length, 0, 'they bear it for 300 s')
    const living = () => pods('default').filter(p => !p.metadata.deletionTimestamp && p.spec.nodeName !== dead)
    await until('the pods elsewhere', () => living().length === 6)
    cut.delete(dead)
    const now = new Date(clock.now()).toISOString()
    const conditions = [{ type: 'Ready', status: 'True', lastHeartbeatTime: now, reason: 'KubeletReady' }]
    await client.patch(Node, { name: dead }, 'strategic', { status: { conditions } }, { subresource: 'status' })
    await until('no taints', () => !node().spec.taints?.length)
  })
})

test('a node that is deleted again has the time again in which it may come back', async () => {
  await simulate({ nodes: 1 }, async ({ client, until, pods, clock, cut }) => {
    const name = 'node-0'
    const ref = { namespace: 'default', name: 'p' }
    const run = () =>
      client.create(Pod, { metadata: ref, spec: { nodeName: name, containers: [{ name: 'c', image: 'app:1' }] } })
    await until('the account', () => client.mirror(ServiceAccount).get('default', 'default') !== undefined)
    await run()
    cut.add(name)
    await client.delete(Node, { name })
    await clock.forward(5_000)
    // With the pod goes the one reason to look at the node, which comes back then.
    await client.delete(Pod, ref, { gracePeriodSeconds: 0 })
    await client.create(Node, { metadata: { name } })
    await clock.forward(120_000)
    await run()
    await client.delete(Node, { name })
    await clock.forward(30_000)
    assert.equal(pods('default').length, 1)
    await until('it is collected', () => pods('default').length === 0)
  })
})

test('pods of a node that is deleted are removed', async () => {
  await simulate({ nodes: 2 }, async ({ client, until, pods, cut }) => {
    await client.create(Deployment, patient('web', 4))
    await until('the rollout', () => rolledOut(client, 'web'))
    const gone = pods('default')[0]!.spec.nodeName!
    cut.add(gone)
    await client.delete(Node, { name: gone })
    await until('four pods on the other', () => {
      const all = pods('default')
      return all.length === 4 && all.every(pod => pod.spec.nodeName !== gone && pod.status.phase === 'Running')
    })
  })
})

test('when all nodes fail no pod is evicted, and when a few fail they are tainted one after the other', async () => {
  await simulate({ nodes: 6 }, async ({ client, until, pods, clock, cut }) => {
    await client.create(Deployment, patient('web', 6))
    await until('the rollout', () => rolledOut(client, 'web'))
    const nodes = () => client.mirror(Node).list()
    const names = nodes().map(node => node.metadata.name!)
    const driven = () => nodes().filter(node => node.spec.taints?.some(t => t.effect === 'NoExecute')).length
    const unknown = () =>
      nodes().filter(node => node.status.conditions?.some(c => c.type === 'Ready' && c.status === 'Unknown')).length
    let most = 0
    client.mirror(Node).subscribe(() => (most = Math.max(most, driven())))
    for (const name of names) cut.add(name)
    await until('all are silent', () => unknown() === 6)
    await clock.forward(600_000)
    assert.equal(driven(), 0)
    assert.equal(pods('default').filter(pod => pod.metadata.deletionTimestamp).length, 0)
    const revive = async (name: string) => {
      cut.delete(name)
      const now = new Date(clock.now()).toISOString()
      const conditions = [{ type: 'Ready', status: 'True', lastHeartbeatTime: now, reason: 'KubeletReady' }]
      await client.patch(Node, { name }, 'strategic', { status: { conditions } }, { subresource: 'status' })
    }
    most = 0
    await Promise.all(names.slice(0, 4).map(revive))
    await clock.forward(1000)
    await until('the first', () => driven() === 1)
    await clock.forward(8000)
    assert.equal(driven(), 1)
    await until('the second', () => driven() === 2)
    for (const name of names.slice(4)) await revive(name)
    await until('none', () => driven() === 0 && nodes().every(node => !node.spec.taints?.length))
  })
})

test('the pods of a node that is declared out of service are removed at once', async () => {
  await simulate({ nodes: 3 }, async ({ client, until, pods, cut }) => {
    await client.create(Deployment, deployment('web', 3))
    await until('the rollout', () => rolledOut(client, 'web'))
    const dead = pods('default')[0]!.spec.nodeName!
    cut.add(dead)
    const node = () => client.mirror(Node).get(undefined, dead)!
    await until('silence is noticed', () =>
      node().status.conditions!.some(c => c.type === 'Ready' && c.status === 'Unknown'),
    )
    const taints = [...node().spec.taints!, { key: 'node.kubernetes.io/out-of-service', effect: 'NoExecute' as const }]
    await client.patch(Node, { name: dead }, 'merge', { spec: { taints } })
    await until('its pods gone and made anew', () => {
      const all = pods('default')
      return all.length === 3 && all.every(pod => pod.spec.nodeName !== dead && pod.status.phase === 'Running')
    })
  })
})

test('every node gets pod addresses of its own, and a cordoned one its taint', async () => {
  await simulate({ nodes: 20 }, async ({ client, until }) => {
    const nodes = () => client.mirror(Node).list()
    await until('addresses', () => nodes().every(node => node.spec.podCIDR))
    assert.equal(new Set(nodes().map(node => node.spec.podCIDR)).size, 20)
    await client.patch(Node, { name: 'node-3' }, 'merge', { spec: { unschedulable: true } })
    await until(
      'the taint',
      () =>
        client
          .mirror(Node)
          .get(undefined, 'node-3')!
          .spec.taints?.some(t => t.key === 'node.kubernetes.io/unschedulable') ?? false,
    )
  })
})

test('a hundred nodes take five hundred pods, evenly', async () => {
  await simulate({ nodes: 100 }, async ({ client, until, pods }) => {
    await client.create(Deployment, deployment('web', 500))
    await until('the rollout', () => rolledOut(client, 'web'))
    const perNode = new Map<string, number>()
    for (const { spec } of client.mirror(Pod).list('default'))
      perNode.set(spec.nodeName!, (perNode.get(spec.nodeName!) ?? 0) + 1)
    assert.equal(pods('default').length, 500)
    assert.equal(perNode.size, 100)
    assert.ok(Math.max(...perNode.values()) <= 8, `the fullest node has ${Math.max(...perNode.values())}`)
  })
})
