// The last decisions, for people who ask why a pod is where it is, or nowhere. Kept in the form they were made in and
// written out only when somebody asks.
import type { Decision } from './decide.ts'

const maxKept = 256

export interface DecisionReport {
  /** Milliseconds since the epoch. */
  at: number
  pod: string
  /** The node chosen. */
  node?: string
  /** Why there was none. */
  message?: string
  nodes: {
    name: string
    /** Why it was out of the question. */
    refused?: { plugin: string; reasons: readonly string[] }
    /** Weighted scores by plugin. */
    scores?: Record<string, number>
    total?: number
  }[]
}

export class Decisions {
  readonly #kept = new Map<string, { at: number; decision: Decision; message: string | undefined }>()

  add(at: number, decision: Decision, message?: string): void {
    const { key } = decision.pod
    this.#kept.delete(key)
    this.#kept.set(key, { at, decision, message })
    if (this.#kept.size > maxKept) this.#kept.delete(this.#kept.keys().next().value!)
  }

  /** The last decision on `namespace/name`. */
  report(key: string): DecisionReport | undefined {
    const kept = this.#kept.get(key)
    if (!kept) return undefined
    const { at, decision, message } = kept
    const { outcome, refusals, scored } = decision
    const nodes: DecisionReport['nodes'] = refusals.map(({ node, plugin, no }) => ({
      name: node.name,
      refused: { plugin, reasons: typeof no.no === 'string' ? [no.no] : no.no },
    }))
    if (outcome.type === 'none') return { at, pod: key, message: message ?? outcome.message, nodes }
    const feasible = outcome.feasible.map((node, i) => ({
      name: node.name,
      scores: Object.fromEntries(scored.map(({ plugin, scores }) => [plugin, scores[i]!])),
      total: outcome.scores?.[i] ?? 0,
    }))
    feasible.sort((a, b) => b.total - a.total)
    return { at, pod: key, node: outcome.node.name, nodes: [...feasible, ...nodes] }
  }
}
