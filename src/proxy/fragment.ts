// A fragment is what one Service or one pod adds to the table: elements of the frame's maps and sets, and with session
// affinity chains and sets of its own.
import { createHash } from 'node:crypto'
import { classOf, type Family, maxEndpoints, type PickChain, slotOf, type Way, words } from './table.ts'

/**
 * What all planners keep to:
 *
 * - Names of chains and sets contain a hash of the Service or pod, so no two fragments have one in common.
 * - Elements begin with an entry: an address, protocol and port, or a port of the node. An entry belongs to one
 *   fragment (claims.ts). The set hairpin is the exception: its elements are counted (hairpin.ts).
 * - Rules refer to chains and sets of the same fragment and to those of the frame (table.ts), never to other fragments.
 * - A fragment is not changed after it has been planned. The same objects give the same fragment, in the same order, so
 *   that comparing texts finds what has changed.
 */
export interface Fragment {
  /** The rules of each chain, in order. */
  chains: Map<string, readonly string[]>
  /** The definition of each additional set. */
  sets: Map<string, string>
  /** For each map or set of the frame, elements and their values; '' for elements of a set. */
  elements: Map<string, Map<string, string>>
  /** The ways to pick an endpoint that the elements lead to, by class. */
  picks: Map<string, PickChain>
  /** What the fragment answers to, such as `10.96.0.20 . tcp . 80` or `tcp . 30080`, with its endpoints' addresses. */
  entries: Map<string, readonly string[]>
}

export interface Backend {
  ip: string
  port: number
  local: boolean
}

export const emptyFragment = (): Fragment => ({
  chains: new Map(),
  sets: new Map(),
  elements: new Map(),
  picks: new Map(),
  entries: new Map(),
})

/** Whether a fragment adds nothing to the table. */
export const isEmpty = ({ chains, elements }: Fragment): boolean => !chains.size && !elements.size

/** Adds an element to a map, or with '' to a set. */
export function add(fragment: Fragment, collection: string, key: string, value: string): void {
  const elements = fragment.elements.get(collection) ?? new Map<string, string>()
  elements.set(key, value)
  fragment.elements.set(collection, elements)
}

/** The first characters of a hash, which make names unique. */
export const shortHash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 8)

/** A place where connections come in, such as a cluster address or a port of the node. */
export interface Entry {
  family: Family
  /** The key in the maps. */
  key: string
  /** Whether it is a port of the node. */
  isNode: boolean
}

/** Leads an entry to endpoints. `local` are those of this node, which matter to the ways that choose among them. */
export function lead(
  fragment: Fragment,
  { family, key, isNode }: Entry,
  way: Way,
  all: readonly Backend[],
  local: readonly Backend[] = [],
): void {
  const { end } = words[family]
  const start = isNode ? 'node-' : ''
  const isLocal = way === 'local' || way === 'node-local'
  const pick = (by: Way, count: number) => {
    const one = { family, way: by, count: Math.min(count, maxEndpoints) }
    fragment.picks.set(classOf(one), one)
    return classOf(one)
  }
  const slots = (map: string, backends: readonly Backend[]) => {
    for (const [i, { ip, port }] of backends.slice(0, maxEndpoints).entries())
      add(fragment, `${start}${map}${end}`, `${key} . ${slotOf(i)}`, `${ip} . ${port}`)
  }
  add(fragment, `${start}services${end}`, key, pick(way, (isLocal ? local : all).length))
  if (!isLocal) slots('endpoints', all)
  if (isLocal || way.endsWith('edge')) slots('local-endpoints', local)
  if (way.endsWith('edge') && local.length)
    add(fragment, `${start}local-services${end}`, key, pick(isNode ? 'node-local' : 'local', local.length))
}
