// One decision: which node takes this pod, or why none can. Pure over the snapshot.
// Source: pkg/scheduler/schedule_one.go, framework/types.go (FitError).
import type { Random } from '../base/random.ts'
import { type No, type Plugin, type Rejected, skip } from './framework.ts'
import type { NodeInfo, PodInfo } from './info.ts'
import type { Snapshot } from './snapshot.ts'

/** Below this many nodes all are looked at. */
const minNodesToFind = 100
const minPercent = 5

export interface Refusal {
  node: NodeInfo
  plugin: string
  no: No
}

export type Outcome =
  | { type: 'node'; node: NodeInfo; feasible: readonly NodeInfo[]; scores: Float64Array | undefined }
  | { type: 'none'; blockedBy: ReadonlySet<string>; message: string }

export interface Decision {
  pod: PodInfo
  outcome: Outcome
  /** Nodes there are. */
  total: number
  refusals: readonly Refusal[]
  /** Of each plugin that scored, weighted, in the order of `feasible`. */
  scored: readonly { plugin: string; scores: Float64Array }[]
}

interface Prepared {
  plugin: Plugin
  state: unknown
}

/** Pods that lower ones were evicted for: they count on their node already. */
export type Nominations = ReadonlyMap<string, ReadonlyMap<string, PodInfo>>

export interface DecideOptions {
  plugins: readonly Plugin[]
  snapshot: Snapshot
  random: Random
  nominations: Nominations
  /** Where to begin looking, so that not always the first nodes are taken. */
  start: number
}

export function decide(pod: PodInfo, options: DecideOptions): Decision & { looked: number } {
  const { snapshot, plugins } = options
  const total = snapshot.nodes.length
  const none = { pod, total, refusals: [], scored: [], looked: 0 }
  if (total === 0)
    return {
      ...none,
      outcome: { type: 'none', blockedBy: everyName(plugins), message: 'no nodes available to schedule pods' },
    }
  const prepared = prepare(pod, plugins, snapshot)
  if ('rejected' in prepared) {
    const message = `0/${total} nodes are available: ${prepared.rejected}.`
    return { ...none, outcome: { type: 'none', blockedBy: new Set([prepared.by]), message } }
  }
  const { feasible, refusals, looked } = filter(pod, prepared, options)
  if (feasible.length === 0) {
    const blockedBy = new Set(refusals.map(({ plugin }) => plugin))
    return { ...none, looked, refusals, outcome: { type: 'none', blockedBy, message: summary(total, refusals) } }
  }
  if (feasible.length === 1)
    return { ...none, looked, refusals, outcome: { type: 'node', node: feasible[0]!, feasible, scores: undefined } }
  const { scores, scored } = score(pod, feasible, options)
  const node = feasible[pickBest(scores, options.random)]!
  return { ...none, looked, refusals, scored, outcome: { type: 'node', node, feasible, scores } }
}

// A pod that found no nodes at all is woken by any plugin's events.
const everyName = (plugins: readonly Plugin[]) => new Set(plugins.map(plugin => plugin.name))

/** Prepares every filter for a pod; those with nothing to say are left out. */
export function prepare(
  pod: PodInfo,
  plugins: readonly Plugin[],
  snapshot: Snapshot,
): Prepared[] | (Rejected & { by: string }) {
  const prepared: Prepared[] = []
  for (const plugin of plugins) {
    if (!plugin.filter) continue
    const state = plugin.prepare?.(pod, snapshot)
    if (state === skip) continue
    if (typeof state === 'object' && state !== null && 'rejected' in state)
      return { ...(state as Rejected), by: plugin.name }
    prepared.push({ plugin, state })
  }
  return prepared
}

/** The first refusal of a node, if any. */
export function ask(prepared: readonly Prepared[], node: NodeInfo, pod: PodInfo): Refusal | undefined {
  for (const { plugin, state } of prepared) {
    const answer = plugin.filter!(state, node, pod)
    if (answer !== true) return { node, plugin: plugin.name, no: answer }
  }
  return undefined
}

