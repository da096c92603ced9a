// Node lifecycle: sets the conditions of a node to Unknown when its kubelet gives no sign of life, and turns conditions
// into taints, which keep new pods away and evict running ones.
//
//   lease renewed or status written ─► Ready as the kubelet reported
//   neither for 50 s ─► Ready=Unknown, its pods not ready ─► taint unreachable:NoSchedule at once
//                                                         ─► taint unreachable:NoExecute when disruption.ts allows it
//                                                            ─► pods evicted (eviction.ts)
//
// Source: pkg/controller/nodelifecycle.
import { counter, measure } from '../../base/metrics.ts'
import { sameJson } from '../../api/equal.ts'
import type { Draft } from '../../api/schema/node.ts'
import { parseTime, timeText } from '../../api/time.ts'
import { Lease } from '../../kinds/coordination/lease.ts'
import { Node } from '../../kinds/core/node.ts'
import { isNodeReady } from '../../kinds/core/node-ready.ts'
import { type NodeCondition } from '../../kinds/core/nodestatus.ts'
import type { Taint } from '../../kinds/core/nodespec.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { Context } from '../context.ts'
import { type Controller, defineController, type Watch } from '../harness.ts'
import { isReady } from '../pods.ts'
import { podsOfNodeIndex } from '../pod-gc.ts'
import { countZones, defaultRates, evictionRate, type EvictionRates, RateGate, zoneOf } from './disruption.ts'

const defaultGraceMs = 50_000
/** A node without any Ready condition yet gets at least this long. */
const startupGraceMs = 60_000
const leaseNamespace = 'kube-node-lease'

const prefix = 'node.kubernetes.io/'
/** Conditions that lead to a taint while they are True. */
const pressures: Readonly<Record<string, string>> = {
  MemoryPressure: `${prefix}memory-pressure`,
  DiskPressure: `${prefix}disk-pressure`,
  PIDPressure: `${prefix}pid-pressure`,
  NetworkUnavailable: `${prefix}network-unavailable`,
}
const notReady = `${prefix}not-ready`
const unreachable = `${prefix}unreachable`
const unschedulable = `${prefix}unschedulable`
const managed = new Set([...Object.values(pressures), notReady, unreachable, unschedulable])

/** The signs of life of a node. They are not stored: after a restart every node counts as alive at first. */
interface Health {
  /** The lease's renewTime. */
  renewTime: string | undefined
  /** The heartbeat times of the conditions, as text for comparison. */
  reports: string
  /** The last sign of life, in ms since the epoch by the clock of this process. */
  at: number
  /** When the health was last updated. */
  checkedAt: number
}

/** The uid is for the event about the node's deletion, and shows whether another node took the name. */
type KnownNode = Health & { uid: string }

const evictions = counter('node_collector_evictions_total', 'Nodes whose pods were evicted, by zone.')

/** The nodes that the controller of this process reads, for what is shown of them. */
let listed: { list(): readonly Node[] } | undefined
const showZones = (name: string, help: string, of: (zone: { ready: number; notReady: number }) => number) =>
  measure(`node_collector_${name}`, help, 'gauge', () =>
    Array.from(countZones(listed?.list() ?? []), ([zone, counts]) => ({ labels: { zone }, value: of(counts) })),
  )
showZones('zone_size', 'Nodes of a zone.', zone => zone.ready + zone.notReady)
showZones('unhealthy_nodes_in_zone', 'Nodes of a zone that are not ready.', zone => zone.notReady)
showZones(
  'zone_health',
  'Ready nodes of a zone in percent.',
  ({ ready, notReady }) => (100 * ready) / (ready + notReady),
)

