// Preemption: when no node has room for a pod, finds the node on which the eviction of pods of lower priority does the
// least harm.
//
//   each node whose refusal could change by evictions ─► findVictims ─► evictions ─► (extenders narrow) ─► leastHarm
//
// What always holds:
//
// - Nothing is evicted here. Pods are taken off the nodes of the snapshot and put back before the function returns, so
//   the snapshot is the same afterwards.
// - Every victim has a lower priority than the pod. Without all victims of an eviction the pod fits the node.
// - Victims are as few and as unimportant as possible, but not optimal: pods are put back one by one, those whose
//   eviction would violate a disruption budget first, then by priority, and stay back if the pod still fits.
// - A pod does not preempt again while a victim on its nominated node is still terminating.
//
// Example: a pod of priority 100 needs 2 CPUs on a full node with a (priority 50, 1 CPU), b (10, 1 CPU), c (10, 1 CPU).
// Without all three it fits. a is put back: 2 CPUs are left, it fits. b, which runs longer than c, is put back: it does
// not fit, so b is a victim, and so is c.
//
// The eviction itself follows in attempt.ts: the pod is nominated to the node, and the victims are deleted.
// Source: framework/preemption, plugins/defaultpreemption.
import { own } from '../base/own.ts'
import { matchesSelector, selectorOf } from '../api/labels.ts'
import { parseTime } from '../api/time.ts'
import type { PodDisruptionBudget } from '../kinds/policy/poddisruptionbudget.ts'
import type { Eviction, Failure, No } from './framework.ts'
import type { NodeInfo, PodInfo } from './info.ts'
import { summary } from './summary.ts'
import type { Pod } from '../kinds/core/pod.ts'

export interface PreemptionOptions {
  budgets: readonly PodDisruptionBudget[]
  /** Another number for each state of the budgets, to key a cache. */
  epoch: number
  /** How many nodes with victims are enough to choose from: the larger of the share and the number. */
  minCandidateNodesPercentage: number
  minCandidateNodesAbsolute: number
  /** A random number in [0, 1): at which of the nodes the search begins. */
  offset: number
}

const notHelpful: Pick<No, 'no'> = { no: 'Preemption is not helpful for scheduling' }
const noVictims: Pick<No, 'no'> = { no: 'No preemption victims found for incoming pod' }

/** Why a pod may not evict others, if so. */
export function ineligible(pod: PodInfo, { refusals, snapshot }: Failure): string | undefined {
  if (pod.pod.spec.preemptionPolicy === 'Never') return 'not eligible due to preemptionPolicy=Never.'
  const nominated = pod.pod.status.nominatedNodeName
  const node = nominated ? snapshot.node(nominated) : undefined
  if (!node) return undefined
  const refusal = refusals.find(r => r.node === node)
  if (refusal && !refusal.no.ever) return undefined
  for (const other of node.pods.values())
    if (other.priority < pod.priority && isBeingPreempted(other.pod))
      return 'not eligible due to a terminating pod on the nominated node.'
  return undefined
}

const isBeingPreempted = ({ metadata, status }: Pod): boolean =>
  metadata.deletionTimestamp !== undefined &&
  (status.conditions ?? []).some(
    c => c.type === 'DisruptionTarget' && c.status === 'True' && c.reason === 'PreemptionByScheduler',
  )

/**
 * The possible evictions, or why there are none. At least one without violations is looked for, even beyond `enough`.
 */
export function findEvictions(
  pod: PodInfo,
  failure: Failure,
  options: PreemptionOptions,
): { evictions: readonly Eviction[]; why: string } {
  const total = failure.snapshot.nodes.length
  const hopeful = failure.refusals.filter(({ no }) => no.ever)
  const { minCandidateNodesPercentage, minCandidateNodesAbsolute } = options
  const enough = Math.max(Math.floor((hopeful.length * minCandidateNodesPercentage) / 100), minCandidateNodesAbsolute)
  const evictions: Eviction[] = []
  const reasons: { no: Pick<No, 'no'> }[] = []
  let harmless = 0
  const first = Math.floor(options.offset * hopeful.length)
  for (let i = 0; i < hopeful.length && !(harmless > 0 && evictions.length >= enough); i++) {
    const { node } = hopeful[(first + i) % hopeful.length]!
    const result = victimsOn(pod, node, failure, options)
    if ('victims' in result) {
      evictions.push(result)
      if (result.violations === 0) harmless++
    } else reasons.push(result)
  }
  return { evictions, why: evictions.length ? '' : summary(total, reasons, notHelpful) }
}

/** An eviction with the numbers by which evictions are compared. */
interface Priced extends Eviction {
  /** The highest priority of the victims. */
  top: number
  sum: number
  /** When the first of the victims of the highest priority started, in ms since the epoch. */
  startedAt: number
}

