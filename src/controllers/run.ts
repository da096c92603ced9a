// Runs a controller: subscribes to its mirrors, fills its queue, and reconciles a few keys at a time.
//
//   taken from the queue ─► reconcile ─► worker is free ─► own writes are in the mirrors ─► done, may run again
//                             └─ threw: back-off of 5 ms, doubled by each failure up to 1,000 s
//
// When the signal aborts, subscriptions and timers end and no further key is taken. Reconciles that run then are not
// interrupted but by the signal in their context, and what they throw is not logged.
import { Chore } from '../base/chore.ts'
import type { Clock } from '../base/clock.ts'
import { isDefect, isReason, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { counter, exponentialBuckets, gauge, histogram, measure } from '../base/metrics.ts'
import type { Random } from '../base/random.ts'
import type { AnyKind, Kind, KubeObject } from '../api/kind.ts'
import { type KindSource, resourceOf, storedKinds } from '../api/kind-source.ts'
import { type Client, EventRecorder } from '../client/index.ts'
import { Context, type Caches } from './context.ts'
import type { Controller, Watch } from './harness.ts'
import { KeyQueue } from './queue.ts'

const reconciles = counter('kutter_controller_reconciles_total', 'Reconciles by controller and result.')
// The names and buckets are upstream's, since dashboards use them.
const buckets = exponentialBuckets(1e-8, 10, 10)
const depth = gauge('workqueue_depth', 'Keys that wait.')
const adds = counter('workqueue_adds_total', 'Keys added.')
const retries = counter('workqueue_retries_total', 'Keys added again after a failure.')
const waits = histogram('workqueue_queue_duration_seconds', 'How long keys waited.', buckets)
const works = histogram('workqueue_work_duration_seconds', 'How long keys were worked on.', buckets)

interface RunOptions {
  /** The client for reads, whose mirrors all controllers share. */
  reader: Client
  /** The client for writes, which acts under the controller's own name. */
  client: Client
  clock: Clock
  random: Random
  log: Log
  signal: AbortSignal
  /** The kinds that the cluster serves. */
  kinds: KindSource
}

/** Starts one controller. Resolves when its mirrors are filled. The controller ends when the signal aborts. */
export async function runController(controller: Controller, options: RunOptions): Promise<void> {
  const { reader, signal } = options
  const caches: Caches = kind => reader.mirror(kind)
  const mirrors = controller.kinds.map(kind => caches(kind as Kind<KubeObject>))
  await reader.synced(mirrors, signal)
  const runner = new Runner(controller, caches, options, kind => every.has(kind))
  // `follow` also reports the objects that exist already, as if they had just been added.
  const follow = (watch: Watch) =>
    caches(watch.kind as Kind<KubeObject>).follow(
      change => runner.wake(watch.keys(change, caches)),
      `controller ${controller.name}`,
    )
  const unsubscribe = controller.watches.map(follow)
  const every = new KindWatches(controller, options, follow)
  await every.start()
  signal.addEventListener(
    'abort',
    () => {
      for (const stop of unsubscribe) stop()
      every.close()
      runner.close()
    },
    { once: true },
  )
}

/**
 * The watches of a controller that reads every kind, such as the garbage collector. After each change of the served
 * kinds, the watches of removed kinds end and those of new kinds begin, when their mirrors are filled, or at once for a
 * kind of an extension server. A kind whose version changes is watched in the new one. A failure is logged and retried.
 */
class KindWatches {
  readonly #controller: Controller
  readonly #options: RunOptions
  readonly #follow: (watch: Watch) => () => void
  readonly #followed = new Map<string, { kind: AnyKind; stop(): void }>()
  readonly #chore: Chore
  #unsubscribe = () => {}

  constructor(controller: Controller, options: RunOptions, follow: (watch: Watch) => () => void) {
    this.#controller = controller
    this.#options = options
    this.#follow = follow
    const { signal, clock, log } = options
    const failed = (error: unknown) =>
      log.warn('cannot follow all kinds, trying again', { controller: controller.name, why: messageOf(error) })
    this.#chore = new Chore({ signal, retry: { clock, firstMs: 1_000, maxMs: 60_000, failed } }, () => this.#update())
  }

  /** Resolves when all kinds that are served now are watched. */
  async start(): Promise<void> {
    if (!this.#controller.everyKind) return
    await this.#update()
    this.#unsubscribe = this.#options.kinds.subscribe(() => this.#chore.wake())
  }

  has(kind: AnyKind): boolean {
    return this.#followed.has(resourceOf(kind))
  }

  close(): void {
    this.#unsubscribe()
    for (const { stop } of this.#followed.values()) stop()
  }

  async #update(): Promise<void> {
    const { reader, signal, kinds } = this.#options
    const wanted = new Map(storedKinds(kinds.all).map(kind => [resourceOf(kind), kind]))
    for (const [resource, { kind, stop }] of this.#followed) {
      if (wanted.get(resource)?.version === kind.version) continue
      stop()
      this.#followed.delete(resource)
    }
    const missing = [...wanted].flatMap(([resource, kind]) => {
      const watch = this.#followed.has(resource) ? undefined : this.#controller.everyKind!(kind)
      return watch ? [{ resource, watch, mirror: reader.mirror(kind as Kind<KubeObject>) }] : []
    })
    await Promise.all(
      missing.map(async ({ resource, watch, mirror }) => {
        // An extension server may hang, which must not delay the other kinds. Its objects are reported when they come.
        if (!watch.kind.remote) await reader.synced([mirror], signal)
        const stop = this.#follow(watch)
        this.#followed.set(resource, {
          kind: watch.kind,
          stop: () => {
            stop()
            // A built-in kind is never removed, but other controllers may still use its mirror.
            if (watch.kind.custom || watch.kind.remote) reader.release(mirror)
          },
        })
      }),
    )
  }
}

