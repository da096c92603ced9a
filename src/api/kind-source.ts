// The kinds that a cluster serves. CustomResourceDefinitions add and remove kinds at any time.
import type { AnyKind } from './kind.ts'

export interface KindSource {
  /** A new array after each change. */
  readonly all: readonly AnyKind[]
  /**
   * Groups and versions, such as `metrics.k8s.io/v1beta1`, of extension servers that do not answer now. `all` has the
   * kinds that they listed last, and other kinds of theirs may be missing. Without the field there are none.
   */
  readonly unanswered?: readonly string[]
  /** Calls `listener` after changes. Returns a function that ends this. */
  subscribe(listener: () => void): () => void
}

/** A value that is computed from the kinds once for each change of them. */
export function fromKinds<T>(source: KindSource, compute: (kinds: readonly AnyKind[]) => T): () => T {
  let of: readonly AnyKind[] | undefined
  let value: T
  return () => {
    if (of !== source.all) value = compute((of = source.all))
    return value
  }
}

/** One kind for each stored resource: the first of several versions, and no views of other kinds. */
export function storedKinds(kinds: readonly AnyKind[]): AnyKind[] {
  const seen = new Set<string>()
  return kinds.filter(kind => {
    if (kind.view || !kind.plural || !kind.verbs.includes('watch') || seen.has(resourceOf(kind))) return false
    return seen.add(resourceOf(kind))
  })
}

/** The kinds whose mirrors are not filled yet, such as those of a definition that was just created or changed. */
export const unlisted = (kinds: readonly AnyKind[], mirrorOf: (kind: AnyKind) => { synced: boolean }): AnyKind[] =>
  kinds.filter(kind => !mirrorOf(kind).synced)

/** `group/plural`, which all versions of a resource have in common. */
export const resourceOf = ({ group, plural }: Pick<AnyKind, 'group' | 'plural'>): string => `${group}/${plural}`
