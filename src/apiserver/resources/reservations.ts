// Which addresses and ports are taken: by Services that are stored, by those that a request is about to store, and by
// IPAddresses of others.
import type { Clock } from '../../base/clock.ts'
import { Service } from '../../kinds/core/service.ts'
import { IPAddress, managedByLabel, serviceAllocator } from '../../kinds/networking/ipaddress.ts'
import type { Storage } from '../storage.ts'

export class Reservations {
  readonly #storage: Storage
  readonly #clock: Clock
  readonly #held = new Map<string, { uid: string; until: number }>()

  /** @param onStored called with each address and port of a Service that has come to the mirror */
  constructor(storage: Storage, clock: Clock, onStored: (what: string) => void) {
    this.#storage = storage
    this.#clock = clock
    // A reservation is not needed once the Service is in the mirror.
    storage.mirror(Service).subscribe(changes => {
      for (const { item } of changes)
        for (const what of allocationsOf(item.object)) {
          this.#held.delete(what)
          onStored(what)
        }
    })
  }

  /** Whether a Service may have an address or port: nothing has it, or the Service has it itself. */
  isFree(what: string, uid: string): boolean {
    return [undefined, uid].includes(this.storedWith(what) ?? this.#heldBy(what)) && !this.#isOthers(what)
  }

  /** The UID of the stored Service that has it. */
  storedWith = (what: string): string | undefined =>
    this.#storage.mirror(Service).byIndex('allocations', allocationsOf, what)[0]?.metadata.uid

  reserve(what: string, uid: string, forMs: number): void {
    this.#held.set(what, { uid, until: this.#clock.steady() + forMs })
  }

  giveUp(what: string, uid: string): void {
    if (this.#held.get(what)?.uid === uid) this.#held.delete(what)
  }

  #heldBy(what: string): string | undefined {
    const held = this.#held.get(what)
    if (!held || held.until > this.#clock.steady()) return held?.uid
    this.#held.delete(what)
    return undefined
  }

  /** A user can reserve an address with an IPAddress. Those of the allocator itself are ignored, since Services decide. */
  #isOthers(what: string): boolean {
    const address = this.#storage.mirror(IPAddress).get(undefined, what)
    return address !== undefined && address.metadata.labels?.[managedByLabel] !== serviceAllocator
  }
}

export const portKey = (protocol: string, port: number) => `${protocol}:${port}`

/** The addresses and ports of a Service, as keys of reservations. */
export function allocationsOf(service: Service): string[] {
  const ips = (service.spec.clusterIPs ?? []).filter(ip => ip !== 'None')
  return [
    ...ips,
    ...(service.spec.ports ?? []).flatMap(p => (p.nodePort ? [portKey(p.protocol, p.nodePort)] : [])),
    ...(service.spec.healthCheckNodePort ? [portKey('TCP', service.spec.healthCheckNodePort)] : []),
  ]
}