type Result = Eviction | { no: Pick<No, 'no'> }
interface Known {
  signature: string
  generation: number
  epoch: number
  result: Result
}
/** The last result for each node, since the next pod often has the same signature. */
const known = new WeakMap<NodeInfo, Known>()

function victimsOn(pod: PodInfo, node: NodeInfo, failure: Failure, { budgets, epoch }: PreemptionOptions): Result {
  if (!failure.local) return findVictims(pod, node, failure, budgets)
  const last = known.get(node)
  const { generation } = node
  const { signature } = pod
  if (last && last.generation === generation && last.epoch === epoch && last.signature === signature) return last.result
  const result = findVictims(pod, node, failure, budgets)
  // All pods are back on the node, so answers that were cached for the old generation hold again.
  node.generation = generation
  known.set(node, { signature, generation, epoch, result })
  return result
}

/** The victims on one node: few and unimportant pods without which the pod fits. */
function findVictims(pod: PodInfo, node: NodeInfo, failure: Failure, budgets: readonly PodDisruptionBudget[]): Result {
  const lower: PodInfo[] = []
  for (const other of node.pods.values()) if (other.priority < pod.priority) lower.push(other)
  if (!lower.length) return { no: noVictims }
  const away = new Set<PodInfo>()
  const take = (other: PodInfo) => {
    failure.take(other, node)
    away.add(other)
  }
  try {
    for (const other of lower) take(other)
    const refusal = failure.ask(node)
    if (refusal) return { no: refusal.no }
    lower.sort(byImportance)
    const violating = violations(lower, budgets)
    let harm = 0
    // Pods whose budget allows no eviction are put back first, then the others, each by importance.
    for (const spared of [...lower.filter(p => violating.has(p)), ...lower.filter(p => !violating.has(p))]) {
      failure.put(spared, node)
      away.delete(spared)
      if (!failure.ask(node)) continue
      take(spared)
      if (violating.has(spared)) harm++
    }
    const victims = lower.filter(victim => away.has(victim))
    return victims.length ? { node, victims, violations: harm } : { no: noVictims }
  } finally {
    for (const other of away) failure.put(other, node)
  }
}

/** Higher priorities first, and of equal ones those that have run longer. */
const byImportance = (a: PodInfo, b: PodInfo) => b.priority - a.priority || startOf(a) - startOf(b)

const startOf = (pod: PodInfo) => parseTime(pod.pod.status.startTime) ?? Number.MAX_SAFE_INTEGER

/** The pods whose eviction would violate a budget, if they were evicted in this order. */
function violations(pods: readonly PodInfo[], budgets: readonly PodDisruptionBudget[]): Set<PodInfo> {
  const result = new Set<PodInfo>()
  if (!budgets.length) return result
  const left = new Map(budgets.map(budget => [budget, budget.status.disruptionsAllowed]))
  for (const pod of pods) {
    for (const budget of budgets) {
      if (budget.metadata.namespace !== pod.namespace || !guards(budget, pod)) continue
      if (own(budget.status.disruptedPods, pod.pod.metadata.name ?? '') !== undefined) continue
      const allowed = left.get(budget)! - 1
      left.set(budget, allowed)
      if (allowed < 0) result.add(pod)
    }
  }
  return result
}

/** Whether a budget covers a pod. As upstream, an empty selector selects nothing here. */
const guards = ({ spec }: PodDisruptionBudget, { labels }: PodInfo): boolean => {
  const selector = selectorOf(spec.selector)
  return selector !== undefined && selector.length > 0 && matchesSelector(selector, labels)
}

const prices = new WeakMap<Eviction, Priced>()

function priced(eviction: Eviction): Priced {
  let found = prices.get(eviction)
  if (!found) {
    const top = Math.max(...eviction.victims.map(v => v.priority))
    let [sum, startedAt] = [0, Infinity]
    for (const victim of eviction.victims) {
      // Priorities are shifted above zero, so that the sum grows with each victim, also of negative priority.
      sum += victim.priority + 2 ** 31
      if (victim.priority === top) startedAt = Math.min(startedAt, startOf(victim))
    }
    prices.set(eviction, (found = { ...eviction, top, sum, startedAt }))
  }
  return found
}

/** The eviction that does the least harm; of equal ones the first. */
export function leastHarm(evictions: readonly Eviction[]): Eviction | undefined {
  let best: Eviction | undefined
  for (const eviction of evictions) if (!best || harmsLess(priced(eviction), priced(best))) best = eviction
  return best
}

/**
 * Compares, in this order: fewer violations; lower highest priority; lower sum of priorities; fewer victims; victims of
 * the highest priority that started later.
 */
function harmsLess(a: Priced, b: Priced): boolean {
  if (a.violations !== b.violations) return a.violations < b.violations
  if (a.top !== b.top) return a.top < b.top
  if (a.sum !== b.sum) return a.sum < b.sum
  if (a.victims.length !== b.victims.length) return a.victims.length < b.victims.length
  return a.startedAt > b.startedAt
}
