// Finds devices for claims on a node: a search through all choices that turns back as soon as one cannot work. The first
// solution counts; requests, alternatives and devices are tried in their order.
//
//   claim 1: request a ─► device, device │ request b ─► device        claim 2: request c ─► …
//                └── nothing left to try: back to the last choice, and on with its next device
//
// Two things keep it short. Devices of one request are chosen in the order of the list, as a set has no order. And after
// a device has led nowhere, those that are alike to every request are not tried in its place.
//
// It is pure, and bounded: each look at a device takes one from the budget, which nodes of one decision share. A search
// that runs out ends without an answer, as one does in Kubernetes that runs out of time.
// Source: dynamic-resource-allocation structured/internal/incubating/allocator_incubating.go (allocateOne).
import { taintsOf } from '../../kinds/resource/device-taints.ts'
import { Books } from './books.ts'
import { type Constraint, makeConstraint } from './constraints.ts'
import type { PooledDevice } from './pools.ts'
import {
  type Match,
  matchOf,
  maxResults,
  type Reachable,
  type Unallocated,
  type Unfit,
  type Want,
  wantsOf,
} from './requests.ts'
import type { Usage } from './usage.ts'

/** A device for a request, with what the request uses of its capacity. */
export interface Choice {
  want: Want
  entry: PooledDevice
  amounts: Readonly<Record<string, string>>
}

/** How many looks at devices are left. */
export interface Budget {
  left: number
}

/** Looks at devices for one decision, over all its nodes. */
export const decisionBudget = 200_000
/** Looks at devices on one node. */
const nodeBudget = 50_000
/** The deepest search: one level for each device. */
const maxDepth = 400

const outOfTime = 'timed out trying to allocate devices'
const notAll = 'cannot allocate all claims'
const invalidPools = 'invalid resource pools were encountered'

/**
 * The devices of each claim, in the order of the claims. Without a solution, why there is none.
 * @throws Error if a claim asks for what there cannot be on any node, or an expression fails
 */
export function allocate(
  claims: readonly Unallocated[],
  reachable: Reachable,
  usage: Usage,
  budget: Budget,
): readonly (readonly Choice[])[] | Unfit {
  const requests: Requests[number][] = []
  for (const claim of claims) {
    const wants = wantsOf(claim, reachable)
    if ('unfit' in wants) return wants
    requests.push(wants)
  }
  const search = new Search(claims, requests, { reachable, usage, budget })
  try {
    if (search.run()) return search.chosen
  } catch (error) {
    if (error instanceof OutOfBudget) return { unfit: outOfTime }
    throw error
  }
  const isInvalid = reachable.pools.some(({ pool }) => pool.problem === 'invalid')
  return { unfit: isInvalid ? invalidPools : notAll }
}

/** For each claim its requests, each with its alternatives. */
type Requests = readonly (readonly (readonly Want[])[])[]

class OutOfBudget extends Error {}

interface SearchOptions {
  reachable: Reachable
  usage: Usage
  budget: Budget
}

class Search {
  readonly chosen: Choice[][]
  readonly #requests: Requests
  readonly #constraints: readonly (readonly Constraint[])[]
  readonly #reachable: Reachable
  readonly #devices: readonly PooledDevice[]
  readonly #books: Books
  readonly #budget: Budget
  readonly #matches = new Map<Want, Match[]>()
  #left = nodeBudget
  #depth = 0

  constructor(claims: readonly Unallocated[], requests: Requests, { reachable, usage, budget }: SearchOptions) {
    this.#requests = requests
    this.#reachable = reachable
    this.#books = new Books(usage)
    this.#budget = budget
    this.chosen = claims.map(() => [])
    this.#constraints = claims.map(({ spec }) => (spec.devices.constraints ?? []).map(makeConstraint))
    this.#devices = reachable.pools.flatMap(({ pool, devices }) => (pool.problem ? [] : devices))
  }

  run(): boolean {
    return this.#request(0, 0)
  }

  /** Satisfies the requests of a claim from number `r` on, and the claims after it. */
  #request(claim: number, r: number): boolean {
    while (claim < this.#requests.length && r >= this.#requests[claim]!.length) [claim, r] = [claim + 1, 0]
    if (claim >= this.#requests.length) return true
    const requests = this.#requests[claim]!
    return requests[r]!.some(
      want => this.chosen[claim]!.length + want.count <= maxResults && this.#choose(claim, r, want, 0, 0),
    )
  }

  /** Chooses device number `n` of a request among those from `from` on, and then everything after it. */
  #choose(claim: number, r: number, want: Want, n: number, from: number): boolean {
    if (want.all && !want.all.length) return false
    if (n === want.count) return this.#request(claim, r + 1)
    if (this.#depth >= maxDepth) throw new OutOfBudget()
    const devices = want.all ?? this.#devices
    const failed = new Set<string>()
    this.#depth++
    for (let i = want.all ? n : from; i < devices.length; i++) {
      const entry = devices[i]!
      this.#spend()
      const amounts = this.#match(want, i, entry)
      if (amounts && !(failed.size && failed.has(this.#sort(entry)))) {
        const isFree = this.#books.isFree(entry, claim)
        if (this.#try({ want, entry, amounts }, claim, () => this.#choose(claim, r, want, n + 1, next(entry, i))))
          return true
        if (isFree && !want.admin && !want.all && !entry.device.allowMultipleAllocations) failed.add(this.#sort(entry))
      }
      // Of devices that are all wanted, none can be left out.
      if (want.all) break
    }
    this.#depth--
    return false
  }

  /** Takes a device, goes on with the search, and gives the device back if that leads nowhere. */
  #try(choice: Choice, claim: number, goOn: () => boolean): boolean {
    const { want, entry, amounts } = choice
    if (!this.#books.take(entry, claim, amounts, want.admin)) return false
    const part = { request: want.request, ...(want.part !== undefined && { part: want.part }) }
    const constraints = this.#constraints[claim]!
    let taken = 0
    while (taken < constraints.length && constraints[taken]!.take(entry.device, entry.id.driver, part)) taken++
    if (taken === constraints.length) {
      this.chosen[claim]!.push(choice)
      if (goOn()) return true
      this.chosen[claim]!.pop()
    }
    while (taken > 0) constraints[--taken]!.giveBack(part)
    this.#books.giveBack(entry, claim, amounts, want.admin)
    return false
  }

  #match(want: Want, i: number, entry: PooledDevice): Match {
    let known = this.#matches.get(want)
    if (!known) this.#matches.set(want, (known = []))
    return (known[i] ??= matchOf(want, entry, this.#reachable))
  }

  #spend(): void {
    if (--this.#left < 0 || --this.#budget.left < 0) throw new OutOfBudget()
  }

  /** Rules may taint single devices, which are then not alike. */
  #sort({ sort, pool, id, device }: PooledDevice): string {
    const { rules } = this.#reachable
    return `${pool.key} ${rules.length ? JSON.stringify(taintsOf(id, device, rules)) : ''} ${sort}`
  }
}

/** A shared device can be chosen again at once, any other one only once. */
const next = ({ device }: PooledDevice, i: number): number => (device.allowMultipleAllocations ? i : i + 1)
