// What a reconcile may do: read mirrors, write through the client, tell events. Every write is noted, so that the
// harness can hold the key back until the mirrors show it; that is why no controller counts expectations.
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

type Named = { readonly metadata: { readonly namespace?: string; readonly name?: string; readonly uid?: string } }

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

  cache<T extends KubeObject>(kind: Kind<T>): Mirror<T> {
    return this.#caches(kind)
  }

  /** Creates an object; with `owner`, in its namespace and with a controller reference to it. */
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

  /** Deletes exactly this object; one that is gone already is fine. Returns whether it was still there. */
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

  /** Writes a status if it differs; a Conflict means newer news is on the way and the key runs again. */
  async writeStatus<T extends KubeObject & { status: object }>(
    kind: Kind<T>,
    object: T,
    status: Draft<T['status']>,
  ): Promise<T> {
    const schema = kind.schema.fields.status?.struct?.()
    assert(schema, `${kind.kind} has a status`)
    if (sameOnWire(schema, object.status, status)) return object
    const next = { ...object, status } as unknown as Draft<T>
    return this.#wrote(kind, await this.client.updateStatus(kind, next))
  }

  event(object: KubeObject, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#recorder.event(object, type, reason, message)
  }

  /** Resolves when the mirrors show everything written through this context. */
  async seen(mirrored: ReadonlySet<AnyKind>): Promise<void> {
    for (const [kind, revision] of this.#written)
      if (mirrored.has(kind)) await this.cache(kind as Kind<KubeObject>).waitFor(revision, this.signal)
    for (const { kind, namespace, name, uid } of this.#deleted) {
      if (!mirrored.has(kind)) continue
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

/** Waits until a mirror's changes make `condition` true. */
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
