// Leader election: of several processes that could do the same work, only the holder of a Lease does it.
//
//   standing by ──(nobody holds it, or its holder was silent)──► leading ──(not renewed in time)──► standing by
//
// The holder renews the Lease. When that has failed for `renewMs` it stops leading, before others may take the Lease
// after `leaseMs`. So two processes never lead at the same time, as long as their clocks run at about the same speed,
// the work ends with its signal, and it asks `holds` before it writes: a process that was stopped for a while goes on
// where it stood, before its timers have noticed anything. Each process measures a silence by a clock of its own that
// nobody sets; times in the Lease are not compared. A renewal counts from the moment at which it was asked for, since
// others may have seen it long before its answer came.
// Source: client-go tools/leaderelection.
import { isReason, messageOf } from '../base/errors.ts'
import { gauge } from '../base/metrics.ts'
import type { Random } from '../base/random.ts'
import { cutShort, joined } from '../base/waiters.ts'
import { microTimeText, parseTime } from '../api/time.ts'
import { Lease } from '../kinds/coordination/lease.ts'
import type { Client } from './client.ts'
import { EventRecorder } from './events.ts'

interface LeaderOptions {
  client: Client
  /** The name of the Lease in kube-system, which is also the source of its events. */
  name: string
  /** Identifies the candidate. One that still holds the Lease under this identity leads again at once. */
  identity: string
  random: Random
  /** Ends the candidacy. A Lease that is held is released. */
  signal: AbortSignal
  /** Called after each try that found the Lease in other hands, or failed. */
  standingBy?(): void
  timing?: LeaderTiming
}

export interface LeaderTiming {
  /** How long others wait for a silent holder. */
  leaseMs: number
  /** How long the holder tries to renew before it stops. Less than `leaseMs`. */
  renewMs: number
  /** Time between two tries. */
  retryMs: number
}

/** The defaults of kube-controller-manager and kube-scheduler. */
const usualTiming: LeaderTiming = { leaseMs: 15_000, renewMs: 10_000, retryMs: 2000 }

const namespace = 'kube-system'
const never = new AbortController().signal
const leads = gauge('leader_election_master_status', 'Whether this process holds a Lease.')

/** Whether this process may still act as the leader, at this very moment. `Client.fenced` asks it before each write. */
export type Holds = () => boolean

/**
 * Calls `lead` each time this process takes the Lease, with a signal that aborts when the Lease is lost. Resolves when
 * the candidacy ends. Rejects with an error of `lead`, and stops renewing: a process that does not work must not lead.
 */
export async function leadWithLease(
  options: LeaderOptions,
  lead: (signal: AbortSignal, holds: Holds) => Promise<void>,
): Promise<void> {
  const { signal } = options
  const candidate = new Candidate(options)
  leads.set(0, { name: options.name })
  while (!signal.aborted) {
    if (!(await candidate.tryToHold()) || !candidate.holds) {
      options.standingBy?.()
      await candidate.pause()
      continue
    }
    candidate.reportElection()
    const leading = new AbortController()
    const { signal: until } = joined(signal, leading.signal)
    const led = lead(until, () => !until.aborted && candidate.holds)
    leads.set(1, { name: options.name })
    try {
      await Promise.race([candidate.keep(until), led.then(() => ended(until))])
    } finally {
      leads.set(0, { name: options.name })
      leading.abort()
    }
    if (signal.aborted) await candidate.release()
  }
}

class Candidate {
  readonly #options: LeaderOptions
  readonly #timing: LeaderTiming
  /** The spec of another holder's Lease, and when it was first seen like that, by the clock of this process. */
  #seen: { text: string; at: number } | undefined
  #held: Lease | undefined
  /** When the last renewal that succeeded was asked for. */
  #renewedAt = Number.NEGATIVE_INFINITY

  constructor(options: LeaderOptions) {
    this.#options = options
    this.#timing = options.timing ?? usualTiming
  }

