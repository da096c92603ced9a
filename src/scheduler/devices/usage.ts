// Which devices are in use, and how much of those that several requests share.
// Source: plugins/dynamicresources/allocateddevices.go, structured/internal/allocatedstate.go.
import { quantityNanos } from '../../api/quantity.ts'
import type { AllocationResult } from '../../kinds/resource/resourceclaimstatus.ts'
import { deviceKey } from './pools.ts'

type Amounts = ReadonlyMap<string, bigint>

interface Shared {
  shares: number
  /** What the shares use of each capacity, in billionths. */
  used: Map<string, bigint>
}

/** Counts every allocation, so that one which is there twice is not lost with the first of them. */
export class Usage {
  readonly #whole = new Map<string, number>()
  readonly #shared = new Map<string, Shared>()

  add(allocation: AllocationResult): void {
    this.#count(allocation, 1)
  }

  remove(allocation: AllocationResult): void {
    this.#count(allocation, -1)
  }

  /** Whether a device is allocated as a whole. */
  isTaken(key: string): boolean {
    return this.#whole.has(key)
  }

  /** What is used of a shared device; undefined if nothing is. */
  sharesOf(key: string): Amounts | undefined {
    return this.#shared.get(key)?.used
  }

  isUsed(key: string): boolean {
    return this.#whole.has(key) || this.#shared.has(key)
  }

  /** Access for administration uses nothing up, and does not count. */
  #count({ devices }: AllocationResult, change: 1 | -1): void {
    for (const result of devices.results ?? []) {
      if (result.adminAccess) continue
      const key = deviceKey(result)
      if (result.shareID === undefined) this.#countWhole(key, change)
      else this.#countShare(key, result.consumedCapacity ?? {}, change)
    }
  }

  #countWhole(key: string, change: 1 | -1): void {
    const count = (this.#whole.get(key) ?? 0) + change
    if (count > 0) this.#whole.set(key, count)
    else this.#whole.delete(key)
  }

  #countShare(key: string, capacity: Readonly<Record<string, string>>, change: 1 | -1): void {
    const shared = this.#shared.get(key) ?? { shares: 0, used: new Map<string, bigint>() }
    shared.shares += change
    for (const [name, amount] of Object.entries(capacity))
      shared.used.set(name, (shared.used.get(name) ?? 0n) + BigInt(change) * (quantityNanos(amount) ?? 0n))
    if (shared.shares > 0) this.#shared.set(key, shared)
    else this.#shared.delete(key)
  }
}
