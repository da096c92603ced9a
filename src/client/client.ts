// The client: typed access to the API for controllers, scheduler, kubelet and tests. It passes operations to a
// transport, which is the API server in the same process, or HTTPS. Callers need not care which.
import type { Clock } from '../base/clock.ts'
import { isReason, StatusError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { AnyKind, Kind, KubeObject } from '../api/kind.ts'
import type { Mirror } from '../api/mirror.ts'
import type {
  Operation,
  OperationOptions,
  OperationVerb,
  PatchType,
  Serve,
  ServedResult,
  User,
} from '../api/operation.ts'
import { asJson, type Draft, type Json } from '../api/schema/node.ts'
import { Informers, type MirrorScope } from './informer.ts'

interface Reference {
  namespace?: string
  name: string
}

interface WriteOptions {
  dryRun?: boolean
  fieldManager?: string
  force?: boolean
  signal?: AbortSignal
}

export interface DeleteRequest {
  gracePeriodSeconds?: number
  propagationPolicy?: 'Foreground' | 'Background' | 'Orphan'
  /** Delete only the object with this UID, or at this resourceVersion. */
  uid?: string
  resourceVersion?: string
  signal?: AbortSignal
}

interface ListRequest {
  namespace?: string
  labelSelector?: string
  fieldSelector?: string
  signal?: AbortSignal
}

interface ClientOptions {
  serve: Serve
  /** The acting user, for a transport in this process. Over HTTPS the server takes the user from the credentials. */
  user: User
  /** The name of the program, used as the manager in managed fields. */
  userAgent: string
  clock: Clock
  log: Log
  /** Returns a mirror of a whole kind that this process keeps already, which is the API server's own. */
  shared?: <T extends KubeObject>(kind: Kind<T>) => Mirror<T> | undefined
}

/**
 * Access to the API as one user.
 *
 * - Objects that are sent need not be complete: the server decodes, defaults and checks them. They are given away with
 *   the call and must not be changed afterwards, since a transport in this process passes them on without a copy.
 * - Objects that are returned belong to everybody, as those of a mirror do, and are never changed.
 * - A call rejects with the server's StatusError; over HTTPS also with the reason ServiceUnavailable when the
 *   connection is lost, or Timeout when nothing arrives for a minute. A write that fails in one of these two ways, or
 *   is aborted by its signal, may have been carried out; `get` shows whether it was. Nothing is tried again here, since
 *   a controller decides better from the newest state.
 * - A write that resolves is durable. A mirror shows it a moment later; controllers wait for that (harness.ts).
 * - `mirror` returns the same mirror for the same kind and scope, and begins to fill it at the first call. It must be
 *   `synced` before it is read. `release` ends it for all its readers, `close` ends all mirrors. Their last content
 *   stays readable.
 */
export class Client {
  readonly clock: Clock
  readonly log: Log
  readonly #options: ClientOptions
  readonly #informers: Informers

  constructor(options: ClientOptions, informers?: Informers) {
    this.#options = options
    this.clock = options.clock
    this.log = options.log
    this.#informers =
      informers ??
      new Informers({
        clock: options.clock,
        log: options.log,
        run: (kind, verb, more) => this.#run(kind, verb, more),
        ...(options.shared && { shared: options.shared }),
      })
  }

  /**
   * This client, with the same mirrors, for work that must end at some moment: from then on `mayWrite` is false, and all
   * that it writes is refused with ServiceUnavailable before it is sent.
   */
  fenced(mayWrite: () => boolean): Client {
    const { serve } = this.#options
    const guarded: Serve = async operation => {
      if (!reads.has(operation.verb) && !mayWrite())
        throw new StatusError('ServiceUnavailable', 'this process must not write any more: another one may do its work')
      return serve(operation)
    }
    return new Client({ ...this.#options, serve: guarded }, this.#informers)
  }

  /** Returns an object, or with `subresource` a part of it. Throws NotFound. */
  async get<T extends KubeObject>(
    kind: Kind<T>,
    ref: Reference,
    more: { subresource?: string; signal?: AbortSignal; options?: OperationOptions } = {},
  ): Promise<T> {
    return objectOf<T>(await this.#run(kind, 'get', { ...ref, ...more }))
  }

  /** Returns an object, or undefined when it does not exist. */
  async find<T extends KubeObject>(
    kind: Kind<T>,
    ref: Reference,
    more: { signal?: AbortSignal } = {},
  ): Promise<T | undefined> {
    try {
      return await this.get(kind, ref, more)
    } catch (error) {
      if (isReason(error, 'NotFound')) return undefined
      throw error
    }
  }

  /** Returns all objects that match, and the revision of the list, from which a watch may go on. */
  async list<T extends KubeObject>(
    kind: Kind<T>,
    request: ListRequest = {},
  ): Promise<{ items: T[]; revision: number }> {
    const { namespace, signal, ...options } = request
    const result = await this.#run(kind, 'list', {
      options,
      ...(namespace && { namespace }),
      ...(signal && { signal }),
    })
    if (result.type !== 'list') throw new Error(`expected a list of ${kind.plural}, got ${result.type}`)
    return { items: result.items.map(item => item.object as T), revision: result.revision }
  }

  /** Creates an object and returns it as it was stored. Throws AlreadyExists. */
  async create<T extends KubeObject>(kind: Kind<T>, object: Draft<T>, options: WriteOptions = {}): Promise<T> {
    const { namespace } = (object as Draft<KubeObject>).metadata ?? {}
    return objectOf<T>(
      await this.#run(kind, 'create', { ...(namespace && { namespace }), body: object as Json, ...split(options) }),
    )
  }

  /** Creates a subresource of an object: the Binding or Eviction of a pod, the TokenRequest of a service account. */
  async createUnder<B extends KubeObject>(
    kind: AnyKind,
    ref: Reference,
    subresource: string,
    bodyKind: Kind<B>,
    body: Draft<B>,
    options: WriteOptions = {},
  ): Promise<B | undefined> {
    const full = { kind: bodyKind.kind, apiVersion: bodyKind.apiVersion, ...(body as object) }
    const result = await this.#run(kind, 'create', { ...ref, subresource, body: full as Json, ...split(options) })
    return result.type === 'object' ? (result.item.object as B) : undefined
  }

  /** Replaces an object. With metadata.resourceVersion, throws Conflict when it has changed since that version. */
  async update<T extends KubeObject>(
    kind: Kind<T>,
    object: Draft<T>,
    options: WriteOptions & { subresource?: string } = {},
  ): Promise<T> {
    const { namespace, name } = (object as Draft<KubeObject>).metadata ?? {}
    const { subresource, ...rest } = options
    return objectOf<T>(
      await this.#run(kind, 'update', {
        name: name ?? '',
        ...(namespace && { namespace }),
        ...(subresource && { subresource }),
        body: object as Json,
        ...split(rest),
      }),
    )
  }

  /** Replaces an object's status. With metadata.resourceVersion, throws Conflict as `update` does. */
  async updateStatus<T extends KubeObject & { readonly status: object }>(
    kind: Kind<T>,
    object: T,
    status: Draft<T['status']>,
    options: WriteOptions = {},
  ): Promise<T> {
    const { namespace, name = '' } = object.metadata
    const body = asJson({ ...object, status })
    const target = { name, ...(namespace && { namespace }), subresource: 'status' }
    return objectOf<T>(await this.#run(kind, 'update', { ...target, body, ...split(options) }))
  }

  /** Changes an object by a patch, of which `patchType` names the kind. */
  async patch<T extends KubeObject>(
    kind: Kind<T>,
    ref: Reference,
    patchType: PatchType,
    body: unknown,
    options: WriteOptions & { subresource?: string } = {},
  ): Promise<T> {
    const { subresource, ...rest } = options
    return objectOf<T>(
      await this.#run(kind, 'patch', {
        ...ref,
        patchType,
        body: body as Json,
        ...(subresource && { subresource }),
        ...split(rest),
      }),
    )
  }

  /** Deletes an object, or begins to: pods and objects with finalizers go later. Throws NotFound. */
  async delete(kind: AnyKind, ref: Reference, request: DeleteRequest = {}): Promise<void> {
    const { uid, resourceVersion, signal, ...rest } = request
    const preconditions = { ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) }
    const body = { ...rest, ...(Object.keys(preconditions).length && { preconditions }) }
    await this.#run(kind, 'delete', { ...ref, body: body as Json, ...(signal && { signal }) })
  }

  /** Deletes all objects that match. */
  async deleteCollection(kind: AnyKind, request: ListRequest = {}): Promise<void> {
    const { namespace, signal, ...options } = request
    await this.#run(kind, 'deletecollection', {
      options,
      ...(namespace && { namespace }),
      ...(signal && { signal }),
    })
  }

  /** A mirror of a kind, or of a part of it, kept current until it is released or the client is closed. */
  mirror<T extends KubeObject>(kind: Kind<T>, scope: MirrorScope = {}): Mirror<T> {
    return this.#informers.mirror(kind, scope)
  }

  /** Stops keeping a mirror current. One that this process shares, of a whole kind, is not affected. */
  release<T extends KubeObject>(mirror: Mirror<T>): void {
    this.#informers.release(mirror)
  }

  /** Resolves when all of these mirrors have had their first list. */
  async synced(mirrors: readonly Pick<Mirror, 'waitFor'>[], signal?: AbortSignal): Promise<void> {
    await Promise.all(mirrors.map(mirror => mirror.waitFor(0, signal)))
  }

  /** Stops keeping all mirrors of this client current. */
  close(): void {
    this.#informers.close()
  }

  #run(
    kind: AnyKind,
    verb: OperationVerb,
    more: Partial<Operation> & { options?: OperationOptions },
  ): Promise<ServedResult> {
    const { user, userAgent, serve } = this.#options
    return serve({ verb, kind, subresource: '', namespace: '', name: '', user, userAgent, options: {}, ...more })
  }
}

const reads: ReadonlySet<OperationVerb> = new Set(['get', 'list', 'watch'])

function objectOf<T>(result: ServedResult): T {
  if (result.type === 'object') return result.item.object as T
  throw new Error(`expected an object, got ${result.type}`)
}

function split({ signal, ...options }: WriteOptions): { options: OperationOptions; signal?: AbortSignal } {
  return { options, ...(signal && { signal }) }
}
