// The garbage collector: what loses its last owner goes. How an owner's deletion treats what it owns is written in
// its finalizers:
//
//   background (none)    the owner goes at once, then what it owned
//   foregroundDeletion   first what it owns, and the owner only when no blocking dependent is left
//   orphan               what it owns loses the reference and stays
//
// Source: pkg/controller/garbagecollector.
import { isReason } from '../../base/errors.ts'
import { sameJson } from '../../api/equal.ts'
import type { AnyKind, Kind, KubeObject } from '../../api/kind.ts'
import type { MirrorChange } from '../../api/mirror.ts'
import type { Context, Caches } from '../context.ts'
import { type Controller, defineKeyedController, type Result, type Watch } from '../harness.ts'
import {
  awaitsDependents,
  type Dependent,
  foregroundFinalizer,
  Graph,
  hasFinalizer,
  orphanFinalizer,
  type Owner,
} from './graph.ts'

/** UIDs known to be gone for good. */
const maxAbsent = 500
const workers = 20

/** @param kinds every kind the cluster serves */
export function garbageCollector(kinds: readonly AnyKind[]): Controller {
  const graph = new Graph(kinds)
  const absent = new Set<string>()
  return defineKeyedController({
    name: 'garbage-collector',
    identity: 'generic-garbage-collector',
    workers,
    watches: graph.kinds.map(kind => changesOf(graph, kind)),
    async reconcile(key, ctx) {
      const found = graph.find(key, k => ctx.cache(k))
      if (found) return collect({ graph, absent, ctx, ...found })
    },
  })
}

/** Which objects a change makes worth a look. */
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
      // It may no longer block an owner that waits.
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
  const { solid, gone, waiting } = await classify(work, owners)
  if (solid.length) {
    const surplus = [...gone, ...waiting]
    if (surplus.length) await dropOwners(work, surplus)
    return
  }
  const dependents = graph.dependents(object, caches)
  if (waiting.length && dependents.length) {
    // Owners that wait for each other in a circle would wait for ever: this one stops blocking.
    const circle = dependents.some(dependent => awaitsDependents(dependent.object))
    return remove(circle ? { ...work, object: await unblock(work) } : work, 'Foreground')
  }
  // How the object was to be deleted may already be written on it.
  if (hasFinalizer(object, orphanFinalizer)) return remove(work, 'Orphan')
  return remove(work, hasFinalizer(object, foregroundFinalizer) ? 'Foreground' : 'Background')
}

interface Owners {
  /** They live, or nothing can be said about them. */
  solid: Owner[]
  gone: Owner[]
  /** They are going, and wait for this object. */
  waiting: Owner[]
}

async function classify(work: Work, owners: readonly Owner[]): Promise<Owners> {
  const result: Owners = { solid: [], gone: [], waiting: [] }
  for (const owner of owners) {
    const known = work.graph.owner(work.object, owner, kind => work.ctx.cache(kind))
    if (known) (awaitsDependents(known.object) ? result.waiting : result.solid).push(owner)
    else (result[await live(work, owner)] as Owner[]).push(owner)
  }
  return result
}

/** Asks the API server about an owner that no mirror knows. */
async function live({ graph, absent, ctx, object }: Work, owner: Owner): Promise<keyof Owners> {
  if (absent.has(owner.uid)) return 'gone'
  const kind = graph.kindOf(owner)
  // Of a kind that is not served (any more) nothing can be said.
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
  return 'gone'
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

/** Every dependent loses its reference to the object; then the object may go. */
async function orphan(work: Work, dependents: readonly Dependent[]): Promise<void> {
  const { object } = work
  await Promise.all(
    dependents.map(dependent => {
      const reference = dependent.object.metadata.ownerReferences!.find(o => o.uid === object.metadata.uid)!
      return dropOwners({ ...work, ...dependent }, [reference])
    }),
  )
  await dropFinalizer(work, orphanFinalizer)
}

/** Removes what is left, and lets the object go when nothing left blocks it. */
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
  await quietly(ctx.patch(kind as Kind<KubeObject>, object, 'merge', changed(object, { finalizers })))
}

async function dropOwners({ kind, object, ctx }: Work, owners: readonly Owner[]): Promise<void> {
  const gone = new Set(owners.map(owner => owner.uid))
  const ownerReferences = object.metadata.ownerReferences!.filter(owner => !gone.has(owner.uid))
  await quietly(ctx.patch(kind as Kind<KubeObject>, object, 'merge', changed(object, { ownerReferences })))
}

async function unblock({ kind, object, ctx }: Work): Promise<KubeObject> {
  const ownerReferences = object.metadata.ownerReferences!.map(owner => ({ ...owner, blockOwnerDeletion: false }))
  return ctx.patch(kind as Kind<KubeObject>, object, 'merge', changed(object, { ownerReferences }))
}

/** Only if nobody else has changed it: a Conflict brings the key back with the newer state. */
const changed = ({ metadata }: KubeObject, fields: object) => ({
  metadata: { ...fields, uid: metadata.uid, resourceVersion: metadata.resourceVersion },
})

async function quietly(write: Promise<unknown>): Promise<void> {
  try {
    await write
  } catch (error) {
    if (!isReason(error, 'NotFound')) throw error
  }
}
