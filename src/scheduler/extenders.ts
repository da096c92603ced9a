// The extenders that want one pod, asked one after the other. What goes wrong with one that may be ignored is logged,
// and the others are asked all the same.
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Found, Scored } from './decide.ts'
import { type Extender, extenderName } from './extender.ts'
import type { Eviction, Failure } from './framework.ts'
import type { NodeInfo, PodInfo } from './info.ts'

export class PodExtenders {
  readonly #pod: PodInfo
  readonly #extenders: readonly Extender[]
  readonly #log: Log

  constructor(pod: PodInfo, extenders: readonly Extender[], log: Log) {
    this.#pod = pod
    this.#extenders = extenders.length ? extenders.filter(extender => extender.wants(pod)) : extenders
    this.#log = log
  }

  /** Whether any of them has to be asked. */
  get any(): boolean {
    return this.#extenders.length > 0
  }

  /** What they leave of the nodes that were found. Throws when one fails that may not be ignored. */
  async filter(found: Found): Promise<Found> {
    let { feasible } = found
    const refusals = [...found.refusals]
    for (const extender of this.#extenders) {
      if (!extender.config.filterVerb || !feasible.length) continue
      try {
        const answer = await extender.filter(this.#pod, feasible)
        if (answer.feasible.length < feasible.length) found.blockedBy.add(extenderName)
        feasible = answer.feasible
        refusals.push(...answer.refusals)
      } catch (error) {
        this.#skip(extender, error)
      }
    }
    return { ...found, feasible, refusals }
  }

  /** Their scores; the nodes can be ordered without those of one that fails. */
  async scores(nodes: readonly NodeInfo[]): Promise<Scored[]> {
    const scores: Scored[] = []
    for (const extender of nodes.length > 1 ? this.#extenders : []) {
      if (!extender.config.prioritizeVerb) continue
      try {
        scores.push(await extender.prioritize(this.#pod, nodes))
      } catch (error) {
        this.#log.warn('extender gave no scores', { pod: this.#pod.key, why: messageOf(error) })
      }
    }
    return scores
  }

  /** What lets them object to evictions; undefined when none of them asks for that. */
  narrowing(): Failure['narrow'] {
    const asked = this.#extenders.filter(extender => extender.config.preemptVerb)
    return asked.length ? evictions => this.#narrow(asked, evictions) : undefined
  }

  async #narrow(asked: readonly Extender[], evictions: readonly Eviction[]): Promise<readonly Eviction[]> {
    let left = evictions
    for (const extender of asked) {
      if (!left.length) break
      try {
        left = await extender.narrow(this.#pod, left)
      } catch (error) {
        this.#skip(extender, error)
      }
    }
    return left
  }

  #skip(extender: Extender, error: unknown): void {
    if (!extender.config.ignorable) throw error
    this.#log.warn('extender skipped', { pod: this.#pod.key, why: messageOf(error) })
  }
}
