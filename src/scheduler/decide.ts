// One decision: which node takes this pod, or why none can. Pure over the snapshot.
//
//   findNodes: prepare ─► filter each node, until enough are found ─► choose: score ─► the best node, or a summary
//
// Source: pkg/scheduler/schedule_one.go, framework/types.go (FitError).
import type { Random } from '../base/random.ts'
import { type Answers, ask, type Prepared, scoreOf } from './answers.ts'
import { type Failure, type No, type Plugin, PluginError, type Refusal, type Rejected, skip } from './framework.ts'
import type { NodeInfo, PodInfo } from './info.ts'
import type { Nominations } from './nominations.ts'
import type { Profile } from './profile.ts'
import type { Snapshot } from './snapshot.ts'
import { summary } from './summary.ts'

/** With fewer nodes than this all are filtered. */
const minNodesToFind = 100
const minPercent = 5
/** With fewer nodes than this, asking again is faster than the cache. */
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
  /** The number of all nodes. */
  total: number
  refusals: readonly Refusal[]
  /** The refusal of all nodes that were not asked, when plugins named the only possible ones. */
  others: No | undefined
  scored: readonly Scored[]
}

/** A decision for a node, and one without a node. */
type Chosen = DecisionOf<OneNode>
export type NotChosen = DecisionOf<NoNode>
export type Decision = Chosen | NotChosen

export const isChosen = (decision: Decision): decision is Chosen => decision.outcome.type === 'node'

export interface DecideOptions {
  profile: Profile
  snapshot: Snapshot
  random: Random
  nominations: Nominations
  /** The place in the list of nodes at which the search begins. */
  start: number
}

/** The result of filtering. */
export interface Found {
  pod: PodInfo
  total: number
  /** The number of nodes asked. The next search begins after them. */
  looked: number
  prepared: readonly Prepared[]
  feasible: readonly NodeInfo[]
  refusals: readonly Refusal[]
  others: No | undefined
  /** The plugins that refused nodes. */
  blockedBy: Set<string>
  /** Kept answers for pods with the same signature. */
  answers?: Answers | undefined
  /** The first node for which a plugin threw. */
  broken?: Refusal
  /** The message of a plugin that rejected the pod as a whole. */
  rejected?: string
}

/** The nodes that can take the pod. In large clusters the search ends when there are enough to choose from. */
export function findNodes(pod: PodInfo, options: DecideOptions): Found {
  const { snapshot, profile, nominations } = options
  const total = snapshot.nodes.length
  const blockedBy = new Set<string>()
  const found: Found = { pod, total, looked: 0, prepared: [], feasible: [], refusals: [], others: undefined, blockedBy }
  if (total === 0) {
    // Without any nodes, every plugin counts as blocking, so that the wake-ups of each wake the pod.
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
  const nominatedNode = nominated === undefined ? undefined : snapshot.node(nominated)
  if (nominatedNode && !askWithNominated(pod, nominatedNode, prepared, options))
    return { ...found, feasible: [nominatedNode] }
  return filter(found, options)
}

/** Calls `prepare` of every plugin. Plugins that skip the pod are left out. */
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

/** Renews the states that depend on pods of other nodes, for a time in which pods are taken off or put on a node. */
function renewStates(pod: PodInfo, prepared: readonly Prepared[], { profile, snapshot }: DecideOptions) {
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
 * The refusal of a node that has nominated pods of the same or a higher priority. The node must take the pod both with
 * them and without them, since it is not certain that they will be bound to it.
 */
function askWithNominated(
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
    options.snapshot.with(others, node, () => ask(renewStates(pod, prepared, options), node, pod)) ??
    ask(prepared, node, pod)
  )
}

/** As `askWithNominated`, while pods are taken off nodes, so that states have to be renewed. */
function askRenewed(pod: PodInfo, node: NodeInfo, prepared: readonly Prepared[], options: DecideOptions) {
  return askWithNominated(pod, node, renewStates(pod, prepared, options), options)
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
  const askOne = makeAsk(pod, prepared, found.answers)
  let looked = 0
  let broken: Refusal | undefined
  for (let at = nodes.length ? start % nodes.length : 0; looked < nodes.length && feasible.length < enough; looked++) {
    const node = nodes[at]!
    if (++at === nodes.length) at = 0
    const isNominated = anyNominated && nominations.on(node.name) !== undefined
    const refusal = isNominated ? askWithNominated(pod, node, prepared, options) : askOne(node)
    if (!refusal) feasible.push(node)
    else {
      refusals.push(refusal)
      blockedBy.add(refusal.plugin)
      if (refusal.error !== undefined) broken ??= refusal
    }
  }
  // A plugin's error only matters to the pod if no other node can take it.
  if (broken && !feasible.length) throw new Error(String(broken.no.no), { cause: broken.error })
  return { ...found, looked, feasible, refusals, others: only?.others, ...(broken && { broken }) }
}

/** A function that returns the refusal of a node, with kept answers as far as there are any. */
function makeAsk(pod: PodInfo, prepared: readonly Prepared[], answers: Answers | undefined) {
  if (!answers) return (node: NodeInfo) => ask(prepared, node, pod)
  // Plugins are asked in order, since the first refusal counts; so only those before the first uncached one are kept.
  const end = prepared.findIndex(({ plugin, filters }) => filters && plugin.depends !== 'node')
  const known = end < 0 ? prepared : prepared.slice(0, end)
  const rest = end < 0 ? [] : prepared.slice(end)
  return (node: NodeInfo) => answers.refusal(node, known, pod) ?? (rest.length ? ask(rest, node, pod) : undefined)
}

/** The only nodes that can pass, when plugins name them. All others count as refused and are not asked. */
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

/** How many feasible nodes are enough. With 0 percent, the share falls from 50 to 5 percent as clusters grow. */
export function nodesToFind(total: number, percentage = 0): number {
  if (total < minNodesToFind) return total
  const percent = percentage || Math.max(minPercent, 50 - Math.floor(total / 125))
  return Math.max(minNodesToFind, Math.floor((total * percent) / 100))
}

/** The best of the nodes found. `more` has the scores of extenders. */
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

/** A decision without a node, in the form for plugins of `postFilter`. */
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
    ask: node => (local ? askWithNominated : askRenewed)(pod, node, prepared, options),
  }
}

/** The index of one of the highest scores, each with equal chance. */
function pickBest(scores: Float64Array, random: Random): number {
  let [best, ties] = [0, 1]
  for (let i = 1; i < scores.length; i++) {
    if (scores[i]! > scores[best]!) [best, ties] = [i, 1]
    else if (scores[i] === scores[best] && random.float() * ++ties < 1) best = i
  }
  return best
}
