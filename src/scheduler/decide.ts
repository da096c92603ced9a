// One decision: which node takes this pod, or why none can. Pure over the snapshot.
// Source: pkg/scheduler/schedule_one.go, framework/types.go (FitError).
import type { Random } from '../base/random.ts'
import { type Answers, ask, type Prepared, scoreOf } from './answers.ts'
import { type Failure, type No, type Plugin, PluginError, type Refusal, type Rejected, skip } from './framework.ts'
import type { NodeInfo, PodInfo } from './info.ts'
import type { Nominations } from './nominations.ts'
import type { Profile } from './profile.ts'
import type { Snapshot } from './snapshot.ts'
import { summary } from './summary.ts'

/** Below this many nodes all are looked at. */
const minNodesToFind = 100
const minPercent = 5
/** Fewer nodes are asked again faster than remembered. */
const minNodesToRemember = 32

interface OneNode {
  type: 'node'
  node: NodeInfo
  feasible: readonly NodeInfo[]
  scores: Float64Array | undefined
}
interface NoNode {
  type: 'none'
  blockedBy: ReadonlySet<string>
  message: string
}

/** Weighted scores of one plugin or extender, in the order of the feasible nodes. */
export interface Scored {
  plugin: string
  scores: Float64Array
}

interface DecisionOf<Outcome> {
  pod: PodInfo
  outcome: Outcome
  /** Nodes there are. */
  total: number
  refusals: readonly Refusal[]
  /** What goes for the nodes that were not asked. */
  others: No | undefined
  scored: readonly Scored[]
}

/** A decision for a node, and one without any. */
type Chosen = DecisionOf<OneNode>
export type NotChosen = DecisionOf<NoNode>
export type Decision = Chosen | NotChosen

export const isChosen = (decision: Decision): decision is Chosen => decision.outcome.type === 'node'

export interface DecideOptions {
  profile: Profile
  snapshot: Snapshot
  random: Random
  nominations: Nominations
  /** Where to begin looking, so that not always the first nodes are taken. */
  start: number
}

/** What looking for nodes has found. */
export interface Found {
  pod: PodInfo
  total: number
  /** Nodes asked, to begin after them the next time. */
  looked: number
  prepared: readonly Prepared[]
  feasible: readonly NodeInfo[]
  refusals: readonly Refusal[]
  others: No | undefined
  /** Plugins that kept out nodes. */
  blockedBy: Set<string>
  /** What nodes have answered equal pods. */
  answers?: Answers | undefined
  /** The first node that a plugin threw on. */
  broken?: Refusal
  /** A plugin's word for the pod as a whole. */
  rejected?: string
}

/** The nodes that can take the pod; in large clusters as many as are enough to choose from. */
export function findNodes(pod: PodInfo, options: DecideOptions): Found {
  const { snapshot, profile, nominations } = options
  const total = snapshot.nodes.length
  const blockedBy = new Set<string>()
  const found: Found = { pod, total, looked: 0, prepared: [], feasible: [], refusals: [], others: undefined, blockedBy }
  if (total === 0) {
    // A pod that found no nodes at all is woken by any plugin's events.
    for (const { plugin } of profile.filters) blockedBy.add(plugin.name)
    return found
  }
  const prepared = prepare(pod, profile, snapshot)
  if ('rejected' in prepared) {
    blockedBy.add(prepared.by)
    return { ...found, rejected: prepared.rejected, others: { no: prepared.rejected, ever: false } }
  }
  found.prepared = prepared
  if (total >= minNodesToRemember) found.answers = profile.answers.of(pod.signature, snapshot.slots)
  const nominated = nominations.nodeOf(pod.uid)
  const wished = nominated === undefined ? undefined : snapshot.node(nominated)
  if (wished && !askWith(pod, wished, prepared, options)) return { ...found, feasible: [wished] }
  return filter(found, options)
}

