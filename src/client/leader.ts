// Leader election: of several processes that could do the same work, the one that holds a Lease does it. The holder
// renews the Lease; when it has not managed to for a while it stops, some time before others may take over.
// Source: client-go tools/leaderelection.
//
//   standing by ──(nobody holds it, or its time is over)──► leading ──(not renewed in time)──► standing by
import { isReason, messageOf } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import { within } from '../base/waiters.ts'
import { microTimeText, parseTime } from '../api/time.ts'
import { Lease } from '../kinds/coordination/lease.ts'
import type { Client } from './client.ts'
import { EventRecorder } from './events.ts'

interface LeaderOptions {
  client: Client
  /** The Lease's name in kube-system, and the source of its events. */
  name: string
  /** Tells the candidates apart; one that comes back under its old name goes on at once. */
  identity: string
  random: Random
  /** Ends the candidacy; the Lease is then given up. */
  signal: AbortSignal
  /** Hears each time that another holds the Lease. */
  standingBy?(): void
  timing?: LeaderTiming
}

export interface LeaderTiming {
  /** How long others wait for a holder that is silent. */
  leaseMs: number
  /** How long the holder tries to renew before it stops. Less than `leaseMs`. */
  renewMs: number
  /** Time between two tries. */
  retryMs: number
}

/** As kube-controller-manager and kube-scheduler have it. */
const usualTiming: LeaderTiming = { leaseMs: 15_000, renewMs: 10_000, retryMs: 2000 }

const namespace = 'kube-system'

/**
 * Calls `lead` each time this process comes to hold the Lease; the signal it gets aborts when the Lease is lost.
 * Resolves at the end of the candidacy. Errors of `lead` end it, too: a leader that does not lead must not hold it.
 */
export async function leadWithLease(
  options: LeaderOptions,
  lead: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { signal } = options
  const candidate = new Candidate(options)
  while (!signal.aborted) {
    if (!(await candidate.tryToHold())) {
      options.standingBy?.()
      await candidate.pause()
      continue
    }
    candidate.tell()
    const leading = new AbortController()
    const until = AbortSignal.any([signal, leading.signal])
    const led = lead(until)
    try {
      await Promise.race([candidate.keep(), led.then(() => ended(until))])
    } finally {
      leading.abort()
    }
    if (signal.aborted) await candidate.giveUp()
  }
}

class Candidate {
  readonly #options: LeaderOptions
  readonly #timing: LeaderTiming
  /** The Lease as last seen, and when that was: holders' clocks are not trusted, only their silence is. */
  #seen: { text: string; at: number } | undefined
  #held: Lease | undefined

  constructor(options: LeaderOptions) {
    this.#options = options
    this.#timing = options.timing ?? usualTiming
  }

  get #now(): number {
    return this.#options.client.clock.now()
  }

  async pause(): Promise<void> {
    const { client, random, signal } = this.#options
    // Not all candidates at once.
    const ms = this.#timing.retryMs * (1 + 0.2 * random.float())
    await client.clock.sleep(ms, signal).catch(() => {})
  }

  /** Takes or renews the Lease; false when another holds it or the API cannot be asked. */
  async tryToHold(limitMs = this.#timing.renewMs): Promise<boolean> {
    const { client, name, signal } = this.#options
    try {
      return await within(client.clock, limitMs, signal, limit => this.#hold(limit))
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

  /** Renews until that fails for too long; a try that is not answered takes no longer than is left. */
  async keep(): Promise<void> {
    const { client, name, signal } = this.#options
    let renewedAt = this.#now
    while (!signal.aborted) {
      await this.pause()
      if (signal.aborted) return
      const askedAt = this.#now
      const leftMs = renewedAt + this.#timing.renewMs - askedAt
      if (leftMs > 0 && (await this.tryToHold(leftMs))) renewedAt = askedAt
      else if (this.#now - renewedAt >= this.#timing.renewMs) {
        client.log.error('the lease was lost', { lease: name })
        return
      }
    }
  }

  /** Lets the next one take it at once. */
  async giveUp(): Promise<void> {
    const { client, name } = this.#options
    const lease = this.#held
    if (!lease) return
    const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: microTimeText(this.#now) }
    try {
      await client.update(Lease, { ...lease, spec })
    } catch (error) {
      client.log.debug('the lease could not be given up', { lease: name, why: messageOf(error) })
    }
  }

  tell(): void {
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
    if (this.#seen?.text !== text) this.#seen = { text, at: this.#now }
    return this.#now - this.#seen.at >= leaseDurationSeconds * 1000
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
