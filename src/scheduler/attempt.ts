// One attempt to give a pod a node: the decision, with extenders if there are any, and then either the binding, or an
// attempt to make room and a report of why no node can take the pod.
//
//   find ─► (extenders) ─► choose ─┬─► place ─► bind, in the background ─► scheduled
//                                  │     └────────┴─► denied, unbound ─► back to the queue
//                                  └─► no node: make room ─► refuse ─► back to the queue
//
// What always holds:
//
// - An attempt ends with exactly one of bound, denied, unbound, refused or failed, unless the signal aborts. All but
//   the first return the pod to the queue, and take it off the node on which it was assumed.
// - From the decision to the end of `permit`, no other attempt runs. Only the binding overlaps with later attempts,
//   which count the pod as if it were on its node.
// - If the pod is deleted meanwhile, it is not in the queue any more; every report and write then does nothing.
//
// Source: pkg/scheduler/schedule_one.go (ScheduleOne).
import { isReason, messageOf } from '../base/errors.ts'
import type { Attempts, Parts, Result } from './attempts.ts'
import { bind, type Denied, permit, type Placement, reserve, unreserve } from './binding.ts'
import { choose, type DecideOptions, type Decision, failureOf, type Found, isChosen, type NotChosen } from './decide.ts'
import { PodExtenders } from './extenders.ts'
import type { Eviction, PostFiltered } from './framework.ts'
import type { PodInfo } from './info.ts'
import {
  algorithmSeconds,
  podAttempts,
  podSeconds,
  pointSeconds,
  preemptionAttempts,
  pluginFailures,
  preemptionVictims,
} from './metrics.ts'
import type { Taken } from './queue.ts'

/** In metrics, all pods with more attempts than this have one label. */
const maxAttemptsLabel = 15

export class Attempt {
  readonly #attempts: Attempts
  readonly #parts: Parts
  readonly #taken: Taken
  readonly #pod: PodInfo
  readonly #begin: number
  readonly #options: DecideOptions
  readonly #extenders: PodExtenders

  constructor(attempts: Attempts, taken: Taken) {
    const { clock, extenders, log } = attempts.parts
    this.#attempts = attempts
    this.#parts = attempts.parts
    this.#taken = taken
    this.#pod = taken.pod
    this.#begin = clock.steady()
    this.#options = attempts.decideOptions(taken.profile)
    this.#extenders = new PodExtenders(taken.pod, extenders, log)
  }

  /** Decides. If it returns a promise, the next attempt must wait for it. */
  run(): Promise<void> | undefined {
    try {
      return this.#decide()?.catch((error: unknown) => this.#failed(error))
    } catch (error) {
      this.#failed(error)
      return undefined
    }
  }

