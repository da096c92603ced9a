// The hairpin set is shared: several services may lead to the same pod. Elements are counted, and only the first
// use adds one, only the last takes it away.
import type { Fragment } from './plan.ts'

type Pair = { before: Fragment; after: Fragment }

export class HairpinCounts {
  #counts = new Map<string, number>()

  clear(): void {
    this.#counts.clear()
  }

  /** The changes as the table must see them; call `commit` of the result when they are in the kernel. */
  share(changes: readonly Pair[]): { changes: Pair[]; commit(): void } {
    const next = new Map(this.#counts)
    for (const { before, after } of changes) {
      for (const key of before.elements.get('hairpin')?.keys() ?? []) next.set(key, (next.get(key) ?? 0) - 1)
      for (const key of after.elements.get('hairpin')?.keys() ?? []) next.set(key, (next.get(key) ?? 0) + 1)
    }
    const gone = new Map<string, string>()
    const fresh = new Map<string, string>()
    for (const [key, count] of next) {
      if (count <= 0) {
        next.delete(key)
        if (this.#counts.has(key)) gone.set(key, '')
      } else if (!this.#counts.has(key)) fresh.set(key, '')
    }
    const shared: Pair = { before: only(gone), after: only(fresh) }
    return {
      changes: [...changes.map(c => ({ before: without(c.before), after: without(c.after) })), shared],
      commit: () => (this.#counts = next),
    }
  }
}

const only = (elements: Map<string, string>): Fragment => ({
  chains: new Map(),
  sets: new Map(),
  elements: new Map([['hairpin', elements]]),
})

const without = ({ chains, sets, elements }: Fragment): Fragment => ({
  chains,
  sets,
  elements: new Map([...elements].filter(([name]) => name !== 'hairpin')),
})
