// What nodes have answered equal pods: a Deployment's pods ask every node the same, and most nodes have not changed
// since. Only plugins that say that nothing but pod and node matters to them (`depends: 'node'`) are remembered.
import { messageOf } from '../base/errors.ts'
import type { Plugin, Refusal } from './framework.ts'
import type { NodeInfo, PodInfo } from './info.ts'
import { pluginFailures } from './metrics.ts'

/** Sorts of pods remembered at a time, and sorts that were seen once. */
const maxSorts = 32
const maxSeen = 1024

/** For one sort of pods; by the slots of nodes. An answer holds as long as the node's generation is the same. */
export class Answers {
  readonly slots: number
  readonly #filterAt: Float64Array
  readonly #refusals: (Refusal | undefined)[]
  readonly #scores: { at: Float64Array; values: Float64Array }[] = []

  constructor(slots: number) {
    this.slots = slots
    this.#filterAt = new Float64Array(slots)
    this.#refusals = Array.from({ length: slots })
  }

  /** The first refusal of a node, asked for where it is not known. */
  refusal(node: NodeInfo, prepared: readonly Prepared[], pod: PodInfo): Refusal | undefined {
    const { slot, generation } = node
    if (this.#filterAt[slot] === generation) return this.#refusals[slot]
    const refusal = ask(prepared, node, pod)
    this.#filterAt[slot] = generation
    return (this.#refusals[slot] = refusal)
  }

  /** Fills in the scores of the `which`-th scoring plugin, worked out where they are not known. */
  score(which: number, plugin: Plugin, state: unknown, nodes: readonly NodeInfo[], pod: PodInfo, own: Float64Array) {
    const fresh = () => ({ at: new Float64Array(this.slots), values: new Float64Array(this.slots) })
    const { at, values } = (this.#scores[which] ??= fresh())
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[i]!
      const { slot, generation } = node
      if (at[slot] !== generation) {
        at[slot] = generation
        values[slot] = scoreOf(plugin, state, node, pod)
      }
      own[i] = values[slot]!
    }
  }
}

/** A plugin with the state it has prepared for a pod. */
export interface Prepared {
  plugin: Plugin
  state: unknown
  filters: boolean
}

/**
 * The first refusal of a node, if any. A plugin that throws keeps this node out, not the pod: it may be the node's
 * fault, and others can take the pod.
 */
export function ask(prepared: readonly Prepared[], node: NodeInfo, pod: PodInfo): Refusal | undefined {
  for (const { plugin, state, filters } of prepared) {
    if (!filters) continue
    try {
      const answer = plugin.filter!(state, node, pod)
      if (answer !== true) return { node, plugin: plugin.name, no: answer }
    } catch (error) {
      const no = `running ${JSON.stringify(plugin.name)} filter plugin: ${messageOf(error)}`
      return { node, plugin: plugin.name, no: { no, ever: false }, error }
    }
  }
  return undefined
}

/** A node whose score cannot be worked out is liked least. */
export function scoreOf(plugin: Plugin, state: unknown, node: NodeInfo, pod: PodInfo): number {
  try {
    return plugin.score!(state, node, pod)
  } catch {
    pluginFailures.add({ plugin: plugin.name, point: 'Score' })
    return 0
  }
}

export class AnswerCache {
  readonly #kept = new Map<string, Answers>()
  /** A sort that comes once is not worth remembering. */
  readonly #seen = new Set<string>()

  /** What is known about pods of this sort; undefined when they are the first. */
  of(signature: string, slots: number): Answers | undefined {
    let answers = this.#kept.get(signature)
    if (!answers && !this.#seen.has(signature)) {
      if (this.#seen.size >= maxSeen) this.#seen.clear()
      this.#seen.add(signature)
      return undefined
    }
    if (answers) this.#kept.delete(signature)
    // New nodes come in bunches: leave room for more.
    if (!answers || answers.slots < slots) answers = new Answers(Math.ceil(slots * 1.25))
    this.#kept.set(signature, answers)
    if (this.#kept.size > maxSorts) this.#kept.delete(this.#kept.keys().next().value!)
    return answers
  }
}
