// The addresses of the servers that share a store, which are the endpoints of the Service `kubernetes`. Each server
// keeps a Lease that names its address. One that has not been renewed for a while counts for nothing, and is removed.
// Source: pkg/controlplane/reconcilers (lease), where the leases are keys of etcd.
import { createHash } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import { isReason } from '../../base/errors.ts'
import type { Serve } from '../../api/operation.ts'
import { asJson, type JsonObject } from '../../api/schema/node.ts'
import { microTimeText } from '../../api/time.ts'
import { Lease } from '../../kinds/coordination/lease.ts'
import { ensure, operation } from './objects.ts'

const namespace = 'kube-system'
/** By which the Leases of servers are recognized, as upstream's Leases of identity are. */
const identityLabel = 'apiserver.kubernetes.io/identity'
const leaseSeconds = 30

interface Seen {
  renewTime: string
  /** By a clock of this server that nobody sets: times of other machines are not compared. */
  at: number
}

export class ServerLeases {
  readonly #serve: Serve
  readonly #clock: Clock
  readonly #own: { name: string; address: string; port: number }
  readonly #seen = new Map<string, Seen>()

  constructor(serve: Serve, clock: Clock, own: { address: string; port: number }) {
    const hash = createHash('sha256').update(`${own.address}:${own.port}`).digest('hex').slice(0, 26)
    this.#serve = serve
    this.#clock = clock
    this.#own = { ...own, name: `apiserver-${hash}` }
  }

  /** Renews this server's Lease, and returns the addresses of all servers that have one, sorted. */
  async keep(): Promise<string[]> {
    const { name, address } = this.#own
    const renewTime = microTimeText(this.#clock.now())
    const spec = { holderIdentity: address, leaseDurationSeconds: leaseSeconds, renewTime }
    const lease = { metadata: { name, namespace, labels: { [identityLabel]: 'kube-apiserver' } }, spec }
    if (!(await ensure(this.#serve, Lease, lease)))
      await this.#serve({ ...operation('patch', Lease, lease), patchType: 'merge', body: { spec } })
    return this.#alive(await this.#list())
  }

  /** Gives the Lease up, so that no new connection comes. Returns the addresses of the other servers, sorted. */
  async release(): Promise<string[]> {
    await this.#remove(this.#own.name)
    const alive = await this.#alive(await this.#list())
    return alive.filter(address => address !== this.#own.address)
  }

  async #alive(leases: readonly Lease[]): Promise<string[]> {
    const now = this.#clock.steady()
    const addresses = new Set([this.#own.address])
    for (const { metadata, spec } of leases) {
      const { name = '' } = metadata
      const { renewTime = '', holderIdentity = '' } = spec
      const before = this.#seen.get(name)
      if (before?.renewTime === renewTime && now - before.at > leaseSeconds * 1000) {
        await this.#remove(name)
        this.#seen.delete(name)
        continue
      }
      if (before?.renewTime !== renewTime) this.#seen.set(name, { renewTime, at: now })
      if (holderIdentity) addresses.add(holderIdentity)
    }
    const names = new Set(leases.map(({ metadata }) => metadata.name ?? ''))
    for (const name of this.#seen.keys()) if (!names.has(name)) this.#seen.delete(name)
    return [...addresses].sort()
  }

  async #list(): Promise<Lease[]> {
    const labelSelector = `${identityLabel}=kube-apiserver`
    const result = await this.#serve({
      ...operation('list', Lease, { metadata: { namespace } }),
      options: { labelSelector, resourceVersion: '0' },
    })
    return result.type === 'list' ? result.items.map(({ object }) => object as Lease) : []
  }

  async #remove(name: string): Promise<void> {
    const metadata: JsonObject = { name, namespace }
    try {
      await this.#serve({ ...operation('delete', Lease, asJson({ metadata }) as JsonObject), body: {} })
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
    }
  }
}
