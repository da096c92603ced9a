// Services of type LoadBalancer: gives them addresses, and takes them away when a Service goes or changes its type. The
// nodes bring the packets to the pods: kube-proxy by what is in the status, and with a pool the node that announces the
// address (src/edge/loadbalancer).
//
// All Services are one key, since an address or port that one of them gets is not free for the others. The harness
// holds that key back until the mirrors have its writes, so a plan never misses what the one before has given out.
// Source: cloud-provider controllers/service (controller.go), whose events and finalizer these are.
import type { IPRange } from '../../api/ip-range.ts'
import { objectKey } from '../../api/mirror.ts'
import { isReason, messageOf } from '../../base/errors.ts'
import { counter, gauge } from '../../base/metrics.ts'
import { sameJson } from '../../api/equal.ts'
import { Node } from '../../kinds/core/node.ts'
import { isBalanced, takesPart } from '../../kinds/core/service-balancing.ts'
import { Service } from '../../kinds/core/service.ts'
import { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import { presentAddresses } from '../../kinds/gateway/addresses.ts'
import { ownGateways } from '../../kinds/gateway/attachment.ts'
import { Gateway } from '../../kinds/gateway/gateway.ts'
import { GatewayClass } from '../../kinds/gateway/gatewayclass.ts'
import { isServed, legacyClassAnnotation } from '../../kinds/networking/ingress-serving.ts'
import { Ingress } from '../../kinds/networking/ingress.ts'
import { IngressClass } from '../../kinds/networking/ingressclass.ts'
import type { Caches, Context } from '../context.ts'
import { type Controller, defineKeyedController, type Watch } from '../harness.ts'
import { noNodes, planBalancing } from './plan.ts'
import { nameOf, type Outcome, portKey, presentOf } from './service.ts'

export interface LoadBalancing {
  /** Without a pool the addresses are those of the nodes. */
  pool?: readonly IPRange[]
  /** The ports of the nodes on which Ingresses are served, if they are. */
  ingressPorts?: readonly number[]
  /** Whether the cluster serves Gateways. */
  gateways?: boolean
}

const finalizer = 'service.kubernetes.io/load-balancer-cleanup'
const serviceLabel = 'kubernetes.io/service-name'
/** How many Services are written at the same time. */
const maxWrites = 20
/** When a Service whose write has failed is tried again. */
const retryMs = 2_000

const pending = gauge('kutter_load_balancer_pending', 'Services of type LoadBalancer without an address')
const failures = counter('kutter_load_balancer_failures_total', 'Writes of Services of type LoadBalancer that failed')

const all = ['all']
const slicesKey = (slice: EndpointSlice) => `${slice.metadata.namespace}/${slice.metadata.labels?.[serviceLabel] ?? ''}`

const slicesOf = (cache: Caches, service: string) =>
  cache(EndpointSlice).byIndex('load balanced', slice => [slicesKey(slice)], service)

/** Whether a Service gets an address, has to be rid of one, or has ports that no other can have. */
const matters = (service: Service): boolean =>
  isBalanced(service) || needsCleanup(service) || service.spec.type === 'NodePort'

const hasFinalizer = ({ metadata }: Service) => metadata.finalizers?.includes(finalizer) ?? false

/** A Service of a class of others keeps the finalizer, which is then theirs. */
const needsCleanup = (service: Service): boolean =>
  hasFinalizer(service) &&
  (service.spec.type !== 'LoadBalancer' || (isBalanced(service) && service.metadata.deletionTimestamp !== undefined))

/** What of a node matters here. Nodes are written often. */
const factsOf = (node: Node | undefined) =>
  node && JSON.stringify([takesPart(node), node.status.addresses, node.status.daemonEndpoints])

const classesOf = ({ metadata, spec }: Ingress) =>
  JSON.stringify([spec.ingressClassName, metadata.annotations?.[legacyClassAnnotation]])

const watches: Watch[] = [
  {
    kind: Service,
    keys: ({ item, before }) =>
      matters(item.object as Service) || (before && matters(before.object as Service)) ? all : [],
  },
  {
    kind: Node,
    keys: ({ type, item, before }) =>
      factsOf(type === 'DELETED' ? undefined : (item.object as Node)) === factsOf(before?.object as Node | undefined)
        ? []
        : all,
  },
  {
    kind: EndpointSlice,
    keys({ item }, caches) {
      const service = caches(Service).byKey(slicesKey(item.object as EndpointSlice))
      return service && isBalanced(service) && service.spec.externalTrafficPolicy === 'Local' ? all : []
    },
  },
  {
    kind: Ingress,
    keys: ({ type, item, before }) =>
      type === 'MODIFIED' && classesOf(item.object as Ingress) === classesOf(before?.object as Ingress) ? [] : all,
  },
]

/** Gateways have addresses of the pool, or ports of the nodes. */
const gatewayWatches: Watch[] = [
  { kind: GatewayClass, keys: () => all },
  {
    kind: Gateway,
    keys: ({ type, item, before }) =>
      type === 'MODIFIED' && claimsOf(item.object as Gateway) === claimsOf(before?.object as Gateway | undefined)
        ? []
        : all,
  },
]
const claimsOf = (gateway: Gateway | undefined) =>
  JSON.stringify([
    gateway?.status?.addresses,
    gateway?.spec.gatewayClassName,
    gateway?.spec.listeners.map(one => one.port),
  ])

export function loadBalancerController(balancing: LoadBalancing): Controller {
  const reports = new Reports()
  return defineKeyedController({
    name: 'service-lb-controller',
    identity: 'service-controller',
    workers: 1,
    watches: [...watches, ...(balancing.gateways ? gatewayWatches : [])],
    reads: [IngressClass],
    async reconcile(_key, ctx) {
      const cache: Caches = kind => ctx.cache(kind)
      const services = cache(Service).byIndex('load balancing', service => (matters(service) ? ['yes'] : []), 'yes')
      const gateways = balancing.gateways
        ? ownGateways({ classes: cache(GatewayClass).list(), gateways: cache(Gateway).list() })
        : []
      const outcomes = planBalancing({
        services,
        nodes: cache(Node).list(),
        slicesOf: service => slicesOf(cache, nameOf(service)),
        pool: balancing.pool,
        reserved: reservedPorts(cache),
        occupied: balancing.pool
          ? new Map()
          : new Map([...gatewayPorts(gateways), ...ingressPorts(cache, balancing.ingressPorts ?? [])]),
        gatewayAddresses: new Set(gateways.flatMap(one => presentAddresses(one, balancing.pool ?? []))),
      })
      pending.set([...outcomes.values()].filter(({ addresses }) => !addresses.length).length)
      reports.forget(outcomes)
      const isDone = await inTurns(services, service => carryOut(service, outcomes.get(nameOf(service)), reports, ctx))
      return isDone ? undefined : { again: retryMs }
    },
  })
}

/** The ports of the API server and the kubelets: a Service that had them on the nodes' addresses would cut the nodes off. */
function reservedPorts(cache: Caches): Map<string, string> {
  const reserved = new Map<string, string>()
  for (const { status } of cache(Node).list()) {
    const port = status.daemonEndpoints?.kubeletEndpoint?.Port
    if (port) reserved.set(portKey('TCP', port), 'the kubelets')
  }
  for (const { port } of slicesOf(cache, 'default/kubernetes').flatMap(slice => slice.ports ?? []))
    if (port) reserved.set(portKey('TCP', port), 'the API server')
  return reserved
}

/** The ports of Ingresses, once there is one. */
function ingressPorts(cache: Caches, ports: readonly number[]): Map<string, string> {
  const isUsed = cache(Ingress)
    .list()
    .some(ingress => isServed(ingress, name => cache(IngressClass).get(undefined, name)))
  return new Map(isUsed ? ports.map(port => [portKey('TCP', port), 'Ingresses']) : [])
}

/** The ports of Gateways that have no addresses of their own. */
const gatewayPorts = (gateways: readonly Gateway[]): Map<string, string> =>
  new Map(
    gateways.flatMap(gateway =>
      gateway.spec.listeners.map(({ port }) => [portKey('TCP', port), `the Gateway ${objectKey(gateway)}`]),
    ),
  )

/** Calls `act` for all, a few at a time. A failure of one does not keep the others. Returns whether none has failed. */
async function inTurns(services: readonly Service[], act: (service: Service) => Promise<boolean>): Promise<boolean> {
  let isDone = true
  const rest = services.values()
  const lane = async () => {
    for (const service of rest) if (!(await act(service))) isDone = false
  }
  await Promise.all(Array.from({ length: maxWrites }, lane))
  return isDone
}

/** Brings one Service to what the plan says. Returns whether it is there; what is wrong is logged. */
async function carryOut(
  service: Service,
  outcome: Outcome | undefined,
  reports: Reports,
  ctx: Context,
): Promise<boolean> {
  try {
    if (needsCleanup(service)) await cleanUp(service, ctx)
    else if (outcome) await ensure(service, outcome, reports, ctx)
    return true
  } catch (error) {
    if (ctx.signal.aborted || isReason(error, 'NotFound')) return true
    // An older object than the stored one, which the mirror is about to have.
    if (isReason(error, 'Conflict')) return false
    failures.add()
    ctx.log.warn('cannot write a Service of type LoadBalancer, trying again', {
      service: nameOf(service),
      why: messageOf(error),
    })
    return false
  }
}

async function ensure(service: Service, outcome: Outcome, reports: Reports, ctx: Context): Promise<void> {
  const before = service.status.loadBalancer.ingress ?? []
  const ingress = outcome.addresses.map(ip => ({ ip, ipMode: 'VIP' as const }))
  const isNew = !hasFinalizer(service)
  if (isNew) ctx.event(service, 'Normal', 'EnsuringLoadBalancer', 'Ensuring load balancer')
  if (isNew || !sameJson(before, ingress)) {
    const finalizers = isNew ? [...(service.metadata.finalizers ?? []), finalizer] : undefined
    await write(service, ingress, finalizers, ctx)
    if (ingress.length && !presentOf(service).length)
      ctx.event(service, 'Normal', 'EnsuredLoadBalancer', 'Ensured load balancer')
    else if (ingress.length) ctx.event(service, 'Normal', 'UpdatedLoadBalancer', 'Updated load balancer with new hosts')
  }
  reports.problem(service, outcome.problem, ctx)
}

async function cleanUp(service: Service, ctx: Context): Promise<void> {
  ctx.event(service, 'Normal', 'DeletingLoadBalancer', 'Deleting load balancer')
  await write(service, [], service.metadata.finalizers?.filter(name => name !== finalizer) ?? [], ctx)
  ctx.event(service, 'Normal', 'DeletedLoadBalancer', 'Deleted load balancer')
}

/** Writes status and finalizers at once. Throws Conflict when the Service has changed since. */
async function write(
  service: Service,
  ingress: readonly { ip: string }[],
  finalizers: readonly string[] | undefined,
  ctx: Context,
): Promise<void> {
  const { resourceVersion } = service.metadata
  const body = {
    metadata: { resourceVersion, ...(finalizers && { finalizers }) },
    status: { loadBalancer: { ingress: ingress.length ? ingress : null } },
  }
  await ctx.patch(Service, service, 'merge', body, { subresource: 'status' })
}

/** Reports each problem once. A restarted server reports it again. There is at most one for each Service. */
class Reports {
  readonly #reported = new Map<string, string>()

  problem(service: Service, problem: string | undefined, ctx: Context): void {
    const name = nameOf(service)
    if (problem === undefined) this.#reported.delete(name)
    if (problem === undefined || this.#reported.get(name) === problem) return
    this.#reported.set(name, problem)
    if (problem === noNodes) ctx.event(service, 'Warning', 'UnAvailableLoadBalancer', problem)
    else {
      const message = `Error syncing load balancer: failed to ensure load balancer: ${problem}`
      ctx.event(service, 'Warning', 'SyncLoadBalancerFailed', message)
    }
  }

  /** Forgets Services that are gone. */
  forget(now: ReadonlyMap<string, Outcome>): void {
    for (const name of this.#reported.keys()) if (!now.has(name)) this.#reported.delete(name)
  }
}
