// The hairpin sets are the collections whose elements are shared by fragments: several Services may lead to the same
// pod. So its elements are counted. Only the first fragment that needs one adds it to the table, and only the last one
// removes it.
import { add, emptyFragment, type Fragment } from './fragment.ts'

type Pair = { before: Fragment; after: Fragment }

const hairpinSets = ['hairpin', 'hairpin6']

export class HairpinCounts {
  /** How many applied fragments have each element, by set and element. Those in the kernel are the keys. */
  readonly #counts = new Map<string, number>()

  /** Drops all elements, because the table has been built again without them. */
  clear(): void {
    this.#counts.clear()
  }

  /**
   * Replaces the hairpin elements of changes by one change of the shared sets. The counts stay as they are until
   * `commit` of the result is called, after the kernel has accepted the changes.
   */
  share(changes: readonly Pair[]): { changes: Pair[]; commit(): void } {
    const delta = new Map<string, number>()
    const count = (fragment: Fragment, by: number) => {
      for (const set of hairpinSets)
        for (const key of fragment.elements.get(set)?.keys() ?? [])
          delta.set(`${set} ${key}`, (delta.get(`${set} ${key}`) ?? 0) + by)
    }
    for (const { before, after } of changes) {
      count(before, -1)
      count(after, 1)
    }
    const [removed, added] = [emptyFragment(), emptyFragment()]
    for (const [name, by] of delta) {
      const [had, has] = [this.#counts.get(name) ?? 0, (this.#counts.get(name) ?? 0) + by]
      const [set, key] = [name.slice(0, name.indexOf(' ')), name.slice(name.indexOf(' ') + 1)]
      if (had > 0 && has <= 0) add(removed, set, key, '')
      if (had <= 0 && has > 0) add(added, set, key, '')
    }
    const rest = changes.map(({ before, after }) => ({ before: withoutHairpin(before), after: withoutHairpin(after) }))
    return {
      changes: [...rest, { before: removed, after: added }],
      commit: () => {
        for (const [name, by] of delta) {
          const has = (this.#counts.get(name) ?? 0) + by
          if (has > 0) this.#counts.set(name, has)
          else this.#counts.delete(name)
        }
      },
    }
  }
}

const withoutHairpin = (fragment: Fragment): Fragment => ({
  ...fragment,
  elements: new Map([...fragment.elements].filter(([name]) => !hairpinSets.includes(name))),
})
