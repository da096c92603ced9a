// Gives addresses of the pool to Gateways, or those of the nodes where there is no pool. Pure. What always holds:
//
// - What a Gateway has it keeps, for as long as the pool has the address and the Gateway does not ask for others. So the
//   statuses are the memory, and a restart changes nothing.
// - What a Service or a node has no Gateway has. Services are planned by another controller, so both may give out the same
//   address at once: then the Service keeps it, and the Gateway gets another.
import { addressesIn, type IPRange, isInRanges } from '../../api/ip-range.ts'
import { ipFamily } from '../../api/ip.ts'
import { addressText, presentAddresses } from '../../kinds/gateway/addresses.ts'
import type { Gateway } from '../../kinds/gateway/gateway.ts'
import { gatewayRefusal } from '../../kinds/gateway/listeners.ts'

export interface AddressWorld {
  /** The addresses of which each Gateway has some of its own; empty if all have those of the nodes. */
  pool: readonly IPRange[]
  /** Where the nodes are reached. */
  nodes: readonly string[]
  /** All addresses of nodes. */
  nodeAddresses: ReadonlySet<string>
  /** Those that Services of type LoadBalancer have. */
  balanced: ReadonlySet<string>
}

export interface Addresses {
  addresses: readonly string[]
  /** Why it has none, or not all that it asks for. */
  problem?: { reason: 'AddressNotAssigned' | 'AddressNotUsable'; message: string }
}

/** @param gateways the oldest first */
export function planGatewayAddresses(gateways: readonly Gateway[], world: AddressWorld): Map<Gateway, Addresses> {
  if (!world.pool.length) return new Map(gateways.map(one => [one, onNodes(one, world)]))
  const stock = new Stock(world)
  const kept = gateways.map(gateway => {
    const asked = askedBy(gateway)
    const present = presentAddresses(gateway, world.pool)
    const wanted = asked.length ? present.filter(one => asked.includes(one)) : onePerFamily(present)
    return { gateway, asked, has: gatewayRefusal(gateway) ? [] : wanted.filter(one => stock.take(one)) }
  })
  return new Map(kept.map(({ gateway, asked, has }) => [gateway, complete(gateway, asked, has, stock)]))
}

/** The addresses that a Gateway names, each once, in their one form if they have one. */
const askedBy = ({ spec }: Gateway): string[] => [
  ...new Set((spec.addresses ?? []).flatMap(({ value }) => (value ? (addressText(value) ?? value) : []))),
]

const onePerFamily = (addresses: readonly string[]): string[] =>
  ([4, 6] as const).flatMap(family => addresses.find(one => ipFamily(one) === family) ?? [])

function onNodes(gateway: Gateway, { nodes }: AddressWorld): Addresses {
  const asked = askedBy(gateway)
  const addresses = asked.length ? asked.filter(one => nodes.includes(one)) : nodes
  if (addresses.length < asked.length)
    return { addresses, problem: { reason: 'AddressNotUsable', message: 'only addresses of the nodes can be had' } }
  if (addresses.length) return { addresses }
  return { addresses, problem: { reason: 'AddressNotAssigned', message: 'no node is ready' } }
}

/** Gives a Gateway what it lacks. */
function complete(gateway: Gateway, asked: readonly string[], has: readonly string[], stock: Stock): Addresses {
  if (gatewayRefusal(gateway)) return { addresses: [] }
  if (asked.length) {
    const got = asked.filter(one => has.includes(one) || stock.take(one))
    const lost = asked.find(one => !got.includes(one))
    if (lost === undefined) return { addresses: got }
    return { addresses: got, problem: { reason: 'AddressNotUsable', message: stock.whyNot(lost) } }
  }
  const addresses = ([4, 6] as const).flatMap(
    family => has.find(one => ipFamily(one) === family) ?? stock.next(family) ?? [],
  )
  if (addresses.length) return { addresses }
  return { addresses, problem: { reason: 'AddressNotAssigned', message: 'the pool has no free address' } }
}

class Stock {
  readonly #world: AddressWorld
  readonly #given = new Set<string>()
  /** Where the search for a free address goes on: what lies before is in use. */
  readonly #rest = new Map<4 | 6, Iterator<string>>()

  constructor(world: AddressWorld) {
    this.#world = world
  }

  #isTaken(address: string): boolean {
    const { nodeAddresses, balanced } = this.#world
    return this.#given.has(address) || nodeAddresses.has(address) || balanced.has(address)
  }

  take(address: string): boolean {
    if (this.#isTaken(address) || !isInRanges(this.#world.pool, address)) return false
    this.#given.add(address)
    return true
  }

  /** An address that nothing has. */
  next(family: 4 | 6): string | undefined {
    const rest = this.#rest.get(family) ?? addressesIn(this.#world.pool, family)[Symbol.iterator]()
    this.#rest.set(family, rest)
    for (let step = rest.next(); !step.done; step = rest.next()) if (this.take(step.value)) return step.value
    return undefined
  }

  whyNot(address: string): string {
    if (!isInRanges(this.#world.pool, address)) return `the address ${address} is not in the pool`
    const user = this.#given.has(address)
      ? 'another Gateway'
      : this.#world.balanced.has(address)
        ? 'a Service'
        : 'a node'
    return `the address ${address} is used by ${user}`
  }
}
