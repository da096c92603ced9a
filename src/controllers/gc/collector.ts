// The garbage collector: deletes objects whose last owner is gone. The finalizers of an owner in deletion decide what
// happens to its dependents:
//
//   none (background)    the owner is deleted at once, then its dependents
//   foregroundDeletion   the dependents are deleted first, and the owner once no blocking dependent is left
//   orphan               the dependents lose their reference to the owner and stay
//
// What may be relied on, although mirrors of different kinds are at different revisions:
//
// - No object is deleted because a mirror lacks its owner: the API server has confirmed that the owner's name belongs
//   to no object with the owner's uid. A uid is never used again, so this answer stays right.
// - A deletion carries uid and resourceVersion. An object that changed meanwhile, for example by a new owner, is not
//   deleted: the write is a Conflict and the key runs again.
// - An owner of a kind that is not served counts as existing.
// - An owner on an extension server that is away counts as existing, if it was there before; otherwise the question
//   whether it exists is asked again until the server answers it.
// - No object is orphaned before all kinds are listed, those of extension servers for 30 s at most: a dependent that was
//   missed would keep its reference and be deleted with its owner. Without this wait, a background or foreground
//   deletion only misses the order: the dependents are deleted when their kind is listed.
//
// The keys of the queue name objects of any kind, see graph.ts. Source: pkg/controller/garbagecollector.
import { isReason, StatusError } from '../../base/errors.ts'
import { sameJson } from '../../api/equal.ts'
import type { AnyKind, Kind, KubeObject } from '../../api/kind.ts'
import { type KindSource, resourceOf } from '../../api/kind-source.ts'
import type { MirrorChange } from '../../api/mirror.ts'
import type { Context, Caches } from '../context.ts'
import { type Controller, defineKeyedController, type Result, type Watch } from '../harness.ts'
import {
  awaitsDependents,
  type Dependent,
  foregroundFinalizer,
  Graph,
  hasFinalizer,
  isIncluded,
  orphanFinalizer,
  type Owner,
} from './graph.ts'

/** The most uids of confirmed missing owners that are kept. The oldest is dropped first. */
const maxAbsent = 500
/** After how long an object is looked at again whose owner is of a kind that is not served. */
const unservedMs = 300_000
const workers = 20

/** @param kinds the kinds that the cluster serves */
export function garbageCollector(kinds: KindSource): Controller {
  const graph = new Graph(kinds)
  const absent = new Set<string>()
  return defineKeyedController({
    name: 'garbage-collector',
    identity: 'generic-garbage-collector',
    workers,
    everyKind: kind => (isIncluded(kind) ? changesOf(graph, kind) : undefined),
    async reconcile(key, ctx) {
      const found = graph.find(key, k => ctx.cache(k))
      if (found) return collect({ graph, absent, ctx, ...found })
    },
  })
}

/**
 * The objects that a change of one object wakes:
 *
 *   deleted                                   its dependents, and owners in foreground deletion
 *   terminating with one of the finalizers    the object itself; at the first such change also its dependents
 *   owner references changed                  the object itself if an owner is missing or in foreground deletion, and
 *                                             former owners in foreground deletion, which it may have blocked
 */
function changesOf(graph: Graph, kind: AnyKind): Watch {
  return {
    kind,
    *keys(change: MirrorChange, caches: Caches) {
      const { type, item, before } = change
      const object = item.object
      const owners = object.metadata.ownerReferences
      if (type === 'DELETED') {
        for (const dependent of graph.dependents(object, caches)) yield graph.key(dependent.kind, dependent.object)
        for (const owner of owners ?? []) yield* waitingOwner(graph, object, owner, caches)
        return
      }
      const deleting = object.metadata.deletionTimestamp !== undefined
      if (deleting && (hasFinalizer(object, foregroundFinalizer) || hasFinalizer(object, orphanFinalizer))) {
        yield graph.key(kind, object)
        if (!before?.object.metadata.deletionTimestamp)
          for (const dependent of graph.dependents(object, caches)) yield graph.key(dependent.kind, dependent.object)
      }
      if (!owners && !before?.object.metadata.ownerReferences) return
      const changed = !sameJson(owners, before?.object.metadata.ownerReferences)
      if (!changed) return
      const healthy = owners?.every(owner => {
        const known = graph.owner(object, owner, caches)
        return known && !awaitsDependents(known.object)
      })
      if (!healthy) yield graph.key(kind, object)
      // The object may have blocked the deletion of a former owner.
      for (const owner of before?.object.metadata.ownerReferences ?? [])
        yield* waitingOwner(graph, object, owner, caches)
    },
  }
}

