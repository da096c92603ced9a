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

/** The lines that turn `before` into `after`, by step. They are empty when nothing differs. */
function transition(
  table: string,
  before: Fragment,
  after: Fragment,
): { removals: string[]; chains: string[]; rules: string[]; additions: string[]; cleanups: string[] } {
  const name = `inet ${table}`
  const out = {
    removals: [] as string[],
    chains: [] as string[],
    rules: [] as string[],
    additions: [] as string[],
    cleanups: [] as string[],
  }
  for (const [collection, elements] of before.elements) {
    const next = after.elements.get(collection)
    const removed = [...elements].filter(([key, value]) => next?.get(key) !== value)
    if (removed.length)
      out.removals.push(
        `delete element ${name} ${collection} { ${removed.map(([key, value]) => element(key, value)).join(', ')} }`,
      )
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
    const added = [...elements].filter(([key, value]) => old?.get(key) !== value)
    if (added.length)
      out.additions.push(
        `add element ${name} ${collection} { ${added.map(([key, value]) => element(key, value)).join(', ')} }`,
      )
  }
  const removedChains = [...before.chains.keys()].filter(chain => !after.chains.has(chain))
  // A chain can be deleted only when no rule leads to it, so all of them are emptied first.
  for (const chain of removedChains) out.cleanups.push(`flush chain ${name} ${chain}`)
  for (const chain of removedChains) out.cleanups.push(`delete chain ${name} ${chain}`)
  for (const set of before.sets.keys()) if (!after.sets.has(set)) out.cleanups.push(`delete set ${name} ${set}`)
  return out
}

const element = (key: string, value: string) => (value ? `${key} : ${value}` : key)

/** The transaction for several changes; '' when nothing differs. */
export function transactionText(table: string, changes: readonly { before: Fragment; after: Fragment }[]): string {
  const parts = changes.map(({ before, after }) => transition(table, before, after))
  const lines = (['removals', 'chains', 'rules', 'additions', 'cleanups'] as const).flatMap(step =>
    parts.flatMap(part => part[step]),
  )
  return lines.length ? `${lines.join('\n')}\n` : ''
}
