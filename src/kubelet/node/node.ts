// Keeps the Node object and its Lease up to date:
//
//   status   checked every ten seconds, written when it changed, and every five minutes in any case
//   lease    renewed every ten seconds, by which the node lifecycle controller sees that the node is alive
//
// Calls have ten seconds each, so that a connection that hangs does not stop the lease. A lease that could not be
// renewed is retried with a pause of 0.2 to 7 seconds until it is. Source: kubernetes
// pkg/kubelet/kubelet_node_status.go, KEP-589 (leases).
import { JumpDetector } from '../../base/clock.ts'
import { isReason, messageOf } from '../../base/errors.ts'
import { sameOnWire } from '../../api/equal.ts'
import type { Mirror } from '../../api/mirror.ts'
import { microTimeText, shortAge } from '../../api/time.ts'
import { Lease } from '../../kinds/coordination/lease.ts'
import { Node } from '../../kinds/core/node.ts'
import { NodeStatus } from '../../kinds/core/nodestatus.ts'
import type { Client, EventRecorder } from '../../client/index.ts'
import type { Log } from '../../base/log.ts'
import { within } from '../../base/waiters.ts'
import { replacing } from '../pod/status.ts'
import { newNode } from './status.ts'

interface NodeKeeperOptions {
  client: Client
  name: string
  labels: Readonly<Record<string, string>>
  taints: Node['spec']['taints']
  status: (before: NodeStatus | undefined) => Promise<NodeStatus>
  onPodCIDR: (cidrs: readonly string[]) => void
  events: EventRecorder
  log: Log
  signal: AbortSignal
}

const statusEveryMs = 10_000
const reportEveryMs = 300_000
const leaseEveryMs = 10_000
const leaseSeconds = 40
const retryMs = { first: 200, most: 7_000 }
/** After this time a call is given up, since the next try may have another connection. */
const callTimeoutMs = 10_000
/** The most tries to write a status, after which the next check follows in its time. */
const reportTries = 5
const namespace = 'kube-node-lease'

export interface NodeKeeper {
  /** Resolves when the node is registered. */
  registered: Promise<Node>
  mirror: Mirror<Node>
  /** Writes the status now, if it changed. */
  report(): Promise<void>
}

export function keepNode(o: NodeKeeperOptions): NodeKeeper {
  const { client, signal, log } = o
  const { clock } = client
  const mirror = client.mirror(Node, { fieldSelector: `metadata.name=${o.name}` })
  let reportedAt = Number.NEGATIVE_INFINITY
  let lastReady: string | undefined
  let chain: Promise<void> = Promise.resolve()
  const current = () => mirror.get(undefined, o.name)

  const reportOnce = async (signal: AbortSignal) => {
    const before = current() ?? (await client.find(Node, { name: o.name }, { signal }))
    // A node that was deleted is registered again only by the next start of the kubelet.
    if (!before) throw new Error(`node ${JSON.stringify(o.name)} not found`)
    const status = await o.status(before.status)
    const due = clock.steady() - reportedAt >= reportEveryMs
    if (!due && sameOnWire(NodeStatus, quiet(status), quiet(pick(before.status, status)))) return
    const addresses = replacing(status.addresses ?? [], before.status.addresses)
    await client.patch(
      Node,
      { name: o.name },
      'strategic',
      { status: { ...status, addresses } },
      { subresource: 'status', signal },
    )
    reportedAt = clock.steady()
    noteConditions(o, before, status)
    noteReboot(o, before, status)
    const ready = status.conditions?.find(c => c.type === 'Ready')?.status
    if (lastReady !== undefined && ready !== lastReady)
      note(
        o,
        before,
        ready === 'True' ? 'NodeReady' : 'NodeNotReady',
        `Node ${o.name} status is now: ${ready === 'True' ? 'NodeReady' : 'NodeNotReady'}`,
      )
    lastReady = ready
  }
  const report = () => {
    // Reports run one after the other, since two at once would overwrite each other.
    const failed = (error: unknown) => log.warn('node status not written', { node: o.name, why: messageOf(error) })
    chain = chain.then(() => insist(o, reportTries, failed, reportOnce))
    return chain
  }
  const reportCidr = () => {
    const { podCIDR, podCIDRs } = current()?.spec ?? {}
    if (podCIDR) o.onPodCIDR(podCIDRs?.length ? podCIDRs : [podCIDR])
  }
  const registered = registerUntilDone(o).then(async node => {
    signal.addEventListener('abort', mirror.subscribe(reportCidr, 'range of pod addresses'), { once: true })
    await client.synced([mirror], signal)
    reportCidr()
    lastReady = undefined
    note(o, node, 'Starting', 'Starting kubelet.')
    await report()
    const jumps = new JumpDetector(clock)
    void every(clock, statusEveryMs, signal, () => {
      noteJump(o, node, jumps.look())
      return report()
    })
    void keepLease(o, mirror, node)
    return node
  })
  return { registered, mirror, report }
}

// The status without heartbeat times, which change at every check.
const quiet = (status: Partial<NodeStatus>) => ({
  ...status,
  conditions: status.conditions?.map(({ lastHeartbeatTime: _, ...condition }) => condition),
})
const pick = (before: NodeStatus, like: NodeStatus) =>
  Object.fromEntries(
    Object.keys(like).map(key => [
      key,
      key === 'conditions'
        ? before.conditions?.filter(c => like.conditions?.some(l => l.type === c.type))
        : before[key as keyof NodeStatus],
    ]),
  )