function* waitingOwner(graph: Graph, of: KubeObject, reference: Owner, caches: Caches): Iterable<string> {
  const owner = graph.owner(of, reference, caches)
  if (owner && awaitsDependents(owner.object)) yield graph.key(owner.kind, owner.object)
}

interface Work extends Dependent {
  graph: Graph
  absent: Set<string>
  ctx: Context
}

/** One step for one object: delete it, drop references to missing owners, or go on with its own deletion. */
async function collect(work: Work): Promise<Result> {
  const { object, ctx, graph } = work
  const caches: Caches = kind => ctx.cache(kind)
  if (object.metadata.deletionTimestamp) {
    if (hasFinalizer(object, orphanFinalizer)) return orphan(work, graph.dependents(object, caches))
    if (hasFinalizer(object, foregroundFinalizer)) return finishForeground(work, graph.dependents(object, caches))
    return
  }
  const owners = object.metadata.ownerReferences ?? []
  if (!owners.length) return
  const { solid, dangling, waiting } = await classify(work, owners)
  if (solid.length) {
    const surplus = [...dangling, ...waiting]
    if (surplus.length) await dropOwners(work, surplus)
    // The kind may be served later, such as by an extension server that is not there yet.
    return solid.every(owner => graph.kindOf(owner)) ? undefined : { again: unservedMs }
  }
  const dependents = graph.dependents(object, caches)
  if (waiting.length && dependents.length) {
    // A dependent that waits for its own dependents may wait for this object in a circle, so this object stops
    // blocking.
    const circle = dependents.some(dependent => awaitsDependents(dependent.object))
    return remove(circle ? { ...work, object: await unblock(work) } : work, 'Foreground')
  }
  // A finalizer that a user set before decides how the object's own dependents are treated.
  if (hasFinalizer(object, orphanFinalizer)) return remove(work, 'Orphan')
  return remove(work, hasFinalizer(object, foregroundFinalizer) ? 'Foreground' : 'Background')
}

/** The owners of an object, by state. */
interface Owners {
  /** Owners that exist, or whose kind is not served. */
  solid: Owner[]
  /** Owners that do not exist. */
  dangling: Owner[]
  /** Owners in foreground deletion, which wait for this object. */
  waiting: Owner[]
}

async function classify(work: Work, owners: readonly Owner[]): Promise<Owners> {
  const result: Owners = { solid: [], dangling: [], waiting: [] }
  for (const owner of owners) {
    const known = work.graph.owner(work.object, owner, kind => work.ctx.cache(kind))
    if (known) (awaitsDependents(known.object) ? result.waiting : result.solid).push(owner)
    else (result[await live(work, owner)] as Owner[]).push(owner)
  }
  return result
}

/** The state of an owner that no mirror has, read from the API server. */
async function live({ graph, absent, ctx, object }: Work, owner: Owner): Promise<keyof Owners> {
  if (absent.has(owner.uid)) return 'dangling'
  const kind = graph.kindOf(owner)
  // Whether an owner of a kind that is not served exists cannot be checked.
  if (!kind) return 'solid'
  const { namespace = '' } = object.metadata
  if (kind.namespaced && !namespace) {
    const message = `ownerRef ${describe(owner)} of a cluster-scoped object names a namespaced kind`
    ctx.event(object, 'Warning', 'OwnerRefInvalidNamespace', message)
    return 'solid'
  }
  const found = (await ctx.client.find(kind as Kind<KubeObject>, {
    name: owner.name,
    ...(kind.namespaced && { namespace }),
  })) as KubeObject | undefined
  if (found?.metadata.uid === owner.uid) return awaitsDependents(found) ? 'waiting' : 'solid'
  if (!found && kind.namespaced && elsewhere(ctx, kind, owner)) {
    const message = `ownerRef ${describe(owner)} does not exist in namespace ${JSON.stringify(namespace)}`
    ctx.event(object, 'Warning', 'OwnerRefInvalidNamespace', message)
  }
  absent.add(owner.uid)
  if (absent.size > maxAbsent) absent.delete(absent.values().next().value!)
  return 'dangling'
}

