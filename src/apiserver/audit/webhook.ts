// The backend that sends events to a server, in batches: an EventList for every `maxBatch` events, and at the latest
// 30 seconds after the first of them. At most `maxWaiting` events wait; more are dropped and counted. A batch that
// fails is sent again after a while, a few times, and is then dropped.
// Source: apiserver plugin/pkg/audit/buffered (its defaults), plugin/pkg/audit/webhook.
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { JsonPoster } from '../post-json.ts'
import type { AuditBackend } from './auditor.ts'
import { dropped } from './log-file.ts'

const maxWaiting = 10_000
const maxWaitingBytes = 64 << 20
const maxBatch = 400
const maxWaitMs = 30_000
const maxAttempts = 5
const firstRetryMs = 10_000
const timeoutMs = 30_000

export class AuditWebhook implements AuditBackend {
  readonly #poster: JsonPoster
  readonly #clock: Clock
  readonly #log: Log
  readonly #ending = new AbortController()
  #waiting: string[] = []
  #waitingBytes = 0
  #cancelTimer: (() => void) | undefined
  #sending: Promise<void> | undefined

  constructor(poster: JsonPoster, clock: Clock, log: Log) {
    this.#poster = poster
    this.#clock = clock
    this.#log = log
  }

  write(line: string): void {
    if (this.#waiting.length >= maxWaiting || this.#waitingBytes + line.length > maxWaitingBytes)
      return dropped.add({ plugin: 'webhook' })
    this.#waiting.push(line)
    this.#waitingBytes += line.length
    if (this.#waiting.length >= maxBatch) this.#send()
    else this.#cancelTimer ??= this.#clock.after(maxWaitMs, () => this.#send())
  }

  /** Sends what is there once, without retries. */
  async close(): Promise<void> {
    this.#ending.abort()
    this.#send()
    await this.#sending
    this.#poster.close()
  }

  #send(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#sending ??= this.#drain().finally(() => {
      this.#sending = undefined
      if (this.#waiting.length && !this.#ending.signal.aborted)
        this.#cancelTimer ??= this.#clock.after(maxWaitMs, () => this.#send())
    })
  }

  async #drain(): Promise<void> {
    do {
      const batch = this.#waiting.splice(0, maxBatch)
      if (!batch.length) return
      for (const line of batch) this.#waitingBytes -= line.length
      await this.#deliver(batch)
    } while (this.#waiting.length >= maxBatch || this.#ending.signal.aborted)
  }

  async #deliver(batch: readonly string[]): Promise<void> {
    const items = batch.map(line => JSON.parse(line) as unknown)
    const list = { kind: 'EventList', apiVersion: 'audit.k8s.io/v1', metadata: {}, items }
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#poster.post(list, timeoutMs)
        return
      } catch (error) {
        if (attempt >= maxAttempts || this.#ending.signal.aborted) {
          dropped.add({ plugin: 'webhook' }, batch.length)
          this.#log.error('audit events could not be sent and are dropped', {
            events: batch.length,
            why: messageOf(error),
          })
          return
        }
      }
      // The end of the server interrupts the wait, for a last attempt.
      await this.#clock.sleep(firstRetryMs * 2 ** (attempt - 1), this.#ending.signal).catch(() => {})
    }
  }
}
