// Informers: each keeps one mirror current, by one list and then watches.
//
//   list ──revision──► watch ──ended──► watch from the last revision ──► …
//    ▲                   └──Expired──┐
//    └───────────────────────────────┘   other failures: the same step again after a pause
//
// - A mirror is given one `reset` with the first list, and then batches of changes in the order in which they were
//   stored, none twice and none left out. Only a list after Expired may skip changes: the mirror then reports the
//   difference (api/mirror.ts).
// - The position is the revision of the last event, bookmarks included. So a mirror of rarely written objects keeps a
//   recent position, from which a new watch can go on.
// - The server is asked to end each watch after nine minutes, and the next goes on from the position without a pause.
// - After a failure there is a pause of 0.2 s, then of twice as long each time up to 10 s. A watch that ended in order,
//   or lasted for more than 10 s, makes it short again. Failures other than Expired are logged.
// - When the client is closed or the mirror released, the request under way is aborted and the mirror gets no more
//   changes. Waits for it end only by their own signals.
//
// An example: list at revision 7; watch from 7 brings changes 8 and 9 and a bookmark 20; the server ends the watch; the
// next one begins at 20. Its connection breaks at 25; after 0.2 s a watch from 25 is answered with Expired, since the
// server was away for long; after another pause a list at revision 90 resets the mirror.
import { joined } from '../base/waiters.ts'
import type { Clock } from '../base/clock.ts'
import { isReason, messageOf, StatusError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { AnyKind, Kind, KubeObject } from '../api/kind.ts'
import { type AnyMirror, logMirrorFailures, Mirror, type MirrorChange } from '../api/mirror.ts'
import type { Operation, OperationVerb, ServedResult, WatchEvent } from '../api/operation.ts'

/** Limits a mirror to a part of a kind; an empty one is the whole kind. */
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

/** Where the next watch goes on: the revision of the last event that was applied; undefined when a list is needed. */
interface Position {
  revision: number | undefined
}

const firstBackoffMs = 200
const maxBackoffMs = 10_000
/** After how many seconds the server is asked to end a watch, so that a dead one does not last. */
const watchSeconds = 540

export class Informers {
  readonly #options: InformersOptions
  readonly #mirrors = new Map<string, AnyMirror>()
  readonly #stops = new Map<AnyMirror, AbortController>()
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
      void this.#follow(kind, scope, mirror, joined(this.#abort.signal, stop.signal).signal)
    }
    return mirror
  }

  /** Stops keeping a mirror current. One that was shared by this process is not in the list, and stays. */
  release(mirror: AnyMirror): void {
    this.#stops.get(mirror)?.abort()
    if (!this.#stops.delete(mirror)) return
    for (const [key, kept] of this.#mirrors) if (kept === mirror) this.#mirrors.delete(key)
  }

  close(): void {
    this.#abort.abort()
  }

  // Not a Chore: nobody wakes it, it lists and watches without a pause until its signal.
  async #follow(kind: AnyKind, scope: MirrorScope, mirror: Mirror, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options
    let backoffMs = firstBackoffMs
    const position: Position = { revision: undefined }
    while (!signal.aborted) {
      const since = clock.steady()
      try {
        position.revision ??= await this.#list(kind, scope, mirror, signal)
        await this.#watch(kind, scope, mirror, position, signal)
        backoffMs = firstBackoffMs
      } catch (error) {
        if (signal.aborted) return
        // A watch that lasted for a while is not a repeated failure.
        if (clock.steady() - since > maxBackoffMs) backoffMs = firstBackoffMs
        if (isReason(error, 'Expired', 'Gone')) position.revision = undefined
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
    if (result.type !== 'list') throw new Error(`expected a list of ${kind.plural}, got ${result.type}`)
    mirror.reset(result.items, result.revision)
    return result.revision
  }

  /** Applies the events of one watch until it ends, and moves the position on with each batch. */
  async #watch(
    kind: AnyKind,
    { namespace = '', ...selectors }: MirrorScope,
    mirror: Mirror,
    position: Position,
    signal: AbortSignal,
  ): Promise<void> {
    const options = {
      ...selectors,
      resourceVersion: String(position.revision),
      allowWatchBookmarks: true,
      timeoutSeconds: watchSeconds,
    }
    const result = await this.#options.run(kind, 'watch', { namespace, options, signal })
    if (result.type !== 'watch') throw new Error(`expected a watch of ${kind.plural}, got ${result.type}`)
    for await (const events of result.events) {
      let revision = position.revision ?? 0
      const changes: Omit<MirrorChange, 'before'>[] = []
      for (const { type, item } of events) {
        if (type === 'ERROR') throw statusError(item)
        revision = Math.max(revision, item.revision)
        if (type !== 'BOOKMARK') changes.push({ type, item })
      }
      mirror.apply(changes, revision)
      position.revision = revision
    }
  }
}

function statusError(item: WatchEvent['item']): StatusError {
  const { reason, message, code } = item.object as {
    reason?: StatusError['reason']
    message?: string
    code?: number
  }
  return new StatusError(reason ?? 'InternalError', message ?? 'watch failed', code === undefined ? {} : { code })
}
