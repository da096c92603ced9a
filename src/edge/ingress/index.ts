// Ingresses on one node: reads mirrors, and keeps an HAProxy that serves them. Without an Ingress that is ours there is no
// process and no port.
//
//   change in a mirror ─► plan.ts ─┬─ only servers or a certificate differ ─► changes.ts: the process is changed as it runs
//                                  └─ anything else ─► config.ts, process.ts: another process takes over
//
// - What is decided is pure (routes.ts, settings.ts, plan.ts, config.ts); text of users passes text.ts and regex.ts.
// - running.ts has what the process has. A change that it refuses, and a process that is not as expected, lead to another.
// - When HAProxy does not take a configuration, the one before goes on. The certificate or Ingress at fault is looked for
//   by halves, left out and reported by an event; all others are served.
// - A port that another program has is left out, reported, and tried again.
// - When the agent ends HAProxy goes on, and the next agent goes on with it or takes over.
import { setImmediate } from 'node:timers/promises'
import type { IPRange } from '../../api/ip-range.ts'
import { objectKey } from '../../api/mirror.ts'
import { Chore } from '../../base/chore.ts'
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { counter, gauge } from '../../base/metrics.ts'
import { type Client, EventRecorder } from '../../client/index.ts'
import { balancedIn, isBalanced } from '../../kinds/core/service-balancing.ts'
import { Service } from '../../kinds/core/service.ts'
import { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import { Ingress } from '../../kinds/networking/ingress.ts'
import { isServed, secretsOfIngress } from '../../kinds/networking/ingress-serving.ts'
import { IngressClass } from '../../kinds/networking/ingressclass.ts'
import { type Files, filesOf, type Surroundings } from './config.ts'
import { LeftOut } from './left-out.ts'
import { type IngressPlan, planIngress } from './plan.ts'
import { bindingKey } from './ports.ts'
import { Haproxy } from './process.ts'
import { Reports } from './reports.ts'
import { byAge } from './routes.ts'
import { RunningHaproxy } from './running.ts'
import { SecretWatches } from './secrets.ts'

interface IngressPorts {
  http: number
  https: number
}

interface IngressOptions {
  client: Client
  nodeName: string
  nodeIP: string
  /** Whether clients may come by IPv6, too. */
  isIPv6: boolean
  ports: IngressPorts
  /** Addresses of the cluster's pool, at which Gateways may have ports of their own. */
  pool: readonly IPRange[]
  /** A directory of the node for this alone, with a short path. */
  dir: string
  /** Called with what is wrong on this node, or undefined when nothing is any more. */
  report(problem: string | undefined): void
  clock: Clock
  log: Log
  signal: AbortSignal
}

const serviceLabel = 'kubernetes.io/service-name'
const serviceOf = ({ metadata }: EndpointSlice) => `${metadata.namespace}/${metadata.labels?.[serviceLabel] ?? ''}`
const retry = { firstMs: 500, maxMs: 30_000 }
/** The least time between two starts of HAProxy, so that many changes are one start. */
const pauseMs = 1_000
/** When a port that another program has is tried again. */
const portAgainMs = 5_000
/** When servers that are off, and had connections, are looked at again. */
const removeAgainMs = 2_000
/** When what was left out is tried again, if it has not changed before. */
const leftOutAgainMs = 60_000

const starts = counter('kutter_ingress_starts_total', 'Starts of HAProxy by result')
const changed = counter('kutter_ingress_server_changes_total', 'Changes of servers in a running HAProxy')
const paths = gauge('kutter_ingress_paths', 'Paths of Ingresses that this node serves')
const leftOutCount = gauge('kutter_ingress_left_out', 'Ingresses and certificates that HAProxy does not take')

/** Serves the Ingresses until the signal aborts. Resolves when those that exist are served, or could not be. */
export async function startIngress(options: IngressOptions): Promise<void> {
  await new IngressKeeper(options).start()
}

/** Ends the HAProxy of a node, and removes its files. */
export const stopIngress = (dir: string, clock: Clock): Promise<void> => new Haproxy(dir, clock).stop()

class IngressKeeper {
  readonly #o: IngressOptions
  readonly #haproxy: RunningHaproxy
  readonly #secrets: SecretWatches
  readonly #reports: Reports
  readonly #work: Chore
  #lastStart = -Infinity
  readonly #leftOut = new LeftOut()
  readonly #cancelAgain = new Map<string, () => void>()
  #services: ReadonlySet<string> = new Set()

  constructor(options: IngressOptions) {
    this.#o = options
    const { client, clock, log, signal, nodeName, nodeIP, dir, pool } = options
    this.#haproxy = new RunningHaproxy({ dir, pool, clock, log, signal, ended: () => this.#work.wake() })
    this.#secrets = new SecretWatches(client, () => this.#work.wake())
    this.#reports = new Reports(new EventRecorder(client, { component: 'kutter-ingress', host: nodeName }), nodeIP)
    const failed = (error: unknown) => {
      log.error('cannot serve Ingresses, trying again', { why: messageOf(error) })
      options.report(`Ingresses are not served as they should be: ${messageOf(error)}`)
    }
    this.#work = new Chore({ signal, retry: { clock, ...retry, failed } }, () => this.#serve())
  }

  async start(): Promise<void> {
    const { client, signal } = this.#o
    const [ingresses, classes] = [client.mirror(Ingress), client.mirror(IngressClass)]
    const [services, slices] = [client.mirror(Service), client.mirror(EndpointSlice)]
    await client.synced([ingresses, classes, services, slices], signal)
    const wake = () => this.#work.wake()
    const stops = [
      ingresses.subscribe(wake, 'ingress'),
      classes.subscribe(wake, 'ingress'),
      services.subscribeEach(({ item, before }) => {
        const isBefore = before !== undefined && isBalanced(before.object)
        if (this.#services.has(objectKey(item.object)) || isBalanced(item.object) || isBefore) wake()
      }, 'ingress'),
      slices.subscribeEach(({ item }) => this.#services.has(serviceOf(item.object)) && wake(), 'ingress'),
    ]
    const stop = () => {
      for (const one of [...stops, ...this.#cancelAgain.values()]) one()
      this.#haproxy.release()
    }
    signal.addEventListener('abort', stop, { once: true })
    wake()
  }

  /** The Ingresses that are ours, the oldest first. */
  #ours(): Ingress[] {
    const { client } = this.#o
    const classes = client.mirror(IngressClass)
    return client
      .mirror(Ingress)
      .matching('ingress', ingress => isServed(ingress, name => classes.get(undefined, name)))
      .sort(byAge)
  }

  async #serve(): Promise<void> {
    // Lets the changes of one turn of the event loop gather.
    await setImmediate()
    const { report, clock, signal } = this.#o
    const ours = this.#ours()
    await this.#secrets.use(new Set(ours.flatMap(secretKeys)), signal)
    if (!ours.length) return this.#nothing()
    await this.#haproxy.prepare()
    const around = await this.#surroundings()
    const plan = this.#leftOut.without(this.#plan(this.#leftOut.rest(ours)))
    this.#services = plan.services
    const files = filesOf(plan, around)
    const { changes, areLeft } = await this.#haproxy.change(plan)
    if (changes) changed.add({}, changes)
    if (areLeft) this.#again('remove', removeAgainMs)
    if (this.#haproxy.digest !== files.digest) {
      const waitMs = this.#lastStart + pauseMs - clock.steady()
      // Meanwhile changes of servers must not wait.
      if (waitMs > 0) this.#again('start', waitMs)
      else await this.#start(ours, plan, files, around)
    }
    const taken = this.#takenPorts(around)
    if (taken) this.#again('ports', portAgainMs)
    this.#reports.say(ours, new Map([...plan.problems, ...this.#leftOut.problems(ours)]), taken)
    paths.set(plan.paths)
    leftOutCount.set(this.#leftOut.size)
    report(taken && `Ingresses: ${taken}`)
  }

  /** There is nothing to serve: no process, no port. */
  async #nothing(): Promise<void> {
    this.#services = new Set()
    if (!(await this.#haproxy.finish())) return
    this.#leftOut.clear()
    paths.set(0)
    this.#o.report(undefined)
  }

  /** Which of the ports this node can have. One that another program has must not take the other one along. */
  async #surroundings(): Promise<Surroundings> {
    const { http, https } = this.#o.ports
    const free = await this.#haproxy.freeBindings([http, https].map(port => ({ address: '', port })))
    const own = (port: number) => (free.has(bindingKey({ address: '', port })) ? port : undefined)
    return {
      http: own(http),
      https: own(https),
      isIPv6: this.#o.isIPv6,
      ...(await this.#haproxy.surroundings()),
    }
  }

  #takenPorts({ http, https }: Surroundings): string | undefined {
    const { ports, nodeName } = this.#o
    const taken = [...(http === undefined ? [ports.http] : []), ...(https === undefined ? [ports.https] : [])]
    if (taken.length) return `another program has port ${taken.join(' and port ')} of ${nodeName}`
    // Its packets are translated before HAProxy could get them.
    const balanced = [ports.http, ports.https].map(port => ({ port, service: this.#balancedOn(port) }))
    const found = balanced.find(({ service }) => service)
    return (
      found && `the Service ${objectKey(found.service!)} of type LoadBalancer has port ${found.port} of ${nodeName}`
    )
  }

  /** The Service that has a port of this node's address. */
  #balancedOn(port: number): Service | undefined {
    const { client, nodeIP } = this.#o
    return balancedIn(client.mirror(Service)).find(
      ({ spec, status }) =>
        status.loadBalancer.ingress?.some(({ ip }) => ip === nodeIP) &&
        spec.ports?.some(one => one.protocol === 'TCP' && one.port === port),
    )
  }

  #plan(ingresses: readonly Ingress[]): IngressPlan {
    const { client, clock, ports } = this.#o
    return planIngress(ingresses, {
      service: key => client.mirror(Service).byKey(key),
      slices: service => client.mirror(EndpointSlice).byIndex('service', slice => [serviceOf(slice)], service),
      secret: key => this.#secrets.get(key),
      now: clock.now(),
      httpsPort: ports.https,
    })
  }

  async #start(ours: readonly Ingress[], plan: IngressPlan, files: Files, around: Surroundings): Promise<void> {
    const { log, signal, clock } = this.#o
    await this.#haproxy.writeCertificates(plan)
    this.#lastStart = clock.steady()
    try {
      const ports = [around.http, around.https].flatMap(port => port ?? [])
      const bindings = new Set(ports.map(port => bindingKey({ address: '', port })))
      const pid = await this.#haproxy.start(files, plan, bindings)
      starts.add({ result: 'ok' })
      log.info('HAProxy serves Ingresses', { pid, paths: plan.paths })
    } catch (error) {
      signal.throwIfAborted()
      starts.add({ result: 'failed' })
      if (await this.#haproxy.accepts(files)) throw error
      log.error('HAProxy does not take the configuration', { why: messageOf(error) })
      const accepts = (some: IngressPlan) => this.#haproxy.accepts(filesOf(some, around))
      const planOf = (some: readonly Ingress[]) => this.#leftOut.without(this.#plan(some))
      await this.#leftOut.find(this.#leftOut.rest(ours), planOf, accepts, messageOf(error))
      this.#again('left out', leftOutAgainMs)
      this.#work.wake()
    }
  }

  /** Wakes the work after a time, once for each purpose. */
  #again(purpose: string, delayMs: number): void {
    if (this.#o.signal.aborted || this.#cancelAgain.has(purpose)) return
    const cancel = this.#o.clock.after(delayMs, () => {
      this.#cancelAgain.delete(purpose)
      if (purpose === 'left out') this.#leftOut.clear()
      this.#work.wake()
    })
    this.#cancelAgain.set(purpose, cancel)
  }
}

const secretKeys = (ingress: Ingress): string[] =>
  secretsOfIngress(ingress).map(name => `${ingress.metadata.namespace}/${name}`)
