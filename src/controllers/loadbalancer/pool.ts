// Gives addresses of a pool to Services. What always holds:
//
// - What a Service has, it keeps, for as long as the pool has the address and the Service does not ask for another. So
//   the statuses are the memory, and a restart changes nothing.
// - No two Services have one address, unless both allow it by the same key and their ports differ.
// - Of two that want the same address, the one that has it comes first, then the older one.
// - A request that cannot be met does not take away what the Service has.
import { addressesIn, type IPRange, isInRanges } from '../../api/ip-range.ts'
import { sameJson } from '../../api/equal.ts'
import { formatIP, ipFamily, parseIP } from '../../api/ip.ts'
import type { Service } from '../../kinds/core/service.ts'
import { familiesOf, nameOf, type Outcome, portKey, presentOf } from './service.ts'

/** Addresses that a Service asks for, one of each family, separated by commas. */
const requestAnnotation = 'kutter.dev/load-balancer-ips'
/** Services with the same value may have the same address. */
const sharingAnnotation = 'kutter.dev/allow-shared-ip'

interface Others {
  /** Addresses that no Service can have, those of nodes. */
  taken: ReadonlySet<string>
  /** Addresses that a Service can keep, and not get, those of Gateways. */
  occupied: ReadonlySet<string>
}

/** Plans the addresses of Services, which are in the order of their age. */
export function planFromPool(
  services: readonly Service[],
  pool: readonly IPRange[],
  others: Others,
): Map<string, Outcome> {
  const stock = new Stock(pool, others)
  const wishes = services.map(service => ({ service, request: requestOf(service), has: new Map<4 | 6, string>() }))
  for (const { service, request, has } of wishes)
    for (const address of presentOf(service)) {
      const family = ipFamily(address)
      if (!family || has.has(family) || !familiesOf(service).includes(family)) continue
      const asked = request.addresses.get(family)
      if ((asked === undefined || asked === address) && stock.take(address, service)) has.set(family, address)
    }
  return new Map(wishes.map(wish => [nameOf(wish.service), complete(wish, stock)]))
}

interface Wish {
  service: Service
  request: Request
  /** What it keeps, by family. */
  has: Map<4 | 6, string>
}

/** Gives a Service what it lacks. */
function complete({ service, request, has }: Wish, stock: Stock): Outcome {
  let problem = request.problem
  const families = familiesOf(service)
  for (const family of families) {
    if (has.has(family)) continue
    const asked = request.addresses.get(family)
    const before = presentOf(service).find(address => ipFamily(address) === family)
    if (asked !== undefined && stock.take(asked, service)) has.set(family, asked)
    else if (asked !== undefined) {
      problem ??= stock.whyNot(asked)
      if (before !== undefined && stock.take(before, service)) has.set(family, before)
    } else if (!request.problem) {
      const found = stock.next(family)
      if (found !== undefined && stock.take(found, service)) has.set(family, found)
      else problem ??= `the pool has no free IPv${family} address`
    }
  }
  const isShort = has.size < families.length
  const isEnough = has.size > 0 && (!isShort || service.spec.ipFamilyPolicy !== 'RequireDualStack')
  if (!isEnough) {
    for (const address of has.values()) stock.giveBack(address, service)
    return { addresses: [], ...(problem !== undefined && { problem }) }
  }
  const addresses = families.flatMap(family => has.get(family) ?? [])
  // Who prefers two families is content with one.
  const isContent = problem === undefined || (isShort && !request.addresses.size && !request.problem)
  return isContent ? { addresses } : { addresses, ...(problem !== undefined && { problem }) }
}

class Stock {
  readonly #pool: readonly IPRange[]
  readonly #others: Others
  readonly #users = new Map<string, Service[]>()
  /** Where the search for a free address goes on: what lies before is in use. */
  readonly #rest = new Map<4 | 6, Iterator<string>>()

  constructor(pool: readonly IPRange[], others: Others) {
    this.#pool = pool
    this.#others = others
  }

  /** Whether something else than a Service has an address that this Service does not have. */
  #isTaken(address: string, service?: Service): boolean {
    const { taken, occupied } = this.#others
    const isKept = service !== undefined && presentOf(service).includes(address)
    return taken.has(address) || (occupied.has(address) && !isKept)
  }

  /** Whether the Service has the address now. */
  take(address: string, service: Service): boolean {
    const users = this.#users.get(address) ?? []
    if (
      this.#isTaken(address, service) ||
      !isInRanges(this.#pool, address) ||
      !users.every(user => mayShare(user, service))
    )
      return false
    this.#users.set(address, [...users, service])
    return true
  }

  giveBack(address: string, service: Service): void {
    const left = (this.#users.get(address) ?? []).filter(user => user !== service)
    if (left.length) this.#users.set(address, left)
    else this.#users.delete(address)
  }

  /** The next address that nothing has. */
  next(family: 4 | 6): string | undefined {
    const rest = this.#rest.get(family) ?? addressesIn(this.#pool, family)[Symbol.iterator]()
    this.#rest.set(family, rest)
    for (let step = rest.next(); !step.done; step = rest.next())
      if (!this.#users.has(step.value) && !this.#isTaken(step.value)) return step.value
    return undefined
  }

  whyNot(address: string): string {
    if (!isInRanges(this.#pool, address)) return `the address ${address} is not in the pool`
    const user = this.#users.get(address)?.[0]
    const other = this.#others.occupied.has(address) ? 'a Gateway' : 'a node'
    return `the address ${address} is used by ${user ? `the Service ${nameOf(user)}` : other}`
  }
}

/** Two Services may share an address if they agree on it, and if each packet is for one of them on any node. */
function mayShare(a: Service, b: Service): boolean {
  const key = a.metadata.annotations?.[sharingAnnotation]
  if (!key || key !== b.metadata.annotations?.[sharingAnnotation]) return false
  const ports = new Set((a.spec.ports ?? []).map(({ protocol, port }) => portKey(protocol, port)))
  if (b.spec.ports?.some(({ protocol, port }) => ports.has(portKey(protocol, port)))) return false
  // One node has the address, and with the policy Local it must have endpoints of both.
  const isLocal = [a, b].some(({ spec }) => spec.externalTrafficPolicy === 'Local')
  return !isLocal || sameJson(a.spec.selector ?? {}, b.spec.selector ?? {})
}

interface Request {
  addresses: ReadonlyMap<4 | 6, string>
  problem?: string
}

/** What a Service asks for, by the annotation or else by the field before it. */
function requestOf(service: Service): Request {
  const annotation = service.metadata.annotations?.[requestAnnotation]
  const text = annotation ?? service.spec.loadBalancerIP ?? ''
  const addresses = new Map<4 | 6, string>()
  const refuse = (why: string): Request => ({ addresses: new Map(), problem: why })
  for (const part of text.split(',').map(one => one.trim())) {
    if (!part) continue
    const ip = parseIP(part)
    if (!ip) return refuse(`${JSON.stringify(part)}, which the Service asks for, is not an address`)
    if (!familiesOf(service).includes(ip.family)) return refuse(`${part} is not of a family of the Service`)
    if (addresses.has(ip.family)) return refuse(`the Service asks for two IPv${ip.family} addresses`)
    addresses.set(ip.family, formatIP(ip.family, ip.value))
  }
  return { addresses }
}
