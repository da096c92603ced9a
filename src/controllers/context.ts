// What a reconcile may do: read mirrors, write through the client, record events. The context records every write, so
// that the harness can hold the key back until the mirrors have it.
import type { Clock } from '../base/clock.ts'
import { assert, isReason } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import { sameOnWire } from '../api/equal.ts'
import type { AnyKind, Kind, KubeObject } from '../api/kind.ts'
import type { Mirror } from '../api/mirror.ts'
import type { PatchType } from '../api/operation.ts'
import type { Draft } from '../api/schema/node.ts'
import type { Client, DeleteRequest, EventRecorder } from '../client/index.ts'
import { ownerReference } from './owner-reference.ts'

/** The mirrors a controller may read. */
export type Caches = <T extends KubeObject>(kind: Kind<T>) => Mirror<T>

interface ContextOptions {
  client: Client
  caches: Caches
  recorder: EventRecorder
  clock: Clock
  random: Random
  log: Log
  signal: AbortSignal
}

/** The identity of an object. The uid is needed only for deletions. */
type Named = { readonly metadata: { readonly namespace?: string; readonly name?: string; readonly uid?: string } }

/**
 * The context of one reconcile; the harness makes a new one for each.
 *
 * Own writes take the place of client-go's expectations. A reconcile never runs on mirrors that lack what the last
 * reconcile of the same key wrote, so it can count objects and trust the count:
 *
 *   reconcile web/a: 3 pods wanted, 0 in the mirror ─► creates 3, the last at revision 57
 *   seen(): waits until the mirror of pods has reached revision 57
 *   reconcile web/a: 3 pods wanted, 3 in the mirror ─► nothing to do
 *
 * - Only writes by the methods of this class are recorded. What goes through `client` directly is not waited for.
 * - Only mirrors that the controller reads are waited for, and a deletion until the object is gone from the mirror,
 *   has another uid, or is terminating.
 * - A create that failed wrote nothing, and nothing is waited for. What was written before a failure is waited for.
 * - The wait has no limit of its own. It ends when `signal` aborts, or with the mirror's failure.
 */
export class Context {
  readonly client: Client
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly signal: AbortSignal
  readonly #caches: Caches
  readonly #recorder: EventRecorder
  readonly #written = new Map<AnyKind, number>()
  readonly #deleted: { kind: AnyKind; namespace: string; name: string; uid: string }[] = []

  constructor(options: ContextOptions) {
    this.client = options.client
    this.clock = options.clock
    this.random = options.random
    this.log = options.log
    this.signal = options.signal
    this.#caches = options.caches
    this.#recorder = options.recorder
  }

  now(): number {
    return this.clock.now()
  }

  /** A time that nobody sets, for silences and pauses. */
  steady(): number {
    return this.clock.steady()
  }

  cache<T extends KubeObject>(kind: Kind<T>): Mirror<T> {
    return this.#caches(kind)
  }

  /** Creates an object. With `owner`, it is in the owner's namespace and has a controller reference to the owner. */
  async create<T extends KubeObject>(
    kind: Kind<T>,
    object: Draft<T>,
    options: { owner?: KubeObject } = {},
  ): Promise<T> {
    const { owner } = options
    const metadata = (object as Draft<KubeObject>).metadata
    const full = owner
      ? {
          ...object,
          metadata: {
            namespace: owner.metadata.namespace ?? '',
            ...metadata,
            ownerReferences: [ownerReference(owner)],
          },
        }
      : object
    return this.#wrote(kind, await this.client.create(kind, full as Draft<T>))
  }

  /** Deletes the object if it still has this uid. Returns false when it does not exist any more. */
  async delete(kind: AnyKind, object: Named, request: DeleteRequest = {}): Promise<boolean> {
    const { namespace = '', name = '', uid = '' } = object.metadata
    try {
      await this.client.delete(kind, { namespace, name }, { uid, ...request })
    } catch (error) {
      if (isReason(error, 'NotFound')) return false
      throw error
    }
    this.#deleted.push({ kind, namespace, name, uid })
    return true
  }

  async update<T extends KubeObject>(
    kind: Kind<T>,
    object: Draft<T>,
    options: { subresource?: string } = {},
  ): Promise<T> {
    return this.#wrote(kind, await this.client.update(kind, object, options))
  }

  async patch<T extends KubeObject>(
    kind: Kind<T>,
    object: Named,
    type: PatchType,
    body: unknown,
    options: { subresource?: string } = {},
  ): Promise<T> {
    const { namespace = '', name = '' } = object.metadata
    return this.#wrote(kind, await this.client.patch(kind, { namespace, name }, type, body, options))
  }

  /**
   * Writes a status if it differs. Throws Conflict when the mirror's object is older than the stored one; the key is
   * then retried, by which time the mirror has the newer object.
   */
  async writeStatus<T extends KubeObject & { status: object }>(
    kind: Kind<T>,
    object: T,
    status: Draft<T['status']>,
  ): Promise<T> {
    const schema = kind.schema.fields.status?.struct?.()
    assert(schema, `${kind.kind} has a status`)
    if (sameOnWire(schema, object.status, status)) return object
    return this.#wrote(kind, await this.client.updateStatus(kind, object, status))
  }

  event(object: KubeObject, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#recorder.event(object, type, reason, message)
  }

  /** Resolves when the mirrors have everything that was written through this context. */
  async seen(isMirrored: (kind: AnyKind) => boolean): Promise<void> {
    for (const [kind, revision] of this.#written)
      if (isMirrored(kind)) await this.cache(kind as Kind<KubeObject>).waitFor(revision, this.signal)
    for (const { kind, namespace, name, uid } of this.#deleted) {
      if (!isMirrored(kind)) continue
      const mirror = this.cache(kind as Kind<KubeObject>)
      await until(mirror, this.signal, () => {
        const now = mirror.get(kind.namespaced ? namespace : undefined, name)
        return !now || now.metadata.uid !== uid || now.metadata.deletionTimestamp !== undefined
      })
    }
  }

  #wrote<T extends KubeObject>(kind: Kind<T>, object: T): T {
    const revision = Number((object as KubeObject).metadata.resourceVersion ?? 0)
    this.#written.set(kind, Math.max(this.#written.get(kind) ?? 0, revision))
    return object
  }
}

/** Resolves once `condition` holds, which is checked after each change of the mirror. */
function until(mirror: Mirror, signal: AbortSignal, condition: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    if (condition()) return resolve()
    if (signal.aborted) return reject(signal.reason)
    const onAbort = () => (unsubscribe(), reject(signal.reason))
    const unsubscribe = mirror.subscribe(() => {
      if (!condition()) return
      unsubscribe()
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
