// Gateways on one node: reads mirrors, and keeps an HAProxy of its own that serves them. Without a Gateway that is ours there
// is no process and no port.
//
//   change in a mirror ─► plan.ts ─┬─ only servers or a certificate differ ─► the process is changed as it runs
//                                  └─ anything else ─► config.ts: another process takes over (../ingress/running.ts)
//
// - What is decided is pure (plan.ts, matches.ts, filters.ts, config.ts). Text of users passes supported.ts, and once more
//   ../ingress/text.ts. When HAProxy does not take a configuration all the same, the one before goes on, with a report.
// - A port that another program has is left out, reported, and tried again.
import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { IPRange } from '../../api/ip-range.ts'
import { sameJson } from '../../api/equal.ts'
import type { Kind, KubeObject } from '../../api/kind.ts'
import { objectKey } from '../../api/mirror.ts'
import { Chore } from '../../base/chore.ts'
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { type Client, EventRecorder } from '../../client/index.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { Service } from '../../kinds/core/service.ts'
import { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import { presentAddresses } from '../../kinds/gateway/addresses.ts'
import { ownGateways } from '../../kinds/gateway/attachment.ts'
import { Gateway } from '../../kinds/gateway/gateway.ts'
import { GatewayClass } from '../../kinds/gateway/gatewayclass.ts'
import { secretsOfGateway } from '../../kinds/gateway/grants.ts'
import { GRPCRoute } from '../../kinds/gateway/grpcroute.ts'
import { HTTPRoute } from '../../kinds/gateway/httproute.ts'
import { hasNodePorts, portFactsOf, portsTaken } from '../../kinds/gateway/node-ports.ts'
import { ReferenceGrant } from '../../kinds/gateway/referencegrant.ts'
import { TLSRoute } from '../../kinds/gateway/tlsroute.ts'
import { legacyClassAnnotation, portsOfIngresses } from '../../kinds/networking/ingress-serving.ts'
import { Ingress } from '../../kinds/networking/ingress.ts'
import { IngressClass } from '../../kinds/networking/ingressclass.ts'
import type { Files } from '../ingress/config.ts'
import { type Binding, bindingKey } from '../ingress/ports.ts'
import { RunningHaproxy } from '../ingress/running.ts'
import { SecretWatches } from '../ingress/secrets.ts'
import { bindingsOf, filesOf } from './config.ts'
import { type GatewayPlan, planGateways, type World } from './plan.ts'

interface GatewayOptions {
  client: Client
  nodeName: string
  /** Whether clients may come by IPv6, too. */
  isIPv6: boolean
  /** The ports on which Ingresses are served when there are some. */
  ingressPorts: readonly number[]
  /** The addresses of which each Gateway has some of its own; empty if all have those of the nodes. */
  pool: readonly IPRange[]
  /** A directory of the node for this alone, with a short path. */
  dir: string
  /** Called with what is wrong on this node, or undefined when nothing is any more. */
  report(problem: string | undefined): void
  clock: Clock
  log: Log
  signal: AbortSignal
}

const serviceOf = ({ metadata }: EndpointSlice) =>
  `${metadata.namespace}/${metadata.labels?.['kubernetes.io/service-name'] ?? ''}`
const retry = { firstMs: 500, maxMs: 30_000 }
/** The least time between two starts of HAProxy, so that many changes are one start. */
const pauseMs = 1_000
/** When a port that another program has is tried again, and servers that are off and had connections. */
const againMs = 3_000
/** To how many Gateways a node reports its own problem. */
const maxReported = 20
const routeKinds = [HTTPRoute, GRPCRoute, TLSRoute]
const classesOf = ({ metadata, spec }: Ingress) => [
  spec.ingressClassName,
  metadata.annotations?.[legacyClassAnnotation],
]

/** Serves the Gateways until the signal aborts. */
export async function startGateways(options: GatewayOptions): Promise<void> {
  await new GatewayKeeper(options).start()
}

class GatewayKeeper {
  readonly #o: GatewayOptions
  readonly #haproxy: RunningHaproxy
  readonly #secrets: SecretWatches
  readonly #work: Chore
  #lastStart = -Infinity
  #cancelAgain: (() => void) | undefined
  #services: ReadonlySet<string> = new Set()
  readonly #recorder: EventRecorder
  /** For which Gateways and places it was reported that another program has them. */
  #said: ReadonlySet<string> = new Set()

  constructor(options: GatewayOptions) {
    this.#o = options
    const { client, clock, log, signal, dir, pool } = options
    this.#haproxy = new RunningHaproxy({ dir, pool, clock, log, signal, ended: () => this.#work.wake() })
    this.#secrets = new SecretWatches(client, () => this.#work.wake())
    this.#recorder = new EventRecorder(client, { component: 'kutter-gateway', host: options.nodeName })
    const failed = (error: unknown) => {
      log.error('cannot serve Gateways, trying again', { why: messageOf(error) })
      options.report(`Gateways are not served as they should be: ${messageOf(error)}`)
    }
    this.#work = new Chore({ signal, retry: { clock, ...retry, failed } }, () => this.#serve())
  }

  async start(): Promise<void> {
    const { client, signal } = this.#o
    const kinds = [GatewayClass, Gateway, ReferenceGrant, ...routeKinds, Namespace, Service, Ingress, IngressClass]
    const mirrors = [...kinds, EndpointSlice].map(kind => client.mirror(kind as typeof Namespace))
    await client.synced(mirrors, signal)
    const stops = this.#subscriptions()
    const stop = () => {
      for (const one of stops) one()
      this.#cancelAgain?.()
      this.#haproxy.release()
    }
    signal.addEventListener('abort', stop, { once: true })
    this.#work.wake()
  }

  /** Of what changes often, only that counts which a plan reads. */
  #subscriptions(): (() => void)[] {
    const { client, pool } = this.#o
    const wake = () => this.#work.wake()
    const on = <T extends KubeObject>(kind: Kind<T>, counts: (now: T, before: T) => boolean) =>
      client.mirror(kind).subscribeEach(({ type, item, before }) => {
        if (type !== 'MODIFIED' || !before || counts(item.object as T, before.object as T)) wake()
      }, 'gateways')
    const hasNewSpec = (now: KubeObject, before: KubeObject) => now.metadata.generation !== before.metadata.generation
    return [
      on(GatewayClass, hasNewSpec),
      on(ReferenceGrant, hasNewSpec),
      on(HTTPRoute, hasNewSpec),
      on(GRPCRoute, hasNewSpec),
      on(TLSRoute, hasNewSpec),
      on(
        Gateway,
        (now, before) =>
          hasNewSpec(now, before) || !sameJson(presentAddresses(now, pool), presentAddresses(before, pool)),
      ),
      on(Namespace, (now, before) => !sameJson({ ...now.metadata.labels }, { ...before.metadata.labels })),
      on(Ingress, (now, before) => !sameJson(classesOf(now), classesOf(before))),
      client.mirror(IngressClass).subscribe(wake, 'gateways'),
      client.mirror(Service).subscribeEach(({ type, item, before }) => {
        const now = type === 'DELETED' ? undefined : item.object
        const isUsed = this.#services.has(objectKey(item.object))
        if (isUsed || portFactsOf(now) !== portFactsOf(before?.object)) wake()
      }, 'gateways'),
      client
        .mirror(EndpointSlice)
        .subscribeEach(({ item }) => this.#services.has(serviceOf(item.object)) && wake(), 'gateways'),
    ]
  }

  #world(): World {
    const { client, clock, ingressPorts, pool } = this.#o
    const classes = client.mirror(IngressClass)
    const ofIngresses = portsOfIngresses(
      client.mirror(Ingress).list(),
      name => classes.get(undefined, name),
      ingressPorts,
    )
    const outside = client.mirror(Service).byIndex('node ports', one => (hasNodePorts(one) ? ['yes'] : []), 'yes')
    return {
      classes: client.mirror(GatewayClass).list(),
      gateways: client.mirror(Gateway).list(),
      routes: routeKinds.flatMap(kind => client.mirror(kind).list()),
      grants: client.mirror(ReferenceGrant).list(),
      labelsOf: name => client.mirror(Namespace).get(undefined, name)?.metadata.labels,
      service: key => client.mirror(Service).byKey(key),
      takenPorts: portsTaken(outside, ofIngresses),
      isApart: pool.length > 0,
      pool,
      slices: service => client.mirror(EndpointSlice).byIndex('service', slice => [serviceOf(slice)], service),
      secret: key => this.#secrets.get(key),
      now: clock.now(),
    }
  }

  async #serve(): Promise<void> {
    // Lets the changes of one turn of the event loop gather.
    await setImmediate()
    const world = this.#world()
    const ours = ownGateways(world)
    await this.#secrets.use(new Set(ours.flatMap(one => secretsOfGateway(one, world.grants))), this.#o.signal)
    if (!ours.length) return this.#nothing()
    await this.#haproxy.prepare()
    const plan = planGateways(world)
    this.#services = plan.services
    const bindings = plan.ports.flatMap(bindingsOf)
    const free = await this.#haproxy.freeBindings(bindings)
    const mark = createHash('sha256').update(this.#o.dir).digest('hex').slice(0, 12)
    const around = { ...(await this.#haproxy.surroundings()), isIPv6: this.#o.isIPv6, mark, free }
    const files = filesOf(plan, around)
    if ((await this.#haproxy.change(plan)).areLeft) this.#again(againMs)
    if (this.#haproxy.digest !== files.digest) await this.#restart(plan, files, free)
    const taken = bindings.filter(one => !free.has(bindingKey(one)))
    if (taken.length) this.#again(againMs)
    const places = taken.map(({ address, port }) => `${port} of ${address || this.#o.nodeName}`)
    this.#o.report(taken.length ? `Gateways: another program has port ${places.join(', ')}` : undefined)
    this.#reportTaken(taken, ours)
  }

  /** Reports to each Gateway once that another program of this node has one of its ports. */
  #reportTaken(taken: readonly Binding[], gateways: readonly Gateway[]): void {
    const { nodeName, pool } = this.#o
    const said = new Set<string>()
    for (const gateway of taken.length ? gateways.slice(0, maxReported) : []) {
      const addresses = ['', ...presentAddresses(gateway, pool)]
      for (const { address, port } of taken) {
        if (!addresses.includes(address) || !gateway.spec.listeners.some(one => one.port === port)) continue
        const key = `${gateway.metadata.uid} ${bindingKey({ address, port })}`
        said.add(key)
        if (this.#said.has(key)) continue
        const message = `another program has port ${port} of ${nodeName}`
        this.#recorder.event(gateway, 'Warning', 'PortTaken', message)
      }
    }
    this.#said = said
  }

  /** There is nothing to serve: no process, no port. */
  async #nothing(): Promise<void> {
    this.#services = new Set()
    if (await this.#haproxy.finish()) this.#o.report(undefined)
  }

  async #restart(plan: GatewayPlan, files: Files, free: ReadonlySet<string>): Promise<void> {
    const { clock, log } = this.#o
    const waitMs = this.#lastStart + pauseMs - clock.steady()
    // Meanwhile changes of servers must not wait.
    if (waitMs > 0) return this.#again(waitMs)
    this.#lastStart = clock.steady()
    await this.#haproxy.writeCertificates(plan)
    const pid = await this.#haproxy.start(files, plan, free)
    log.info('HAProxy serves Gateways', { pid, ports: free.size })
  }

  #again(delayMs: number): void {
    if (this.#o.signal.aborted) return
    this.#cancelAgain?.()
    this.#cancelAgain = this.#o.clock.after(delayMs, () => this.#work.wake())
  }
}
