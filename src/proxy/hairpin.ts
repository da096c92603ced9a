// The hairpin set is the one collection whose elements are shared by fragments: several Services may lead to the same
// pod. So its elements are counted. Only the first fragment that needs one adds it to the table, and only the last one
// removes it.
import type { Fragment } from './plan.ts'

type Pair = { before: Fragment; after: Fragment }

export class HairpinCounts {
  /** How many applied fragments have each element: the elements of the set in the kernel are the keys. */
  #counts = new Map<string, number>()

  /** Drops all elements, because the table has been built again without them. */
  clear(): void {
    this.#counts.clear()
  }

  /**
   * Replaces the hairpin elements of changes by one change of the shared set. The counts stay as they are until
   * `commit` of the result is called, after the kernel has accepted the changes.
   */
  share(changes: readonly Pair[]): { changes: Pair[]; commit(): void } {
    const next = new Map(this.#counts)
    for (const { before, after } of changes) {
      for (const key of before.elements.get('hairpin')?.keys() ?? []) next.set(key, (next.get(key) ?? 0) - 1)
      for (const key of after.elements.get('hairpin')?.keys() ?? []) next.set(key, (next.get(key) ?? 0) + 1)
    }
    const removed = new Map<string, string>()
    const added = new Map<string, string>()
    for (const [key, count] of next) {
      if (count <= 0) {
        next.delete(key)
        if (this.#counts.has(key)) removed.set(key, '')
      } else if (!this.#counts.has(key)) added.set(key, '')
    }
    const shared: Pair = { before: onlyHairpin(removed), after: onlyHairpin(added) }
    return {
      changes: [
        ...changes.map(({ before, after }) => ({ before: withoutHairpin(before), after: withoutHairpin(after) })),
        shared,
      ],
      commit: () => (this.#counts = next),
    }
  }
}

const onlyHairpin = (elements: Map<string, string>): Fragment => ({
  chains: new Map(),
  sets: new Map(),
  elements: new Map([['hairpin', elements]]),
})

const withoutHairpin = ({ chains, sets, elements }: Fragment): Fragment => ({
  chains,
  sets,
  elements: new Map([...elements].filter(([name]) => name !== 'hairpin')),
})
