// kube-proxy: makes Services work on one node. Mirrors of Services and EndpointSlices in, nftables transactions out;
// plan.ts says what a service needs, transaction.ts how to get there, table.ts what stands around it.
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { counter } from '../base/metrics.ts'
import type { DeepReadonly } from '../api/schema/node.ts'
import type { Client } from '../client/index.ts'
import { Pod } from '../kinds/core/pod.ts'
import { Service } from '../kinds/core/service.ts'
import { EndpointSlice } from '../kinds/discovery/endpointslice.ts'
import { makeNft, run } from '../linux/index.ts'
import { HairpinCounts } from './hairpin.ts'
import { hostPortFragment } from './host-ports.ts'
import { emptyFragment, type Fragment, planService } from './plan.ts'
import { deleteTableText, tableText } from './table.ts'
import { transactionText } from './transaction.ts'

export interface ProxyOptions {
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

export interface Proxy {
  /** Resolves once everything known now is in the kernel. */
  settled(): Promise<void>
}

const serviceLabel = 'kubernetes.io/service-name'
const retryMs = 1_000
const transactions = counter('kutter_proxy_transactions_total', 'nftables transactions by result')

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
  #running: Promise<void> | undefined

  constructor(options: ProxyOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    const { client, nodeName, signal } = this.#options
    const services = client.mirror(Service)
    const slices = client.mirror(EndpointSlice)
    const pods = client.mirror(Pod, { fieldSelector: `spec.nodeName=${nodeName}` })
    await client.synced([services, slices, pods] as never, signal)
    await this.#nft.apply(tableText(this.#options), signal)
    const stops = [
      services.subscribe(changes =>
        changes.forEach(({ item: { object } }) => this.#touch(`${object.metadata.namespace}/${object.metadata.name}`)),
      ),
      slices.subscribe(changes =>
        changes.forEach(({ item: { object } }) =>
          this.#touch(`${object.metadata.namespace}/${object.metadata.labels?.[serviceLabel] ?? ''}`),
        ),
      ),
      pods.subscribe(changes =>
        changes.forEach(({ item: { object } }) =>
          this.#touch(`pod:${object.metadata.namespace}/${object.metadata.name}`),
        ),
      ),
    ]
    signal.addEventListener('abort', () => stops.forEach(stop => stop()), { once: true })
    for (const { metadata } of services.list()) this.#touch(`${metadata.namespace}/${metadata.name}`)
    for (const { metadata } of pods.list()) this.#touch(`pod:${metadata.namespace}/${metadata.name}`)
    await this.settled()
  }

  async settled(): Promise<void> {
    while (this.#running) await this.#running
  }

  #touch(key: string): void {
    this.#dirty.add(key)
    this.#running ??= this.#drain()
  }

  async #drain(): Promise<void> {
    const { signal, clock, log } = this.#options
    try {
      // One turn of the event loop gathers what changes together.
      await new Promise<void>(resolve => setImmediate(resolve))
      while (this.#dirty.size && !signal.aborted) {
        const keys = [...this.#dirty]
        this.#dirty.clear()
        try {
          await this.#apply(keys)
          transactions.add({ result: 'ok' })
        } catch (error) {
          if (signal.aborted) return
          transactions.add({ result: 'failed' })
          log.error('cannot change the service rules', { why: messageOf(error) })
          await this.#rebuild()
          for (const key of keys) this.#dirty.add(key)
          await clock.sleep(retryMs, signal).catch(() => {})
        }
      }
    } finally {
      this.#running = undefined
    }
  }

  async #apply(keys: readonly string[]): Promise<void> {
    const changes = keys.map(key => ({
      key,
      before: this.#applied.get(key) ?? emptyFragment(),
      after: this.#wanted(key),
    }))
    const shared = this.#hairpin.share(changes)
    const text = transactionText(this.#options.table, shared.changes)
    if (text) await this.#nft.apply(text, this.#options.signal)
    shared.commit()
    for (const { key, after } of changes) {
      if (after.chains.size || after.elements.size) this.#applied.set(key, after)
      else this.#applied.delete(key)
    }
    for (const { before, after } of changes) await this.#forgetUdp(before, after)
  }

  #wanted(key: string): Fragment {
    const { client, nodeName, podCidr } = this.#options
    if (key.startsWith('pod:')) {
      const pod = client.mirror(Pod, { fieldSelector: `spec.nodeName=${nodeName}` }).byKey(key.slice(4))
      return pod ? hostPortFragment(pod as DeepReadonly<Pod>) : emptyFragment()
    }
    const service = client.mirror(Service).byKey(key)
    if (!service) return emptyFragment()
    const [namespace, name] = key.split('/') as [string, string]
    const slices = client
      .mirror(EndpointSlice)
      .byIndex(
        'service',
        slice => [`${slice.metadata.namespace}/${slice.metadata.labels?.[serviceLabel] ?? ''}`],
        `${namespace}/${name}`,
      )
    return planService(service, slices, { nodeName, podCidr })
  }

  // After a failed transaction nothing is known of the table but that it was left as it was: build it again.
  async #rebuild(): Promise<void> {
    const all = [...this.#applied.keys()]
    this.#applied.clear()
    this.#hairpin.clear()
    await this.#nft
      .apply(tableText(this.#options), this.#options.signal)
      .catch(error => this.#options.log.error('cannot rebuild the table', { why: messageOf(error) }))
    for (const key of all) this.#dirty.add(key)
  }

  /** UDP has no end of connection: flows to endpoints that are gone would go on for ever. */
  async #forgetUdp(before: Fragment, after: Fragment): Promise<void> {
    for (const collection of ['service-ips', 'node-ports']) {
      for (const [key, value] of before.elements.get(collection) ?? []) {
        const parts = key.split(' . ')
        if (parts.at(-2) !== 'udp') continue
        const chain = value.replace('goto ', '')
        const same =
          after.elements.get(collection)?.get(key) === value &&
          after.chains.get(chain)?.join() === before.chains.get(chain)?.join()
        if (same) continue
        const address = parts.length === 3 ? ['--orig-dst', parts[0]!] : []
        await run('conntrack', ['-D', '-p', 'udp', ...address, '--dport', parts.at(-1)!], { accept: 'any' })
      }
    }
  }
}