  #decide(): Promise<void> | undefined {
    const found = this.#timed('Filter', () => this.#attempts.find(this.#pod, this.#options))
    if (this.#extenders.any && found.feasible.length) return this.#askExtenders(found)
    return this.#decided(
      found,
      this.#timed('Score', () => choose(found, this.#options)),
    )
  }

  #timed<T>(extension_point: string, work: () => T): T {
    const { clock } = this.#parts
    const from = clock.steady()
    const result = work()
    this.#took(extension_point, from, 'Success')
    return result
  }

  #took(extension_point: string, from: number, status: 'Success' | 'Error' | 'Unschedulable'): void {
    const labels = { extension_point, profile: this.#taken.profile.schedulerName, status }
    pointSeconds.observe((this.#parts.clock.steady() - from) / 1000, labels)
  }

  async #askExtenders(found: Found): Promise<void> {
    const { snapshot, queue } = this.#parts
    const left = await this.#extenders.filter(found)
    const scores = await this.#extenders.scores(left.feasible)
    // While the extenders were asked, nodes may have been deleted.
    if (left.feasible.some(node => snapshot.node(node.name) !== node))
      throw new Error('nodes were deleted during the decision')
    if (queue.find(this.#pod.uid)?.place !== 'deciding') return
    await this.#decided(left, choose(left, this.#options, scores))
  }

  #decided(found: Found, decision: Decision): Promise<void> | undefined {
    const { clock, decisions } = this.#parts
    if (found.broken) {
      const { node, plugin, error } = found.broken
      pluginFailures.add({ plugin, point: 'Filter' })
      this.#parts.log.error('node left out: a plugin failed', { pod: this.#pod.key, node: node.name, plugin, error })
    }
    algorithmSeconds.observe((clock.steady() - this.#begin) / 1000)
    if (!isChosen(decision)) return this.#makeRoom(found, decision)
    decisions.add(clock.now(), decision)
    this.#place({
      pod: this.#pod,
      node: decision.outcome.node,
      profile: this.#taken.profile,
      prepared: found.prepared,
      onFailure: error => this.#parts.log.error('plugin failed', { pod: this.#pod.key, error }),
    })
    return undefined
  }

  /** Assumes that the pod is on its node, and binds it in the background. */
  #place(placement: Placement): void {
    const { snapshot, nominations } = this.#parts
    const { node, profile } = placement
    snapshot.setPod(this.#pod, node.name, true)
    nominations.delete(this.#pod.uid)
    const refusal = profile.reserves.length ? reserve(placement) : undefined
    if (refusal) return this.#denied(refusal)
    const waits = profile.permits.length ? permit(placement) : noWaits
    if ('plugin' in waits) {
      unreserve(placement)
      return this.#denied(waits)
    }
    void this.#bind(placement, waits)
  }

  async #bind(placement: Placement, waits: ReadonlyMap<string, number>): Promise<void> {
    const from = this.#parts.clock.steady()
    const binding = bind(placement, waits, this.#parts)
    try {
      // A pod that waits at `permit` does not count against the limit of bindings at a time.
      const refusal = await (waits.size ? binding : this.#attempts.bindingOf(binding))
      this.#took('Bind', from, refusal ? 'Unschedulable' : 'Success')
      if (!refusal) return this.#bound(placement)
      unreserve(placement)
      this.#denied(refusal)
    } catch (error) {
      this.#took('Bind', from, 'Error')
      unreserve(placement)
      this.#unbound(error)
    }
  }

  #bound({ node }: Placement): void {
    const { clock, reporter } = this.#parts
    const { attempts, since } = this.#taken
    const label = attempts > maxAttemptsLabel ? `${maxAttemptsLabel}+` : String(attempts)
    podSeconds.observe((clock.steady() - since) / 1000, { attempts: label })
    podAttempts.observe(attempts)
    this.#ended('scheduled')
    reporter.bound(this.#pod, node.name)
  }

  /** A plugin refused the node after it was chosen. */
  #denied({ plugin, message }: Denied): void {
    const { queue, reporter, signal } = this.#parts
    const waiting = this.#giveBack()
    this.#ended('unschedulable')
    queue.unschedulable(this.#pod.uid, new Set([plugin]))
    if (!waiting || signal.aborted) return
    void reporter.refused(waiting, { reason: 'Unschedulable', message: `0/1 nodes are available: 1 ${message}.` })
  }

  #unbound(error: unknown): void {
    const { queue, reporter, log, signal } = this.#parts
    if (signal.aborted) return
    const cause = error instanceof Error ? error.cause : undefined
    this.#ended('error')
    log.warn('binding failed', { pod: this.#pod.key, why: messageOf(error) })
    const waiting = this.#giveBack()
    if (isReason(cause, 'NotFound')) return queue.remove(this.#pod.uid)
    queue.failed(this.#pod.uid)
    // A conflict means that another scheduler has bound the pod, and its condition is left to that one.
    if (!waiting || isReason(cause, 'Conflict')) return
    void reporter.refused(waiting, { reason: 'SchedulerError', message: messageOf(error) })
  }

  /** Takes the pod off the node on which it was assumed. Returns its newest state, or undefined if it was deleted. */
  #giveBack(): PodInfo | undefined {
    const { snapshot, queue, released } = this.#parts
    const { uid } = this.#pod
    const where = snapshot.where(uid)
    if (where?.assumed) {
      snapshot.removePod(uid)
      released(this.#pod, where.node)
    }
    return queue.get(uid)
  }

  /** Calls the plugins of `postFilter` until one of them returns an eviction. */
  async #makeRoom(found: Found, decision: NotChosen): Promise<void> {
    const { postFilters } = this.#taken.profile
    if (!postFilters.length || found.total === 0) return this.#refuse(decision, { nomination: 'remove' })
    preemptionAttempts.add()
    const from = this.#parts.clock.steady()
    const failure = failureOf(found, this.#options, this.#extenders.narrowing())
    const messages: string[] = []
    let answer: PostFiltered = {}
    for (const plugin of postFilters) {
      answer = await plugin.postFilter!(this.#pod, failure)
      // Once there is room, it does not matter what the plugins before could not do.
      if (typeof answer.nomination === 'object') messages.length = 0
      if (answer.message) messages.push(answer.message)
      if (typeof answer.nomination === 'object') break
    }
    this.#took('PostFilter', from, typeof answer.nomination === 'object' ? 'Success' : 'Unschedulable')
    this.#refuse(decision, messages.length ? { ...answer, message: messages.join(', ') } : answer)
  }

  #refuse(decision: NotChosen, made: PostFiltered): void {
    const { clock, queue, nominations, decisions, reporter } = this.#parts
    const { uid } = this.#pod
    const { outcome } = decision
    const message = made.message ? `${outcome.message} ${made.message}` : outcome.message
    decisions.add(clock.now(), decision, message)
    this.#ended('unschedulable')
    // The newest state of the pod has the condition that is compared with, so that equal ones are not written.
    const waiting = queue.get(uid)
    queue.unschedulable(uid, outcome.blockedBy)
    if (!waiting) return
    const { nomination } = made
    if (nomination === 'remove') nominations.delete(uid)
    else if (nomination) this.#evict(nomination)
    const nominated = nomination === 'remove' ? '' : nomination?.node.name
    void reporter.refused(waiting, { reason: 'Unschedulable', message, ...(nominated !== undefined && { nominated }) })
  }

  #evict(eviction: Eviction): void {
    const { nominations, reporter, queue, waiting } = this.#parts
    const { node, victims } = eviction
    preemptionVictims.observe(victims.length)
    // Pods of lower priority that are nominated to this node are woken to find another.
    for (const other of nominations.on(node.name)?.values() ?? []) {
      if (other.priority >= this.#pod.priority) continue
      nominations.delete(other.uid)
      void reporter.unnominate(other)
      queue.activate(other.uid)
    }
    nominations.set(this.#pod, node.name)
    const held = victims.filter(victim => waiting.has(victim.uid))
    for (const victim of held) {
      waiting.reject(victim.uid, 'DefaultPreemption', 'preempted')
      reporter.preempted(victim, this.#pod, node.name)
    }
    const rest = { ...eviction, victims: victims.filter(victim => !held.includes(victim)) }
    void reporter.evict(rest, this.#pod).then(done => {
      if (!done) queue.activate(this.#pod.uid)
    })
  }

  /** The attempt itself failed, for example because a plugin threw. This is no answer about the nodes. */
  #failed(error: unknown): void {
    const { queue, log, reporter, signal } = this.#parts
    if (signal.aborted) return
    log.error('decision failed', { pod: this.#pod.key, error })
    this.#ended('error')
    const waiting = this.#giveBack()
    queue.failed(this.#pod.uid)
    if (waiting) void reporter.refused(waiting, { reason: 'SchedulerError', message: messageOf(error) })
  }

  #ended(result: Result): void {
    this.#attempts.ended(result, this.#taken.profile, this.#parts.clock.steady() - this.#begin)
  }
}

const noWaits: ReadonlyMap<string, number> = new Map()
