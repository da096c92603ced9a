// Informers: each keeps one mirror current, by listing once and watching from there. When a watch ends it goes on
// from the last revision; when that is too old it lists again and the mirror's listeners hear the difference.
import type { Clock } from '../base/clock.ts'
import { isReason, messageOf, StatusError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { AnyKind, Kind, KubeObject } from '../api/kind.ts'
import { logMirrorFailures, Mirror, type MirrorChange } from '../api/mirror.ts'
import type { Operation, OperationVerb, ServedResult, WatchEvent } from '../api/operation.ts'

/** A part of a kind. */
export interface MirrorScope {
  namespace?: string
  labelSelector?: string
  fieldSelector?: string
}

interface InformersOptions {
  clock: Clock
  log: Log
  run(kind: AnyKind, verb: OperationVerb, more: Partial<Operation>): Promise<ServedResult>
  shared?: <T extends KubeObject>(kind: Kind<T>) => Mirror<T> | undefined
}

const firstBackoffMs = 200
const maxBackoffMs = 10_000
/** Servers end watches now and then; asking for it keeps dead connections from lasting. */
const watchSeconds = 540

export class Informers {
  readonly #options: InformersOptions
  readonly #mirrors = new Map<string, Mirror>()
  readonly #stops = new Map<Mirror, AbortController>()
  readonly #abort = new AbortController()

  constructor(options: InformersOptions) {
    this.#options = options
  }

  mirror<T extends KubeObject>(kind: Kind<T>, scope: MirrorScope): Mirror<T> {
    const whole = !scope.namespace && !scope.labelSelector && !scope.fieldSelector
    const shared = whole ? this.#options.shared?.(kind) : undefined
    if (shared) return shared
    const key = JSON.stringify([
      kind.apiVersion,
      kind.plural,
      scope.namespace,
      scope.labelSelector,
      scope.fieldSelector,
    ])
    let mirror = this.#mirrors.get(key)
    if (!mirror) {
      mirror = new Mirror(logMirrorFailures(this.#options.log, kind.plural))
      this.#mirrors.set(key, mirror)
      const stop = new AbortController()
      this.#stops.set(mirror, stop)
      void this.#follow(kind, scope, mirror, AbortSignal.any([this.#abort.signal, stop.signal]))
    }
    return mirror as unknown as Mirror<T>
  }

  /** Stops keeping a mirror current; one shared with others in this process stays. */
  release(mirror: Mirror): void {
    this.#stops.get(mirror)?.abort()
    if (!this.#stops.delete(mirror)) return
    for (const [key, known] of this.#mirrors) if (known === mirror) this.#mirrors.delete(key)
  }

  close(): void {
    this.#abort.abort()
  }

  // Not a Chore: nobody wakes it, it lists and watches without a pause until its signal.
  async #follow(kind: AnyKind, scope: MirrorScope, mirror: Mirror, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options
    let backoffMs = firstBackoffMs
    let revision: number | undefined
    while (!signal.aborted) {
      const since = clock.now()
      try {
        revision ??= await this.#list(kind, scope, mirror, signal)
        revision = await this.#watch(kind, scope, mirror, revision, signal)
        backoffMs = firstBackoffMs
      } catch (error) {
        if (signal.aborted) return
        // A watch that lasted is no repeated failure.
        if (clock.now() - since > maxBackoffMs) backoffMs = firstBackoffMs
        if (isReason(error, 'Expired', 'Gone')) revision = undefined
        else log.warn('watch failed, trying again', { resource: kind.plural, why: messageOf(error), backoffMs })
        try {
          await clock.sleep(backoffMs, signal)
        } catch {
          return
        }
        backoffMs = Math.min(backoffMs * 2, maxBackoffMs)
      }
    }
  }

  async #list(
    kind: AnyKind,
    { namespace = '', ...options }: MirrorScope,
    mirror: Mirror,
    signal: AbortSignal,
  ): Promise<number> {
    const result = await this.#options.run(kind, 'list', { namespace, options, signal })
    if (result.type !== 'list') throw new Error(`a list of ${kind.plural} was answered with ${result.type}`)
    mirror.reset(result.items, result.revision)
    return result.revision
  }

  /** Returns the revision to go on from. */
  async #watch(
    kind: AnyKind,
    { namespace = '', ...selectors }: MirrorScope,
    mirror: Mirror,
    from: number,
    signal: AbortSignal,
  ): Promise<number> {
    const options = {
      ...selectors,
      resourceVersion: String(from),
      allowWatchBookmarks: true,
      timeoutSeconds: watchSeconds,
    }
    const result = await this.#options.run(kind, 'watch', { namespace, options, signal })
    if (result.type !== 'watch') throw new Error(`a watch of ${kind.plural} was answered with ${result.type}`)
    let revision = from
    for await (const events of result.events) {
      const changes: Omit<MirrorChange, 'before'>[] = []
      for (const { type, item } of events) {
        if (type === 'ERROR') throw statusError(item)
        revision = Math.max(revision, item.revision)
        if (type !== 'BOOKMARK') changes.push({ type, item })
      }
      mirror.apply(changes, revision)
    }
    return revision
  }
}

function statusError(item: WatchEvent['item']): StatusError {
  const { reason, message, code } = item.object as unknown as {
    reason?: StatusError['reason']
    message?: string
    code?: number
  }
  return new StatusError(reason ?? 'InternalError', message ?? 'watch failed', code === undefined ? {} : { code })
}