/** The names that a condition of the node has in events, while it holds and while it does not. */
const conditionNames: Readonly<Record<string, readonly [string, string]>> = {
  MemoryPressure: ['NodeHasInsufficientMemory', 'NodeHasSufficientMemory'],
  DiskPressure: ['NodeHasDiskPressure', 'NodeHasNoDiskPressure'],
  PIDPressure: ['NodeHasInsufficientPID', 'NodeHasSufficientPID'],
}

/** Records the conditions that differ from the stored ones, and all of a new node. */
function noteConditions(o: NodeKeeperOptions, before: Node, { conditions }: NodeStatus): void {
  for (const { type, status } of conditions ?? []) {
    const name = conditionNames[type]?.[status === 'True' ? 0 : 1]
    if (name === undefined || before.status.conditions?.find(c => c.type === type)?.status === status) continue
    note(o, before, name, `Node ${o.name} status is now: ${name}`)
  }
}

/** Records that the machine was started again since the last status. Source: kubelet_node_status.go (updateNode). */
function noteReboot(o: NodeKeeperOptions, before: Node, { nodeInfo }: NodeStatus): void {
  const [earlier, now] = [before.status.nodeInfo?.bootID, nodeInfo?.bootID]
  if (!earlier || !now || earlier === now) return
  note(o, before, 'Rebooted', `Node ${o.name} has been rebooted, boot id: ${now}`, 'Warning')
}

/** Records that the time of the machine was set, which explains statuses, expired tokens and Jobs of that moment. */
function noteJump(o: NodeKeeperOptions, node: Node, ms: number): void {
  if (!ms) return
  const by = shortAge(Math.abs(ms))
  const what = ms > 0 ? `was set on by ${by}, or the machine was suspended for that long` : `was set back by ${by}`
  o.log.warn('the time of the machine has jumped', { node: o.name, seconds: Math.round(ms / 1000) })
  note(o, node, 'ClockJumped', `The time of node ${o.name} ${what}`, 'Warning')
}

function note(
  o: NodeKeeperOptions,
  node: Node,
  reason: string,
  message: string,
  type: 'Normal' | 'Warning' = 'Normal',
): void {
  o.events.event(
    { kind: 'Node', apiVersion: 'v1', name: o.name, uid: node.metadata.uid ?? o.name },
    type,
    reason,
    message,
  )
}

async function registerUntilDone(o: NodeKeeperOptions): Promise<Node> {
  const { clock } = o.client
  for (let backoffMs = retryMs.first; ; backoffMs = Math.min(backoffMs * 2, retryMs.most)) {
    try {
      return await register(o)
    } catch (error) {
      o.signal.throwIfAborted()
      o.log.warn('node not registered, will be retried', { node: o.name, why: messageOf(error) })
    }
    await clock.sleep(backoffMs, o.signal)
  }
}

async function register(o: NodeKeeperOptions): Promise<Node> {
  const { client } = o
  const before = await client.find(Node, { name: o.name })
  if (!before) {
    const status = await o.status(undefined)
    const taints = [...(o.taints ?? []), { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' as const }]
    try {
      const made = await client.create(Node, newNode(o.name, o.labels, taints, false))
      noteConditions(o, made, status)
      return await client.patch(Node, { name: o.name }, 'strategic', { status }, { subresource: 'status' })
    } catch (error) {
      if (!isReason(error, 'AlreadyExists')) throw error
      return client.get(Node, { name: o.name })
    }
  }
  const missing = Object.entries(o.labels).filter(([key, value]) => before.metadata.labels?.[key] !== value)
  if (!missing.length) return before
  return client.patch(Node, { name: o.name }, 'merge', { metadata: { labels: Object.fromEntries(missing) } })
}

async function keepLease(o: NodeKeeperOptions, mirror: Mirror<Node>, node: Node): Promise<void> {
  const { client, name } = o
  let lease: Lease | undefined
  const renew = async (signal: AbortSignal) => {
    const spec = {
      holderIdentity: name,
      leaseDurationSeconds: leaseSeconds,
      renewTime: microTimeText(client.clock.now()),
    }
    lease ??= await client.find(Lease, { namespace, name }, { signal })
    // The lease of a deleted node was deleted with it and must not be created again.
    if (!lease && !mirror.get(undefined, name)) return
    const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name, uid: node.metadata.uid ?? '' }]
    lease = lease
      ? await client.update(Lease, { ...lease, spec: { ...lease.spec, ...spec } }, { signal })
      : await client.create(Lease, { metadata: { name, namespace, ownerReferences }, spec }, { signal })
  }
  const failed = (error: unknown) => {
    lease = undefined
    o.log.warn('lease not renewed', { node: name, why: messageOf(error) })
  }
  // A lease lasts four periods. It is retried within a period, so that one failure does not cost a quarter of that.
  await every(client.clock, leaseEveryMs, o.signal, () => insist(o, Infinity, failed, renew))
}

/**
 * Runs `work` until it succeeds, `tries` times at most, with back-off and a limited time for each try. Never throws.
 */
async function insist(
  { client: { clock }, signal }: NodeKeeperOptions,
  tries: number,
  failed: (error: unknown) => void,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  let backoffMs = retryMs.first
  for (let left = tries; left > 0 && !signal.aborted; left--) {
    try {
      return await within(clock, callTimeoutMs, signal, work)
    } catch (error) {
      if (signal.aborted) return
      failed(error)
    }
    // It rejects only after an abort, for which the loop checks.
    if (left > 1) await clock.sleep(backoffMs, signal).catch(() => {})
    backoffMs = Math.min(backoffMs * 2, retryMs.most)
  }
}

/** Runs `work` at once, and again after each pause, until `signal` aborts. `work` must not throw. */
export async function every(
  clock: Client['clock'],
  pauseMs: number,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    await work()
    try {
      await clock.sleep(pauseMs, signal)
    } catch {
      return
    }
  }
}
