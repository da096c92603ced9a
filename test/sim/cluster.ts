// A whole cluster in one process for tests: the real API server on the memory store, the real controllers and
// scheduler, a virtual clock, and nodes whose pods start and stop at once because nothing real runs on them.
import { VirtualClock } from '../../src/base/clock.ts'
import { isReason } from '../../src/base/errors.ts'
import { type Log, makeLog, silentLog } from '../../src/base/log.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import type { Draft } from '../../src/api/kind.ts'
import { microTimeText, timeText } from '../../src/api/time.ts'
import type { Client } from '../../src/client/index.ts'
import { type ControlPlane, type ControlPlaneOptions, openControlPlane } from '../../src/cluster/control-plane.ts'
import { type LoadBalancing, type NodeDirectories, startControllers } from '../../src/controllers/index.ts'
import { Deployment } from '../../src/kinds/apps/deployment.ts'
import { Lease } from '../../src/kinds/coordination/lease.ts'
import { Node } from '../../src/kinds/core/node.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { type Scheduler, startScheduler } from '../../src/scheduler/index.ts'
import { openMemoryStore } from '../../src/store/index.ts'
import type { KeyPair } from '../../src/wire/x509.ts'
import { makeSigningKey } from '../../src/wire/jwt.ts'

export interface SimOptions {
  nodes?: number
  seed?: number
  controllers?: boolean
  scheduler?: boolean
  /** Decides the state of a pod once it is on a node. Default: Running and Ready. */
  fate?(pod: Pod): 'ready' | 'running' | 'succeeded' | 'failed' | 'pending'
  cpu?: string
  /** API groups that are served in addition to the built-in ones. */
  extensions?: NonNullable<ControlPlaneOptions['extensions']>
  /** The directories of nodes that are volumes. */
  directories?: NodeDirectories
  /** The authority that signs certificate requests. */
  authority?: KeyPair
  /** Who may use the API server. */
  access?(clock: VirtualClock): Pick<ControlPlaneOptions, 'tokenSources' | 'passwords' | 'anonymous'>
  /** By which extension servers recognize the API server. */
  frontProxy?: NonNullable<ControlPlaneOptions['frontProxy']>
  /** False if the test runs kubelets of its own. */
  kubelets?: boolean
  log?: Log
  loadBalancing?: LoadBalancing
  /** Writes down what users do. */
  auditor?(clock: VirtualClock): NonNullable<ControlPlaneOptions['auditor']>
}

export interface Sim {
  clock: VirtualClock
  random: Random
  plane: ControlPlane
  client: Client
  scheduler: Scheduler | undefined
  fate: NonNullable<SimOptions['fate']>
  /** Nodes that are cut off: their pods neither start nor stop, and their leases are not renewed. */
  cut: Set<string>
  restartControllers(): Promise<void>
  addNode(name: string, more?: Draft<Node>): Promise<void>
  /** Lets time pass until `condition` holds. Throws after ten simulated minutes, or after `limitMs`. */
  until(what: string, condition: () => boolean | Promise<boolean>, limitMs?: number): Promise<void>
  pods(namespace?: string): Pod[]
  close(): Promise<void>
}

