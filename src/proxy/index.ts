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
import { Chore } from '../base/chore.ts'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { counter } from '../base/metrics.ts'
import { objectKey } from '../api/mirror.ts'
import { type Client, EventRecorder } from '../client/index.ts'
import { Node } from '../kinds/core/node.ts'
import { Pod } from '../kinds/core/pod.ts'
import { Service } from '../kinds/core/service.ts'
import { EndpointSlice } from '../kinds/discovery/endpointslice.ts'
import { makeNft, run } from '../linux/index.ts'
import { HairpinCounts } from './hairpin.ts'
import { hostPortFragment } from './host-ports.ts'
import { emptyFragment, type Fragment, planService } from './plan.ts'
import { deleteTableText, tableText } from './table.ts'
import { transactionText } from './transaction.ts'

interface ProxyOptions {
  client: Client
  nodeName: string
  /** Name of the table, which is different for each cluster on a machine. */
  table: string
  podCidr: string
  serviceCidr: string
  bridge: string
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

const serviceOf = ({ metadata }: EndpointSlice) => `${metadata.namespace}/${metadata.labels?.[serviceLabel] ?? ''}`

export { deleteTableText }

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
  readonly #recorder: EventRecorder
  /** Keys that could not be programmed, with the reason and the timer of the next try. */
  readonly #leftOut = new Map<string, { why: string; cancel: () => void }>()
  /** UDP flows to delete from the kernel's conntrack, as arguments of conntrack(8). */
  readonly #staleUdp = new Set<string>()
  readonly #programming: Chore
  readonly #udpCleanup: Chore
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
    this.#recorder = new EventRecorder(options.client, { component: 'kube-proxy', host: options.nodeName })
  }

  async start(): Promise<void> {
    const { client, nodeName, signal } = this.#options
    const services = client.mirror(Service)
    const slices = client.mirror(EndpointSlice)
    const pods = client.mirror(Pod, { fieldSelector: `spec.nodeName=${nodeName}` })
    const nodes = this.#nodes()
    await client.synced([services, slices, pods, nodes], signal)
    let zone = this.#zone()
    const stops = [
      nodes.subscribe(() => {
        // The Node is written often, and its zone hardly ever.
        if (this.#zone() === zone) return
        zone = this.#zone()
        for (const service of services.list()) this.#touch(objectKey(service))
      }, 'kube-proxy'),
      services.follow(({ item }) => this.#touch(objectKey(item.object)), 'kube-proxy'),
      slices.follow(({ item }) => this.#touch(serviceOf(item.object)), 'kube-proxy'),
      pods.follow(({ item }) => this.#touch(`${podPrefix}${objectKey(item.object)}`), 'kube-proxy'),
    ]
    signal.addEventListener('abort', () => stops.forEach(stop => stop()), { once: true })
    this.#programming.wake()
    await this.settled()
    signal.throwIfAborted()
  }

  settled(): Promise<void> {
    return this.#programming.settled()
  }

  #touch(key: string): void {
    this.#dirty.add(key)
    this.#programming.wake()
  }

  async #program(): Promise<void> {
    // Lets the changes of one turn of the event loop gather.
    await new Promise<void>(resolve => setImmediate(resolve))
    if (!this.#tableMissing && !this.#dirty.size) return
    const keys = [...this.#dirty]
    this.#dirty.clear()
    // Keys that failed before are tried apart, so that they cannot make the others fail.
    const suspects = keys.filter(key => this.#leftOut.has(key))
    const others = suspects.length ? keys.filter(key => !this.#leftOut.has(key)) : keys
    try {
      await this.#apply(others)
      transactions.add({ result: 'ok' })
    } catch (error) {
      if (this.#options.signal.aborted) return
      transactions.add({ result: 'failed' })
      this.#options.log.error('cannot change the service rules', { why: messageOf(error) })
      await this.#rebuild(keys)
      await this.#applyByHalves([...new Set([...others, ...this.#dirty])])
    }
    for (const key of suspects) await this.#applyByHalves([key])
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
    const { client, clock, log } = this.#options
    const why = messageOf(error)
    leftOut.add()
    log.error('a Service or pod is left out of the rules', { key, error })
    const isPod = key.startsWith(podPrefix)
    const object = isPod ? this.#pods().byKey(key.slice(podPrefix.length)) : client.mirror(Service).byKey(key)
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
    const changes: Change[] = []
    const planned = keys.filter(key => {
      const before = this.#applied.get(key) ?? emptyFragment()
      try {
        changes.push({ key, before, after: this.#wanted(key) })
        return true
      } catch (error) {
        changes.push({ key, before, after: emptyFragment() })
        this.#leaveOut(key, error)
        return false
      }
    })
    const shared = this.#hairpin.share(changes)
    const table = this.#tableMissing ? tableText(this.#options) : ''
    const text = table + transactionText(this.#options.table, shared.changes)
    if (text) await this.#nft.apply(text, this.#options.signal)
    this.#tableMissing = false
    shared.commit()
    for (const { key, after } of changes) {
      if (after.chains.size || after.elements.size) this.#applied.set(key, after)
      else this.#applied.delete(key)
    }
    for (const key of planned) {
      this.#leftOut.get(key)?.cancel()
      this.#leftOut.delete(key)
    }
    // Flows from the time of an earlier table mostly still lead to the right endpoints, so they are left alone.
    if (!table) for (const { before, after } of changes) this.#collectStaleUdp(before, after)
  }

  /** Computes the fragment of a key from the mirrors. It is empty when the object does not exist. */
  #wanted(key: string): Fragment {
    const { client, nodeName, podCidr } = this.#options
    if (key.startsWith(podPrefix)) {
      const pod = this.#pods().byKey(key.slice(podPrefix.length))
      return pod ? hostPortFragment(pod) : emptyFragment()
    }
    const service = client.mirror(Service).byKey(key)
    if (!service) return emptyFragment()
    const slices = client.mirror(EndpointSlice).byIndex('service', slice => [serviceOf(slice)], key)
    return planService(service, slices, { nodeName, podCidr, zone: this.#zone() })
  }

  /**
   * Builds the table again without fragments and marks all of them as dirty, since after a failed transaction the
   * content of the table is uncertain. Throws when even that fails, with `keys` to be tried again, too.
   */
  async #rebuild(keys: readonly string[]): Promise<void> {
    const all = [...this.#applied.keys()]
    this.#applied.clear()
    this.#hairpin.clear()
    for (const key of all) this.#dirty.add(key)
    try {
      await this.#nft.apply(tableText(this.#options), this.#options.signal)
      this.#tableMissing = false
    } catch (cause) {
      for (const key of keys) this.#dirty.add(key)
      throw new Error(`cannot rebuild the table: ${messageOf(cause)}`, { cause })
    }
  }

  /**
   * Collects the UDP flows to addresses whose endpoints have changed. UDP has no end of a connection, so the kernel
   * would send them to removed endpoints for as long as they last. Flows that began before there was an endpoint would
   * stay without translation.
   */
  #collectStaleUdp(before: Fragment, after: Fragment): void {
    for (const collection of ['service-ips', 'node-ports']) {
      const [old, now] = [before.elements.get(collection), after.elements.get(collection)]
      for (const key of new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])])) {
        const parts = key.split(' . ')
        if (parts.at(-2) !== 'udp') continue
        const chain = old?.get(key)?.replace('goto ', '') ?? ''
        const same =
          now?.get(key) === old?.get(key) && after.chains.get(chain)?.join() === before.chains.get(chain)?.join()
        if (same) continue
        const address = parts.length === 3 ? `--orig-dst ${parts[0]} ` : ''
        this.#staleUdp.add(`-D -p udp ${address}--dport ${parts.at(-1)}`)
        this.#udpCleanup.wake()
      }
    }
  }

  async #deleteStaleUdp(): Promise<void> {
    for (const words of this.#staleUdp) {
      await run('conntrack', words.split(' '), { accept: 'any' })
      this.#staleUdp.delete(words)
    }
  }
}
