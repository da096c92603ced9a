// kube-proxy: makes Services work on one node. It reads mirrors of Services, EndpointSlices and the node's pods, and
// applies nftables transactions to one table, which belongs to it alone. plan.ts computes the fragment of a Service,
// host-ports.ts that of a pod, transaction.ts the text that turns one fragment into another, table.ts the frame.
//
//   change in a mirror ─► dirty key ─► plan: fragment ─► transaction with what was applied before ─► kernel
//
// - The first transaction replaces the table that an earlier agent left by a new one that has all Services in it. So
//   there is no moment without rules.
// - Changes of one turn of the event loop are one transaction. While one is applied, further keys gather, and the next
//   transaction has all of them: there is at most one at a time, and no queue that grows.
// - `applied` has the fragments that are in the kernel. It changes only after a transaction has succeeded.
// - When a transaction fails the table is built again, empty at first, so for a moment new connections to Services
//   fail. The fragments are applied in halves until the one at fault is found. That one is left out, reported by an
//   event, and tried again when it changes and every minute; all others work. When not even the empty table can be
//   built, everything is tried again after a second.
// - Connections that exist follow the kernel's conntrack. Flows of UDP to changed addresses are deleted from it.
// - When the signal aborts the table stays as it is, and Services go on working.
import { networkInterfaces } from 'node:os'
import { Chore } from '../base/chore.ts'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { counter } from '../base/metrics.ts'
import { parseTime } from '../api/time.ts'
import { objectKey } from '../api/mirror.ts'
import { type Client, EventRecorder } from '../client/index.ts'
import { Node } from '../kinds/core/node.ts'
import { Pod } from '../kinds/core/pod.ts'
import { Service } from '../kinds/core/service.ts'
import { EndpointSlice } from '../kinds/discovery/endpointslice.ts'
import { makeNft, run } from '../linux/index.ts'
import { Claims } from './claims.ts'
import { tuneConntrack } from './conntrack.ts'
import { emptyFragment, type Fragment, isEmpty } from './fragment.ts'
import { addressesWithin, HealthServers, healthOf } from './health.ts'
import { HairpinCounts } from './hairpin.ts'
import { hostPortFragment } from './host-ports.ts'
import { planService } from './plan.ts'
import { ProxyHealth } from './proxy-health.ts'
import { pickText, type TableOptions, tableText } from './table.ts'
import { ProxyMetrics, serveMetrics } from './metrics.ts'
import { transactionText } from './transaction.ts'
import { staleFlows } from './udp.ts'

interface ProxyOptions extends TableOptions {
  client: Client
  nodeName: string
  /** Whether Services are served. Without them, the table has what the pod network needs. */
  services: boolean
  /** The addresses of this node. */
  nodeIPs: readonly string[]
  /** The port at which it answers whether it is healthy. Default: it does not. */
  healthPort?: number
  /** The port on loopback at which metrics are served. Default: none. */
  metricsPort?: number
  clock: Clock
  log: Log
  signal: AbortSignal
}

interface Proxy {
  /** Resolves when no change is left to apply. */
  settled(): Promise<void>
}

const serviceLabel = 'kubernetes.io/service-name'
const zoneLabel = 'topology.kubernetes.io/zone'
const podPrefix = 'pod:'
const retryMs = 1_000
/** How long until a fragment that was left out is tried again. */
const lookAgainMs = 60_000
const transactions = counter('kutter_proxy_transactions_total', 'nftables transactions by result')
const leftOut = counter('kutter_proxy_left_out_total', 'Services and host ports that could not be programmed')

type Change = { key: string; before: Fragment; after: Fragment }

/** The addresses of this node, without those that need the name of a link with them. */
const ownAddresses = () =>
  Object.values(networkInterfaces()).flatMap(link =>
    (link ?? []).flatMap(({ address, scopeid }) => (scopeid ? [] : [address])),
  )

const triggerAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time'
/** When the pods changed of which a slice has a change. */
const triggeredAt = ({ metadata }: EndpointSlice) => parseTime(metadata.annotations?.[triggerAnnotation])

const serviceOf = ({ metadata }: EndpointSlice) => `${metadata.namespace}/${metadata.labels?.[serviceLabel] ?? ''}`

/** Replaces the table by a new one with all Services, then keeps it up to date until the signal aborts. */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const proxy = new ServiceProxy(options)
  await proxy.start()
  return proxy
}

