// kube-proxy: makes Services work on one node. Mirrors of Services and EndpointSlices in, nftables transactions out;
// plan.ts says what a service needs, transaction.ts how to get there, table.ts what stands around it.
import { Chore } from '../base/chore.ts'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { counter } from '../base/metrics.ts'
import { objectKey } from '../api/mirror.ts'
import { type Client, EventRecorder } from '../client/index.ts'
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
  /** Name of the table; one per cluster on a machine. */
  table: string
  podCidr: string
  serviceCidr: string
  bridge: string
  clock: Clock
  log: Log
  signal: AbortSignal
}

interface Proxy {
  /** Resolves once everything known now is in the kernel. */
  settled(): Promise<void>
}

const serviceLabel = 'kubernetes.io/service-name'
const podPrefix = 'pod:'
const retryMs = 1_000
/** What was left out is tried again this much later. */
const lookAgainMs = 60_000
const transactions = counter('kutter_proxy_transactions_total', 'nftables transactions by result')
const leftOut = counter('kutter_proxy_left_out_total', 'Services and host ports that could not be programmed')

type Change = { key: string; before: Fragment; after: Fragment }

const serviceOf = ({ metadata }: EndpointSlice) => `${metadata.namespace}/${metadata.labels?.[serviceLabel] ?? ''}`

export { deleteTableText }

/** Starts translating; the table is made anew at once and then follows every change. */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const proxy = new ServiceProxy(options)
  await proxy.start()
  return proxy
}

class ServiceProxy implements Proxy {
  readonly #options: ProxyOptions
  readonly #nft = makeNft()
  readonly #applied = new Map<string, Fragment>()
  readonly #dirty = new Set<string>()
  readonly #hairpin = new HairpinCounts()
  readonly #recorder: EventRecorder
  /** What could not be programmed, and why. */
  readonly #leftOut = new Map<string, { why: string; cancel: () => void }>()
  /** UDP flows that the kernel has to forget, in conntrack's words. */
  readonly #staleUdp = new Set<string>()
  readonly #programming: Chore
  readonly #forgetting: Chore
  /** The table is that of a former agent, or not there: it is made anew with the first services in it, all at once. */
  #fresh = true

  constructor(options: ProxyOptions) {
    this.#options = options
    const { clock, log, signal } = options
    const retry = (what: string, mostMs: number) => ({
      clock,
      firstMs: retryMs,
      mostMs,
      failed: (error: unknown) => log.warn(`cannot ${what}, trying again`, { why: messageOf(error) }),
    })
    this.#programming = new Chore({ signal, retry: retry('change the service rules', retryMs) }, () => this.#program())
    this.#forgetting = new Chore({ signal, retry: retry('forget flows of UDP', lookAgainMs) }, () => this.#forgetUdp())
    this.#recorder = new EventRecorder(options.client, { component: 'kube-proxy', host: options.nodeName })
  }

  async start(): Promise<void> {
    const { client, nodeName, signal } = this.#options
    const services = client.mirror(Service)
    const slices = client.mirror(EndpointSlice)
    const pods = client.mirror(Pod, { fieldSelector: `spec.nodeName=${nodeName}` })
    await client.synced([services, slices, pods], signal)
    const stops = [
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
    // One turn of the event loop gathers what changes together.
    await new Promise<void>(resolve => setImmediate(resolve))
    if (!this.#fresh && !this.#dirty.size) return
    const keys = [...this.#dirty]
    this.#dirty.clear()
    // What failed before is tried apart from the others.
    const suspects = keys.filter(key => this.#leftOut.has(key))
    const sound = suspects.length ? keys.filter(key => !this.#leftOut.has(key)) : keys
    try {
      await this.#apply(sound)
      transactions.add({ result: 'ok' })
    } catch (error) {
      if (this.#options.signal.aborted) return
      transactions.add({ result: 'failed' })
      this.#options.log.error('cannot change the service rules', { why: messageOf(error) })
      await this.#rebuild(keys)
      await this.#applyByHalves([...new Set([...sound, ...this.#dirty])])
    }
    for (const key of suspects) await this.#applyByHalves([key])
  }

  /** One of many is at fault: finds it by halves, leaves it out, and programs all others. */
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

  /** What cannot be programmed is reported once, and tried again later and whenever it changes. */
  #leaveOut(key: string, error: unknown): void {
    const { client, clock, log } = this.#options
    const why = messageOf(error)
    leftOut.add()
    log.error('left out of the service rules', { key, error })
    const isPod = key.startsWith(podPrefix)
    const object = isPod ? this.#pods().byKey(key.slice(podPrefix.length)) : client.mirror(Service).byKey(key)
    if (object && this.#leftOut.get(key)?.why !== why)
      this.#recorder.event(object, 'Warning', 'FailedToProgramRules', `left out of the service rules: ${why}`)
    this.#leftOut.get(key)?.cancel()
    this.#leftOut.set(key, { why, cancel: clock.after(lookAgainMs, () => this.#touch(key)) })
  }

  #pods() {
    return this.#options.client.mirror(Pod, { fieldSelector: `spec.nodeName=${this.#options.nodeName}` })
  }

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
    const table = this.#fresh ? tableText(this.#options) : ''
    const text = table + transactionText(this.#options.table, shared.changes)
    if (text) await this.#nft.apply(text, this.#options.signal)
    this.#fresh = false
    shared.commit()
    for (const { key, after } of changes) {
      if (after.chains.size || after.elements.size) this.#applied.set(key, after)
      else this.#applied.delete(key)
    }
    for (const key of planned) {
      this.#leftOut.get(key)?.cancel()
      this.#leftOut.delete(key)
    }
    // What went through a former table went where it said, and mostly still does.
    if (!table) for (const { before, after } of changes) this.#noteUdp(before, after)
  }

  #wanted(key: string): Fragment {
    const { client, nodeName, podCidr } = this.#options
    if (key.startsWith(podPrefix)) {
      const pod = this.#pods().byKey(key.slice(podPrefix.length))
      return pod ? hostPortFragment(pod) : emptyFragment()
    }
    const service = client.mirror(Service).byKey(key)
    if (!service) return emptyFragment()
    const slices = client.mirror(EndpointSlice).byIndex('service', slice => [serviceOf(slice)], key)
    return planService(service, slices, { nodeName, podCidr })
  }

  // After a failed transaction nothing is known of the table but that it was left as it was: build it again. Throws when
  // nothing at all can be written; then the given keys are to be tried again, too.
  async #rebuild(keys: readonly string[]): Promise<void> {
    const all = [...this.#applied.keys()]
    this.#applied.clear()
    this.#hairpin.clear()
    for (const key of all) this.#dirty.add(key)
    try {
      await this.#nft.apply(tableText(this.#options), this.#options.signal)
      this.#fresh = false
    } catch (cause) {
      for (const key of keys) this.#dirty.add(key)
      throw new Error(`cannot rebuild the table: ${messageOf(cause)}`, { cause })
    }
  }

  /**
   * UDP has no end of connection: flows to endpoints that are gone would go on for ever, and so would those that began
   * before there was one, past all translation.
   */
  #noteUdp(before: Fragment, after: Fragment): void {
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
        this.#forgetting.wake()
      }
    }
  }

  async #forgetUdp(): Promise<void> {
    for (const words of this.#staleUdp) {
      await run('conntrack', words.split(' '), { accept: 'any' })
      this.#staleUdp.delete(words)
    }
  }
}
