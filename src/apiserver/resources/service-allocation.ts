// Allocation of cluster IPs and node ports: each Service gets a free one, or the one that it requests, if that is free.
//
// What always holds:
//
// - An address or port is taken while a stored Service has it, and for `reservationMs` after it was given to a request.
//   The reservation covers the time until the Service is in the mirror. It ends early when the Service arrives there.
// - A reservation belongs to the UID of its Service, so an update that begins again can use it again.
// - An address is also taken while an IPAddress of another owner has its name.
// - An update that leaves out its allocations keeps them. When the type changes to one without node ports, or to
//   ExternalName, the Service gives them up.
//
// Limits: reservations are in memory; servers that share a store also claim in it what they give (allocation-claims.ts).
// A dry run reserves as well, until its reservation ends, and claims nothing. If a range is full, the write is refused.
// Source: pkg/registry/core/service (alloc.go), ipallocator, portallocator.
import type { Clock } from '../../base/clock.ts'
import { StatusError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { Random } from '../../base/random.ts'
import { type Cidr, cidrContains, formatIP, parseCidr } from '../../api/ip.ts'
import { invalidError, type Problem, root } from '../../api/path.ts'
import { Service } from '../../kinds/core/service.ts'
import { needsHealthCheck } from '../../kinds/core/service-rules.ts'
import type { ServicePort } from '../../kinds/core/servicespec.ts'
import { ServiceCIDR } from '../../kinds/networking/servicecidr.ts'
import type { AdmissionPlugin } from '../admission/chain.ts'
import { Requirements } from '../admission/requirements.ts'
import type { Storage } from '../storage.ts'
import type { Mutable } from '../../api/schema/node.ts'
import { AllocationClaims } from './allocation-claims.ts'
import { allocationsOf, portKey, Reservations } from './reservations.ts'
import { chooseFamilies } from './service-families.ts'

export interface ServiceRanges {
  /** At most one of each family, such as `10.96.0.0/16`; the first is the default family. */
  serviceCidrs: readonly string[]
  /** First and last node port. */
  nodePorts: readonly [number, number]
}

/** How long an address or port stays reserved if its Service is not stored after all. */
const reservationMs = 10_000

/** How long an address or port that another server has just claimed is not tried again. */
const lostMs = 1000

/** How often other addresses and ports are tried when another server has just given those of a Service away. */
const maxTries = 10

/** The allocation as an admission plugin, so that a dry run shows addresses and ports too. */
export function serviceAllocation(
  storage: Storage,
  clock: Clock,
  random: Random,
  ranges: ServiceRanges,
  log: Log,
): AdmissionPlugin {
  const claims = storage.store.isShared ? new AllocationClaims(storage, log, reservationMs) : undefined
  const reservations = new Reservations(storage, clock, what => claims?.release(what))
  const own = ranges.serviceCidrs.map(range => parseCidr(range)!)
  const cidrs = () => [...own, ...furtherRanges(storage, ranges.serviceCidrs)]
  const giving: Giving = { cidrs, ranges, random, reservations, claims }
  return {
    name: 'ServiceAllocation',
    mutate({ type, operation, object, old, requires = new Requirements() }) {
      if (
        operation.kind.plural !== 'services' ||
        operation.kind.group !== '' ||
        operation.subresource ||
        (type !== 'CREATE' && type !== 'UPDATE')
      )
        return
      const isDryRun = Boolean(operation.options.dryRun)
      return give(giving, object as Mutable<Service>, old as Service | undefined, requires, isDryRun)
    },
  }
}

interface Giving extends Pick<Allocator, 'cidrs' | 'ranges' | 'random'> {
  reservations: Reservations
  claims: AllocationClaims | undefined
}

/** Gives a Service what it lacks, and keeps that from others until it is stored. Throws Invalid, and holds nothing then. */
async function give(
  { reservations, claims, ...rest }: Giving,
  service: Mutable<Service>,
  old: Service | undefined,
  requires: Requirements,
  isDryRun: boolean,
): Promise<void> {
  const uid = service.metadata.uid ?? ''
  const had = new Set(old ? allocationsOf(old) : [])
  const wanted = structuredClone(service.spec)
  const held: string[] = []
  const context: Allocator = {
    ...rest,
    free: (what, by) => reservations.isFree(what, by),
    reserve: what => {
      if (!had.has(what)) held.push(what)
      reservations.reserve(what, uid, reservationMs)
    },
  }
  const giveUp = () => {
    for (const what of held.splice(0)) {
      reservations.giveUp(what, uid)
      claims?.release(what)
    }
  }
  for (let tries = 0; tries < maxTries; tries++) {
    const problems = [...allocate(context, service, old)]
    if (problems.length) {
      giveUp()
      throw invalidError(Service, service.metadata.name ?? '', problems)
    }
    const fresh = allocationsOf(service).filter(what => !had.has(what))
    const lost = isDryRun ? undefined : await claims?.take(fresh, uid, requires, reservations.storedWith)
    if (!lost) return
    giveUp()
    reservations.reserve(lost.what, lost.uid, lostMs)
    service.spec = structuredClone(wanted)
  }
  throw new StatusError('ServerTimeout', 'other servers are giving away the same addresses, please try again')
}

/** The ranges in addition to the server's own: those that are ready and not terminating. */
function furtherRanges(storage: Storage, own: readonly string[]): Cidr[] {
  return storage
    .mirror(ServiceCIDR)
    .list()
    .filter(
      ({ metadata, status }) =>
        !metadata.deletionTimestamp && status.conditions?.some(c => c.type === 'Ready' && c.status === 'True'),
    )
    .flatMap(({ spec }) => spec.cidrs ?? [])
    .flatMap(text => (own.includes(text) ? [] : (parseCidr(text) ?? [])))
}

/** What an allocation needs: the ranges, and which addresses and ports are free. */
interface Allocator {
  /** The ranges from which addresses come at present, the server's own first. */
  cidrs(): Cidr[]
  ranges: ServiceRanges
  random: Random
  /** Whether a Service may have an address or port: nothing has it, or the Service has it itself. */
  free(what: string, uid: string): boolean
  reserve(what: string, uid: string): void
}

function* allocate(context: Allocator, service: Mutable<Service>, old: Service | undefined): Iterable<Problem> {
  const { spec } = service
  keepAllocations(service, old)
  if (spec.type === 'ExternalName') {
    // A Service that is changed to ExternalName loses its addresses. A new one may not request any.
    if (old && spec.clusterIP === old.spec.clusterIP) {
      delete spec.clusterIP
      delete spec.clusterIPs
    }
  } else {
    const families = [...new Set(context.cidrs().map(({ family }) => `IPv${family}` as const))]
    const wrong = [...chooseFamilies(spec, old?.spec, families)]
    if (wrong.length) return yield* wrong
    yield* allocateAddresses(context, service)
  }
  if (spec.type === 'NodePort' || spec.type === 'LoadBalancer') yield* allocatePorts(context, service)
  else for (const port of spec.ports ?? []) if (old && old.spec.type !== spec.type) delete port.nodePort
  if (needsHealthCheck(spec)) yield* allocateHealthPort(context, service)
}

function* allocateHealthPort(context: Allocator, { spec, metadata }: Mutable<Service>): Iterable<Problem> {
  const at = root.field('spec', 'healthCheckNodePort')
  const uid = metadata.uid ?? ''
  const wanted = spec.healthCheckNodePort
  const own = new Set((spec.ports ?? []).flatMap(one => (one.nodePort ? [portKey(one.protocol, one.nodePort)] : [])))
  const port = wanted || freePort(context, 'TCP', uid, own)
  if (!port) return yield at.invalid(0, 'failed to allocate a HealthCheck NodePort: range is full')
  const why = own.has(portKey('TCP', port)) ? taken : whyNot(context, 'TCP', port, uid)
  if (why) return yield at.invalid(port, `failed to allocate requested HealthCheck NodePort ${port}: ${why}`)
  spec.healthCheckNodePort = port
  context.reserve(portKey('TCP', port), uid)
}

/** Keeps the allocations that the client has left out of a PUT or patch. */
function keepAllocations({ spec }: Mutable<Service>, old: Service | undefined): void {
  if (!old) {
    if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP]
    return
  }
  if (old.spec.type !== 'ExternalName' && spec.type !== 'ExternalName') {
    if (!spec.clusterIP && old.spec.clusterIP) spec.clusterIP = old.spec.clusterIP
    if (!spec.clusterIPs?.length && old.spec.clusterIPs) spec.clusterIPs = [...old.spec.clusterIPs]
    if (!spec.ipFamilies?.length && old.spec.ipFamilies) spec.ipFamilies = [...old.spec.ipFamilies]
    if (old.spec.ipFamilyPolicy) spec.ipFamilyPolicy ??= old.spec.ipFamilyPolicy
  }
  if (needsHealthCheck(spec) && needsHealthCheck(old.spec) && !spec.healthCheckNodePort && old.spec.healthCheckNodePort)
    spec.healthCheckNodePort = old.spec.healthCheckNodePort
  if (spec.type !== 'NodePort' && spec.type !== 'LoadBalancer') return
  for (const port of spec.ports ?? []) {
    const before = old.spec.ports?.find(p => p.port === port.port && p.protocol === port.protocol)
    if (!port.nodePort && before?.nodePort) port.nodePort = before.nodePort
  }
}