export function nodeLifecycleController(graceMs = defaultGraceMs, rates = defaultRates): Controller {
  const nodes = new Map<string, KnownNode>()
  const gates = new Map<string, RateGate>()
  return defineController({
    name: 'node-controller',
    reconciles: Node,
    watches: [leases, readiness],
    workers: 8,
    async reconcile(node, ctx) {
      const name = node.metadata.name ?? ''
      const now = ctx.now()
      listed = ctx.cache(Node)
      const lease = ctx.cache(Lease).get(leaseNamespace, name)
      const uid = node.metadata.uid ?? ''
      const before = nodes.get(name)
      const known = before?.uid === uid ? before : undefined
      if (!known) record(ctx, name, uid, 'RegisteredNode', `Registered Node ${name} in Controller`)
      const health = updateHealth(known, { renewTime: lease?.spec.renewTime, reports: reports(node) }, ctx.steady())
      nodes.set(name, { ...health, uid })
      const silentMs = ctx.steady() - health.at
      const grace = readyOf(node) ? graceMs : Math.max(graceMs, startupGraceMs)
      const conditions = silentMs >= grace ? planUnknown(node, now) : undefined
      const current = conditions ? await writeConditions(node, conditions, ctx) : node
      const eviction = planEviction(current, ctx, gates, rates)
      await writeTaints(current, eviction.verdict, ctx)
      const waits = [silentMs < grace ? grace - silentMs : undefined, eviction.again].filter(ms => ms !== undefined)
      return waits.length ? { again: Math.min(...waits) } : undefined
    },
    async deleted({ name }, ctx) {
      const known = nodes.get(name)
      if (known) record(ctx, name, known.uid, 'RemovingNode', `Removing Node ${name} from Controller`)
      nodes.delete(name)
      for (const gate of gates.values()) gate.leave(name)
    },
  })
}

function record(ctx: Context, name: string, uid: string, reason: string, text: string): void {
  const node = { kind: 'Node', apiVersion: 'v1', metadata: { name, uid } } as Node
  ctx.event(node, 'Normal', reason, `Node ${name} event: ${text}`)
}

/** Whether a node gets the NoExecute taint, waits for it in the eviction queue of its zone, or loses it. */
type EvictionVerdict = 'evict' | 'wait' | 'spare'

/**
 * The verdict for a node. A node that is ready, or never was reported, leaves the queue. A node that has the taint
 * keeps it while it is not ready, unless no node of the cluster is ready.
 */
function planEviction(
  node: Node,
  ctx: Context,
  gates: Map<string, RateGate>,
  rates: EvictionRates,
): { verdict: EvictionVerdict; again?: number } {
  const name = node.metadata.name ?? ''
  const zone = zoneOf(node)
  let gate = gates.get(zone)
  if (!gate) gates.set(zone, (gate = new RateGate()))
  if (isNodeReady(node) || !readyOf(node)) {
    gate.leave(name)
    return { verdict: 'spare' }
  }
  const rate = evictionRate(countZones(ctx.cache(Node).list()), zone, rates)
  // When no node is ready, probably this process is cut off, and not every node down.
  if (rate === 'none ready') return { verdict: 'spare' }
  if (isEvicted(node)) return { verdict: 'evict' }
  const wait = gate.enter(name, rate, ctx.steady())
  if (wait === 0) {
    evictions.add({ zone })
    return { verdict: 'evict' }
  }
  return { verdict: 'wait', ...(wait !== undefined && { again: wait }) }
}

const isEvicted = ({ spec }: Node) =>
  spec.taints?.some(({ key, effect }) => effect === 'NoExecute' && (key === notReady || key === unreachable)) ?? false

/** A node that becomes ready or stops being so changes the rates, so it wakes all nodes that are not ready. */
const readiness: Watch = {
  kind: Node,
  *keys({ item, before }, caches) {
    const was = before && isNodeReady(before.object as Node)
    if (was === isNodeReady(item.object as Node)) return
    const silent = caches(Node).matching('node-lifecycle-controller', node => !isNodeReady(node))
    for (const { metadata } of silent) yield metadata.name ?? ''
  },
}

/** Only the first renewal after a silence wakes the node. The others are read when the grace period ends. */
const leases: Watch = {
  kind: Lease,
  keys: ({ item, type }, caches) => {
    const { namespace, name = '' } = item.object.metadata
    if (namespace !== leaseNamespace || type === 'DELETED') return []
    const node = caches(Node).get(undefined, name)
    return node && readyOf(node)?.status === 'Unknown' ? [name] : []
  },
}

const readyOf = (node: Node) => node.status.conditions?.find(c => c.type === 'Ready')
const reports = (node: Node) => JSON.stringify((node.status.conditions ?? []).map(c => [c.type, c.lastHeartbeatTime]))

/**
 * The health with the newest sign of life. A new renewal happened between the last check and now. If its own time lies
 * outside, the node's clock is wrong and `now` counts instead.
 */
