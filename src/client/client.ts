// The client: typed access to the API for controllers, scheduler, kubelet and tests. It speaks operations to a
// transport, which is the API server in this process or one at the other end of HTTPS; the client cannot tell.
import type { Clock } from '../base/clock.ts'
import { isReason } from '../base/errors.ts'
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
import type { Draft, Json } from '../api/schema/node.ts'
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
  /** Who acts, for a transport in this process; over HTTPS the credentials say. */
  user: User
  /** Names the program in managed fields. */
  userAgent: string
  clock: Clock
  log: Log
  /** Mirrors of whole kinds that this process already keeps (the API server's own). */
  shared?: <T extends KubeObject>(kind: Kind<T>) => Mirror<T> | undefined
}

export class Client {
  readonly clock: Clock
  readonly log: Log
  readonly #options: ClientOptions
  readonly #informers: Informers

  constructor(options: ClientOptions) {
    this.#options = options
    this.clock = options.clock
    this.log = options.log
    this.#informers = new Informers({
      clock: options.clock,
      log: options.log,
      run: (kind, verb, more) => this.#run(kind, verb, more),
      ...(options.shared && { shared: options.shared }),
    })
  }

  /** Throws NotFound. */
  async get<T extends KubeObject>(
    kind: Kind<T>,
    ref: Reference,
    more: { subresource?: string; signal?: AbortSignal; options?: OperationOptions } = {},
  ): Promise<T> {
    return objectOf<T>(await this.#run(kind, 'get', { ...ref, ...more }))
  }

  /** As get, but undefined when there is none. */
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
    if (result.type !== 'list') throw new Error(`a list of ${kind.plural} was answered with ${result.type}`)
    return { items: result.items.map(item => item.object as T), revision: result.revision }
  }

  async create<T extends KubeObject>(kind: Kind<T>, object: Draft<T>, options: WriteOptions = {}): Promise<T> {
    const { namespace } = (object as Draft<KubeObject>).metadata ?? {}
    return objectOf<T>(
      await this.#run(kind, 'create', { ...(namespace && { namespace }), body: object as Json, ...split(options) }),
    )
  }

  /** Creates a body under an object: a Binding of a pod, a TokenRequest of a service account, an Eviction. */
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

  /** Replaces an object; with metadata.resourceVersion only if it has not changed since (else Conflict). */
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

  /** Replaces an object's status. */
  updateStatus<T extends KubeObject>(kind: Kind<T>, object: Draft<T>, options: WriteOptions = {}): Promise<T> {
    return this.update(kind, object, { ...options, subresource: 'status' })
  }

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

  async delete(kind: AnyKind, ref: Reference, request: DeleteRequest = {}): Promise<void> {
    const { uid, resourceVersion, signal, ...rest } = request
    const preconditions = { ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) }
    const body = { ...rest, ...(Object.keys(preconditions).length && { preconditions }) }
    await this.#run(kind, 'delete', { ...ref, body: body as Json, ...(signal && { signal }) })
  }

  /** A mirror of a kind, or of part of it, kept current until the client is closed. */
  mirror<T extends KubeObject>(kind: Kind<T>, scope: MirrorScope = {}): Mirror<T> {
    return this.#informers.mirror(kind, scope)
  }

  /** Stops keeping a mirror of `mirror()` current. */
  release<T extends KubeObject>(mirror: Mirror<T>): void {
    this.#informers.release(mirror as unknown as Mirror)
  }

  /** Resolves when these mirrors have their first list. */
  async synced(mirrors: readonly Pick<Mirror, 'waitFor'>[], signal?: AbortSignal): Promise<void> {
    await Promise.all(mirrors.map(mirror => mirror.waitFor(0, signal)))
  }

  /** Stops all mirrors that this client feeds. */
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

function objectOf<T>(result: ServedResult): T {
  if (result.type === 'object') return result.item.object as T
  throw new Error(`an object was asked for and answered with a ${result.type}`)
}

function split({ signal, ...options }: WriteOptions): { options: OperationOptions; signal?: AbortSignal } {
  return { options, ...(signal && { signal }) }
}
