// Who depends on whom, over all kinds. The mirrors know already: each is indexed by owner. So the graph is never
// built or kept up; it is looked up.
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

/** It is being deleted and waits until what depends on it has gone. */
export const awaitsDependents = (object: KubeObject): boolean =>
  object.metadata.deletionTimestamp !== undefined && hasFinalizer(object, foregroundFinalizer)

export class Graph {
  readonly kinds: readonly AnyKind[]
  readonly #byName = new Map<string, AnyKind>()
  readonly #byId = new Map<string, AnyKind>()

  /** @param kinds one kind for each resource that is stored */
  constructor(kinds: readonly AnyKind[]) {
    const seen = new Set<string>()
    // Versions of one resource share their objects: one is enough.
    this.kinds = kinds.filter(kind => {
      const id = idOf(kind)
      const stored = kind.plural !== '' && kind.verbs.includes('watch') && kind.verbs.includes('delete')
      if (!stored || kind.kind === 'Event' || seen.has(id)) return false
      return seen.add(id)
    })
    for (const kind of this.kinds) {
      this.#byName.set(`${kind.group}/${kind.kind}`, kind)
      this.#byId.set(idOf(kind), kind)
    }
  }

  /** Names an object of any kind. */
  key(kind: AnyKind, object: KubeObject): string {
    return `${idOf(kind)}|${objectKey(object)}`
  }

  find(key: string, caches: Caches): Dependent | undefined {
    const bar = key.indexOf('|')
    const kind = this.#byId.get(key.slice(0, bar))
    const object = kind && caches(kind as Kind<KubeObject>).byKey(key.slice(bar + 1))
    return object && { kind, object }
  }

  kindOf(owner: Owner): AnyKind | undefined {
    return this.#byName.get(`${parseApiVersion(owner.apiVersion).group}/${owner.kind}`)
  }

  /** The owner as the mirrors know it; undefined when they do not, or when it is another object of that name. */
  owner(of: KubeObject, owner: Owner, caches: Caches): Dependent | undefined {
    const kind = this.kindOf(owner)
    const namespace = kind?.namespaced ? of.metadata.namespace : undefined
    const object = kind && caches(kind as Kind<KubeObject>).get(namespace, owner.name)
    return object && object.metadata.uid === owner.uid ? { kind, object } : undefined
  }

  dependents(object: KubeObject, caches: Caches): Dependent[] {
    const uid = object.metadata.uid ?? ''
    return this.kinds.flatMap(kind =>
      caches(kind as Kind<KubeObject>)
        .ownedBy(uid)
        .map(dependent => ({ kind, object: dependent })),
    )
  }
}

const idOf = (kind: AnyKind) => `${kind.group}/${kind.plural}`