function filter(
  pod: PodInfo,
  prepared: readonly Prepared[],
  { snapshot, nominations, start }: DecideOptions,
): { feasible: NodeInfo[]; refusals: Refusal[]; looked: number } {
  const feasible: NodeInfo[] = []
  const refusals: Refusal[] = []
  const nodes = namedOnly(prepared, snapshot, refusals) ?? snapshot.nodes
  const enough = nodesToFind(nodes.length)
  let looked = 0
  for (; looked < nodes.length && feasible.length < enough; looked++) {
    const node = nodes[(start + looked) % nodes.length]!
    const nominated = nominations.size ? nominations.get(node.name) : undefined
    const refusal = nominated ? askWith(nominated, prepared, node, pod) : ask(prepared, node, pod)
    if (refusal) refusals.push(refusal)
    else feasible.push(node)
  }
  return { feasible, refusals, looked }
}

/** When a plugin names the only nodes that can pass, the others are refused unasked. */
function namedOnly(prepared: readonly Prepared[], snapshot: Snapshot, refusals: Refusal[]): NodeInfo[] | undefined {
  for (const { plugin, state } of prepared) {
    const names = plugin.only?.(state)
    if (!names) continue
    const nodes = names.flatMap(name => snapshot.node(name) ?? [])
    if (nodes.length === 0) {
      const no = { no: "node(s) didn't satisfy plugin(s) [NodeAffinity]", ever: false }
      for (const node of snapshot.nodes) refusals.push({ node, plugin: plugin.name, no })
    }
    return nodes
  }
  return undefined
}

/** Asks as if the pods nominated to the node, unless less important than this one, were there already. */
function askWith(
  nominated: ReadonlyMap<string, PodInfo>,
  prepared: readonly Prepared[],
  node: NodeInfo,
  pod: PodInfo,
): Refusal | undefined {
  const others = [...nominated.values()].filter(
    other => other.uid !== pod.uid && other.priority >= pod.priority && !node.pods.has(other.uid),
  )
  for (const other of others) node.addPod(other)
  try {
    const refusal = ask(prepared, node, pod)
    if (refusal) return refusal
  } finally {
    for (const other of others) node.removePod(other)
  }
  return others.length ? ask(prepared, node, pod) : undefined
}

/** In large clusters a part of the nodes is enough to choose from. */
export function nodesToFind(total: number): number {
  if (total < minNodesToFind) return total
  const percent = Math.max(minPercent, 50 - Math.floor(total / 125))
  return Math.max(minNodesToFind, Math.floor((total * percent) / 100))
}

function score(
  pod: PodInfo,
  nodes: readonly NodeInfo[],
  { plugins, snapshot }: DecideOptions,
): { scores: Float64Array; scored: { plugin: string; scores: Float64Array }[] } {
  const scores = new Float64Array(nodes.length)
  const scored: { plugin: string; scores: Float64Array }[] = []
  for (const plugin of plugins) {
    if (!plugin.score) continue
    const state = plugin.prepareScore?.(pod, nodes, snapshot)
    if (state === skip) continue
    const own = new Float64Array(nodes.length)
    for (let i = 0; i < nodes.length; i++) own[i] = plugin.score(state, nodes[i]!, pod)
    plugin.normalize?.(state, own, nodes)
    for (let i = 0; i < nodes.length; i++) {
      own[i]! *= plugin.weight
      scores[i]! += own[i]!
    }
    scored.push({ plugin: plugin.name, scores: own })
  }
  return { scores, scored }
}

/** One of the best, each with equal chance. */
function pickBest(scores: Float64Array, random: Random): number {
  let [best, ties] = [0, 1]
  for (let i = 1; i < scores.length; i++) {
    if (scores[i]! > scores[best]!) [best, ties] = [i, 1]
    else if (scores[i] === scores[best] && random.float() * ++ties < 1) best = i
  }
  return best
}

/** `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) …`, as users know it. */
export function summary(total: number, refusals: readonly { no: Pick<No, 'no'> }[], tail = ''): string {
  const counts = new Map<string, number>()
  for (const { no } of refusals)
    for (const reason of typeof no.no === 'string' ? [no.no] : no.no) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  const reasons = [...counts].map(([reason, count]) => `${count} ${reason}`).sort()
  return `0/${total} nodes are available${reasons.length ? `: ${reasons.join(', ')}` : ''}.${tail}`
}
