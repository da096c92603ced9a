// What a controller is: a function that compares one object with what exists and takes the next step towards its spec.
// The harness has everything around that: mirrors, a queue, workers, back-off, and the wait for a key's own writes.
//
//   change in a mirror ─► watches: which keys? ─► queue ─► reconcile(object) ─► own writes in the mirrors ─► done
//
// What a controller may rely on:
//
// - Its mirrors are filled before the first reconcile, and each object that exists then wakes its keys once. Only kinds
//   that are added later, for a controller that reads every kind, have a mirror that is empty at first (`unlisted`).
// - One key never runs twice at once. Different keys run at once, up to `workers`, so what several keys share in one
//   controller (a map, a counter) may change at every `await`.
// - A reconcile sees the mirrors with everything that the last reconcile of its key wrote through the context.
// - `reconcile` is not given the change that woke it. Several changes may lead to one run, and one change to several;
//   so it must come to the same result whatever happened before.
// - A key that was changed runs again, also while it backs off or waits for its requeue time.
//
// What it must do in return: end by itself when the context's signal aborts, leave objects of mirrors unchanged, and
// throw what it cannot handle. Throwing backs the key off and affects no other key.
import { type AnyKind, type Kind, type KubeObject, parseApiVersion } from '../api/kind.ts'
import { type MirrorChange, objectKey } from '../api/mirror.ts'
import type { Caches, Context } from './context.ts'

/** Requeues the key after `again` milliseconds. Without it, the key runs again only after a change. */
export type Result = { again: number } | undefined | void

export interface Reference {
  namespace: string
  name: string
}

/** A kind whose changes wake keys of a controller, and the function that names those keys. */
export interface Watch {
  kind: AnyKind
  keys(change: MirrorChange, caches: Caches): Iterable<string>
}

/** The form that the harness runs. What a key stands for is up to the controller. */
export interface Controller {
  name: string
  /**
   * The service account of kube-system under which it acts; by default that of its name. With null it acts as the user
   * that runs the controllers.
   */
  identity?: string | null
  workers: number
  /** All kinds that it reads. Only their mirrors are filled, and only in them own writes are waited for. */
  kinds: readonly AnyKind[]
  watches: readonly Watch[]
  /**
   * Returns the watch of a kind, or undefined if the controller does not read it. Called for all stored kinds at the
   * start, and for each kind that is added later.
   */
  everyKind?(kind: AnyKind): Watch | undefined
  reconcile(key: string, ctx: Context): Promise<Result>
}

interface ControllerOptions<T extends KubeObject> {
  name: string
  identity?: string | null
  reconciles: Kind<T>
  /** Kinds of objects that it creates: a change of one wakes the owner that its controller reference names. */
  owns?: readonly AnyKind[]
  watches?: readonly Watch[]
  everyKind?: Controller['everyKind']
  /** Kinds that it reads without being woken by them. */
  reads?: readonly AnyKind[]
  /** Whether a change of the object itself wakes it; by default every change does. */
  when?(object: T, before: T | undefined, caches: Caches): boolean
  workers?: number
  reconcile(object: T, ctx: Context): Promise<Result>
  /** Runs instead of `reconcile` when the object does not exist any more. */
  deleted?(ref: Reference, ctx: Context): Promise<Result>
}

/** Reconciles wait for the disk most of the time, and writes at the same time share one commit. */
const defaultWorkers = 20

/** A controller of one kind. */
export function defineController<T extends KubeObject>(options: ControllerOptions<T>): Controller {
  const { name, reconciles, owns = [], watches = [], reads = [], when, deleted } = options
  const own: Watch = {
    kind: reconciles,
    keys({ type, item, before }, caches) {
      const object = item.object as T
      if (type === 'DELETED') return deleted ? [objectKey(object)] : []
      return !when || when(object, before?.object as T | undefined, caches) ? [objectKey(object)] : []
    },
  }
  return {
    name,
    ...(options.identity !== undefined && { identity: options.identity }),
    workers: options.workers ?? defaultWorkers,
    kinds: [...new Set([reconciles, ...owns, ...watches.map(w => w.kind), ...reads])],
    watches: [own, ...owns.map(kind => ownedBy(kind, reconciles)), ...watches],
    ...(options.everyKind && { everyKind: options.everyKind }),
    async reconcile(key, ctx) {
      const object = ctx.cache(reconciles).byKey(key)
      return object ? options.reconcile(object, ctx) : deleted?.(splitKey(key), ctx)
    },
  }
}

/** A controller whose keys do not stand for objects of one kind. */
export function defineKeyedController(
  options: Omit<Controller, 'workers' | 'kinds' | 'watches'> & {
    workers?: number
    reads?: readonly AnyKind[]
    watches?: readonly Watch[]
  },
): Controller {
  const { reads = [], workers = defaultWorkers, watches = [], ...rest } = options
  return { ...rest, watches, workers, kinds: [...new Set([...watches.map(w => w.kind), ...reads])] }
}

/**
 * A watch with types. Wakes the keys of the object before and after the change, so that a former owner is woken too.
 * @param when filters changes other than deletions
 */
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