/** The state of a running controller. `#busy` counts the reconciles, not the keys that wait for their own writes. */
class Runner {
  readonly #controller: Controller
  readonly #caches: Caches
  readonly #options: RunOptions
  readonly #queue: KeyQueue
  readonly #recorder: EventRecorder
  readonly #mirrored: ReadonlySet<string>
  readonly #isEvery: (kind: AnyKind) => boolean
  #busy = 0
  #pumping = false
  /** When the reconciles that run began. */
  readonly #began = new Map<string, number>()
  readonly #stopShowing: readonly (() => void)[]

  /** @param isEvery whether a kind is followed because the controller reads every kind */
  constructor(controller: Controller, caches: Caches, options: RunOptions, isEvery: (kind: AnyKind) => boolean) {
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
    this.#mirrored = new Set(controller.kinds.map(resourceOf))
    this.#isEvery = isEvery
    const ages = () => Array.from(this.#began.values(), began => (options.clock.steady() - began) / 1000)
    const unfinished = () => [{ labels, value: ages().reduce((sum, age) => sum + age, 0) }]
    const longest = () => [{ labels, value: Math.max(0, ...ages()) }]
    this.#stopShowing = [
      measure('workqueue_unfinished_work_seconds', 'For how long keys have been worked on.', 'gauge', unfinished),
      measure('workqueue_longest_running_processor_seconds', 'The longest of these times.', 'gauge', longest),
    ]
  }

  wake(keys: Iterable<string>): void {
    for (const key of keys) this.#queue.add(key)
  }

  close(): void {
    this.#queue.close()
    for (const stop of this.#stopShowing) stop()
  }

  // Takes keys in a later microtask, so that a batch of changes is applied completely before a reconcile begins. This
  // is not a Chore, since it only starts reconciles, of which several run at once.
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
    const began = clock.steady()
    this.#began.set(key, began)
    const ctx = new Context({ client, caches: this.#caches, recorder: this.#recorder, clock, random, log, signal })
    try {
      const result = await this.#controller.reconcile(key, ctx)
      this.#queue.forget(key)
      if (result) this.#queue.addAfter(key, result.again)
      reconciles.add({ controller: name, result: 'ok' })
    } catch (error) {
      if (!signal.aborted) this.#failed(key, error)
    }
    this.#began.delete(key)
    works.observe((clock.steady() - began) / 1000, { name })
    this.#busy--
    this.#pump()
    // The key stays taken until the mirrors have its writes, while the worker is free for other keys.
    try {
      // The mirror of an extension server's kind may end at any time, so it is not waited for. What is done by an older
      // state of such an object is refused as a Conflict.
      const isMirrored = (kind: AnyKind) => this.#mirrored.has(resourceOf(kind)) || this.#isEvery(kind)
      await ctx.seen(kind => !kind.remote && isMirrored(kind))
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
    // Conflicts between writers are common, and the next try reads the newer state.
    const everyday = isReason(error, 'Conflict', 'NotFound', 'AlreadyExists') || backoffMs < 100
    reconciles.add({ controller, result: everyday ? 'retry' : 'error' })
    const fields = { controller, key, why: messageOf(error), backoffMs: Math.round(backoffMs) }
    if (everyday) this.#options.log.debug('reconcile will be retried', fields)
    else this.#options.log.warn('reconcile failed', fields)
  }
}
