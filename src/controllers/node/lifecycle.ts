// Node lifecycle: a node that has stopped renewing its lease becomes Unknown, and what a node's conditions say is
// turned into taints, which keep new pods away and send running ones elsewhere.
//
//   lease renewed ─► Ready as the kubelet says
//   silent for 50 s ─► Ready=Unknown ─► taint unreachable:NoSchedule, and :NoExecute as fast as disruption.ts lets it
//                                       ─► pods evicted (eviction.ts)
//
// Source: pkg/controller/nodelifecycle.
import { sameJson } from '../../api/equal.ts'
import type { Draft } from '../../api/schema/node.ts'
import { parseTime, timeText } from '../../api/time.ts'
import { Lease } from '../../kinds/coordination/lease.ts'
import { Node } from '../../kinds/core/node.ts'
import { type NodeCondition } from '../../kinds/core/nodestatus.ts'
import type { Taint } from '../../kinds/core/nodespec.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { Context } from '../context.ts'
import { type Controller, defineController, type Watch } from '../harness.ts'
import { isReady } from '../pods.ts'
import { podsOfNodeIndex } from '../pod-gc.ts'
import {
  countZones,
  defaultRates,
  evictionRate,
  type EvictionRates,
  isNodeReady,
  RateGate,
  zoneOf,
} from './disruption.ts'

const defaultGraceMs = 50_000
/** A new node may take longer to say anything. */
const startupGraceMs = 60_000
const leaseNamespace = 'kube-node-lease'

const prefix = 'node.kubernetes.io/'
/** Conditions the kubelet reports, with the taints for when they hold. */
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

/** What is known of a node's signs of life. */
interface Heard {
  renewTime: string | undefined
  reports: string
  /** The last sign of life. */
  at: number
  /** When this was last looked at. */
  looked: number
}

/** What a node's name stands for in events about it once it is gone. */
type Known = Heard & { uid: string }

export function nodeLifecycleController(graceMs = defaultGraceMs, rates = defaultRates): Controller {
  const heard = new Map<string, Known>()
  const gates = new Map<string, RateGate>()
  return defineController({
    name: 'node-controller',
    reconciles: Node,
    watches: [leases, readiness],
    workers: 8,
    async reconcile(node, ctx) {
      const name = node.metadata.name ?? ''
      const now = ctx.now()
      const lease = ctx.cache(Lease).get(leaseNamespace, name)
      const uid = node.metadata.uid ?? ''
      const before = heard.get(name)
      const known = before?.uid === uid ? before : undefined
      if (!known) tell(ctx, name, uid, 'RegisteredNode', `Registered Node ${name} in Controller`)
      const health = listen(known, { renewTime: lease?.spec.renewTime, reports: reports(node) }, now)
      heard.set(name, { ...health, uid })
      const silentMs = now - health.at
      const grace = readyOf(node) ? graceMs : Math.max(graceMs, startupGraceMs)
      const conditions = silentMs >= grace ? planUnknown(node, now) : undefined
      const current = conditions ? await writeConditions(node, conditions, ctx) : node
      const eviction = planEviction(current, ctx, gates, rates)
      await writeTaints(current, eviction.verdict, ctx)
      const waits = [silentMs < grace ? grace - silentMs : undefined, eviction.again].filter(ms => ms !== undefined)
      return waits.length ? { again: Math.min(...waits) } : undefined
    },
    async gone({ name }, ctx) {
      const known = heard.get(name)
      if (known) tell(ctx, name, known.uid, 'RemovingNode', `Removing Node ${name} from Controller`)
      heard.delete(name)
      for (const gate of gates.values()) gate.leave(name)
    },
  })
}

function tell(ctx: Context, name: string, uid: string, reason: string, text: string): void {
  const node = { kind: 'Node', apiVersion: 'v1', metadata: { name, uid } } as Node
  ctx.event(node, 'Normal', reason, `Node ${name} event: ${text}`)
}

/** Whether a node may get the taint that drives pods away, or must lose it. */
type EvictionVerdict = 'evict' | 'wait' | 'spare'

/** A node that is not ready waits for its turn. */
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
  // None is ready: rather this controller is cut off than all of them.
  if (rate === 'none ready') return { verdict: 'spare' }
  if (isDriven(node)) return { verdict: 'evict' }
  const wait = gate.enter(name, rate, ctx.now())
  if (wait === 0) return { verdict: 'evict' }
  return { verdict: 'wait', ...(wait !== undefined && { again: wait }) }
}

const isDriven = ({ spec }: Node) =>
  spec.taints?.some(({ key, effect }) => effect === 'NoExecute' && (key === notReady || key === unreachable)) ?? false

/** One node more or less that is ready changes what becomes of all that are not. */
const readiness: Watch = {
  kind: Node,
  *keys({ item, before }, caches) {
    const was = before && isNodeReady(before.object as Node)
    if (was === isNodeReady(item.object as Node)) return
    const silent = caches(Node).matching('node-lifecycle-controller', node => !isNodeReady(node))
    for (const { metadata } of silent) yield metadata.name ?? ''
  },
}

/** Only the first renewal after a silence needs a look; the others only push the deadline back. */
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
 * When the node last gave a sign of life. A new renewal happened between the last look and now; when its own stamp
 * says otherwise the node's clock is wrong, and now is taken.
 */
export function listen(before: Heard | undefined, news: Pick<Heard, 'renewTime' | 'reports'>, now: number): Heard {
  if (!before || before.reports !== news.reports) return { ...news, at: now, looked: now }
  if (before.renewTime === news.renewTime) return { ...before, looked: now }
  const stamp = parseTime(news.renewTime) ?? now
  return { ...news, at: stamp >= before.looked && stamp <= now ? stamp : now, looked: now }
}

const reportedTypes = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure']

/** The conditions of a node that is silent; undefined when they are so already. */
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
  // Nobody is left to say so: pods of a silent node are not ready, and services leave them out.
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

/** The taints a node should have, given its conditions; those of others are kept. */
export function planTaints(node: Node, verdict: EvictionVerdict, now: number): Taint[] {
  const wanted: Taint[] = []
  const ready = readyOf(node)?.status
  const key = ready === 'False' ? notReady : ready === 'True' ? undefined : unreachable
  // A node that never said anything is still starting.
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