export function updateHealth(
  before: Health | undefined,
  seen: Pick<Health, 'renewTime' | 'reports'>,
  now: number,
): Health {
  if (!before || before.reports !== seen.reports) return { ...seen, at: now, checkedAt: now }
  if (before.renewTime === seen.renewTime) return { ...before, checkedAt: now }
  const renewed = parseTime(seen.renewTime) ?? now
  return { ...seen, at: renewed >= before.checkedAt && renewed <= now ? renewed : now, checkedAt: now }
}

const reportedTypes = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure']

/** The conditions of a node without signs of life. Undefined when they are Unknown already. */
export function planUnknown({ status, metadata }: Node, now: number): NodeCondition[] | undefined {
  const at = timeText(now)
  let changed = false
  const next = [...(status.conditions ?? [])]
  for (const type of reportedTypes) {
    const i = next.findIndex(c => c.type === type)
    const old = next[i]
    if (old?.status === 'Unknown') continue
    changed = true
    const condition = {
      type,
      status: 'Unknown',
      lastHeartbeatTime: old?.lastHeartbeatTime ?? metadata.creationTimestamp ?? at,
      lastTransitionTime: at,
      reason: old ? 'NodeStatusUnknown' : 'NodeStatusNeverUpdated',
      message: old ? 'Kubelet stopped posting node status.' : 'Kubelet never posted node status.',
    }
    if (i < 0) next.push(condition)
    else next[i] = condition
  }
  return changed ? next : undefined
}

async function writeConditions(node: Node, conditions: NodeCondition[], ctx: Context): Promise<Node> {
  const wasReady = readyOf(node)?.status === 'True'
  const written = await ctx.writeStatus(Node, node, { ...node.status, conditions } as Draft<Node['status']>)
  if (!wasReady) return written
  ctx.event(node, 'Normal', 'NodeNotReady', `Node ${node.metadata.name} status is now: NodeNotReady`)
  // The kubelet cannot report it, so its pods are marked here; services then leave them out.
  await markPodsNotReady(node, ctx)
  return written
}

async function markPodsNotReady(node: Node, ctx: Context): Promise<void> {
  const pods = ctx.cache(Pod).byIndex('node', podsOfNodeIndex, node.metadata.name ?? '')
  const mark = async (pod: Pod) => {
    const condition = { type: 'Ready', status: 'False', lastTransitionTime: timeText(ctx.now()) }
    await ctx.patch(Pod, pod, 'strategic', { status: { conditions: [condition] } }, { subresource: 'status' })
    ctx.event(pod, 'Warning', 'NodeNotReady', 'Node is not ready')
  }
  await Promise.all(pods.filter(isReady).map(mark))
}

/** The taints that follow from a node's conditions. Taints with other keys stay. */
export function planTaints(node: Node, verdict: EvictionVerdict, now: number): Taint[] {
  const wanted: Taint[] = []
  const ready = readyOf(node)?.status
  const key = ready === 'False' ? notReady : ready === 'True' ? undefined : unreachable
  // A node without a Ready condition is starting and keeps the not-ready taint with which it registered.
  if (key && readyOf(node)) {
    wanted.push({ key, effect: 'NoSchedule' })
    if (verdict === 'evict') wanted.push({ key, effect: 'NoExecute' })
  }
  for (const [type, pressure] of Object.entries(pressures))
    if (node.status.conditions?.some(c => c.type === type && c.status === 'True'))
      wanted.push({ key: pressure, effect: 'NoSchedule' })
  if (node.spec.unschedulable) wanted.push({ key: unschedulable, effect: 'NoSchedule' })
  const have = node.spec.taints ?? []
  const starting = !readyOf(node)
  const kept = have.filter(taint => !managed.has(taint.key) || (starting && taint.key === notReady))
  return [
    ...kept,
    ...wanted
      .filter(({ key: k, effect }) => !kept.some(t => t.key === k && t.effect === effect))
      .map(
        taint =>
          have.find(old => old.key === taint.key && old.effect === taint.effect) ?? {
            ...taint,
            timeAdded: timeText(now),
          },
      ),
  ]
}

async function writeTaints(node: Node, verdict: EvictionVerdict, ctx: Context): Promise<void> {
  const taints = planTaints(node, verdict, ctx.now())
  if (sameJson(taints, node.spec.taints ?? [])) return
  const { resourceVersion } = node.metadata
  await ctx.patch(Node, node, 'merge', { metadata: { resourceVersion }, spec: { taints } })
}
