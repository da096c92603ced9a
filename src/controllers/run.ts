// Runs controllers: subscribes to their mirrors, fills their queues, and works the queues off with a few keys at a
// time each.
import type { Clock } from '../base/clock.ts'
import { isDefect, isReason, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { counter, exponentialBuckets, gauge, histogram } from '../base/metrics.ts'
import type { Random } from '../base/random.ts'
import type { Kind, KubeObject } from '../api/kind.ts'
import { type Client, EventRecorder } from '../client/index.ts'
import { Context, type Caches } from './context.ts'
import type { Controller } from './harness.ts'
import { KeyQueue } from './queue.ts'

const reconciles = counter('kutter_controller_reconciles_total', 'Reconciles by controller and result.')
// Upstream's names and buckets: dashboards look for them.
const buckets = exponentialBuckets(1e-8, 10, 10)
const depth = gauge('workqueue_depth', 'Keys that wait.')
const adds = counter('workqueue_adds_total', 'Keys added.')
const retries = counter('workqueue_retries_total', 'Keys added again after a failure.')
const waits = histogram('workqueue_queue_duration_seconds', 'How long keys waited.', buckets)
const works = histogram('workqueue_work_duration_seconds', 'How long keys were worked on.', buckets)

interface RunOptions {
  /** Reads: all controllers share its mirrors. */
  reader: Client
  /** Writes under the controller's own name. */
  client: Client
  clock: Clock
  random: Random
  log: Log
  signal: AbortSignal
}

/** Starts one controller; resolves when its mirrors are filled and it works. It ends with the signal. */
export async function runController(controller: Controller, options: RunOptions): Promise<void> {
  const { reader, signal } = options
  const caches: Caches = kind => reader.mirror(kind)
  const mirrors = controller.kinds.map(kind => caches(kind as Kind<KubeObject>))
  await reader.synced(mirrors, signal)
  const runner = new Runner(controller, caches, options)
  // What is there already is as good as just added.
  const unsubscribe = controller.watches.map(watch =>
    caches(watch.kind as Kind<KubeObject>).follow(
      change => runner.wake(watch.keys(change, caches)),
      `controller ${controller.name}`,
    ),
  )
  signal.addEventListener(
    'abort',
    () => {
      for (const stop of unsubscribe) stop()
      runner.close()
    },
    { once: true },
  )
}

class Runner {
  readonly #controller: Controller
  readonly #caches: Caches
  readonly #options: RunOptions
  readonly #queue: KeyQueue
  readonly #recorder: EventRecorder
  readonly #mirrored: ReadonlySet<Controller['kinds'][number]>
  #busy = 0
  #pumping = false

  constructor(controller: Controller, caches: Caches, options: RunOptions) {
    this.#controller = controller
    this.#caches = caches
    this.#options = options
    const labels = { name: controller.name }
    this.#queue = new KeyQueue(
      options.clock,
      options.random,
      () => this.#pump(),
      () => adds.add(labels),
    )
    this.#recorder = new EventRecorder(options.client, { component: controller.name })
    this.#mirrored = new Set(controller.kinds)
  }

  wake(keys: Iterable<string>): void {
    for (const key of keys) this.#queue.add(key)
  }

  close(): void {
    this.#queue.close()
  }

  // Starts work in a later microtask: a batch of changes is applied whole before anybody acts on its first. Not a Chore:
  // this only hands out keys, and several are worked on at once.
  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    queueMicrotask(() => {
      this.#pumping = false
      while (this.#busy < this.#controller.workers && !this.#options.signal.aborted) {
        const next = this.#queue.take()
        if (!next) break
        this.#busy++
        waits.observe(next.waitedMs / 1000, { name: this.#controller.name })
        void this.#work(next.key)
      }
      depth.set(this.#queue.size, { name: this.#controller.name })
    })
  }

  async #work(key: string): Promise<void> {
    const { client, clock, random, log, signal } = this.#options
    const name = this.#controller.name
    const began = clock.now()
    const ctx = new Context({ client, caches: this.#caches, recorder: this.#recorder, clock, random, log, signal })
    try {
      const result = await this.#controller.reconcile(key, ctx)
      this.#queue.forget(key)
      if (result) this.#queue.addAfter(key, result.again)
      reconciles.add({ controller: name, result: 'ok' })
    } catch (error) {
      if (!signal.aborted) this.#failed(key, error)
    }
    works.observe((clock.now() - began) / 1000, { name })
    this.#busy--
    this.#pump()
    // Until the mirrors show what was written the key stays taken, without holding a worker.
    try {
      await ctx.seen(this.#mirrored)
    } catch (error) {
      if (!signal.aborted) log.error('waiting for own writes failed', { controller: name, key, error })
    }
    this.#queue.done(key)
  }

  #failed(key: string, error: unknown): void {
    const controller = this.#controller.name
    const backoffMs = this.#queue.retry(key)
    retries.add({ name: controller })
    if (isDefect(error)) {
      reconciles.add({ controller, result: 'error' })
      this.#options.log.error('reconcile failed', { controller, key, backoffMs: Math.round(backoffMs), error })
      return
    }
    // Two writers meeting is everyday; the next try sees the newer state.
    const everyday = isReason(error, 'Conflict', 'NotFound', 'AlreadyExists') || backoffMs < 100
    reconciles.add({ controller, result: everyday ? 'retry' : 'error' })
    const fields = { controller, key, why: messageOf(error), backoffMs: Math.round(backoffMs) }
    if (everyday) this.#options.log.debug('reconcile again', fields)
    else this.#options.log.warn('reconcile failed', fields)
  }
}
