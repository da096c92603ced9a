// Calls the extenders that are interested in one pod, one after the other. The failure of an extender that is ignorable
// is logged, and the next one is called; any other failure ends the attempt.
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

  /** Whether there is an extender to call. */
  get any(): boolean {
    return this.#extenders.length > 0
  }

  /** The nodes that pass all extenders. Throws when one fails that is not ignorable. */
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

  /** The scores of all extenders. The scores of one that fails are left out. */
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

  /** A function by which extenders narrow evictions down. Undefined when none of them takes part in preemption. */
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