class ServiceProxy implements Proxy {
  readonly #options: ProxyOptions
  readonly #nft = makeNft()
  /** The fragments that are in the kernel, by key. A key is that of a Service, or of a pod after `podPrefix`. */
  readonly #applied = new Map<string, Fragment>()
  /** Keys whose fragment may have changed. */
  readonly #dirty = new Set<string>()
  readonly #hairpin = new HairpinCounts()
  readonly #claims = new Claims()
  /** The classes whose chains are in the table. They stay until it is replaced. */
  readonly #picks = new Set<string>()
  readonly #recorder: EventRecorder
  /** Keys that could not be programmed, with the reason and the timer of the next try. */
  readonly #leftOut = new Map<string, { why: string; cancel: () => void }>()
  /** UDP flows to delete from the kernel's conntrack, as arguments of conntrack(8). */
  readonly #staleUdp = new Set<string>()
  readonly #programming: Chore
  readonly #udpCleanup: Chore
  readonly #health: HealthServers
  readonly #ownHealth: ProxyHealth
  readonly #metrics: ProxyMetrics
  /** Whether the table is still that of an earlier agent, or missing. The next transaction creates it. */
  #tableMissing = true

  constructor(options: ProxyOptions) {
    this.#options = options
    const { clock, log, signal } = options
    const retry = (what: string, maxMs: number) => ({
      clock,
      firstMs: retryMs,
      maxMs,
      failed: (error: unknown) => log.warn(`cannot ${what}, trying again`, { why: messageOf(error) }),
    })
    this.#programming = new Chore({ signal, retry: retry('change the service rules', retryMs) }, () => this.#program())
    this.#udpCleanup = new Chore({ signal, retry: retry('delete flows of UDP', lookAgainMs) }, () =>
      this.#deleteStaleUdp(),
    )
    this.#ownHealth = new ProxyHealth(clock)
    this.#metrics = new ProxyMetrics(options.serviceCidrs)
    this.#health = new HealthServers({
      signal,
      isHealthy: () => this.#ownHealth.isHealthy,
      addresses: () => addressesWithin(options.nodePortAddresses, ownAddresses()),
      failed: (key, why) => this.#reportUnchecked(key, why),
    })
    this.#recorder = new EventRecorder(options.client, { component: 'kube-proxy', host: options.nodeName })
  }

  async start(): Promise<void> {
    const {
      client,
      clock,
      nodeName,
      log,
      signal,
      services: hasServices,
      pods: hasPods,
      healthPort,
      metricsPort,
    } = this.#options
    if (healthPort !== undefined) this.#ownHealth.serve(healthPort, log, signal)
    if (metricsPort !== undefined) serveMetrics(metricsPort, log, signal)
    const services = client.mirror(Service)
    const slices = client.mirror(EndpointSlice)
    const pods = client.mirror(Pod, { fieldSelector: `spec.nodeName=${nodeName}` })
    const nodes = this.#nodes()
    await client.synced([...(hasServices ? [services, slices, nodes] : []), ...(hasPods ? [pods] : [])], signal)
    if (hasServices) await tuneConntrack(log)
    let zone = this.#zone()
    const followServices = () => [
      nodes.subscribe(() => {
        this.#ownHealth.node(nodes.get(undefined, nodeName))
        // The Node is written often, and its zone hardly ever.
        if (this.#zone() === zone) return
        zone = this.#zone()
        for (const service of services.list()) this.#touch(objectKey(service))
      }, 'kube-proxy'),
      services.follow(({ item }) => {
        this.#metrics.queued('service', clock.now())
        this.#touch(objectKey(item.object))
      }, 'kube-proxy'),
      slices.follow(({ item, before }) => {
        this.#metrics.queued('endpoint', clock.now(), before && triggeredAt(item.object))
        this.#touch(serviceOf(item.object))
      }, 'kube-proxy'),
    ]
    const followPods = () => [
      pods.follow(({ item }) => this.#touch(`${podPrefix}${objectKey(item.object)}`), 'kube-proxy'),
    ]
    const stops = [...(hasServices ? followServices() : []), ...(hasPods ? followPods() : [])]
    signal.addEventListener('abort', () => stops.forEach(stop => stop()), { once: true })
    this.#programming.wake()
    await this.settled()
    signal.throwIfAborted()
  }

  settled(): Promise<void> {
    return this.#programming.settled()
  }

  #reportUnchecked(key: string, why: string): void {
    const { client, nodeName, log } = this.#options
    const service = client.mirror(Service).byKey(key)
    if (service) this.#recorder.event(service, 'Warning', 'FailedToStartServiceHealthcheck', `${nodeName} ${why}`)
    log.error('cannot answer health checks', { key, why })
  }

  #touch(key: string): void {
    this.#dirty.add(key)
    this.#ownHealth.queued()
    this.#programming.wake()
  }

  async #program(): Promise<void> {
    // Lets the changes of one turn of the event loop gather.
    await new Promise<void>(resolve => setImmediate(resolve))
    if (!this.#tableMissing && !this.#dirty.size) return this.#ownHealth.updated()
    const keys = [...this.#dirty]
    this.#dirty.clear()
    const beganAt = this.#options.clock.now()
    // Keys that failed before are tried apart, so that they cannot make the others fail.
    const suspects = keys.filter(key => this.#leftOut.has(key))
    const others = suspects.length ? keys.filter(key => !this.#leftOut.has(key)) : keys
    try {
      await this.#apply(others)
      transactions.add({ result: 'ok' })
    } catch (error) {
      if (this.#options.signal.aborted) return
      transactions.add({ result: 'failed' })
      this.#metrics.failed()
      this.#options.log.error('cannot change the service rules', { why: messageOf(error) })
      await this.#rebuild(keys)
      await this.#applyByHalves([...new Set([...others, ...this.#dirty])])
    }
    for (const key of suspects) await this.#applyByHalves([key])
    this.#metrics.synced(beganAt, this.#options.clock.now())
    if (!this.#dirty.size) this.#ownHealth.updated()
  }

  /**
   * Applies fragments of which at least one is at fault: finds it by halving, leaves it out, and applies all others.
   */
  async #applyByHalves(wanted: readonly string[]): Promise<void> {
    const parts = [wanted]
    for (let keys = parts.pop(); keys; keys = parts.pop()) {
      for (const key of keys) this.#dirty.delete(key)
      try {
        await this.#apply(keys)
        transactions.add({ result: 'ok' })
      } catch (error) {
        if (this.#options.signal.aborted) return
        transactions.add({ result: 'failed' })
        const [only, ...others] = keys
        if (only !== undefined && !others.length) this.#leaveOut(only, error)
        else parts.push(keys.slice(Math.ceil(keys.length / 2)), keys.slice(0, Math.ceil(keys.length / 2)))
      }
    }
  }

  /** Sets a key aside until it changes or its time has come. It is reported once for each reason. */
  #leaveOut(key: string, error: unknown): void {
    const { clock, log } = this.#options
    const why = messageOf(error)
    leftOut.add()
    log.error('a Service or pod is left out of the rules', { key, error })
    const object = this.#object(key)
    if (object && this.#leftOut.get(key)?.why !== why)
      this.#recorder.event(object, 'Warning', 'FailedToProgramRules', `left out of the service rules: ${why}`)
    this.#leftOut.get(key)?.cancel()
    this.#leftOut.set(key, { why, cancel: clock.after(lookAgainMs, () => this.#touch(key)) })
  }

  #nodes() {
    return this.#options.client.mirror(Node, { fieldSelector: `metadata.name=${this.#options.nodeName}` })
  }

  #zone(): string | undefined {
    return this.#nodes().get(undefined, this.#options.nodeName)?.metadata.labels?.[zoneLabel]
  }

  #pods() {
    return this.#options.client.mirror(Pod, { fieldSelector: `spec.nodeName=${this.#options.nodeName}` })
  }

  /** Applies the present fragments of keys in one transaction. When it throws, nothing has changed. */
  async #apply(keys: readonly string[]): Promise<void> {
    const { changes, planned } = this.#plan(keys)
    const shared = this.#hairpin.share(changes)
    const isNew = this.#tableMissing
    const picks = new Map(
      changes.flatMap(({ after }) => [...after.picks].filter(([id]) => isNew || !this.#picks.has(id))),
    )
    const text = [
      ...(isNew ? [tableText(this.#options)] : []),
      ...[...picks.values()].map(pick => pickText(this.#options, pick)),
      transactionText(this.#options.table, shared.changes),
    ].join('')
    if (text) await this.#nft.apply(text, this.#options.signal)
    this.#tableMissing = false
    shared.commit()
    if (isNew) this.#picks.clear()
    for (const id of picks.keys()) this.#picks.add(id)
    for (const { key, after } of changes) {
      this.#checkHealth(key)
      if (isEmpty(after)) this.#applied.delete(key)
      else this.#applied.set(key, after)
    }
    for (const key of planned) {
      this.#leftOut.get(key)?.cancel()
      this.#leftOut.delete(key)
    }
    // Flows from the time of an earlier table mostly still lead to the right endpoints, so they are left alone.
    if (isNew) return
    for (const { before, after } of changes) for (const flow of staleFlows(before, after)) this.#staleUdp.add(flow)
    if (this.#staleUdp.size) this.#udpCleanup.wake()
  }

  /** Answers for the endpoints of a Service on this node, where load balancers ask for them. */
  #checkHealth(key: string): void {
    if (key.startsWith(podPrefix)) return
    const service = this.#options.client.mirror(Service).byKey(key)
    this.#health.set(key, service && healthOf(service, () => this.#slices(key), this.#options.nodeName))
  }

  #slices(service: string): readonly EndpointSlice[] {
    return this.#options.client.mirror(EndpointSlice).byIndex('service', slice => [serviceOf(slice)], service)
  }

  /** The changes of fragments, and the keys that could be planned. */
  #plan(keys: readonly string[]): { changes: Change[]; planned: string[] } {
    const changes: Change[] = []
    const planned: string[] = []
    // Objects that are gone come first, so that what they had is free for others.
    const isGone = new Map(keys.map(key => [key, !this.#object(key)]))
    for (const key of keys.toSorted((a, b) => Number(isGone.get(b)) - Number(isGone.get(a)))) {
      const before = this.#applied.get(key) ?? emptyFragment()
      let after = emptyFragment()
      try {
        after = this.#wanted(key)
        planned.push(key)
      } catch (error) {
        this.#leaveOut(key, error)
      }
      changes.push({ key, before, after })
      for (const other of this.#claims.keep(key, after.entries)) if (!keys.includes(other)) this.#touch(other)
    }
    return { changes, planned }
  }

  #object(key: string): Service | Pod | undefined {
    return key.startsWith(podPrefix)
      ? this.#pods().byKey(key.slice(podPrefix.length))
      : this.#options.client.mirror(Service).byKey(key)
  }

  /** Computes the fragment of a key from the mirrors. It is empty when the object does not exist. */
  #wanted(key: string): Fragment {
    const { nodeName, nodeIPs, podCidrs } = this.#options
    const object = this.#object(key)
    if (!object) return emptyFragment()
    const mayHave = (entry: string) => {
      const isFree = this.#claims.take(entry, key)
      if (!isFree) this.#reportTaken(object, key, entry)
      return isFree
    }
    if (key.startsWith(podPrefix)) return hostPortFragment(object as Pod, mayHave)
    return planService(object as Service, this.#slices(key), {
      nodeName,
      nodeIPs,
      podCidrs,
      zone: this.#zone(),
      mayHave,
    })
  }

  /** Reports once that an address and port belong to another object. */
  #reportTaken(object: Service | Pod, key: string, entry: string): void {
    const owner = this.#claims.owner(entry)?.replace(podPrefix, '') ?? ''
    this.#options.log.warn('an address and port are taken', { key, entry, owner })
    this.#recorder.event(
      object,
      'Warning',
      'FailedToProgramRules',
      `${entry.replaceAll(' . ', ' ')} belongs to ${owner}`,
    )
  }

  /**
   * Builds the table again without fragments and marks all of them as dirty, since after a failed transaction the
   * content of the table is uncertain. Throws when even that fails, with `keys` to be tried again, too.
   */
  async #rebuild(keys: readonly string[]): Promise<void> {
    const all = [...this.#applied.keys()]
    this.#applied.clear()
    this.#hairpin.clear()
    this.#claims.clear()
    this.#picks.clear()
    for (const key of all) this.#dirty.add(key)
    try {
      await this.#nft.apply(tableText(this.#options), this.#options.signal)
      this.#tableMissing = false
    } catch (cause) {
      for (const key of keys) this.#dirty.add(key)
      throw new Error(`cannot rebuild the table: ${messageOf(cause)}`, { cause })
    }
  }

  async #deleteStaleUdp(): Promise<void> {
    for (const words of this.#staleUdp) {
      await run('conntrack', words.split(' '), { accept: 'any' })
      this.#staleUdp.delete(words)
    }
  }
}
