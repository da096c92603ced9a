// From what a part of the table was to what it is to be, as one nft transaction.
import type { Fragment } from './plan.ts'

/** The lines that turn `before` into `after`. Empty when nothing differs. */
function transition(
  table: string,
  before: Fragment,
  after: Fragment,
): { removals: string[]; chains: string[]; rules: string[]; additions: string[]; cleanups: string[] } {
  const name = `ip ${table}`
  const out = {
    removals: [] as string[],
    chains: [] as string[],
    rules: [] as string[],
    additions: [] as string[],
    cleanups: [] as string[],
  }
  for (const [collection, elements] of before.elements) {
    const next = after.elements.get(collection)
    const gone = [...elements].filter(([key, value]) => next?.get(key) !== value)
    if (gone.length)
      out.removals.push(
        `delete element ${name} ${collection} { ${gone.map(([key, value]) => element(key, value)).join(', ')} }`,
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
    const fresh = [...elements].filter(([key, value]) => old?.get(key) !== value)
    if (fresh.length)
      out.additions.push(
        `add element ${name} ${collection} { ${fresh.map(([key, value]) => element(key, value)).join(', ')} }`,
      )
  }
  const goneChains = [...before.chains.keys()].filter(chain => !after.chains.has(chain))
  // A chain may only go once no rule leads to it: first all are emptied.
  for (const chain of goneChains) out.cleanups.push(`flush chain ${name} ${chain}`)
  for (const chain of goneChains) out.cleanups.push(`delete chain ${name} ${chain}`)
  for (const set of before.sets.keys()) if (!after.sets.has(set)) out.cleanups.push(`delete set ${name} ${set}`)
  return out
}

const element = (key: string, value: string) => (value ? `${key} : ${value}` : key)

/** Several transitions as one text, in an order nft accepts. */
export function transactionText(table: string, changes: readonly { before: Fragment; after: Fragment }[]): string {
  const parts = changes.map(({ before, after }) => transition(table, before, after))
  const lines = (['removals', 'chains', 'rules', 'additions', 'cleanups'] as const).flatMap(step =>
    parts.flatMap(part => part[step]),
  )
  return lines.length ? `${lines.join('\n')}\n` : ''
}
