// The graph of owners and dependents over all kinds. It is not stored: every mirror has an index by owner, so the graph
// is read from the mirrors at each question and cannot fall behind them.
//
//   dependents(A)    ownedBy(uid of A) in the mirror of each kind
//   owner(B, ref)    the object that the reference names, in the mirror of its kind, if it has the uid
//
// Kinds that cannot be watched or deleted are left out, as are Events, which have no owners. Two versions of a resource
// have the same objects, so one of them is enough. A kind that is added while the controller runs is in the graph at
// once, but its objects are not until its mirror is filled. Source: pkg/controller/garbagecollector/graph_builder.go.
import { fromKinds, type KindSource, resourceOf, storedKinds, unlisted } from '../../api/kind-source.ts'
import { type AnyKind, type Kind, type KubeObject, parseApiVersion } from '../../api/kind.ts'
import type { OwnerReference } from '../../api/meta.ts'
import { objectKey } from '../../api/mirror.ts'
import type { Caches } from '../context.ts'

export type Owner = OwnerReference

export interface Dependent {
  kind: AnyKind
  object: KubeObject
}

export const foregroundFinalizer = 'foregroundDeletion'
export const orphanFinalizer = 'orphan'

export const hasFinalizer = (object: KubeObject, finalizer: string): boolean =>
  object.metadata.finalizers?.includes(finalizer) ?? false

/** Whether an object is in foreground deletion: it stays until no dependent blocks it. */
export const awaitsDependents = (object: KubeObject): boolean =>
  object.metadata.deletionTimestamp !== undefined && hasFinalizer(object, foregroundFinalizer)

/** How long the lists of an extension server are waited for. Source: syncing of monitors in garbagecollector.go. */
const patienceMs = 30_000

export class Graph {
  /** The kinds of extension servers that are waited for, and since when. */
  #awaited: ReadonlyMap<AnyKind, number> = new Map()
  readonly #kinds: () => { all: readonly AnyKind[]; byName: Map<string, AnyKind>; byId: Map<string, AnyKind> }

  constructor(source: KindSource) {
    this.#kinds = fromKinds(source, kinds => {
      const all = storedKinds(kinds).filter(isIncluded)
      return {
        all,
        byName: new Map(all.map(kind => [`${kind.group}/${kind.kind}`, kind])),
        byId: new Map(all.map(kind => [resourceOf(kind), kind])),
      }
    })
  }

  /** The key of an object in the queue, `group/plural|namespace/name`. */
  key(kind: AnyKind, object: KubeObject): string {
    return `${resourceOf(kind)}|${objectKey(object)}`
  }

  /** The object of a key. Undefined when it does not exist any more. */
  find(key: string, caches: Caches): Dependent | undefined {
    const bar = key.indexOf('|')
    const kind = this.#kinds().byId.get(key.slice(0, bar))
    const object = kind && caches(kind as Kind<KubeObject>).byKey(key.slice(bar + 1))
    return object && { kind, object }
  }

  kindOf(owner: Owner): AnyKind | undefined {
    return this.#kinds().byName.get(`${parseApiVersion(owner.apiVersion).group}/${owner.kind}`)
  }

  /** The owner from its mirror. Undefined when the mirror does not have it, or has another object under that name. */
  owner(of: KubeObject, owner: Owner, caches: Caches): Dependent | undefined {
    const kind = this.kindOf(owner)
    const namespace = kind?.namespaced ? of.metadata.namespace : undefined
    const object = kind && caches(kind as Kind<KubeObject>).get(namespace, owner.name)
    return object && object.metadata.uid === owner.uid ? { kind, object } : undefined
  }

  /**
   * The kinds whose objects are not in their mirrors yet, and are worth waiting for. `dependents` does not include these
   * objects. Those of an extension server are waited for at most `patienceMs`, since it may never list them.
   */
  unlisted(caches: Caches, now: number): AnyKind[] {
    const all = unlisted(this.#kinds().all, kind => caches(kind as Kind<KubeObject>))
    const before = this.#awaited
    this.#awaited = new Map(all.filter(kind => kind.remote).map(kind => [kind, before.get(kind) ?? now]))
    return all.filter(kind => now - (this.#awaited.get(kind) ?? now) < patienceMs)
  }

  dependents(object: KubeObject, caches: Caches): Dependent[] {
    const uid = object.metadata.uid ?? ''
    return this.#kinds().all.flatMap(kind =>
      caches(kind as Kind<KubeObject>)
        .ownedBy(uid)
        .map(dependent => ({ kind, object: dependent })),
    )
  }
}

/** Whether objects of a kind can be owners or dependents. */
export const isIncluded = (kind: AnyKind): boolean => kind.verbs.includes('delete') && kind.kind !== 'Event'
