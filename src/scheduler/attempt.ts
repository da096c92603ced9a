// One attempt to give a pod a node: the decision, with extenders where there are any; then either the binding, or
// making room and telling why not. Source: pkg/scheduler/schedule_one.go (ScheduleOne).
import type { Clock } from '../base/clock.ts'
import { isReason, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import { bind, type Denied, permit, type Placement, reserve, unreserve } from './binding.ts'
import {
  askAgain,
  askWith,
  choose,
  type DecideOptions,
  type Decision,
  findNodes,
  type Found,
  type Scored,
} from './decide.ts'
import type { Decisions } from './decisions.ts'
import { type Extender, extenderName } from './extender.ts'
import type { Eviction, Failure, PostFiltered, Refusal } from './framework.ts'
import type { PodInfo } from './info.ts'
import {
  algorithmSeconds,
  attemptSeconds,
  podAttempts,
  podSeconds,
  preemptionAttempts,
  pluginFailures,
  preemptionVictims,
  scheduleAttempts,
} from './metrics.ts'
import type { Nominations } from './nominations.ts'
import type { SchedulingQueue, Taken } from './queue.ts'
import type { Reporter } from './reporter.ts'
import type { Snapshot } from './snapshot.ts'
import type { WaitingRoom } from './waiting.ts'

type Result = 'scheduled' | 'unschedulable' | 'error'

/** What lies outside the decision. */
export interface Outside {
  extenders: readonly Extender[]
  waiting: WaitingRoom
  reporter: Reporter
}

interface AttemptOptions extends Outside {
  clock: Clock
  random: Random
  log: Log
  signal: AbortSignal
  snapshot: Snapshot
  queue: SchedulingQueue
  nominations: Nominations
  decisions: Decisions
  onAttempt?: (result: Result, ms: number) => void
  /** The pod gives up the node it was given. */
  released(pod: PodInfo, node: string): void
}

type NoNode = Extract<Decision['outcome'], { type: 'none' }>

/** Pods with more attempts are counted together. */
const maxAttemptsLabel = 15

export class Attempt {
  readonly #options: AttemptOptions
  #start = 0
  #binding = 0

  constructor(options: AttemptOptions) {
    this.#options = options
  }

  /** How many bindings are being written. */
  get binding(): number {
    return this.#binding
  }

  /** Decides; the promise, where there is one, must be waited for before the next attempt. */
  make(taken: Taken): Promise<void> | undefined {
    const begin = this.#options.clock.now()
    try {
      const work = this.#decide(taken, begin)
      return work?.catch((error: unknown) => this.#broken(taken, begin, error))
    } catch (error) {
      this.#broken(taken, begin, error)
      return undefined
    }
  }

  #decide(taken: Taken, begin: number): Promise<void> | undefined {
    const { snapshot, random, nominations, extenders } = this.#options
    const { pod, profile } = taken
    const options = { profile, snapshot, random, nominations, start: this.#start }
    const found = findNodes(pod, options)
    this.#start = found.total ? (this.#start + found.looked) % found.total : 0
    const asked = extenders.length ? extenders.filter(extender => extender.wants(pod)) : extenders
    if (asked.length && found.feasible.length) return this.#decideWith(taken, found, options, asked, begin)
    return this.#decided(taken, found, choose(found, options), options, begin)
  }

  async #decideWith(taken: Taken, found: Found, options: DecideOptions, extenders: readonly Extender[], begin: number) {
    const left = await this.#filterBy(extenders, found)
    const more: Scored[] = []
    for (const extender of left.feasible.length > 1 ? extenders : []) {
      if (!extender.config.prioritizeVerb) continue
      try {
        more.push(await extender.prioritize(taken.pod, left.feasible))
      } catch (error) {
        // Others can still choose.
        this.#options.log.warn('extender gave no scores', { pod: taken.pod.key, why: messageOf(error) })
      }
    }
    // Nodes may have gone while extenders thought.
    const feasible = left.feasible.filter(node => this.#options.snapshot.node(node.name) === node)
    if (feasible.length < left.feasible.length) throw new Error('nodes have gone during the decision')
    if (this.#options.queue.find(taken.pod.uid)?.place !== 'deciding') return
    await this.#decided(taken, left, choose(left, options, more), options, begin)
  }

  async #filterBy(extenders: readonly Extender[], found: Found): Promise<Found> {
    let { feasible } = found
    const refusals: Refusal[] = [...found.refusals]
    for (const extender of extenders) {
      if (!extender.config.filterVerb || !feasible.length) continue
      try {
        const answer = await extender.filter(found.pod, feasible)
        if (answer.feasible.length < feasible.length) found.blockedBy.add(extenderName)
        feasible = answer.feasible
        refusals.push(...answer.refusals)
      } catch (error) {
        if (!extender.config.ignorable) throw error
        this.#options.log.warn('extender skipped', { pod: found.pod.key, why: messageOf(error) })
      }
    }
    return { ...found, feasible, refusals }
  }

  #decided(taken: Taken, found: Found, decision: Decision, options: DecideOptions, begin: number) {
    const { clock, decisions, log } = this.#options
    const { outcome } = decision
    if (found.broken) {
      const { node, plugin, error } = found.broken
      pluginFailures.add({ plugin, point: 'Filter' })
      log.error('node left out: a plugin failed', { pod: taken.pod.key, node: node.name, plugin, error })
    }
    algorithmSeconds.observe((clock.now() - begin) / 1000)
    if (outcome.type === 'none') return this.#makeRoom(taken, found, decision, outcome, options, begin)
    decisions.add(clock.now(), decision)
    const { pod, profile } = taken
    const onFailure = (error: Error) => log.error('plugin failed', { pod: pod.key, error })
    this.#place(taken, { pod, node: outcome.node, profile, prepared: found.prepared, onFailure }, begin)
    return undefined
  }

  /** Assumes that the pod is on its node, and binds it in the background. */
  #place(taken: Taken, placement: Placement, begin: number): void {
    const { snapshot, nominations } = this.#options
    const { pod, node } = placement
    snapshot.setPod(pod, node.name, true)
    nominations.delete(pod.uid)
    const refusal = placement.profile.reserves.length ? reserve(placement) : undefined
    if (refusal) return this.#denied(taken, placement, refusal, begin)
    const waits = placement.profile.permits.length ? permit(placement) : noWaits
    if ('plugin' in waits) {
      unreserve(placement)
      return this.#denied(taken, placement, waits, begin)
    }
    void this.#bind(taken, placement, waits, begin)
  }

  async #bind(taken: Taken, placement: Placement, waits: ReadonlyMap<string, number>, begin: number): Promise<void> {
    const { clock, waiting, extenders, reporter, signal } = this.#options
    const { pod, node } = placement
    // Those that wait for a permission do not keep others from being bound.
    const counts = waits.size === 0
    if (counts) this.#binding++
    try {
      const refusal = await bind(placement, waits, waiting, extenders, signal)
      if (refusal) {
        unreserve(placement)
        this.#denied(taken, placement, refusal, begin)
        return
      }
      const attempts = taken.attempts > maxAttemptsLabel ? `${maxAttemptsLabel}+` : String(taken.attempts)
      podSeconds.observe((clock.now() - taken.since) / 1000, { attempts })
      podAttempts.observe(taken.attempts)
      this.#ended(taken, 'scheduled', begin)
      reporter.bound(pod, node.name)
    } catch (error) {
      unreserve(placement)
      this.#unbound(taken, error, begin)
    } finally {
      if (counts) this.#binding--
    }
  }

  /** A plugin said no to the node that was chosen. */
  #denied(taken: Taken, { pod }: Placement, { plugin, message }: Denied, begin: number): void {
    const { queue, reporter } = this.#options
    const known = this.#giveBack(pod)
    this.#ended(taken, 'unschedulable', begin)
    queue.unschedulable(pod.uid, new Set([plugin]))
    if (!known || this.#options.signal.aborted) return
    void reporter.refused(known, { reason: 'Unschedulable', message: `0/1 nodes are available: 1 ${message}.` })
  }

  #unbound(taken: Taken, error: unknown, begin: number): void {
    const { queue, reporter, log, signal } = this.#options
    const { pod } = taken
    if (signal.aborted) return
    const cause = error instanceof Error ? error.cause : undefined
    this.#ended(taken, 'error', begin)
    log.warn('binding failed', { pod: pod.key, why: messageOf(error) })
    const known = this.#giveBack(pod)
    if (isReason(cause, 'NotFound')) return queue.remove(pod.uid)
    queue.failed(pod.uid)
    // Somebody else has bound it: its condition is theirs.
    if (!known || isReason(cause, 'Conflict')) return
    void reporter.refused(known, { reason: 'SchedulerError', message: messageOf(error) })
  }

  /** Takes the pod off the node it was assumed on. Its newest state; undefined when it is gone, or there after all. */
  #giveBack(pod: PodInfo): PodInfo | undefined {
    const { snapshot, queue, released } = this.#options
    const where = snapshot.where(pod.uid)
    if (where?.assumed) {
      snapshot.removePod(pod.uid)
      released(pod, where.node)
    }
    return queue.get(pod.uid)
  }

  #makeRoom(taken: Taken, found: Found, decision: Decision, outcome: NoNode, options: DecideOptions, begin: number) {
    const { postFilters } = taken.profile
    if (!postFilters.length || found.total === 0) {
      this.#refuse(taken, decision, outcome, { giveUp: true }, begin)
      return undefined
    }
    preemptionAttempts.add()
    const failure = failureOf(found, options, this.#narrowing(taken.pod))
    const messages: string[] = []
    for (let i = 0; i < postFilters.length; i++) {
      const answer = postFilters[i]!.postFilter!(taken.pod, failure)
      if (answer instanceof Promise)
        return this.#makeRoomSlowly(taken, decision, outcome, failure, answer, i, messages, begin)
      if (answer.message) messages.push(answer.message)
      if (answer.eviction || i === postFilters.length - 1) {
        this.#refuse(taken, decision, outcome, withMessages(answer, messages), begin)
        return undefined
      }
    }
    return undefined
  }

  async #makeRoomSlowly(
    taken: Taken,
    decision: Decision,
    outcome: NoNode,
    failure: Failure,
    first: Promise<PostFiltered>,
    at: number,
    messages: string[],
    begin: number,
  ): Promise<void> {
    let answer = await first
    for (let i = at + 1; ; i++) {
      if (answer.message) messages.push(answer.message)
      const next = taken.profile.postFilters[i]
      if (answer.eviction || !next) break
      answer = await next.postFilter!(taken.pod, failure)
    }
    this.#refuse(taken, decision, outcome, withMessages(answer, messages), begin)
  }

  #narrowing(pod: PodInfo): Failure['narrow'] {
    const asked = this.#options.extenders.filter(extender => extender.config.preemptVerb && extender.wants(pod))
    return asked.length ? evictions => this.#narrow(pod, asked, evictions) : undefined
  }

  async #narrow(pod: PodInfo, extenders: readonly Extender[], evictions: readonly Eviction[]) {
    let left = evictions
    for (const extender of extenders) {
      if (!left.length) break
      try {
        left = await extender.narrow(pod, left)
      } catch (error) {
        if (!extender.config.ignorable) throw error
        this.#options.log.warn('extender skipped', { pod: pod.key, why: messageOf(error) })
      }
    }
    return left
  }

  #refuse(taken: Taken, decision: Decision, outcome: NoNode, made: PostFiltered, begin: number): void {
    const { clock, queue, nominations, decisions, reporter } = this.#options
    const { pod } = taken
    const message = made.message ? `${outcome.message} ${made.message}` : outcome.message
    decisions.add(clock.now(), decision, message)
    this.#ended(taken, 'unschedulable', begin)
    // The newest state of the pod, to write only what is new.
    const known = queue.get(pod.uid)
    queue.unschedulable(pod.uid, outcome.blockedBy)
    if (!known) return
    const { eviction } = made
    if (eviction) this.#evict(pod, eviction)
    else if (made.giveUp) nominations.delete(pod.uid)
    const nominated = eviction ? eviction.node.name : made.giveUp ? '' : undefined
    void reporter.refused(known, {
      reason: 'Unschedulable',
      message,
      ...(nominated !== undefined && { nominated }),
    })
  }

  #evict(pod: PodInfo, eviction: Eviction): void {
    const { nominations, reporter, queue, waiting } = this.#options
    const { node, victims } = eviction
    preemptionVictims.observe(victims.length)
    // Less important pods that were to get this node look for another.
    for (const other of nominations.on(node.name)?.values() ?? []) {
      if (other.priority >= pod.priority) continue
      nominations.delete(other.uid)
      void reporter.unnominate(other)
      queue.rouse(other.uid)
    }
    nominations.set(pod, node.name)
    const held = victims.filter(victim => waiting.has(victim.uid))
    for (const victim of held) {
      waiting.reject(victim.uid, 'DefaultPreemption', 'preempted')
      reporter.preempted(victim, pod, node.name)
    }
    const rest = { ...eviction, victims: victims.filter(victim => !held.includes(victim)) }
    void reporter.evict(rest, pod).then(done => {
      if (!done) queue.rouse(pod.uid)
    })
  }

  #broken(taken: Taken, begin: number, error: unknown): void {
    const { queue, log, reporter, signal } = this.#options
    if (signal.aborted) return
    log.error('decision failed', { pod: taken.pod.key, error })
    this.#ended(taken, 'error', begin)
    const known = this.#giveBack(taken.pod)
    queue.failed(taken.pod.uid)
    if (known) void reporter.refused(known, { reason: 'SchedulerError', message: messageOf(error) })
  }

  #ended({ profile }: Taken, result: Result, begin: number): void {
    const ms = this.#options.clock.now() - begin
    const labels = { result, profile: profile.schedulerName }
    scheduleAttempts.add(labels)
    attemptSeconds.observe(ms / 1000, labels)
    this.#options.onAttempt?.(result, ms)
  }
}

/** A decision without a node, as plugins see it that try to make room. */
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
    ask: node => (local ? askWith : askAgain)(pod, node, prepared, options),
  }
}

const noWaits: ReadonlyMap<string, number> = new Map()

const withMessages = (answer: PostFiltered, messages: readonly string[]): PostFiltered => ({
  ...answer,
  ...(messages.length && { message: messages.join(', ') }),
})