/** Prepares every plugin for a pod; those with nothing to say are left out. */
function prepare(pod: PodInfo, profile: Profile, snapshot: Snapshot): Prepared[] | (Rejected & { by: string }) {
  const prepared: Prepared[] = []
  for (const { plugin, prepares, filters } of profile.filters) {
    const state = prepares ? prepareWith(plugin, pod, snapshot) : undefined
    if (state === skip) continue
    if (prepares && typeof state === 'object' && state !== null && 'rejected' in state)
      return { ...(state as Rejected), by: plugin.name }
    prepared.push({ plugin, state, filters })
  }
  return prepared
}

function prepareWith(plugin: Plugin, pod: PodInfo, snapshot: Snapshot): unknown {
  try {
    return plugin.prepare!(pod, snapshot)
  } catch (cause) {
    throw new PluginError('PreFilter', plugin.name, cause)
  }
}

/** Prepares again what depends on pods elsewhere, when pods have been moved for a while. */
function prepareAgain(pod: PodInfo, prepared: readonly Prepared[], { profile, snapshot }: DecideOptions) {
  if (profile.filters.every(({ plugin }) => plugin.depends === 'node')) return prepared
  const again = prepared.filter(({ plugin }) => plugin.depends === 'node')
  for (const { plugin, prepares, filters } of profile.filters) {
    if (plugin.depends === 'node') continue
    const state = prepares ? prepareWith(plugin, pod, snapshot) : undefined
    if (state !== skip) again.push({ plugin, state, filters })
  }
  return again
}

/**
 * Asks as if the pods nominated to the node, unless less important than this one, were there already; and as if they
 * were not, for they may never come.
 */
function askWith(
  pod: PodInfo,
  node: NodeInfo,
  prepared: readonly Prepared[],
  options: DecideOptions,
): Refusal | undefined {
  const nominated = options.nominations.on(node.name)
  if (!nominated) return ask(prepared, node, pod)
  const others: PodInfo[] = []
  for (const other of nominated.values())
    if (other.uid !== pod.uid && other.priority >= pod.priority && !node.pods.has(other.uid)) others.push(other)
  if (!others.length) return ask(prepared, node, pod)
  return (
    options.snapshot.with(others, node, () => ask(prepareAgain(pod, prepared, options), node, pod)) ??
    ask(prepared, node, pod)
  )
}

/** As `askWith`, with states made anew for pods that have been taken away. */
function askAgain(pod: PodInfo, node: NodeInfo, prepared: readonly Prepared[], options: DecideOptions) {
  return askWith(pod, node, prepareAgain(pod, prepared, options), options)
}

function filter(found: Found, options: DecideOptions): Found {
  const { snapshot, nominations, start, profile } = options
  const { pod, prepared, blockedBy } = found
  const feasible: NodeInfo[] = []
  const refusals: Refusal[] = []
  const only = namedOnly(prepared, snapshot)
  for (const name of only?.plugins ?? []) blockedBy.add(name)
  const nodes = only?.nodes ?? snapshot.nodes
  const enough = profile.chooses ? nodesToFind(nodes.length, profile.percentageOfNodesToScore) : 1
  const anyNominated = nominations.size > 0
  const asked = askKnown(pod, prepared, found.answers)
  let looked = 0
  let broken: Refusal | undefined
  for (let at = nodes.length ? start % nodes.length : 0; looked < nodes.length && feasible.length < enough; looked++) {
    const node = nodes[at]!
    if (++at === nodes.length) at = 0
    const refusal = anyNominated && nominations.on(node.name) ? askWith(pod, node, prepared, options) : asked(node)
    if (!refusal) feasible.push(node)
    else {
      refusals.push(refusal)
      blockedBy.add(refusal.plugin)
      if (refusal.error !== undefined) broken ??= refusal
    }
  }
  // Without any node the pod is told what is wrong; with one the failure is the others' own.
  if (broken && !feasible.length) throw new Error(String(broken.no.no), { cause: broken.error })
  return { ...found, looked, feasible, refusals, others: only?.others, ...(broken && { broken }) }
}

/** Asks nodes what they have not been asked yet by an equal pod. */
function askKnown(pod: PodInfo, prepared: readonly Prepared[], answers: Answers | undefined) {
  if (!answers) return (node: NodeInfo) => ask(prepared, node, pod)
  // In their order, for the first refusal is the one that is told.
  const end = prepared.findIndex(({ plugin, filters }) => filters && plugin.depends !== 'node')
  const known = end < 0 ? prepared : prepared.slice(0, end)
  const rest = end < 0 ? [] : prepared.slice(end)
  return (node: NodeInfo) => answers.refusal(node, known, pod) ?? (rest.length ? ask(rest, node, pod) : undefined)
}

