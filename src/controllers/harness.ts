// What a controller is: it compares one object with what exists and does the next step towards it. The harness
// owns everything around that: mirrors, queues, workers, back-off, and the wait until a key's own writes are seen.
import { type AnyKind, type Kind, type KubeObject, parseApiVersion } from '../api/kind.ts'
import { type MirrorChange, objectKey } from '../api/mirror.ts'
import type { Caches, Context } from './context.ts'

/** Look again after a time; nothing: only when something changes. */
export type Result = { again: number } | undefined | void

export interface Reference {
  namespace: string
  name: string
}

/** A kind whose changes concern a controller, and which keys they concern. */
export interface Watch {
  kind: AnyKind
  keys(change: MirrorChange, caches: Caches): Iterable<string>
}

/** The form the harness runs: keys are names of whatever the controller works on. */
export interface Controller {
  name: string
  /** The service account in kube-system it acts as; default its name; null: as whoever runs the controllers. */
  identity?: string | null
  workers: number
  /** Every kind it reads. */
  kinds: readonly AnyKind[]
  watches: readonly Watch[]
  reconcile(key: string, ctx: Context): Promise<Result>
}

interface ControllerOptions<T extends KubeObject> {
  name: string
  identity?: string | null
  reconciles: Kind<T>
  /** Kinds of objects it makes: a change of one wakes the owner that its controller reference names. */
  owns?: readonly AnyKind[]
  watches?: readonly Watch[]
  /** Kinds it reads without being woken by them. */
  reads?: readonly AnyKind[]
  /** Whether a change of the object itself is worth a look; default always. */
  when?(object: T, before: T | undefined, caches: Caches): boolean
  workers?: number
  reconcile(object: T, ctx: Context): Promise<Result>
  /** The object is gone; default nothing. */
  gone?(ref: Reference, ctx: Context): Promise<Result>
}

/** They wait for the disk most of the time: what many write at once is committed at once. */
const defaultWorkers = 20

/** A controller of one kind. */
export function defineController<T extends KubeObject>(options: ControllerOptions<T>): Controller {
  const { name, reconciles, owns = [], watches = [], reads = [], when, gone } = options
  const own: Watch = {
    kind: reconciles,
    keys({ type, item, before }, caches) {
      const object = item.object as T
      if (type === 'DELETED') return gone ? [objectKey(object)] : []
      return !when || when(object, before?.object as T | undefined, caches) ? [objectKey(object)] : []
    },
  }
  return {
    name,
    ...(options.identity !== undefined && { identity: options.identity }),
    workers: options.workers ?? defaultWorkers,
    kinds: [...new Set([reconciles, ...owns, ...watches.map(w => w.kind), ...reads])],
    watches: [own, ...owns.map(kind => ownedBy(kind, reconciles)), ...watches],
    async reconcile(key, ctx) {
      const object = ctx.cache(reconciles).byKey(key)
      return object ? options.reconcile(object, ctx) : gone?.(splitKey(key), ctx)
    },
  }
}

/** A controller whose keys are its own. */
export function defineKeyedController(
  options: Omit<Controller, 'workers' | 'kinds'> & { workers?: number; reads?: readonly AnyKind[] },
): Controller {
  const { reads = [], workers = defaultWorkers, ...rest } = options
  return { ...rest, workers, kinds: [...new Set([...rest.watches.map(w => w.kind), ...reads])] }
}

/** Typed form of a watch: keys of the object as it is and as it was. */
export function watch<T extends KubeObject>(
  kind: Kind<T>,
  keys: (object: T, caches: Caches) => Iterable<string>,
  when?: (object: T, before: T | undefined) => boolean,
): Watch {
  return {
    kind,
    *keys({ type, item, before }, caches) {
      const object = item.object as T
      const old = before?.object as T | undefined
      if (when && type !== 'DELETED' && !when(object, old)) return
      yield* keys(object, caches)
      if (old && type === 'MODIFIED') yield* keys(old, caches)
    },
  }
}

/** Wakes the object of `owner` kind that a changed object's controller reference names. */
function ownedBy(kind: AnyKind, owner: AnyKind): Watch {
  const group = owner.group
  return watch(kind as Kind<KubeObject>, object => {
    const reference = object.metadata.ownerReferences?.find(r => r.controller)
    if (!reference || reference.kind !== owner.kind || parseApiVersion(reference.apiVersion).group !== group) return []
    return [keyOf(owner.namespaced ? (object.metadata.namespace ?? '') : '', reference.name)]
  })
}

export const keyOf = (namespace: string, name: string): string => (namespace ? `${namespace}/${name}` : name)

export function splitKey(key: string): Reference {
  const slash = key.indexOf('/')
  return slash < 0 ? { namespace: '', name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
}