/** Gives the Service an address of each of its families, where it does not request one. */
function* allocateAddresses(context: Allocator, { spec, metadata }: Mutable<Service>): Iterable<Problem> {
  if (spec.clusterIP === 'None') {
    spec.clusterIPs = ['None']
    return
  }
  const given = spec.clusterIPs ?? []
  const addresses: string[] = []
  for (const [i, family] of (spec.ipFamilies ?? []).entries()) {
    const address = yield* allocateAddress(context, family, given[i], given, metadata.uid ?? '')
    if (address === undefined) return
    addresses.push(address)
  }
  for (const address of addresses) context.reserve(address, metadata.uid ?? '')
  spec.clusterIP = addresses[0]!
  spec.clusterIPs = addresses
}

function* allocateAddress(
  context: Allocator,
  family: string,
  wanted: string | undefined,
  given: readonly string[],
  uid: string,
): Generator<Problem, string | undefined> {
  const at = root.field('spec', 'clusterIPs')
  const cidrs = context.cidrs().filter(cidr => `IPv${cidr.family}` === family)
  if (!wanted) {
    const address = firstOf(cidrs, cidr => freeAddress(context, cidr, uid))
    if (!address) yield at.invalid([], 'failed to allocate a serviceIP: range is full')
    return address
  }
  if (!cidrs.some(cidr => cidrContains(cidr, wanted))) {
    const why = 'the provided network does not match the current range'
    yield at.invalid(given, `failed to allocate IP ${wanted}: ${why}`)
  } else if (!context.free(wanted, uid))
    yield at.invalid(given, `failed to allocate IP ${wanted}: provided IP is already allocated`)
  else return wanted
  return undefined
}

