// Computes the nftables transaction that turns fragments into others. The kernel applies a transaction as a whole or
// not at all, and packets see the rules before or after it, never in between.
//
// Within the text the order matters, because each line must be valid when the kernel reads it:
//
//   removals   elements that are gone or have another verdict, so that chains they lead to can be removed
//   chains     new sets and chains; changed chains are emptied
//   rules      the rules of new and changed chains, which may refer to any of those chains
//   additions  new elements, which may lead to any of those chains
//   cleanups   chains that are gone are emptied, then deleted, then their sets
//
// The steps of all fragments are done together, removals of all first. So an element may move from one fragment to
// another in one transaction: an address from a deleted Service to a new one, say.
//
// What is equal in both is not touched. In particular a set keeps its elements, which are the clients of a session
// affinity.
import type { Fragment } from './fragment.ts'

/** What to do in each step, where elements are gathered by the map or set that they are in. */
interface Steps {
  removals: Map<string, string[]>
  chains: string[]
  rules: string[]
  additions: Map<string, string[]>
  cleanups: string[]
}

/** The most elements in a line. */
const lineElements = 5_000

/** Adds what turns `before` into `after`; nothing when they do not differ. */
function addTransition(out: Steps, name: string, before: Fragment, after: Fragment): void {
  for (const [collection, elements] of before.elements) {
    const next = after.elements.get(collection)
    gather(out.removals, collection, elements, (key, value) => next?.get(key) !== value)
  }
  for (const [set, definition] of after.sets)
    if (before.sets.get(set) !== definition) out.chains.push(`add set ${name} ${set} ${definition}`)
  for (const [chain, rules] of after.chains) {
    const old = before.chains.get(chain)
    if (old && old.join('\n') === rules.join('\n')) continue
    out.chains.push(`add chain ${name} ${chain}`)
    if (old) out.chains.push(`flush chain ${name} ${chain}`)
    for (const rule of rules) out.rules.push(`add rule ${name} ${chain} ${rule}`)
  }
  for (const [collection, elements] of after.elements) {
    const old = before.elements.get(collection)
    gather(out.additions, collection, elements, (key, value) => old?.get(key) !== value)
  }
  const removedChains = [...before.chains.keys()].filter(chain => !after.chains.has(chain))
  // A chain can be deleted only when no rule leads to it, so all of them are emptied first.
  for (const chain of removedChains) out.cleanups.push(`flush chain ${name} ${chain}`)
  for (const chain of removedChains) out.cleanups.push(`delete chain ${name} ${chain}`)
  for (const set of before.sets.keys()) if (!after.sets.has(set)) out.cleanups.push(`delete set ${name} ${set}`)
}

function gather(
  into: Map<string, string[]>,
  collection: string,
  elements: ReadonlyMap<string, string>,
  differs: (key: string, value: string) => boolean,
): void {
  for (const [key, value] of elements) {
    if (!differs(key, value)) continue
    const all = into.get(collection) ?? []
    if (!all.length) into.set(collection, all)
    all.push(value ? `${key} : ${value}` : key)
  }
}

/** The transaction for several changes; '' when nothing differs. */
export function transactionText(table: string, changes: readonly { before: Fragment; after: Fragment }[]): string {
  const name = `inet ${table}`
  const steps: Steps = { removals: new Map(), chains: [], rules: [], additions: new Map(), cleanups: [] }
  for (const { before, after } of changes) addTransition(steps, name, before, after)
  // nft looks at the whole of a set with ranges for each line about it, so there are few.
  const elementLines = (verb: string, from: ReadonlyMap<string, readonly string[]>) =>
    [...from].flatMap(([collection, elements]) =>
      Array.from({ length: Math.ceil(elements.length / lineElements) }, (_, i) => {
        const part = elements.slice(i * lineElements, (i + 1) * lineElements)
        return `${verb} element ${name} ${collection} { ${part.join(', ')} }`
      }),
    )
  const lines = [
    ...elementLines('delete', steps.removals),
    ...steps.chains,
    ...steps.rules,
    ...elementLines('add', steps.additions),
    ...steps.cleanups,
  ]
  return lines.length ? `${lines.join('\n')}\n` : ''
}
