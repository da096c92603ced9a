// Announces the virtual address of a cluster with several servers: one that leads to a healthy server, whichever machine
// that is on. It works as the addresses of Services do, with one difference: a node takes part only while the server
// beside it answers, and shows that by a Lease of its own.
//
//   server beside the node answers ─► renews its Lease ─► heartbeats.ts: who serves ─► the first of them announces
//
// The Leases are read and written by way of that server alone, so that no other one that fails delays it. A node whose
// server does not answer gives the address up as soon as another is certain to serve; one whose server is about to end
// gives it up at once, as long as that still answers. While no server answers nothing moves.
//
// The node that has the address says so in its Lease, and stays the first: one that comes back takes nothing away, since
// each move breaks connections.
import { microTimeText } from '../../api/time.ts'
import { Chore } from '../../base/chore.ts'
import type { Clock } from '../../base/clock.ts'
import { isReason, messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { within } from '../../base/waiters.ts'
import type { Client } from '../../client/index.ts'
import { Lease } from '../../kinds/coordination/lease.ts'
import { leaseNamespace, virtualLeaseLabel, virtualLeaseNameOf } from '../../kinds/core/service-balancing.ts'
import { Announcer } from './announcer.ts'
import { ownAddresses } from './candidates.ts'
import { Heartbeats, renewMs } from './heartbeats.ts'

interface VirtualAddressOptions {
  /** Of the server beside this node. */
  client: Client
  nodeName: string
  nodeIPs: readonly string[]
  address: string
  /** The port of the API server, the only one at which the address answers. */
  port: number
  /** The names of the link and of the table that this part has for itself. */
  ledger: string
  table: string
  podBridge: string
  /** Whether the server beside this node answers; false where there is none. */
  isServing(signal: AbortSignal): Promise<boolean>
  /** Whether it goes on serving; false once it is about to end. */
  isStaying(signal: AbortSignal): Promise<boolean>
  clock: Clock
  log: Log
  signal: AbortSignal
}

/** Has a Lease whose node has the address. */
const holderAnnotation = 'kutter.dev/holds-virtual-address'
const retry = { firstMs: 500, maxMs: 10_000 }
const lookMs = 100
const limitMs = 2_000

/** Announces the address until the signal aborts, while this node is the one to do it. */
export async function startVirtualAddress(options: VirtualAddressOptions): Promise<{ stop(): Promise<void> }> {
  const keeper = new VirtualAddress(options)
  await keeper.start()
  return keeper
}

/** A node whose server answers, and whether it has the address. */
interface Serving {
  node: string
  isHolder: boolean
}

/** Which nodes may announce the address: those that serve, the one that has it first, in one order for all. Pure. */
export function servingNodes(others: readonly Serving[], self: Serving, serves: boolean): string[] {
  const all = [...others.filter(({ node }) => node !== self.node), ...(serves ? [self] : [])]
  const rank = ({ node, isHolder }: Serving) => `${isHolder ? 0 : 1} ${node}`
  return all.sort((a, b) => (rank(a) < rank(b) ? -1 : 1)).map(({ node }) => node)
}

class VirtualAddress {
  readonly #o: VirtualAddressOptions
  readonly #announcer: Announcer
  readonly #heartbeats: Heartbeats
  readonly #work: Chore
  #others: readonly Serving[] = []
  #serves = false
  /** While the address is being handed over. */
  #leaves = false
  #held = new Set<string>()

  constructor(options: VirtualAddressOptions) {
    const { clock, log, signal } = options
    this.#o = options
    this.#announcer = new Announcer(options)
    this.#heartbeats = new Heartbeats(options.nodeName)
    const failed = (error: unknown) =>
      log.error('cannot announce the virtual address as it should be, trying again', { why: messageOf(error) })
    this.#work = new Chore({ signal, retry: { clock, ...retry, failed } }, () => this.#announce())
  }

  async start(): Promise<void> {
    const { client, signal, clock, isServing } = this.#o
    while (!(await within(clock, limitMs, signal, isServing).catch(() => false))) await clock.sleep(renewMs, signal)
    this.#held = await this.#announcer.held()
    const leases = client.mirror(Lease, { namespace: leaseNamespace, labelSelector: virtualLeaseLabel })
    await client.synced([leases], signal)
    const prefix = virtualLeaseNameOf('')
    const observe = () => {
      const seen = leases.list().map(({ metadata, spec }) => ({
        node: (metadata.name ?? '').slice(prefix.length),
        isHolder: metadata.annotations?.[holderAnnotation] !== undefined,
        text: `${metadata.uid} ${spec.renewTime ?? ''}`,
      }))
      this.#others = seen
      this.#heartbeats.observe(new Map(seen.map(({ node, text }) => [node, text])), this.#o.clock.steady())
      this.#compare()
    }
    observe()
    const stop = leases.subscribe(observe, 'virtual address')
    signal.addEventListener('abort', stop, { once: true })
    void this.#renew()
    void this.#look()
  }

  /** Hands the address over. The signal must have aborted. */
  async stop(): Promise<void> {
    await this.#work.settled()
    await this.#handOver()
  }

  async #handOver(): Promise<void> {
    const { client, clock, log, nodeName } = this.#o
    try {
      await this.#announcer.set(new Set())
      this.#held = new Set()
      const lease = { namespace: leaseNamespace, name: virtualLeaseNameOf(nodeName) }
      await within(clock, limitMs, new AbortController().signal, limit =>
        client.delete(Lease, lease, { signal: limit }),
      )
    } catch (error) {
      // The others find out by the silence of this node.
      if (!isReason(error, 'NotFound')) log.warn('cannot hand the virtual address over', { why: messageOf(error) })
    }
  }

  /** Renews the Lease every second while the server beside this node answers. */
  async #renew(): Promise<void> {
    const { clock, nodeName, isServing, isStaying, log, signal, client } = this.#o
    const spec = () => ({ holderIdentity: nodeName, leaseDurationSeconds: 3, renewTime: microTimeText(clock.now()) })
    const name = { namespace: leaseNamespace, name: virtualLeaseNameOf(nodeName) }
    while (!signal.aborted) {
      const began = clock.steady()
      try {
        this.#serves = await within(clock, limitMs, signal, isServing)
        if (this.#serves && !(await within(clock, limitMs, signal, isStaying))) await this.#leave()
        else if (this.#serves)
          await within(clock, limitMs, signal, limit => {
            const annotations = { [holderAnnotation]: this.#held.size ? '' : null }
            const renewed = client.patch(
              Lease,
              name,
              'merge',
              { metadata: { annotations }, spec: spec() },
              { signal: limit },
            )
            return renewed.catch((error: unknown) => {
              if (!isReason(error, 'NotFound')) throw error
              const metadata = { ...name, labels: { [virtualLeaseLabel]: '' } }
              return client.update(Lease, { metadata, spec: spec() }, { signal: limit })
            })
          })
      } catch (error) {
        if (!signal.aborted) log.debug('cannot renew the lease of the virtual address', { why: messageOf(error) })
        this.#serves = false
      }
      this.#compare()
      await clock.sleep(Math.max(0, began + renewMs - clock.steady()), signal).catch(() => {})
    }
  }

  /** Hands the address over while the server beside this node still answers. */
  async #leave(): Promise<void> {
    this.#serves = false
    this.#leaves = true
    try {
      await this.#work.settled()
      await this.#handOver()
    } finally {
      this.#leaves = false
    }
  }

  /** Looks again and again, since a silence is no change. */
  async #look(): Promise<void> {
    const { clock, signal } = this.#o
    while (!signal.aborted) {
      this.#compare()
      await clock.sleep(lookMs, signal).catch(() => {})
    }
  }

  #compare(): void {
    if (!this.#leaves && this.#wanted().size !== this.#held.size) this.#work.wake()
  }

  #wanted(): Set<string> {
    const { nodeName, address, clock } = this.#o
    const now = clock.steady()
    const isCertain = (node: string) => this.#heartbeats.isCertain(node, now)
    const others = this.#others.filter(({ node }) => node !== nodeName)
    // A node that cannot serve keeps the address until another can: a wrong place for it is no worse than none.
    const serves = this.#serves || (this.#held.has(address) && !others.some(({ node }) => isCertain(node)))
    return ownAddresses(
      new Map([[address, servingNodes(others, { node: nodeName, isHolder: this.#held.has(address) }, serves)]]),
      nodeName,
      {
        isAlive: node => this.#heartbeats.isAlive(node, now),
        isCertain,
        isShown: this.#heartbeats.isShown,
        held: this.#held,
      },
    )
  }

  async #announce(): Promise<void> {
    const wanted = this.#wanted()
    await this.#announcer.set(wanted, false, new Map([[this.#o.address, [this.#o.port]]]))
    this.#held = wanted
  }
}
