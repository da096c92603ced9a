// Node lifecycle: a node that has stopped renewing its lease becomes Unknown, and what a node's conditions say is
// turned into taints, which keep new pods away and send running ones elsewhere.
//
//   lease renewed ─► Ready as the kubelet says
//   silent for 50 s ─► Ready=Unknown ─► taint unreachable:NoSchedule, :NoExecute ─► pods evicted (eviction.ts)
//
// Source: pkg/controller/nodelifecycle.
import type { DeepReadonly, Draft } from '../../api/schema/node.ts'
import { parseTime, timeText } from '../../api/time.ts'
import { Lease } from '../../kinds/coordination/lease.ts'
import { Node as NodeKind, type NodeCondition, type Taint } from '../../kinds/core/node.ts'
import { Pod as PodKind } from '../../kinds/core/pod.ts'
import type { Context } from '../context.ts'
import { type Controller, defineController, type Watch } from '../harness.ts'
import { isReady, type Pod } from '../pods.ts'
import { podsOfNodeIndex } from '../pod-gc.ts'
import { sameValue } from '../same.ts'

type Node = DeepReadonly<NodeKind>
type Condition = DeepReadonly<NodeCondition>

const defaultGraceMs = 50_000
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

export function nodeLifecycleController(graceMs = defaultGraceMs): Controller {
  const heard = new Map<string, Heard>()
  return defineController({
    name: 'node-controller',
    reconciles: NodeKind,
    watches: [leases],
    workers: 8,
    async reconcile(node, ctx) {
      const name = node.metadata.name ?? ''
      const now = ctx.now()
      const lease = ctx.cache(Lease).get(leaseNamespace, name)
      const health = listen(heard.get(name), { renewTime: lease?.spec.renewTime, reports: reports(node) }, now)
      heard.set(name, health)
      const silentMs = now - health.at
      const conditions = silentMs >= graceMs ? planUnknown(node.status.conditions, now) : undefined
      const current = conditions ? await writeConditions(node, conditions, ctx) : node
      await writeTaints(current, ctx)
      return silentMs < graceMs ? { again: graceMs - silentMs } : undefined
    },
    async gone({ name }) {
      heard.delete(name)
    },
  })
}

/** Only the first renewal after a silence needs a look; the others only push the deadline back. */
const leases: Watch = {
  kind: Lease,
  keys: ({ item, type }, caches) => {
    const { namespace, name = '' } = item.object.metadata
    if (namespace !== leaseNamespace || type === 'DELETED') return []
    const node = caches(NodeKind).get(undefined, name)
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
export function planUnknown(conditions: readonly Condition[] | undefined, now: number): Condition[] | undefined {
  const at = timeText(now)
  let changed = false
  const next = [...(conditions ?? [])]
  for (const type of reportedTypes) {
    const i = next.findIndex(c => c.type === type)
    const old = next[i]
    if (old?.status === 'Unknown') continue
    changed = true
    const condition = {
      type,
      status: 'Unknown',
      lastHeartbeatTime: old?.lastHeartbeatTime ?? at,
      lastTransitionTime: at,
      reason: old ? 'NodeStatusUnknown' : 'NodeStatusNeverUpdated',
      message: old ? 'Kubelet stopped posting node status.' : 'Kubelet never posted node status.',
    }
    if (i < 0) next.push(condition)
    else next[i] = condition
  }
  return changed ? next : undefined
}

async function writeConditions(node: Node, conditions: Condition[], ctx: Context): Promise<Node> {
  const wasReady = readyOf(node)?.status === 'True'
  const written = await ctx.writeStatus(NodeKind, node, { ...node.status, conditions } as Draft<NodeKind['status']>)
  ctx.event(node, 'Normal', 'NodeNotReady', `Node ${node.metadata.name} status is now: NodeNotReady`)
  // Nobody is left to say so: pods of a silent node are not ready, and services leave them out.
  if (wasReady) await markPodsNotReady(node, ctx)
  return written
}

async function markPodsNotReady(node: Node, ctx: Context): Promise<void> {
  const pods = ctx.cache(PodKind).byIndex('node', podsOfNodeIndex, node.metadata.name ?? '')
  const mark = async (pod: Pod) => {
    const condition = { type: 'Ready', status: 'False', lastTransitionTime: timeText(ctx.now()) }
    await ctx.patch(PodKind, pod, 'strategic', { status: { conditions: [condition] } }, { subresource: 'status' })
    ctx.event(pod, 'Warning', 'NodeNotReady', 'Node is not ready')
  }
  await Promise.all(pods.filter(isReady).map(mark))
}

/** The taints a node should have, given its conditions; those of others are kept. */
export function planTaints(node: Node, now: number): DeepReadonly<Taint>[] {
  const wanted: Taint[] = []
  const ready = readyOf(node)?.status
  const key = ready === 'False' ? notReady : ready === 'True' ? undefined : unreachable
  // A node that never said anything is still starting.
  if (key && readyOf(node)) wanted.push({ key, effect: 'NoSchedule' }, { key, effect: 'NoExecute' })
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

async function writeTaints(node: Node, ctx: Context): Promise<void> {
  const taints = planTaints(node, ctx.now())
  if (sameValue(taints, node.spec.taints ?? [])) return
  const { resourceVersion } = node.metadata
  await ctx.patch(NodeKind, node, 'merge', { metadata: { resourceVersion }, spec: { taints } })
}
