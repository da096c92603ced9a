// A cache of plugins' answers. The pods of a Deployment ask every node the same question, and most nodes have not
// changed since the last one, so answers are kept by the signature of pods and the generation of nodes. Only answers of
// plugins with `depends: 'node'` are kept, since those depend on nothing else.
import { messageOf } from '../base/errors.ts'
import type { Plugin, Refusal } from './framework.ts'
import type { NodeInfo, PodInfo } from './info.ts'
import { pluginFailures } from './metrics.ts'

/** The most signatures with kept answers, least recently used dropped first; and of signatures that were seen once. */
const maxSorts = 32
const maxSeen = 1024

/** The answers for pods of one signature, by the slot of the node. An answer holds for one generation of the node. */
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

  /** The first refusal of a node, from the cache or from the plugins. */
  refusal(node: NodeInfo, prepared: readonly Prepared[], pod: PodInfo): Refusal | undefined {
    const { slot, generation } = node
    if (this.#filterAt[slot] === generation) return this.#refusals[slot]
    const refusal = ask(prepared, node, pod)
    this.#filterAt[slot] = generation
    return (this.#refusals[slot] = refusal)
  }

  /** Writes the scores of the scoring plugin number `which` into `own`, from the cache or from the plugin. */
  score(which: number, plugin: Plugin, state: unknown, nodes: readonly NodeInfo[], pod: PodInfo, own: Float64Array) {
    const empty = () => ({ at: new Float64Array(this.slots), values: new Float64Array(this.slots) })
    const { at, values } = (this.#scores[which] ??= empty())
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

/** A plugin with the state that its `prepare` returned for a pod. */
export interface Prepared {
  plugin: Plugin
  state: unknown
  filters: boolean
}

/**
 * The first refusal of a node, if any. When a plugin throws, the node is refused and the others are asked as usual:
 * the cause may be the node, and another one can take the pod.
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

/** The score of a node, or 0 if the plugin throws. */
export function scoreOf(plugin: Plugin, state: unknown, node: NodeInfo, pod: PodInfo): number {
  try {
    return plugin.score!(state, node, pod)
  } catch {
    pluginFailures.add({ plugin: plugin.name, point: 'Score' })
    return 0
  }
}

/** The answers for all signatures. One cache belongs to one profile, since other plugins give other answers. */
export class AnswerCache {
  readonly #kept = new Map<string, Answers>()
  /** Signatures without answers yet: a pod that is the only one of its kind is not worth the memory. */
  readonly #seen = new Set<string>()

  /** The answers for a signature. Undefined for its first pod, whose answers are not kept. */
  of(signature: string, slots: number): Answers | undefined {
    let answers = this.#kept.get(signature)
    if (!answers && !this.#seen.has(signature)) {
      if (this.#seen.size >= maxSeen) this.#seen.clear()
      this.#seen.add(signature)
      return undefined
    }
    if (answers) this.#kept.delete(signature)
    // Nodes are often added several at a time, so there is room for more.
    if (!answers || answers.slots < slots) answers = new Answers(Math.ceil(slots * 1.25))
    this.#kept.set(signature, answers)
    if (this.#kept.size > maxSorts) this.#kept.delete(this.#kept.keys().next().value!)
    return answers
  }

  clear(): void {
    this.#kept.clear()
  }
}