function firstOf<A, B>(list: readonly A[], find: (element: A) => B | undefined): B | undefined {
  for (const element of list) {
    const found = find(element)
    if (found !== undefined) return found
  }
  return undefined
}

/**
 * A free address at a random place of a range. The low end of the range is used last, since users request addresses
 * there themselves (KEP-3070).
 */
function freeAddress({ random, free }: Allocator, cidr: Cidr, uid: string): string | undefined {
  const usable = Number(cidr.size) - 2
  const reserved = Math.min(Math.max(16, Math.floor(usable / 16)), 256)
  const pick = (from: number, count: number) => {
    const start = Math.floor(random.float() * count)
    for (let i = 0; i < count; i++) {
      const address = formatIP(cidr.family, cidr.base + 1n + BigInt(from + ((start + i) % count)))
      if (free(address, uid)) return address
    }
    return undefined
  }
  return (usable > reserved ? pick(reserved, usable - reserved) : undefined) ?? pick(0, Math.min(reserved, usable))
}

/** Why a Service cannot have a node port that it asks for; undefined if it can. */
function whyNot({ ranges, free }: Allocator, protocol: string, port: number, uid: string): string | undefined {
  const [first, last] = ranges.nodePorts
  if (port < first || port > last)
    return `provided port is not in the valid range. The range of valid ports is ${first}-${last}`
  return free(portKey(protocol, port), uid) ? undefined : taken
}

const taken = 'provided port is already allocated'

function* allocatePorts(context: Allocator, { spec, metadata }: Mutable<Service>): Iterable<Problem> {
  // A load balancer may do without node ports. Those that it asks for by number it gets all the same.
  const isAutomatic = spec.type === 'NodePort' || spec.allocateLoadBalancerNodePorts !== false
  const uid = metadata.uid ?? ''
  const mine = new Map<string, Mutable<ServicePort>>()
  /** Of this Service: a port that comes later may ask for its number. */
  const requested = new Set(spec.ports?.flatMap(p => (p.nodePort ? [portKey(p.protocol, p.nodePort)] : [])))
  for (const [i, port] of (spec.ports ?? []).entries()) {
    const at = root.field('spec', 'ports').index(i).field('nodePort')
    const key = () => portKey(port.protocol, port.nodePort!)
    if (port.nodePort) {
      const why = mine.has(key()) ? taken : whyNot(context, port.protocol, port.nodePort, uid)
      if (why) yield at.invalid(port.nodePort, why)
      mine.set(key(), port)
      context.reserve(key(), uid)
      continue
    }
    if (!isAutomatic) continue
    const twin = spec.ports!.find(
      p => p !== port && p.port === port.port && p.nodePort && !mine.has(portKey(port.protocol, p.nodePort)),
    )
    const found =
      twin?.nodePort && context.free(portKey(port.protocol, twin.nodePort), uid)
        ? twin.nodePort
        : freePort(context, port.protocol, uid, requested)
    if (!found) yield at.invalid(0, 'failed to allocate a nodePort: range is full')
    else {
      port.nodePort = found
      mine.set(key(), port)
      requested.add(key())
      context.reserve(key(), uid)
    }
  }
}

/** @param own keys of ports that the Service has already, which count as free for it otherwise */
function freePort(
  { ranges, random, free }: Allocator,
  protocol: string,
  uid: string,
  own: ReadonlySet<string>,
): number | undefined {
  const [first, last] = ranges.nodePorts
  const total = last - first + 1
  // As with addresses, the low end is used last, since users request ports there.
  const reserved = Math.min(Math.max(16, Math.floor(total / 32)), 128)
  const skip = total > reserved * 2 ? reserved : 0
  const start = Math.floor(random.float() * (total - skip))
  for (let i = 0; i < total; i++) {
    const port = first + ((skip + ((start + i) % (total - skip))) % total)
    const key = portKey(protocol, port)
    if (!own.has(key) && free(key, uid)) return port
  }
  return undefined
}
