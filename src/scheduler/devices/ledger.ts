// What the scheduler has of the devices of the cluster: the pools, and what is in use. Both follow the mirrors, change
// by change. What was decided and not written yet counts too, so that no device is given twice:
//
//   reserve: hold(claim) ─► preBind: the write ─► settle(claim, revision) ─► the mirror has that revision: the mirror counts
//                  └─────────── unreserve: drop(claim)
//
// One ledger serves all profiles of a scheduler.
// Source: plugins/dynamicresources/dra_manager.go (assume cache, in-flight allocations).
import type { Item, Mirror, MirrorChange } from '../../api/mirror.ts'
import { DeviceClass } from '../../kinds/resource/deviceclass.ts'
import { DeviceTaintRule } from '../../kinds/resource/devicetaintrule.ts'
import { ResourceClaim } from '../../kinds/resource/resourceclaim.ts'
import type { AllocationResult } from '../../kinds/resource/resourceclaimstatus.ts'
import { ResourceSlice } from '../../kinds/resource/resourceslice.ts'
import type { Handle } from '../framework.ts'
import { deviceKey, Pools } from './pools.ts'
import { Usage } from './usage.ts'

interface Held {
  allocation: AllocationResult
  /** The revision of the write; undefined until it has been made. */
  revision: number | undefined
}

export class Ledger {
  readonly claims: Mirror<ResourceClaim>
  readonly classes: Mirror<DeviceClass>
  readonly rules: Mirror<DeviceTaintRule>
  readonly pools = new Pools()
  readonly usage = new Usage()
  /** The allocations that the mirror has, by the uid of the claim. */
  readonly #written = new Map<string, AllocationResult>()
  readonly #held = new Map<string, Held>()

  constructor({ client, signal }: Pick<Handle, 'client' | 'signal'>) {
    this.claims = client.mirror(ResourceClaim)
    this.classes = client.mirror(DeviceClass)
    this.rules = client.mirror(DeviceTaintRule)
    const stops = [
      this.claims.follow(change => this.#claimChanged(change), 'devices in use'),
      client.mirror(ResourceSlice).follow(change => this.#sliceChanged(change), 'pools of devices'),
    ]
    signal.addEventListener('abort', () => stops.forEach(stop => stop()), { once: true })
  }

  /** Whether another pod is getting devices for the claim at this moment. */
  isHeld(uid: string): boolean {
    const held = this.#held.get(uid)
    return held !== undefined && held.revision === undefined
  }

  /** The allocation that a claim has, or will have in the mirror in a moment. */
  allocationOf({ metadata, status }: ResourceClaim): AllocationResult | undefined {
    const held = this.#held.get(metadata.uid ?? '')
    return held?.revision === undefined ? status.allocation : (status.allocation ?? held.allocation)
  }

  /** Counts the devices of several claims as in use. False if one is not free any more; then nothing has changed. */
  hold(allocations: ReadonlyMap<string, AllocationResult>): boolean {
    for (const [uid, { devices }] of allocations) {
      if (this.#held.has(uid) || this.#written.has(uid)) return false
      for (const result of devices.results ?? []) {
        const key = deviceKey(result)
        const isTaken = result.shareID === undefined ? this.usage.isUsed(key) : this.usage.isTaken(key)
        if (!result.adminAccess && isTaken) return false
      }
    }
    for (const [uid, allocation] of allocations) {
      this.#held.set(uid, { allocation, revision: undefined })
      this.usage.add(allocation)
    }
    return true
  }

  /** The allocation was written at this revision. It stays held until the mirror has it. */
  settle(uid: string, revision: number): void {
    const held = this.#held.get(uid)
    if (!held) return
    held.revision = revision
    if (this.claims.revision >= revision) this.#letGo(uid)
  }

  /** The claim that was held under `from` exists now, and has the uid `to`. */
  rename(from: string, to: string): void {
    const held = this.#held.get(from)
    if (!held) return
    this.#held.delete(from)
    this.#held.set(to, held)
  }

  /** The allocation will not be written. */
  drop(uid: string): void {
    if (this.isHeld(uid)) this.#letGo(uid)
  }

  #letGo(uid: string): void {
    const held = this.#held.get(uid)
    this.#held.delete(uid)
    if (held) this.usage.remove(held.allocation)
    // What the mirror has did not count while the claim was held.
    const written = this.#written.get(uid)
    if (held && written) this.usage.add(written)
  }

  #claimChanged({ type, item, before }: MirrorChange<ResourceClaim>): void {
    const uid = item.object.metadata.uid ?? ''
    const former = before?.object.metadata.uid
    if (former !== undefined && former !== uid) this.#write(former, undefined)
    this.#write(uid, type === 'DELETED' ? undefined : item.object.status.allocation)
    this.#caughtUp(uid, item)
  }

  /** Notes what the mirror has. While a claim is held, that does not count. */
  #write(uid: string, allocation: AllocationResult | undefined): void {
    const before = this.#written.get(uid)
    if (before === allocation) return
    if (allocation) this.#written.set(uid, allocation)
    else this.#written.delete(uid)
    if (this.#held.has(uid)) return
    if (before) this.usage.remove(before)
    if (allocation) this.usage.add(allocation)
  }

  #caughtUp(uid: string, { revision }: Item<ResourceClaim>): void {
    const held = this.#held.get(uid)
    if (held?.revision !== undefined && revision >= held.revision) this.#letGo(uid)
  }

  #sliceChanged({ type, item, before }: MirrorChange<ResourceSlice>): void {
    if (before) this.pools.delete(before.object)
    if (type === 'DELETED') this.pools.delete(item.object)
    else this.pools.set(item.object)
  }
}

const ledgers = new WeakMap<Handle, Ledger>()

/** The ledger of a scheduler, which is opened at the first call. */
export function ledgerOf(handle: Handle): Ledger {
  let ledger = ledgers.get(handle)
  if (!ledger) ledgers.set(handle, (ledger = new Ledger(handle)))
  return ledger
}
