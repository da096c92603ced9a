// What a search has taken so far, on top of what is in use: whole devices, shares of devices, and the counters that
// devices of a pool share. Everything that was taken can be given back, in the reverse order.
// Source: dynamic-resource-allocation structured/internal/incubating (allocateDevice, checkAvailableCounters).
import { quantityNanos } from '../../api/quantity.ts'
import type { Device } from '../../kinds/resource/resourceslicespec.ts'
import type { PooledDevice, WholePool } from './pools.ts'
import type { Usage } from './usage.ts'

const nanos = (text: string | undefined) => quantityNanos(text ?? '0') ?? 0n

/** What is left of each counter of a pool, by the names of the set and the counter. */
type Counters = Map<string, bigint>

interface Shares {
  count: number
  used: Map<string, bigint>
}

export class Books {
  readonly #usage: Usage
  readonly #whole = new Set<string>()
  readonly #shares = new Map<string, Shares>()
  /** The devices that each claim has been given, since a claim has none of them twice. */
  readonly #ofClaim: Set<string>[] = []
  readonly #counters = new Map<string, Counters>()

  constructor(usage: Usage) {
    this.#usage = usage
  }

  /** Whether a device is in nobody's use yet, and the claim does not have it for administration either. */
  isFree({ key }: PooledDevice, claim: number): boolean {
    const isOwn = this.#ofClaim[claim]?.has(key) ?? false
    return !isOwn && !this.#usage.isUsed(key) && !this.#whole.has(key) && !this.#shares.has(key)
  }

  /** Takes a device for a claim. False if it is not available, and then nothing has changed. */
  take(entry: PooledDevice, claim: number, amounts: Readonly<Record<string, string>>, admin: boolean): boolean {
    const { device, key } = entry
    if (!device.allowMultipleAllocations) {
      const own = (this.#ofClaim[claim] ??= new Set())
      if (own.has(key)) return false
      if (!admin && (this.#usage.isUsed(key) || this.#whole.has(key))) return false
      if (!admin && !this.#takeCounters(entry)) return false
      own.add(key)
      if (!admin) this.#whole.add(key)
      return true
    }
    return admin || this.#takeShare(entry, amounts)
  }

  giveBack(entry: PooledDevice, claim: number, amounts: Readonly<Record<string, string>>, admin: boolean): void {
    const { device, key } = entry
    if (!device.allowMultipleAllocations) {
      this.#ofClaim[claim]!.delete(key)
      if (admin) return
      this.#whole.delete(key)
      this.#changeCounters(entry, 1n)
    } else if (!admin) this.#giveShareBack(entry, amounts)
  }

  /** A shared device takes from counters with its first share. */
  #takeShare(entry: PooledDevice, amounts: Readonly<Record<string, string>>): boolean {
    const { key, device } = entry
    if (this.#usage.isTaken(key)) return false
    const before = this.#usage.sharesOf(key)
    const shares = this.#shares.get(key)
    for (const [name, amount] of Object.entries(amounts)) {
      const used = (before?.get(name) ?? 0n) + (shares?.used.get(name) ?? 0n) + nanos(amount)
      if (used > nanos(device.capacity?.[name]?.value)) return false
    }
    if (!before && !shares && !this.#takeCounters(entry)) return false
    this.#addShare(key, amounts, 1n)
    return true
  }

  #giveShareBack(entry: PooledDevice, amounts: Readonly<Record<string, string>>): void {
    this.#addShare(entry.key, amounts, -1n)
    if (!this.#shares.has(entry.key) && !this.#usage.sharesOf(entry.key)) this.#changeCounters(entry, 1n)
  }

  #addShare(key: string, amounts: Readonly<Record<string, string>>, change: 1n | -1n): void {
    const shares = this.#shares.get(key) ?? { count: 0, used: new Map<string, bigint>() }
    shares.count += Number(change)
    for (const [name, amount] of Object.entries(amounts))
      shares.used.set(name, (shares.used.get(name) ?? 0n) + change * nanos(amount))
    if (shares.count) this.#shares.set(key, shares)
    else this.#shares.delete(key)
  }

  #takeCounters(entry: PooledDevice): boolean {
    if (!entry.device.consumesCounters?.length) return true
    this.#changeCounters(entry, -1n)
    const left = this.#countersOf(entry.pool)
    if (needsOf(entry.device).every(([name]) => left.get(name)! >= 0n)) return true
    this.#changeCounters(entry, 1n)
    return false
  }

  #changeCounters({ device, pool }: PooledDevice, change: 1n | -1n): void {
    if (!device.consumesCounters?.length) return
    const left = this.#countersOf(pool)
    for (const [name, amount] of needsOf(device)) left.set(name, (left.get(name) ?? 0n) + change * amount)
  }

  /** What devices in use leave of the counters of a pool, on every node. */
  #countersOf(pool: WholePool): Counters {
    let left = this.#counters.get(pool.key)
    if (left) return left
    left = new Map()
    for (const [set, counters] of pool.counters)
      for (const [counter, amount] of counters) left.set(`${set}/${counter}`, nanos(amount))
    for (const { device, key } of pool.devices)
      if (device.consumesCounters?.length && this.#usage.isUsed(key))
        for (const [name, amount] of needsOf(device)) left.set(name, (left.get(name) ?? 0n) - amount)
    this.#counters.set(pool.key, left)
    return left
  }
}

/** What a device takes from each counter. */
const needsOf = ({ consumesCounters = [] }: Device): [string, bigint][] =>
  consumesCounters.flatMap(({ counterSet, counters }) =>
    Object.entries(counters ?? {}).map(([counter, { value }]): [string, bigint] => [
      `${counterSet}/${counter}`,
      nanos(value),
    ]),
  )
