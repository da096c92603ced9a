// Gateways on one node: reads mirrors, and keeps an HAProxy of its own that serves them. Without a Gateway that is ours there
// is no process and no port.
//
//   change in a mirror ─► plan.ts ─┬─ only servers or a certificate differ ─► the process is changed as it runs
//                                  └─ anything else ─► config.ts: another process takes over (../ingress/process.ts)
//
// - What is decided is pure (plan.ts, matches.ts, filters.ts, config.ts). Text of users passes supported.ts, and once more
//   ../ingress/text.ts. When HAProxy does not take a configuration all the same, the one before goes on, with a report.
// - A port that another program has is left out, reported, and tried again.
import { setImmediate } from 'node:timers/promises'
import { cpus } from 'node:os'
import { Chore } from '../../base/chore.ts'
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { Client } from '../../client/index.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { Service } from '../../kinds/core/service.ts'
import { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import { ownGateways } from '../../kinds/gateway/attachment.ts'
import { Gateway } from '../../kinds/gateway/gateway.ts'
import { GatewayClass } from '../../kinds/gateway/gatewayclass.ts'
import { secretsOfGateway } from '../../kinds/gateway/grants.ts'
import { GRPCRoute } from '../../kinds/gateway/grpcroute.ts'
import { HTTPRoute } from '../../kinds/gateway/httproute.ts'
import { ReferenceGrant } from '../../kinds/gateway/referencegrant.ts'
import { TLSRoute } from '../../kinds/gateway/tlsroute.ts'
import { portsOfIngresses } from '../../kinds/networking/ingress-serving.ts'
import { Ingress } from '../../kinds/networking/ingress.ts'
import { IngressClass } from '../../kinds/networking/ingressclass.ts'
import { portFree } from '../../linux/index.ts'
import { placeholderPem } from '../ingress/certificates.ts'
import { changeCertificate, changeServers, maxSentPem, planServers, type Servers } from '../ingress/changes.ts'
import { ask, hold, serversAt } from '../ingress/cli.ts'
import { type Files, placeholderFile } from '../ingress/config.ts'
import { nameOf } from '../ingress/endpoints.ts'
import { type Generation, Haproxy } from '../ingress/process.ts'
import { SecretWatches } from '../ingress/secrets.ts'
import { unprivileged } from '../ingress/user.ts'
import { filesOf } from './config.ts'
import { type GatewayPlan, planGateways, type World } from './plan.ts'

interface GatewayOptions {
  client: Client
  nodeName: string
  /** Whether clients may come by IPv6, too. */
  isIPv6: boolean
  /** The ports on which Ingresses are served when there are some. */
  ingressPorts: readonly number[]
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
const maxThreads = 4
const routeKinds = [HTTPRoute, GRPCRoute, TLSRoute]

/** Serves the Gateways until the signal aborts. */
export async function startGateways(options: GatewayOptions): Promise<void> {
  await new GatewayKeeper(options).start()
}

interface Running extends Generation {
  servers: Servers
  /** The ports that it has. */
  ports: ReadonlySet<number>
  release(): void
}

class GatewayKeeper {
  readonly #o: GatewayOptions
  readonly #haproxy: Haproxy
  readonly #secrets: SecretWatches
  readonly #work: Chore
  #running: Running | undefined
  /** Whether it is certain that no other process than `#running` is there. */
  #hasLooked = false
  #lastStart = -Infinity
  #cancelAgain: (() => void) | undefined
  #services: ReadonlySet<string> = new Set()

  constructor(options: GatewayOptions) {
    this.#o = options
    const { client, clock, log, signal, dir } = options
    this.#haproxy = new Haproxy(dir, clock)
    this.#secrets = new SecretWatches(client, () => this.#work.wake())
    const failed = (error: unknown) => {
      log.error('cannot serve Gateways, trying again', { why: messageOf(error) })
      options.report(`Gateways are not served as they should be: ${messageOf(error)}`)
    }
    this.#work = new Chore({ signal, retry: { clock, ...retry, failed } }, () => this.#serve())
  }

  async start(): Promise<void> {
    const { client, signal } = this.#o
    const kinds = [GatewayClass, Gateway, ReferenceGrant, ...routeKinds, Namespace, Service, Ingress, IngressClass]
    const mirrors = kinds.map(kind => client.mirror(kind as typeof Namespace))
    const slices = client.mirror(EndpointSlice)
    await client.synced([...mirrors, slices], signal)
    const wake = () => this.#work.wake()
    const stops = [
      ...mirrors.map(mirror => mirror.subscribe(wake, 'gateways')),
      slices.subscribeEach(({ item }) => this.#services.has(serviceOf(item.object)) && wake(), 'gateways'),
    ]
    const stop = () => {
      for (const one of stops) one()
      this.#cancelAgain?.()
      this.#running?.release()
    }
    signal.addEventListener('abort', stop, { once: true })
    wake()
  }

  #world(): World {
    const { client, clock, ingressPorts } = this.#o
    const classes = client.mirror(IngressClass)
    const taken = portsOfIngresses(client.mirror(Ingress).list(), name => classes.get(undefined, name), ingressPorts)
    return {
      classes: client.mirror(GatewayClass).list(),
      gateways: client.mirror(Gateway).list(),
      routes: routeKinds.flatMap(kind => client.mirror(kind).list()),
      grants: client.mirror(ReferenceGrant).list(),
      labelsOf: name => client.mirror(Namespace).get(undefined, name)?.metadata.labels,
      service: key => client.mirror(Service).byKey(key),
      takenPorts: new Set(taken),
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
    if (!this.#running) await this.#goOn()
    const plan = planGateways(world)
    this.#services = plan.services
    const ports = await this.#freePorts(plan)
    const files = filesOf(plan, await this.#surroundings(), ports)
    if (this.#running) await this.#change(this.#running, plan)
    if (this.#running?.digest !== files.digest) await this.#restart(plan, files, ports)
    const taken = plan.ports.flatMap(({ port }) => (ports.has(port) ? [] : port))
    if (taken.length) this.#again(againMs)
    this.#o.report(
      taken.length ? `Gateways: another program has port ${taken.join(', ')} of ${this.#o.nodeName}` : undefined,
    )
  }

  /** There is nothing to serve: no process, no port. */
  async #nothing(): Promise<void> {
    this.#services = new Set()
    if (!this.#running && this.#hasLooked) return
    this.#running?.release()
    this.#running = undefined
    await this.#haproxy.finish()
    this.#hasLooked = true
    this.#o.report(undefined)
  }

  /** Goes on with the process that a former agent has started. */
  async #goOn(): Promise<void> {
    this.#hasLooked = true
    const found = await this.#haproxy.current()
    if (!found) return
    const ports = [...found.config.matchAll(/^\s*bind \S*:(\d+)( |$)/gm)].map(([, port]) => Number(port))
    this.#runs(found, await serversAt(found.socket), new Set(ports))
  }

  #runs(generation: Generation, servers: Servers, ports: ReadonlySet<number>): void {
    this.#running?.release()
    const running: Running = { ...generation, servers, ports, release: () => {} }
    running.release = hold(generation.socket, () => {
      if (this.#running !== running || this.#o.signal.aborted) return
      this.#o.log.warn('HAProxy of Gateways has ended')
      this.#running = undefined
      this.#work.wake()
    })
    this.#running = running
  }

  /** The ports that this node can have. One that another program has must not take the others along. */
  async #freePorts({ ports }: GatewayPlan): Promise<ReadonlySet<number>> {
    const has = this.#running?.ports
    const free = await Promise.all(
      ports.map(async ({ port }) => (has?.has(port) || (await portFree(port)) ? [port] : [])),
    )
    return new Set(free.flat())
  }

  async #surroundings() {
    return {
      ...(await unprivileged()),
      isIPv6: this.#o.isIPv6,
      threads: Math.min(maxThreads, cpus().length),
      emptyDir: this.#haproxy.emptyDir,
    }
  }

  /** Brings the servers and certificates of the running process up to the plan. If that fails, it is replaced. */
  async #change(running: Running, plan: GatewayPlan): Promise<void> {
    const askIt = (command: string) => ask(running.socket, command)
    try {
      if (await changeServers(askIt, running.servers, planServers(running.servers, plan.backends))) this.#again(againMs)
      for (const [file, { pem }] of plan.certificates) {
        const before = await this.#haproxy.certificate(file)
        // A file that is new comes with another configuration.
        if (before === pem || !before) continue
        if (pem.length <= maxSentPem) await changeCertificate(askIt, file, pem)
        else running.digest = ''
        await this.#haproxy.writeCertificate(file, pem)
      }
    } catch (error) {
      if (this.#o.signal.aborted) throw error
      this.#o.log.warn('HAProxy does not take a change, starting it again', { why: messageOf(error) })
      running.digest = ''
    }
  }

  async #restart(plan: GatewayPlan, files: Files, ports: ReadonlySet<number>): Promise<void> {
    const { clock, log, signal } = this.#o
    const waitMs = this.#lastStart + pauseMs - clock.now()
    // Meanwhile changes of servers must not wait.
    if (waitMs > 0) return this.#again(waitMs)
    this.#lastStart = clock.now()
    if (!(await this.#haproxy.certificate(placeholderFile)))
      await this.#haproxy.writeCertificate(placeholderFile, await placeholderPem(clock.now()))
    for (const [file, { pem }] of plan.certificates)
      if ((await this.#haproxy.certificate(file)) !== pem) await this.#haproxy.writeCertificate(file, pem)
    const generation = await this.#haproxy.start(files, this.#running, signal)
    const servers: Servers = new Map(
      plan.backends.map(({ name, servers }) => [name, new Map(servers.map(one => [nameOf(one), 'ready']))]),
    )
    this.#runs(generation, servers, ports)
    await this.#haproxy.keepCertificates(new Set(plan.certificates.keys()))
    log.info('HAProxy serves Gateways', { pid: generation.pid, ports: ports.size })
  }

  #again(delayMs: number): void {
    if (this.#o.signal.aborted) return
    this.#cancelAgain?.()
    this.#cancelAgain = this.#o.clock.after(delayMs, () => this.#work.wake())
  }
}