const describe = ({ apiVersion, kind, name, uid }: Owner) => `[${apiVersion}/${kind}, name: ${name}, uid: ${uid}]`

function elsewhere(ctx: Context, kind: AnyKind, owner: Owner): boolean {
  const uidIndex = (object: KubeObject) => [object.metadata.uid ?? '']
  return ctx.cache(kind as Kind<KubeObject>).byIndex('uid', uidIndex, owner.uid).length > 0
}

async function remove({ kind, object, ctx }: Work, propagationPolicy: 'Foreground' | 'Background' | 'Orphan') {
  const { resourceVersion = '' } = object.metadata
  await ctx.delete(kind, object, { propagationPolicy, resourceVersion })
}

/** Removes the reference to the object from every dependent, then the finalizer from the object. */
async function orphan(work: Work, dependents: readonly Dependent[]): Promise<void> {
  const { object, graph, ctx } = work
  const unlisted = graph.unlisted(kind => ctx.cache(kind), ctx.steady()).map(resourceOf)
  if (unlisted.length)
    throw new StatusError('ServiceUnavailable', `${unlisted.join(', ')} may have dependents, and are not listed yet`)
  await Promise.all(
    dependents.map(dependent => {
      const reference = dependent.object.metadata.ownerReferences!.find(o => o.uid === object.metadata.uid)!
      return dropOwners({ ...work, ...dependent }, [reference])
    }),
  )
  await dropFinalizer(work, orphanFinalizer)
}

/** Deletes the dependents that block the object, or removes its finalizer when none is left. */
async function finishForeground(work: Work, dependents: readonly Dependent[]): Promise<void> {
  const { object, ctx } = work
  const blocking = dependents.filter(dependent =>
    dependent.object.metadata.ownerReferences?.some(o => o.uid === object.metadata.uid && o.blockOwnerDeletion),
  )
  if (!blocking.length) return dropFinalizer(work, foregroundFinalizer)
  for (const dependent of blocking)
    if (!dependent.object.metadata.deletionTimestamp) await collect({ ...work, ...dependent, ctx })
}

async function dropFinalizer({ kind, object, ctx }: Work, finalizer: string): Promise<void> {
  const finalizers = object.metadata.finalizers!.filter(f => f !== finalizer)
  await unlessMissing(ctx.patch(kind as Kind<KubeObject>, object, 'merge', changed(object, { finalizers })))
}

async function dropOwners({ kind, object, ctx }: Work, owners: readonly Owner[]): Promise<void> {
  const dropped = new Set(owners.map(owner => owner.uid))
  const ownerReferences = object.metadata.ownerReferences!.filter(owner => !dropped.has(owner.uid))
  await unlessMissing(ctx.patch(kind as Kind<KubeObject>, object, 'merge', changed(object, { ownerReferences })))
}

async function unblock({ kind, object, ctx }: Work): Promise<KubeObject> {
  const ownerReferences = object.metadata.ownerReferences!.map(owner => ({ ...owner, blockOwnerDeletion: false }))
  return ctx.patch(kind as Kind<KubeObject>, object, 'merge', changed(object, { ownerReferences }))
}

/** A patch that is refused with a Conflict if the object has changed, after which the key is retried. */
const changed = ({ metadata }: KubeObject, fields: object) => ({
  metadata: { ...fields, uid: metadata.uid, resourceVersion: metadata.resourceVersion },
})

/** Ignores that the object to write does not exist any more. */
async function unlessMissing(write: Promise<unknown>): Promise<void> {
  try {
    await write
  } catch (error) {
    if (!isReason(error, 'NotFound')) throw error
  }
}
