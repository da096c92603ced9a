// A hundred nodes in one process: the real API server, controllers, scheduler and kubelets. Only the container runtimes
// are simulated, and the clock is virtual. The same seed gives the same run.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { joined } from '../../src/base/waiters.ts'
import { VirtualClock } from '../../src/base/clock.ts'
import { StatusError } from '../../src/base/errors.ts'
import { silentLog } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import { Client } from '../../src/client/index.ts'
import { type ControlPlane, openControlPlane } from '../../src/cluster/control-plane.ts'
import { startControllers } from '../../src/controllers/index.ts'
import { Deployment } from '../../src/kinds/apps/deployment.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { type Kubelet, SimulatedRuntime, startKubelet } from '../../src/kubelet/index.ts'
import { startScheduler } from '../../src/scheduler/index.ts'
import { openMemoryStore } from '../../src/store/index.ts'
import { makeSigningKey } from '../../src/wire/jwt.ts'

const seed = Number(process.env.KUTTER_SEED ?? 1)
const nodeCount = 100
const replicas = 200
const ref = { namespace: 'default', name: 'web' }

async function openCluster() {
  const clock = new VirtualClock()
  const random = seededRandom(seed)
  const store = openMemoryStore()
  const tokenKeys = { key: makeSigningKey() }
  let plane: ControlPlane | undefined
  let running = new AbortController()

  async function startServer(): Promise<void> {
    running = new AbortController()
    // The store stays open when the server stops, like a disk.
    const lasting = new Proxy(store, {
      get(target, name) {
        if (name === 'close') return async () => {}
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    plane = await openControlPlane({
      store: lasting,
      clock,
      random,
      log: silentLog,
      tokenKeys,
      serviceCidrs: ['10.96.0.0/16'],
      nodePorts: [30000, 32767],
      advertise: { address: '192.0.2.1', port: 6443 },
    })
    const opened = plane
    const common = { clock, random, log: silentLog, signal: running.signal }
    await startControllers({
      ...common,
      reader: opened.client('system:kube-controller-manager'),
      clientFor: opened.accountClient,
      kinds: plane.kinds,
      caPem: 'not a real certificate',
      clusterCidr: '10.240.0.0/12',
    })
    await startScheduler({ ...common, client: opened.client('system:kube-scheduler') })
  }

  async function stopServer(): Promise<void> {
    const stopping = plane
    plane = undefined
    running.abort()
    await clock.forward(1)
    await stopping?.close()
  }

  /** A client as over a network: its calls fail while there is no server, and its watches end when the server stops. */
  const clientOf = (name: string, groups: string[]) =>
    new Client({
      serve: operation => {
        if (!plane) throw new StatusError('ServiceUnavailable', 'connection refused')
        const signal = joined(operation.signal, running.signal).signal
        return plane.serve({ ...operation, signal })
      },
      user: { name, groups: [...groups, 'system:authenticated'] },
      userAgent: 'kubelet',
      clock,
      log: silentLog,
    })

  const nodes = new Map<string, { abort: AbortController; kubelet: Kubelet; client: Client }>()
  async function startNode(index: number): Promise<void> {
    const nodeName = `node-${String(index).padStart(3, '0')}`
    const abort = new AbortController()
    const client = clientOf(`system:node:${nodeName}`, ['system:nodes'])
    const kubelet = await startKubelet({
      client,
      nodeName,
      nodeIPs: [`192.0.2.${index + 2}`],
      runtime: new SimulatedRuntime({ clock, subnet: `10.240.${index}` }),
      rootDir: '/nonexistent',
      clusterDNS: '10.96.0.10',
      clusterDomain: 'cluster.local',
      clock,
      random,
      log: silentLog,
      signal: abort.signal,
    })
    nodes.set(nodeName, { abort, kubelet, client })
  }

  async function loseNode(name: string): Promise<void> {
    const node = nodes.get(name)!
    nodes.delete(name)
    node.abort.abort()
    node.client.close()
    await node.kubelet.close()
  }

  await startServer()
  for (let i = 0; i < nodeCount; i++) await startNode(i)
  const admin = clientOf('tester', ['system:masters'])
  return {
    clock,
    admin,
    startServer,
    stopServer,
    loseNode,
    pods: () => plane!.core.storage.mirror(Pod).list('default'),
    deployment: () => plane!.core.storage.mirror(Deployment).get('default', 'web')!,
    async until(what: string, holds: () => boolean, limitMs = 900_000): Promise<void> {
      for (let passed = 0; !holds(); passed += 500) {
        if (passed >= limitMs) throw new Error(`with seed ${seed}: still waiting for: ${what}`)
        await clock.forward(500)
      }
    },
    async close(): Promise<void> {
      for (const name of nodes.keys()) await loseNode(name)
      admin.close()
      await stopServer()
      await store.close()
    },
  }
}

const web = (image: string) => ({
  metadata: ref,
  spec: {
    replicas,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'a', image }] },
    },
  },
})

test('a rollout over a hundred nodes survives a restart of the server, deletions and lost nodes', async () => {
  const cluster = await openCluster()
  const { admin, clock, until, pods, deployment } = cluster
  const settled = (image: string) => () => {
    const { status, metadata } = deployment()
    const all = pods()
    return (
      status.observedGeneration === metadata.generation &&
      status.readyReplicas === replicas &&
      status.updatedReplicas === replicas &&
      all.length === replicas &&
      all.every(p => p.spec.containers[0]!.image === image)
    )
  }
  try {
    await admin.create(Deployment, web('app:1'))
    await until('all replicas are ready', settled('app:1'))
    const perNode = Object.values(Object.groupBy(pods(), p => p.spec.nodeName!)).map(list => list!.length)
    assert.equal(perNode.length, nodeCount)
    assert.ok(Math.max(...perNode) - Math.min(...perNode) <= 1, `spread evenly: ${perNode.join(' ')}`)

    // The server stops in the middle of a rollout, and pods go on running.
    await admin.patch(Deployment, ref, 'merge', {
      spec: { template: { spec: { containers: [{ name: 'a', image: 'app:2' }] } } },
    })
    await until(
      'the rollout has begun',
      () => pods().filter(p => p.spec.containers[0]!.image === 'app:2' && p.status.phase === 'Running').length >= 10,
    )
    const uids = new Set(pods().map(p => p.metadata.uid))
    await cluster.stopServer()
    await clock.forward(5_000)
    await cluster.startServer()
    assert.deepEqual(new Set(pods().map(p => p.metadata.uid)), uids, 'nothing is lost and nothing is made up')
    await until('the rollout goes on to its end', settled('app:2'))

    // Pods are deleted while the deployment is scaled up and down.
    const victims = pods().slice(0, 30)
    await Promise.all([
      ...victims.map(p => admin.delete(Pod, { namespace: 'default', name: p.metadata.name! })),
      admin.patch(Deployment, ref, 'merge', { spec: { replicas: replicas + 20 } }),
    ])
    await admin.patch(Deployment, ref, 'merge', { spec: { replicas } })
    await until('as many as wanted, none twice', settled('app:2'))

    // Three nodes are lost, and their pods are replaced on others.
    const lost = ['node-000', 'node-001', 'node-002']
    for (const name of lost) await cluster.loseNode(name)
    await until(
      'the lost pods are replaced',
      () =>
        pods().filter(
          p =>
            !lost.includes(p.spec.nodeName!) &&
            p.status.conditions?.some(c => c.type === 'Ready' && c.status === 'True'),
        ).length === replicas,
    )
  } finally {
    await cluster.close()
  }
})
