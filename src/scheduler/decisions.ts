// The last decisions, for `kutter why`: why a pod is on its node, or on none. Decisions are kept in the form in which
// they were made, and turned into a report only when one is requested.
import { timeText } from '../api/time.ts'
import type { Decision } from './decide.ts'
import type { Place } from './queue.ts'
import type { Pod } from '../kinds/core/pod.ts'

/** The most decisions that are kept, and the most nodes in all of them together. The oldest is dropped first. */
const maxKept = 1024
const maxNodes = 500_000

export interface DecisionReport {
  /** Milliseconds since the epoch. */
  at: number
  pod: string
  /** The node chosen. */
  node?: string
  /** Why there was none. */
  message?: string
  /** The number of nodes at that time. */
  total: number
  nodes: {
    name: string
    /** Why it could not take the pod. */
    refused?: { plugin: string; reasons: readonly string[] }
    /** Weighted scores by plugin. */
    scores?: Record<string, number>
    total?: number
  }[]
  /** The reasons of all nodes that are not listed. */
  others?: readonly string[]
}

/** The scheduler's report about a pod. */
export interface Explanation {
  pod: string
  state: 'unknown' | 'bound' | 'gated' | 'waiting' | 'other-scheduler'
  /** One sentence about where the pod stands. */
  summary: string
  decision?: DecisionReport
}

/** The state of a pod in the scheduler. */
interface Standing {
  queued: { place: Place; blockedBy: readonly string[]; gate: string } | undefined
  /** Whether a plugin makes it wait at `permit`. */
  held: boolean
  schedulerNames: readonly string[]
  /** When this scheduler started, in milliseconds since the epoch. */
  startedAt: number
}

const reasonsOf = (no: string | readonly string[]): readonly string[] => (typeof no === 'string' ? [no] : no)

export class Decisions {
  readonly #kept = new Map<string, { at: number; decision: Decision; message: string | undefined }>()
  #nodes = 0

  add(at: number, decision: Decision, message?: string): void {
    const { key } = decision.pod
    this.#drop(key)
    this.#kept.set(key, { at, decision, message })
    this.#nodes += sizeOf(decision)
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= maxKept && this.#nodes <= maxNodes) break
      if (oldest === key) break
      this.#drop(oldest)
    }
  }

  #drop(key: string): void {
    const kept = this.#kept.get(key)
    if (!kept) return
    this.#kept.delete(key)
    this.#nodes -= sizeOf(kept.decision)
  }

  /** The last decision on `namespace/name`. */
  report(key: string): DecisionReport | undefined {
    const kept = this.#kept.get(key)
    if (!kept) return undefined
    const { at, decision, message } = kept
    const { outcome, refusals, scored, total, others } = decision
    const nodes: DecisionReport['nodes'] = refusals.map(({ node, plugin, no }) => ({
      name: node.name,
      refused: { plugin, reasons: reasonsOf(no.no) },
    }))
    const rest = others && { others: reasonsOf(others.no) }
    if (outcome.type === 'none') return { at, pod: key, message: message ?? outcome.message, total, nodes, ...rest }
    const feasible = outcome.feasible.map((node, i) => ({
      name: node.name,
      scores: Object.fromEntries(scored.map(({ plugin, scores }) => [plugin, scores[i]!])),
      total: outcome.scores?.[i] ?? 0,
    }))
    const chosen = outcome.node.name
    feasible.sort((a, b) => b.total - a.total || Number(b.name === chosen) - Number(a.name === chosen))
    return { at, pod: key, node: chosen, total, nodes: [...feasible, ...nodes], ...rest }
  }

  /** The report about a pod, with the last decision on it if that is still kept. */
  explain(key: string, pod: Pod | undefined, standing: Standing): Explanation {
    const kept = pod && this.#kept.get(key)?.decision.pod.uid === pod.metadata.uid
    const decision = kept ? this.report(key) : undefined
    return { pod: key, ...describe(key, pod, standing, decision), ...(decision && { decision }) }
  }
}

const sizeOf = ({ refusals, outcome }: Decision) =>
  refusals.length + (outcome.type === 'node' ? outcome.feasible.length : 0)

type Described = Pick<Explanation, 'state' | 'summary'>

function describe(
  key: string,
  pod: Pod | undefined,
  standing: Standing,
  decision: DecisionReport | undefined,
): Described {
  const { queued, held, schedulerNames, startedAt } = standing
  if (!pod) return { state: 'unknown', summary: `There is no pod ${key}.` }
  const { nodeName, schedulerName } = pod.spec
  if (nodeName) {
    const why = decision?.node === nodeName ? '' : notMine(schedulerName, schedulerNames, startedAt)
    return { state: 'bound', summary: `Pod ${key} is bound to node ${nodeName}.${why}` }
  }
  if (!schedulerNames.includes(schedulerName))
    return {
      state: 'other-scheduler',
      summary: `Pod ${key} asks for the scheduler ${JSON.stringify(schedulerName)}; this one serves ${schedulerNames.join(', ')}.`,
    }
  if (queued?.place === 'gated') {
    const gates = (pod.spec.schedulingGates ?? []).map(gate => gate.name).join(', ')
    const why = gates ? `it has scheduling gates (${gates})` : queued.gate
    return { state: 'gated', summary: `Pod ${key} is not in the queue: ${why}.` }
  }
  const waits: Partial<Record<Place, string>> = {
    active: 'is about to be decided on',
    backoff: 'waits a few seconds before it is tried again',
    unschedulable: `waits until something changes for ${queued?.blockedBy.join(', ') || 'it'}`,
    deciding: held ? 'is held back by a plugin before it is bound' : 'is being bound',
  }
  const where = queued ? waits[queued.place] : 'is being deleted'
  return { state: 'waiting', summary: `Pod ${key} has no node and ${where}.` }
}

function notMine(schedulerName: string, own: readonly string[], startedAt: number): string {
  if (!own.includes(schedulerName))
    return ` Scheduler ${JSON.stringify(schedulerName)} decided that, or the pod was created with its node.`
  return ` The decision is not on record: the pod was bound before this scheduler started (${timeText(startedAt)}), created with its node, or too many decisions were made since.`
}
