// Preemption: when no node has room for an important pod, find the node where evicting less important ones hurts
// least. Pure over the snapshot. Source: framework/preemption, plugins/defaultpreemption.
import { matches } from '../api/labels.ts'
import type { DeepReadonly } from '../api/schema/node.ts'
import { parseTime } from '../api/time.ts'
import type { PodDisruptionBudget } from '../kinds/policy/poddisruptionbudget.ts'
import { ask, prepare, type Refusal, summary } from './decide.ts'
import type { Plugin } from './framework.ts'
import type { NodeInfo, PodInfo } from './info.ts'
import type { Snapshot } from './snapshot.ts'

type Budget = DeepReadonly<PodDisruptionBudget>

const minCandidates = 100
const candidatePercent = 10
const notHelpful = { no: 'Preemption is not helpful for scheduling' }
const noVictims = { no: 'No preemption victims found for incoming pod' }

export interface Eviction {
  node: NodeInfo
  victims: PodInfo[]
  /** How many of them a disruption budget would rather keep. */
  violations: number
}

export type Preemption = { eviction: Eviction } | { why: string }

export function planPreemption(
  pod: PodInfo,
  refusals: readonly Refusal[],
  snapshot: Snapshot,
  plugins: readonly Plugin[],
  budgets: readonly Budget[],
): Preemption {
  const total = snapshot.nodes.length
  const why = (text: string) => ({ why: ` preemption: ${text}` })
  if (pod.pod.spec.preemptionPolicy === 'Never') return why('not eligible due to preemptionPolicy=Never.')
  const nominated = pod.pod.status.nominatedNodeName
  const waiting = nominated && [...(snapshot.node(nominated)?.pods.values() ?? [])]
  if (waiting && waiting.some(other => other.priority < pod.priority && other.pod.metadata.deletionTimestamp))
    return why('not eligible due to a terminating pod on the nominated node.')
  const enough = Math.max(minCandidates, Math.floor((total * candidatePercent) / 100))
  const found: Eviction[] = []
  const reasons: { no: { no: string } }[] = []
  for (const { node, no } of refusals) {
    if (!no.ever) reasons.push({ no: notHelpful })
    else if (found.length < enough) {
      const eviction = victimsOn(pod, node, snapshot, plugins, budgets)
      if (eviction) found.push(eviction)
      else reasons.push({ no: noVictims })
    }
  }
  const best = found.sort(byHarm)[0]
  return best ? { eviction: best } : why(summary(total, reasons))
}

/** The fewest, least important pods whose absence makes room; undefined when none does. */
function victimsOn(
  pod: PodInfo,
  node: NodeInfo,
  snapshot: Snapshot,
  plugins: readonly Plugin[],
  budgets: readonly Budget[],
): Eviction | undefined {
  const lower = [...node.pods.values()].filter(other => other.priority < pod.priority)
  if (!lower.length) return undefined
  const fits = (without: readonly PodInfo[]) =>
    snapshot.without(without, node, () => {
      const prepared = prepare(pod, plugins, snapshot)
      return !('rejected' in prepared) && ask(prepared, node, pod) === undefined
    })
  if (!fits(lower)) return undefined
  const violating = violations(lower, budgets)
  // Those with a budget at its limit are spared first, then the important ones.
  const order = [...lower].sort(
    (a, b) => Number(violating.has(b)) - Number(violating.has(a)) || b.priority - a.priority || startOf(a) - startOf(b),
  )
  let victims = order
  for (const spared of order) {
    const rest = victims.filter(other => other !== spared)
    if (fits(rest)) victims = rest
  }
  return { node, victims, violations: victims.filter(victim => violating.has(victim)).length }
}

function violations(pods: readonly PodInfo[], budgets: readonly Budget[]): Set<PodInfo> {
  const left = new Map(budgets.map(budget => [budget, budget.status.disruptionsAllowed]))
  const result = new Set<PodInfo>()
  for (const pod of [...pods].sort((a, b) => b.priority - a.priority)) {
    for (const budget of budgets) {
      if (budget.metadata.namespace !== pod.namespace || !matches(budget.spec.selector, pod.labels)) continue
      if (budget.status.disruptedPods?.[pod.pod.metadata.name ?? ''] !== undefined) continue
      const allowed = left.get(budget)!
      left.set(budget, allowed - 1)
      if (allowed <= 0) result.add(pod)
    }
  }
  return result
}

const startOf = (pod: PodInfo) => parseTime(pod.pod.status.startTime) ?? Number.MAX_SAFE_INTEGER

/** Least harm first. */
function byHarm(a: Eviction, b: Eviction): number {
  const top = ({ victims }: Eviction) => Math.max(...victims.map(v => v.priority))
  const sum = ({ victims }: Eviction) => victims.reduce((total, v) => total + v.priority, 0)
  const youngest = (eviction: Eviction) =>
    Math.min(...eviction.victims.filter(v => v.priority === top(eviction)).map(startOf))
  return (
    a.violations - b.violations ||
    top(a) - top(b) ||
    sum(a) - sum(b) ||
    a.victims.length - b.victims.length ||
    youngest(b) - youngest(a)
  )
}
