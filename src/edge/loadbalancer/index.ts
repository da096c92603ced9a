// Announces the addresses of a pool that Services of type LoadBalancer, and Gateways, have: of the nodes that may, one answers for each
// address on its network. kube-proxy, which every node has, brings the packets to the pods; for Gateways HAProxy does.
//
//   Services, nodes, slices ─► candidates.ts: who may announce each address, in which order
//   Leases of the others    ─► heartbeats.ts: who of them is alive
//        both ─► own addresses ─► addresses.ts: what changes in the kernel ─► announcer.ts
//
// - A node renews its Lease only while it shares an address with others. Otherwise nothing happens without a change.
// - What a node announces stays when the agent ends without warning, and the next agent goes on with it. An agent that
//   is asked to end takes the addresses away and removes its Lease, so that others take over at once.
// - While the API server is away nothing moves.
// - For a moment two nodes may announce one address. Both lead to the pods.
import { setImmediate } from 'node:timers/promises'
import type { IPRange } from '../../api/ip-range.ts'
import { objectKey } from '../../api/mirror.ts'
import { microTimeText } from '../../api/time.ts'
import { Chore } from '../../base/chore.ts'
import type { Clock } from '../../base/clock.ts'
import { isReason, messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { counter, gauge } from '../../base/metrics.ts'
import { within } from '../../base/waiters.ts'
import { type Client, EventRecorder } from '../../client/index.ts'
import { Lease } from '../../kinds/coordination/lease.ts'
import { Node } from '../../kinds/core/node.ts'
import { networksAnnotation } from '../../kinds/core/node-networks.ts'
import {
  balancedIn,
  isBalanced,
  leaseLabel,
  leaseNameOf,
  leaseNamespace,
  takesPart,
} from '../../kinds/core/service-balancing.ts'
import { Service } from '../../kinds/core/service.ts'
import { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import { servedAddresses } from '../../kinds/gateway/addresses.ts'
import { ownGateways } from '../../kinds/gateway/attachment.ts'
import { Gateway } from '../../kinds/gateway/gateway.ts'
import { GatewayClass } from '../../kinds/gateway/gatewayclass.ts'
import { Announcer } from './announcer.ts'
import { type Candidates, mustShow, ownAddresses, planCandidates } from './candidates.ts'
import { Heartbeats, renewMs } from './heartbeats.ts'

export { removeAnnouncements } from './announcer.ts'

interface BalancerOptions {
  client: Client
  nodeName: string
  nodeIPs: readonly string[]
  pool: readonly IPRange[]
  /** Whether the cluster serves Gateways, which have addresses of the pool. */
  gateways: boolean
  /** The names of the link and of the table that this part has for itself. */
  ledger: string
  table: string
  podBridge: string
  /** Called with what is wrong on this node, or undefined when nothing is any more. */
  report(problem: string | undefined): void
  clock: Clock
  log: Log
  signal: AbortSignal
}

interface Balancer {
  /** Hands everything over to other nodes. The signal must have aborted. */
  stop(): Promise<void>
}

const retry = { firstMs: 500, maxMs: 10_000 }
/** How often it is looked whether another node has become silent, while this one shares an address. */
const lookMs = 100
/** How long a renewal, and the removal of the Lease at the end, may take. */
const renewLimitMs = 2_000
const endLimitMs = 1_000
/** How long the kinds of Gateway API may take, which a cluster has not from the start. */
const gatewaysMs = 30_000
const serviceLabel = 'kubernetes.io/service-name'

const announced = gauge('kutter_load_balancer_addresses', 'Addresses of load balancers that this node announces')
const moves = counter('kutter_load_balancer_moves_total', 'Addresses of load balancers that came to this node')

const serviceOf = ({ metadata }: EndpointSlice) => `${metadata.namespace}/${metadata.labels?.[serviceLabel] ?? ''}`
const factsOf = (node: Node | undefined) =>
  node && `${takesPart(node)} ${node.metadata.annotations?.[networksAnnotation] ?? ''}`

/** Announces addresses until the signal aborts. Resolves when the mirrors are filled. */
export async function startBalancer(options: BalancerOptions): Promise<Balancer> {
  const keeper = new AddressKeeper(options)
  await keeper.start()
  return keeper
}

class AddressKeeper implements Balancer {
  readonly #o: BalancerOptions
  readonly #announcer: Announcer
  readonly #heartbeats: Heartbeats
  readonly #recorder: EventRecorder
  readonly #work: Chore
  readonly #renewing: Chore
  readonly #cancels = new Map<string, () => void>()
  #candidates: Candidates = new Map()
  /** What the node announces; undefined until a former agent's addresses have been looked up. */
  #held: Set<string> | undefined
  #shows = false
  /** Whether there may be a Lease of this node, also one of a former agent. */
  #mayHaveLease = true
  #followsLeases = false
  /** The number of returns after which the neighbours were shown what this node announces. */
  #returns = 0

  constructor(options: BalancerOptions) {
    this.#o = options
    const { client, clock, log, signal, nodeName } = options
    this.#announcer = new Announcer(options)
    this.#heartbeats = new Heartbeats(nodeName)
    this.#recorder = new EventRecorder(client, { component: 'kutter-load-balancer', host: nodeName })
    const failed = (error: unknown) => {
      log.error('cannot announce addresses of load balancers, trying again', { why: messageOf(error) })
      options.report(`addresses of load balancers are not announced as they should be: ${messageOf(error)}`)
    }
    this.#work = new Chore({ signal, retry: { clock, ...retry, failed } }, () => this.#serve())
    this.#renewing = new Chore({ signal }, () => this.#renew())
  }

  async start(): Promise<void> {
    const { client, signal } = this.#o
    const [services, slices, nodes] = [client.mirror(Service), client.mirror(EndpointSlice), client.mirror(Node)]
    await client.synced([services, slices, nodes], signal)
    await this.#gatewaysThere()
    const wake = () => this.#work.wake()
    const isLocal = (service: Service | undefined) =>
      service && isBalanced(service) && service.spec.externalTrafficPolicy === 'Local'
    const stops = [
      services.subscribeEach(({ item, before }) => {
        if (isBalanced(item.object) || (before && isBalanced(before.object))) wake()
      }, 'load balancer'),
      slices.subscribeEach(({ item }) => isLocal(services.byKey(serviceOf(item.object))) && wake(), 'load balancer'),
      nodes.subscribeEach(({ type, item, before }) => {
        if (type === 'DELETED' || factsOf(item.object) !== factsOf(before?.object)) wake()
      }, 'load balancer'),
      ...(this.#o.gateways
        ? [
            client.mirror(GatewayClass).subscribe(wake, 'load balancer'),
            client.mirror(Gateway).subscribe(wake, 'load balancer'),
          ]
        : []),
    ]
    const stop = () => {
      for (const one of [...stops, ...this.#cancels.values()]) one()
    }
    signal.addEventListener('abort', stop, { once: true })
    wake()
  }

  /** Waits a while for Gateways, so that an agent that starts again keeps their addresses. */
  async #gatewaysThere(): Promise<void> {
    const { client, clock, log, signal, gateways } = this.#o
    if (!gateways) return
    const mirrors = [client.mirror(GatewayClass), client.mirror(Gateway)]
    try {
      await within(clock, gatewaysMs, signal, limit => client.synced(mirrors, limit))
    } catch (error) {
      if (!signal.aborted) log.warn('Gateways cannot be read yet', { why: messageOf(error) })
    }
  }

  async stop(): Promise<void> {
    await Promise.all([this.#work.settled(), this.#renewing.settled()])
    try {
      await this.#announcer.set(new Set())
    } catch (error) {
      this.#o.log.warn('cannot take addresses of load balancers away', { why: messageOf(error) })
    }
    try {
      await this.#removeLease(new AbortController().signal)
    } catch (error) {
      // The others find out by the silence of this node.
      this.#o.log.warn('cannot remove the lease of the load balancer', { why: messageOf(error) })
    }
  }

  async #removeLease(signal: AbortSignal): Promise<void> {
    const { client, clock, nodeName } = this.#o
    await this.#renewing.settled()
    if (!this.#mayHaveLease) return
    const lease = { namespace: leaseNamespace, name: leaseNameOf(nodeName) }
    try {
      await within(clock, endLimitMs, signal, limit => client.delete(Lease, lease, { signal: limit }))
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
    }
    this.#mayHaveLease = false
  }

  async #serve(): Promise<void> {
    // Lets the changes of one turn of the event loop gather.
    await setImmediate()
    const { client, nodeName, pool, report, signal } = this.#o
    this.#held ??= await this.#announcer.held()
    const slices = client.mirror(EndpointSlice)
    const open = this.#openPorts()
    this.#candidates = planCandidates({
      services: balancedIn(client.mirror(Service)),
      nodes: client.mirror(Node).list(),
      slicesOf: service => slices.byIndex('service', slice => [serviceOf(slice)], objectKey(service)),
      pool,
      gatewayAddresses: [...open.keys()],
    })
    this.#heartbeats.keepOnly(new Set([...this.#candidates.values()].flat()))
    await this.#show(mustShow(this.#candidates, nodeName))
    const wanted = this.#wanted()
    const { returns } = this.#heartbeats
    const news = await this.#announcer.set(wanted, returns !== this.#returns, open)
    this.#returns = returns
    this.#held = wanted
    announced.set(wanted.size)
    for (const address of news) this.#assigned(address)
    if (!this.#shows) await this.#removeLease(signal)
    report(undefined)
  }

  /** The addresses of the pool that each Gateway has. */
  #gateways(): Map<Gateway, string[]> {
    const { client, pool, gateways } = this.#o
    if (!gateways) return new Map()
    const [classes, all] = [client.mirror(GatewayClass).list(), client.mirror(Gateway).list()]
    return servedAddresses(ownGateways({ classes, gateways: all }), pool)
  }

  /** The addresses of Gateways, with the ports at which each is served. */
  #openPorts(): Map<string, number[]> {
    return new Map(
      [...this.#gateways()].flatMap(([{ spec }, addresses]) => {
        const ports = [...new Set(spec.listeners.map(({ port }) => port))].sort((a, b) => a - b)
        return addresses.map((address): [string, number[]] => [address, ports])
      }),
    )
  }

  #wanted(): Set<string> {
    const { nodeName, clock } = this.#o
    const now = clock.steady()
    return ownAddresses(this.#candidates, nodeName, {
      isAlive: node => this.#heartbeats.isAlive(node, now),
      isCertain: node => this.#heartbeats.isCertain(node, now),
      isShown: this.#heartbeats.isShown,
      held: this.#held ?? new Set(),
    })
  }

  #assigned(address: string): void {
    const { client, nodeName } = this.#o
    moves.add()
    for (const service of balancedIn(client.mirror(Service)))
      if (service.status.loadBalancer.ingress?.some(({ ip }) => ip === address))
        this.#recorder.event(service, 'Normal', 'nodeAssigned', `announcing ${address} from node "${nodeName}"`)
    for (const [gateway, addresses] of this.#gateways())
      if (addresses.includes(address))
        this.#recorder.event(gateway, 'Normal', 'nodeAssigned', `announcing ${address} from node "${nodeName}"`)
  }

  /** Begins or ends to renew the Lease, and to look at those of others. */
  async #show(shows: boolean): Promise<void> {
    if (shows === this.#shows) return
    this.#shows = shows
    if (!shows) return this.#cancel('renew', 'look')
    this.#mayHaveLease = true
    this.#heartbeats.reset()
    await this.#followLeases()
    this.#renewing.wake()
    this.#look()
  }

  async #followLeases(): Promise<void> {
    if (this.#followsLeases) return
    const { client, signal } = this.#o
    const leases = client.mirror(Lease, { namespace: leaseNamespace, labelSelector: leaseLabel })
    await client.synced([leases], signal)
    this.#followsLeases = true
    const observe = () => this.#observe(leases.list())
    observe()
    const stop = leases.subscribe(observe, 'load balancer')
    signal.addEventListener('abort', stop, { once: true })
  }

  #observe(leases: readonly Lease[]): void {
    const prefix = leaseNameOf('')
    const seen = leases.map(({ metadata, spec }): [string, string] => [
      (metadata.name ?? '').slice(prefix.length),
      `${metadata.uid} ${spec.renewTime ?? ''}`,
    ])
    this.#heartbeats.observe(new Map(seen), this.#o.clock.steady())
    this.#compare()
  }

  /** Looks again and again, since a silence is no change. */
  #look(): void {
    this.#later('look', lookMs, () => {
      this.#compare()
      this.#look()
    })
  }

  #compare(): void {
    const wanted = this.#wanted()
    const held = this.#held ?? new Set()
    const isBack = this.#heartbeats.returns !== this.#returns
    if (isBack || wanted.size !== held.size || [...wanted].some(address => !held.has(address))) this.#work.wake()
  }

  async #renew(): Promise<void> {
    const { client, clock, nodeName, log, signal } = this.#o
    const began = clock.steady()
    const spec = { holderIdentity: nodeName, leaseDurationSeconds: 3, renewTime: microTimeText(began) }
    const ref = { namespace: leaseNamespace, name: leaseNameOf(nodeName) }
    try {
      await within(clock, renewLimitMs, signal, limit =>
        client.patch(Lease, ref, 'merge', { spec }, { signal: limit }).catch((error: unknown) => {
          if (!isReason(error, 'NotFound')) throw error
          return client.update(Lease, { metadata: this.#leaseMetadata(), spec }, { signal: limit })
        }),
      )
    } catch (error) {
      if (!signal.aborted) log.warn('cannot renew the lease of the load balancer', { why: messageOf(error) })
    }
    if (this.#shows) this.#later('renew', Math.max(0, began + renewMs - clock.steady()), () => this.#renewing.wake())
  }

  /** The Lease goes with the node. */
  #leaseMetadata() {
    const { client, nodeName } = this.#o
    const uid = client.mirror(Node).get(undefined, nodeName)?.metadata.uid
    const ownerReferences = uid ? [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid }] : []
    return { namespace: leaseNamespace, name: leaseNameOf(nodeName), labels: { [leaseLabel]: '' }, ownerReferences }
  }

  #later(purpose: string, delayMs: number, act: () => void): void {
    if (this.#o.signal.aborted) return
    this.#cancel(purpose)
    const cancel = this.#o.clock.after(delayMs, () => {
      this.#cancels.delete(purpose)
      act()
    })
    this.#cancels.set(purpose, cancel)
  }

  #cancel(...purposes: string[]): void {
    for (const purpose of purposes) {
      this.#cancels.get(purpose)?.()
      this.#cancels.delete(purpose)
    }
  }
}
