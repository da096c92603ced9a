// The kinds that the server serves: built-in ones, those of other rooms, and those of CustomResourceDefinitions.
//
// - `all` is a new array after each change, so that what was computed from it is valid while it is the same.
// - A kind of a definition never replaces a built-in kind.
// - Listeners are called in a microtask after a change, once for all changes until then.
import type { AnyKind } from '../api/kind.ts'
import type { KindSource } from '../api/kind-source.ts'

type Name = Pick<AnyKind, 'group' | 'version' | 'plural'>

const pathOf = ({ group, version, plural }: Name) => `${group}/${version}/${plural}`

export class Catalog implements KindSource {
  readonly #fixed: readonly AnyKind[]
  readonly #taken: ReadonlySet<string>
  readonly #custom = new Map<string, readonly AnyKind[]>()
  readonly #byPath = new Map<string, AnyKind>()
  readonly #listeners = new Set<() => void>()
  #all: readonly AnyKind[] | undefined
  #announced = true

  constructor(fixed: readonly AnyKind[]) {
    this.#fixed = fixed
    for (const kind of fixed) if (kind.plural) this.#byPath.set(pathOf(kind), kind)
    this.#taken = new Set(this.#byPath.keys())
  }

  get all(): readonly AnyKind[] {
    return (this.#all ??= [...this.#fixed, ...[...this.#custom.values()].flat()])
  }

  find(name: Name): AnyKind | undefined {
    return this.#byPath.get(pathOf(name))
  }

  /** Whether a built-in kind has the resource, in any version. */
  isFixed({ group, plural }: Pick<AnyKind, 'group' | 'plural'>): boolean {
    return this.#fixed.some(kind => kind.group === group && kind.plural === plural)
  }

  /** Replaces the kinds of a definition; an empty list removes them. */
  set(definition: string, kinds: readonly AnyKind[]): void {
    for (const kind of this.#custom.get(definition) ?? []) this.#byPath.delete(pathOf(kind))
    const free = kinds.filter(kind => !this.#taken.has(pathOf(kind)))
    if (free.length) this.#custom.set(definition, free)
    else this.#custom.delete(definition)
    for (const kind of free) this.#byPath.set(pathOf(kind), kind)
    this.#all = undefined
    this.#announce()
  }

  /** Calls `listener` after changes. Returns a function that ends this. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #announce(): void {
    if (!this.#announced) return
    this.#announced = false
    queueMicrotask(() => {
      this.#announced = true
      for (const listener of this.#listeners) listener()
    })
  }
}