/** Runs a test with a cluster, and closes the cluster in any case. The message of a failure contains the seed. */
export async function simulate(options: SimOptions, run: (sim: Sim) => Promise<void>): Promise<void> {
  const seed = options.seed ?? Number(process.env.KUTTER_SEED ?? 1)
  const sim = await openSim({ ...options, seed })
  try {
    await run(sim)
  } catch (cause) {
    throw new Error(`with seed ${seed}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  } finally {
    await sim.close()
  }
}

const defaultLog = process.env.KUTTER_LOG ? makeLog(line => process.stderr.write(`${line}\n`), 'debug') : silentLog
const renewEveryMs = 10_000

export async function openSim(options: SimOptions): Promise<Sim> {
  const clock = new VirtualClock()
  const random = seededRandom(options.seed ?? 1)
  const { log = defaultLog } = options
  const plane = await openControlPlane({
    store: openMemoryStore(),
    clock,
    random,
    log,
    tokenKeys: { key: makeSigningKey() },
    serviceCidrs: ['10.96.0.0/16'],
    nodePorts: [30000, 32767],
    advertise: { address: '192.0.2.1', port: 6443 },
    ...(options.extensions && { extensions: options.extensions }),
    ...options.access?.(clock),
    ...(options.auditor && { auditor: options.auditor(clock) }),
    ...(options.frontProxy && { frontProxy: options.frontProxy, clientCa: 'the authority of users' }),
  })
  let runaway: Error | undefined
  stopRunaways(plane, clock, error => {
    runaway ??= error
    controllers.abort()
    ending.abort()
  })
  const client = plane.client('tester', ['system:masters'])
  const ending = new AbortController()
  let controllers = new AbortController()
  const control = () =>
    startControllers({
      reader: plane.client('system:kube-controller-manager'),
      clientFor: plane.accountClient,
      clock,
      random,
      log,
      signal: controllers.signal,
      kinds: plane.kinds,
      caPem: options.authority?.certPem ?? 'not a real certificate',
      ...(options.authority && { authority: options.authority }),
      signToken: plane.signToken,
      clusterCidr: '10.244.0.0/16',
      ...(options.directories && { directories: options.directories }),
      ...(options.loadBalancing && { loadBalancing: options.loadBalancing }),
    })
  const cut = new Set<string>()
  const sim: Sim = {
    clock,
    random,
    plane,
    client,
    scheduler: undefined,
    fate: options.fate ?? (() => 'ready'),
    cut,
    async restartControllers() {
      controllers.abort()
      controllers = new AbortController()
      await control()
    },
    addNode: (name, more) => addNode(client, clock, name, options.cpu ?? '8', more),
    async until(what, condition, limitMs = 600_000) {
      for (let passed = 0; ; passed += 500) {
        if (runaway) throw runaway
        if (await condition()) return
        if (passed >= limitMs) throw new Error(`still waiting for: ${what}`)
        await clock.forward(passed < 2000 ? 20 : 500)
      }
    },
    pods: namespace => client.mirror(Pod).list(namespace),
    async close() {
      controllers.abort()
      ending.abort()
      await clock.forward(1)
      await plane.close()
    },
  }
  if (options.kubelets !== false)
    ending.signal.addEventListener('abort', runKubelets(sim, ending.signal), { once: true })
  for (let i = 0; i < (options.nodes ?? 0); i++) await sim.addNode(`node-${i}`)
  if (options.controllers !== false) await control()
  if (options.scheduler !== false) {
    sim.scheduler = await startScheduler({
      client: plane.client('system:kube-scheduler'),
      clock,
      random,
      log,
      signal: ending.signal,
    })
  }
  return sim
}

/** The most changes while the time stands still. More of them mean that a controller responds to its own writes. */
const maxChangesAtOnce = 100_000

/**
 * Stops a test whose controllers never become idle. Since time passes only when all is idle, it would hang otherwise.
 */
function stopRunaways(plane: ControlPlane, clock: VirtualClock, stop: (error: Error) => void): void {
  let [at, changes] = [clock.now(), 0]
  for (const kind of plane.core.catalog.all.filter(k => plane.core.storage.has(k))) {
    plane.core.storage.of(kind).mirror.subscribe(batch => {
      if (clock.now() !== at) [at, changes] = [clock.now(), 0]
      changes += batch.length
      if (changes <= maxChangesAtOnce) return
      stop(
        new Error(`${changes} changes at one moment, the last of ${kind.plural}: does a controller run in a circle?`),
      )
    })
  }
}

async function addNode(
  client: Client,
  clock: VirtualClock,
  name: string,
  cpu: string,
  more: Draft<Node> = {},
): Promise<void> {
  const capacity = { cpu, memory: '32Gi', pods: '110', 'ephemeral-storage': '100Gi' }
  await client.create(Node, {
    ...more,
    metadata: { name, ...more.metadata, labels: { 'kubernetes.io/hostname': name, ...more.metadata?.labels } },
  })
  // The node gets no not-ready taint, since there may be no controller that removes it.
  await client.patch(Node, { name }, 'merge', { spec: { taints: more.spec?.taints ?? null } })
  const now = timeText(clock.now())
  const ready = {
    type: 'Ready',
    status: 'True',
    lastHeartbeatTime: now,
    lastTransitionTime: now,
    reason: 'KubeletReady',
  }
  await client.patch(
    Node,
    { name },
    'merge',
    { status: { capacity, allocatable: capacity, ...more.status, conditions: [ready] } },
    { subresource: 'status' },
  )
  await client.create(Lease, {
    metadata: { name, namespace: 'kube-node-lease' },
    spec: { holderIdentity: name, leaseDurationSeconds: 40, renewTime: microTimeText(clock.now()) },
  })
}

/** Starts the pods that reach a node, removes the pods that are being deleted, and renews the leases of the nodes. */
function runKubelets(sim: Sim, signal: AbortSignal): () => void {
  const { client, clock, cut } = sim
  let address = 0
  const setStatus = async (pod: Pod) => {
    const fate = sim.fate(pod)
    if (fate === 'pending') return
    const now = timeText(clock.now())
    const phase = { ready: 'Running', running: 'Running', succeeded: 'Succeeded', failed: 'Failed' }[fate]
    const ready = fate === 'ready' ? 'True' : 'False'
    const podIP = `10.244.${Math.floor(++address / 250)}.${(address % 250) + 1}`
    const conditions = ['ContainersReady', 'Ready', 'Initialized'].map(type => ({
      type,
      status: type === 'Initialized' ? 'True' : ready,
      lastTransitionTime: now,
    }))
    const body = { status: { phase, podIP, podIPs: [{ ip: podIP }], startTime: now, conditions } }
    await client.patch(Pod, ref(pod), 'strategic', body, { subresource: 'status' })
  }
  const look = async (pod: Pod) => {
    if (!pod.spec.nodeName || cut.has(pod.spec.nodeName)) return
    try {
      if (pod.metadata.deletionTimestamp)
        await client.delete(Pod, ref(pod), { gracePeriodSeconds: 0, uid: pod.metadata.uid ?? '' })
      else if (pod.status.phase === 'Pending') await setStatus(pod)
    } catch (error) {
      if (!isReason(error, 'NotFound', 'Conflict')) throw error
    }
  }
  const unsubscribe = client.mirror(Pod).subscribe(changes => {
    for (const { type, item } of changes) if (type !== 'DELETED') void look(item.object)
  })
  const renew = async () => {
    while (!signal.aborted) {
      await clock.sleep(renewEveryMs, signal)
      for (const { metadata } of client.mirror(Node).list()) {
        if (cut.has(metadata.name ?? '')) continue
        const lease = { namespace: 'kube-node-lease', name: metadata.name ?? '' }
        try {
          await client.patch(Lease, lease, 'merge', { spec: { renewTime: microTimeText(clock.now()) } })
        } catch (error) {
          if (!isReason(error, 'NotFound')) throw error
        }
      }
    }
  }
  renew().catch((error: unknown) => {
    if (!signal.aborted) throw error
  })
  return unsubscribe
}

export const ref = (object: {
  readonly metadata: { readonly namespace?: string; readonly name?: string }
}): { namespace: string; name: string } => ({
  namespace: object.metadata.namespace ?? '',
  name: object.metadata.name ?? '',
})

export function deployment(name: string, replicas: number, more: Draft<Deployment['spec']> = {}): Draft<Deployment> {
  const labels = { app: name }
  return {
    metadata: { name, namespace: 'default' },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'app:1' }] } },
      ...more,
    },
  }
}

export const setImage = (image: string): unknown => ({
  spec: { template: { spec: { containers: [{ name: 'c', image }] } } },
})

/** Whether the rollout of a Deployment is complete, by the conditions of `kubectl rollout status`. */
export function rolledOut(client: Client, name: string): boolean {
  const d = client.mirror(Deployment).get('default', name)
  return (
    d !== undefined &&
    (d.status.observedGeneration ?? 0) >= (d.metadata.generation ?? 0) &&
    d.status.updatedReplicas === d.spec.replicas &&
    d.status.replicas === d.spec.replicas &&
    d.status.availableReplicas === d.spec.replicas
  )
}