  /** A time that nobody sets, for silences. */
  get #steady(): number {
    return this.#options.client.clock.steady()
  }

  get #now(): number {
    return this.#options.client.clock.now()
  }

  /** Whether others still have to wait for this holder. */
  get holds(): boolean {
    return this.#leftMs > 0
  }

  get #leftMs(): number {
    return this.#renewedAt + this.#timing.renewMs - this.#steady
  }

  async pause(limitMs = Infinity): Promise<void> {
    const { client, random, signal } = this.#options
    // The jitter keeps candidates from trying all at once.
    const ms = this.#timing.retryMs * (1 + 0.2 * random.float())
    await client.clock.sleep(Math.min(ms, limitMs), signal).catch(() => {})
  }

  /** Takes or renews the Lease. Returns false when another holds it, or the API server does not answer in time. */
  async tryToHold(limitMs = this.#timing.renewMs): Promise<boolean> {
    const { client, name, signal } = this.#options
    const askedAt = this.#steady
    try {
      // A write that the store of this server has been given is not cut short, and nobody waits for it here.
      const isHeld = await cutShort(client.clock, limitMs, signal, limit => this.#hold(limit))
      this.#renewedAt = isHeld ? askedAt : Number.NEGATIVE_INFINITY
      return isHeld
    } catch (error) {
      this.#held = undefined
      if (!signal.aborted && !isReason(error, 'Conflict', 'AlreadyExists'))
        client.log.warn('cannot take or renew the lease', { lease: name, why: messageOf(error) })
      return false
    }
  }

  async #hold(signal: AbortSignal): Promise<boolean> {
    const { client, name } = this.#options
    const lease = this.#held ?? (await client.find(Lease, { namespace, name }, { signal }))
    if (lease && !this.#mayTake(lease)) return false
    this.#held = lease
      ? await client.update(Lease, { ...lease, spec: this.#spec(lease) }, { signal })
      : await client.create(Lease, { metadata: { name, namespace }, spec: this.#spec(undefined) }, { signal })
    return true
  }

  /**
   * Renews the Lease until `signal` aborts, or until renewing has failed for `renewMs`. A try without an answer ends
   * with that time, too.
   */
  async keep(signal: AbortSignal): Promise<void> {
    const { client, name } = this.#options
    while (!signal.aborted) {
      await this.pause(Math.max(0, this.#leftMs))
      if (signal.aborted) return
      if (this.holds) await this.tryToHold(this.#leftMs)
      if (!this.holds) {
        client.log.error('the lease is lost', { lease: name })
        return
      }
    }
  }

  /** Writes the Lease without a holder, so that another candidate can take it at once. */
  async release(): Promise<void> {
    const { client, name } = this.#options
    try {
      await cutShort(client.clock, this.#timing.renewMs, never, limit => this.#release(limit))
    } catch (error) {
      client.log.debug('cannot release the lease', { lease: name, why: messageOf(error) })
    }
  }

  async #release(signal: AbortSignal): Promise<void> {
    const { client, name, identity } = this.#options
    // A renewal whose answer was not awaited may have been the last write.
    const lease = this.#held ?? (await client.find(Lease, { namespace, name }, { signal }))
    if (lease?.spec.holderIdentity !== identity) return
    const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: microTimeText(this.#now) }
    await client.update(Lease, { ...lease, spec }, { signal })
  }

  reportElection(): void {
    const { client, name, identity } = this.#options
    client.log.info('leading', { lease: name, identity })
    new EventRecorder(client, { component: name }).event(
      this.#held!,
      'Normal',
      'LeaderElection',
      `${identity} became leader`,
    )
  }

  #mayTake(lease: Lease): boolean {
    const { holderIdentity = '', leaseDurationSeconds = this.#timing.leaseMs / 1000 } = lease.spec
    if (holderIdentity === '' || holderIdentity === this.#options.identity) return true
    const text = JSON.stringify(lease.spec)
    if (this.#seen?.text !== text) this.#seen = { text, at: this.#steady }
    return this.#steady - this.#seen.at >= leaseDurationSeconds * 1000
  }

  #spec(lease: Lease | undefined) {
    const { identity } = this.#options
    const now = microTimeText(this.#now)
    const before = lease?.spec
    const same = before?.holderIdentity === identity
    return {
      ...before,
      holderIdentity: identity,
      leaseDurationSeconds: this.#timing.leaseMs / 1000,
      renewTime: now,
      acquireTime: same && parseTime(before.acquireTime) !== undefined ? before.acquireTime : now,
      leaseTransitions: same ? (before.leaseTransitions ?? 0) : before ? (before.leaseTransitions ?? 0) + 1 : 0,
    }
  }
}

const ended = (signal: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