/** When plugins name the only nodes that can pass, the others are refused unasked. */
function namedOnly(
  prepared: readonly Prepared[],
  snapshot: Snapshot,
): { nodes: NodeInfo[]; plugins: string[]; others: No } | undefined {
  let names: readonly string[] | undefined
  const plugins: string[] = []
  for (const { plugin, state } of prepared) {
    const own = plugin.only?.(state)
    if (!own) continue
    plugins.push(plugin.name)
    names = names ? names.filter(name => own.includes(name)) : own
  }
  if (!names) return undefined
  const others = { no: `node(s) didn't satisfy plugin(s) [${plugins.sort().join(' ')}]`, ever: false }
  return { nodes: names.flatMap(name => snapshot.node(name) ?? []), plugins, others }
}

/** In large clusters a part of the nodes is enough to choose from; 0 percent leaves the part to their number. */
export function nodesToFind(total: number, percentage = 0): number {
  if (total < minNodesToFind) return total
  const percent = percentage || Math.max(minPercent, 50 - Math.floor(total / 125))
  return Math.max(minNodesToFind, Math.floor((total * percent) / 100))
}

/** The best of the nodes found; `more` are scores of others than plugins. */
export function choose(found: Found, options: DecideOptions, more: readonly Scored[] = []): Decision {
  const { pod, total, refusals, others, feasible, blockedBy, rejected } = found
  const decision = { pod, total, refusals, others, scored: [] }
  if (feasible.length === 0) {
    const message =
      total === 0
        ? 'no nodes available to schedule pods'
        : rejected === undefined
          ? summary(total, refusals, others)
          : `0/${total} nodes are available: ${rejected}.`
    return { ...decision, outcome: { type: 'none', blockedBy, message } }
  }
  if (feasible.length === 1)
    return { ...decision, outcome: { type: 'node', node: feasible[0]!, feasible, scores: undefined } }
  const { scores, scored } = score(found, options, more)
  const node = feasible[pickBest(scores, options.random)]!
  return { ...decision, scored, outcome: { type: 'node', node, feasible, scores } }
}

function score(
  { pod, feasible: nodes, answers }: Found,
  { profile, snapshot }: DecideOptions,
  more: readonly Scored[],
): { scores: Float64Array; scored: Scored[] } {
  const scores = new Float64Array(nodes.length)
  const scored: Scored[] = []
  profile.scores.forEach(({ plugin, weight, prepares, kept }, which) => {
    const state = prepares ? plugin.prepareScore!(pod, nodes, snapshot) : undefined
    if (state === skip) return
    const own = new Float64Array(nodes.length)
    if (kept && answers) answers.score(which, plugin, state, nodes, pod, own)
    else for (let i = 0; i < nodes.length; i++) own[i] = scoreOf(plugin, state, nodes[i]!, pod)
    plugin.normalize?.(state, own, nodes)
    for (let i = 0; i < nodes.length; i++) {
      own[i]! *= weight
      scores[i]! += own[i]!
    }
    scored.push({ plugin: plugin.name, scores: own })
  })
  for (const extra of more) {
    for (let i = 0; i < nodes.length; i++) scores[i]! += extra.scores[i]!
    scored.push(extra)
  }
  return { scores, scored }
}

/** A decision without a node, as plugins see it that try to make room. */
export function failureOf(found: Found, options: DecideOptions, narrow: Failure['narrow']): Failure {
  const { pod, refusals, others, prepared } = found
  const { snapshot } = options
  const local = prepared.every(({ plugin }) => plugin.depends === 'node')
  return {
    refusals,
    others,
    snapshot,
    local,
    narrow,
    take: (other, node) => (local ? node.removePod(other) : snapshot.take(other, node)),
    put: (other, node) => (local ? node.addPod(other) : snapshot.put(other, node)),
    ask: node => (local ? askWith : askAgain)(pod, node, prepared, options),
  }
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
