// Network policies on one node: reads mirrors of policies, namespaces and pods, and applies nftables transactions to two
// tables, which belong to this alone: one of what policies let through (model.ts), and one of what pods may send as their
// source (sources.ts). Without a policy there is no table, and nobody but the policies is read.
//
//   change in a mirror ─▶ model.ts, sources.ts: rulesets ─▶ transaction ─▶ kernel
//
// - A pod's rules are in force before its first container starts: the kubelet says which addresses a new sandbox has, and
//   waits.
// - Changes of one turn of the event loop are one transaction, and packets see the rules before or after it.
// - When a transaction fails, the table is built again. Chains that the kernel does not take are looked for one by one,
//   and let nothing through; all others work.
// - When the signal aborts the table stays as it is, and policies go on being enforced.
import { setImmediate } from 'node:timers/promises'
import { type MirrorChange, objectKey } from '../../api/mirror.ts'
import { Chore } from '../../base/chore.ts'
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { counter } from '../../base/metrics.ts'
import type { Client } from '../../client/index.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { isTerminal } from '../../kinds/core/pod-phase.ts'
import { NetworkPolicy } from '../../kinds/networking/networkpolicy.ts'
import { makeNft } from '../../linux/index.ts'
import { compilePolicy } from './compile.ts'
import { type NetworkPod, PolicyModel } from './model.ts'
import { Cables, type GuardedPod, SourceGuard } from './sources.ts'

interface PoliciesOptions {
  client: Client
  nodeName: string
  /** The name of the tables, which is different for each cluster on a machine. */
  table: string
  /** The bridge of this node's pods. */
  bridge: string
  families: readonly (4 | 6)[]
  /** Where this node serves DNS. */
  dns?: { addresses: readonly string[]; port: number }
  clock: Clock
  log: Log
  signal: AbortSignal
}

export interface Policies {
  /**
   * To be called with the addresses of a pod's new sandbox. Undefined if no policy is there; otherwise the promise that
   * the pod's rules are in force, which rejects with the reason why they are not.
   */
  beforeStart(pod: Pod, ips: readonly string[]): Promise<void> | undefined
  /** Resolves when no change is left to apply. */
  settled(): Promise<void>
}

const retryMs = 1_000
/** How long the start of a pod waits for its rules. */
const patienceMs = 10_000
/** For how many pods addresses are kept that the kubelet has said. */
const mostOwn = 1_000
const transactions = counter('kutter_network_policy_transactions_total', 'nftables transactions by result')

/** The families of the tables: what is let through, and what comes from a pod. */
const policyFamilies = ['inet', 'bridge'] as const

/** Enforces what policies there are, and then follows them until the signal aborts. */
export async function startPolicies(options: PoliciesOptions): Promise<Policies> {
  const keeper = new PolicyKeeper(options)
  await keeper.start()
  return keeper
}

class PolicyKeeper implements Policies {
  readonly #o: PoliciesOptions
  readonly #model: PolicyModel
  readonly #guard: SourceGuard
  readonly #cables: Cables
  readonly #nft = makeNft()
  readonly #programming: Chore
  /** The addresses of the pods of this node as the kubelet has said them, which the API does not have yet, by uid. */
  readonly #own = new Map<string, readonly string[]>()
  /** The pods of this node that have a cable, by uid. */
  readonly #local = new Map<string, GuardedPod>()
  /** Those of which no cable was found. */
  #unguarded: ReadonlySet<string> = new Set()
  /** Whether the kernel can look at what comes into a bridge; undefined until it was tried. */
  #canGuard: boolean | undefined
  #follows = false
  /** Whether the kernel has the table as it was applied last. */
  #isKnown = false
  #hasTables = true

  constructor(options: PoliciesOptions) {
    this.#o = options
    const { table, bridge, families, dns, clock, log, signal } = options
    this.#model = new PolicyModel({ table: `inet ${table}`, families, ...(dns && { dns }) })
    this.#guard = new SourceGuard(`bridge ${table}`)
    this.#cables = new Cables(bridge)
    const failed = (error: unknown) =>
      log.error('cannot change the rules of network policies, trying again', { why: messageOf(error) })
    this.#programming = new Chore({ signal, retry: { clock, firstMs: retryMs, maxMs: retryMs, failed } }, () =>
      this.#program(),
    )
  }

  async start(): Promise<void> {
    const { client, signal } = this.#o
    const policies = client.mirror(NetworkPolicy)
    await client.synced([policies], signal)
    if (policies.list().length) await this.#follow()
    const stop = policies.follow(change => this.#policyChanged(change), 'network')
    signal.addEventListener('abort', stop, { once: true })
    this.#programming.wake()
    await this.settled()
    signal.throwIfAborted()
  }

  settled(): Promise<void> {
    return this.#programming.settled()
  }

  beforeStart(pod: Pod, ips: readonly string[]): Promise<void> | undefined {
    const uid = pod.metadata.uid ?? ''
    this.#own.delete(uid)
    this.#own.set(uid, ips)
    // The API has the addresses of the oldest ones by now.
    const [oldest] = this.#own.size > mostOwn ? this.#own.keys() : []
    if (oldest !== undefined) this.#own.delete(oldest)
    if (!this.#follows) return undefined
    this.#setPod(pod)
    // Even a pod whose rules are there may have a new cable.
    this.#programming.wake()
    return this.#inForce(pod)
  }

  async #inForce({ metadata: { uid = '' } }: Pod): Promise<void> {
    const { clock, signal } = this.#o
    const late = new AbortController()
    const settled = this.settled().finally(() => late.abort())
    // It ends at once when the rules are there.
    await Promise.race([settled, clock.sleep(patienceMs, late.signal).catch(() => {})])
    signal.throwIfAborted()
    if (this.#isChanged || !this.#isKnown) throw new Error('the rules of network policies are not in force')
    const own = this.#local.get(uid)
    if (own && this.#unguarded.has(textOf(own)))
      throw new Error('network policies need the result of the CNI plugin for the pod, which is not in /var/lib/cni')
  }

  get #isChanged(): boolean {
    return this.#model.ruleset.isChanged || this.#guard.ruleset.isChanged
  }

  /** Begins to follow pods and namespaces, which nobody needs without a policy. */
  async #follow(): Promise<void> {
    if (this.#follows) return
    const { client, signal } = this.#o
    const [namespaces, pods] = [client.mirror(Namespace), client.mirror(Pod)]
    await client.synced([namespaces, pods], signal)
    this.#follows = true
    const stops = [
      namespaces.follow(({ type, item }) => {
        const { name = '', labels } = item.object.metadata
        this.#model.setNamespace(name, type === 'DELETED' ? undefined : (labels ?? {}))
        this.#programming.wake()
      }, 'network'),
      pods.follow(({ type, item }) => {
        if (type === 'DELETED') this.#removePod(item.object)
        else this.#setPod(item.object)
        this.#programming.wake()
      }, 'network'),
    ]
    signal.addEventListener('abort', () => stops.forEach(stop => stop()), { once: true })
  }

  #policyChanged({ type, item }: MirrorChange<NetworkPolicy>): void {
    const { log } = this.#o
    const policy = item.object
    const namespace = policy.metadata.namespace ?? ''
    try {
      this.#model.setPolicy(namespace, objectKey(policy), type === 'DELETED' ? undefined : compilePolicy(policy))
    } catch (error) {
      log.error('a network policy cannot be read', { policy: objectKey(policy), why: messageOf(error) })
    }
    this.#programming.wake()
  }

  #setPod(pod: Pod): void {
    const { uid = '', namespace = '', name = '' } = pod.metadata
    const seen = networkPod(pod, this.#o.nodeName, this.#own.get(uid))
    this.#model.setPod(uid, seen)
    if (seen?.isLocal) this.#local.set(uid, { namespace, name, ips: seen.ips })
    else this.#local.delete(uid)
  }

  #removePod({ metadata: { uid = '' } }: Pod): void {
    this.#own.delete(uid)
    this.#local.delete(uid)
    this.#model.setPod(uid, undefined)
  }

  async #program(): Promise<void> {
    if (!this.#follows && this.#o.client.mirror(NetworkPolicy).list().length) await this.#follow()
    // Lets the changes of one turn of the event loop gather.
    await setImmediate()
    const hasPolicies = this.#o.client.mirror(NetworkPolicy).list().length > 0
    await this.#guardSources(hasPolicies)
    const { ruleset } = this.#model
    if (ruleset.isEmpty && this.#guard.ruleset.isEmpty) return this.#removeTables()
    if (this.#isKnown && !this.#isChanged) return
    const isNew = !this.#isKnown
    if (isNew) this.#forget()
    this.#isKnown = false
    try {
      await this.#apply(isNew)
    } catch (error) {
      transactions.add({ result: 'failed' })
      if (this.#o.signal.aborted) throw error
      this.#o.log.error('cannot change the rules of network policies', { why: messageOf(error) })
      this.#forget()
      await this.#apply(true, await this.#broken())
    }
    transactions.add({ result: 'ok' })
    this.#isKnown = true
    this.#hasTables = true
  }

  /** Plans the table of sources. It is empty without policies, and where the kernel has no rules for bridges. */
  async #guardSources(hasPolicies: boolean): Promise<void> {
    const { log } = this.#o
    if (!hasPolicies) {
      this.#guard.guard([], [])
      this.#unguarded = new Set()
      return
    }
    if (this.#canGuard === undefined) {
      this.#canGuard = await this.#nft.accepts(this.#guard.frame, this.#o.signal)
      if (!this.#canGuard) log.warn('pods may send as others: the kernel has no rules of nftables for bridges')
    }
    if (!this.#canGuard) return
    const missing = this.#guard.guard([...this.#local.values()], await this.#cables.list())
    const unguarded = new Set(missing.map(textOf))
    const pods = [...unguarded].filter(pod => !this.#unguarded.has(pod))
    if (pods.length) log.warn('no result of the CNI plugin is there for some pods, which may send as others', { pods })
    this.#unguarded = unguarded
  }

  #forget(): void {
    this.#model.ruleset.forget()
    this.#guard.ruleset.forget()
  }

  async #apply(isNew: boolean, instead?: ReadonlyMap<string, readonly string[]>): Promise<void> {
    const frames = isNew ? this.#model.frame + (this.#canGuard ? this.#guard.frame : '') : ''
    const [rules, sources] = [this.#model.ruleset.transaction(instead), this.#guard.ruleset.transaction()]
    await this.#nft.apply(frames + rules.text + (this.#canGuard ? sources.text : ''), this.#o.signal)
    rules.applied()
    sources.applied()
  }

  /** The chains that the kernel does not take, with rules that let nothing through. */
  async #broken(): Promise<ReadonlyMap<string, readonly string[]>> {
    const { ruleset, frame } = this.#model
    const closed = (names: readonly string[]) => new Map(names.map(name => [name, ['drop']]))
    const found: string[] = []
    const parts = [ruleset.chains]
    for (let part = parts.pop(); part; part = parts.pop()) {
      const others = ruleset.chains.filter(name => !part?.includes(name))
      if (!part.length || (await this.#nft.accepts(frame + ruleset.transaction(closed(others)).text, this.#o.signal)))
        continue
      const [only, ...more] = part
      if (only !== undefined && !more.length) found.push(only)
      else parts.push(part.slice(0, Math.ceil(part.length / 2)), part.slice(Math.ceil(part.length / 2)))
    }
    if (found.length)
      this.#o.log.error('some pods get no traffic: the kernel does not take their rules', { chains: found })
    return closed(found)
  }

  async #removeTables(): Promise<void> {
    if (!this.#hasTables) return
    const { table, signal } = this.#o
    const present = await this.#nft.tables(signal)
    await this.#nft.apply(deletePolicyTablesText(table, present), signal)
    this.#forget()
    this.#hasTables = false
    this.#isKnown = false
  }
}

/** The text that deletes those of the tables that are among the present ones. */
export const deletePolicyTablesText = (table: string, present: readonly string[]): string =>
  policyFamilies
    .filter(family => present.includes(`${family} ${table}`))
    .map(family => `delete table ${family} ${table}\n`)
    .join('')

const textOf = ({ namespace, name, ips }: GuardedPod): string => `${namespace}/${name} ${ips.join(' ')}`

/** Undefined for a pod that has ended, has no address, or uses the network of its node. */
function networkPod(pod: Pod, nodeName: string, own: readonly string[] | undefined): NetworkPod | undefined {
  const { metadata, spec, status } = pod
  if (spec.hostNetwork || isTerminal(pod)) return undefined
  const ips = own ?? (status.podIPs ?? []).flatMap(({ ip }) => ip ?? [])
  if (!ips.length) return undefined
  const containers = [...spec.containers, ...(spec.initContainers ?? [])]
  return {
    namespace: metadata.namespace ?? '',
    labels: metadata.labels ?? {},
    ips,
    ports: containers.flatMap(({ ports = [] }) =>
      ports.flatMap(({ name, protocol, containerPort }) =>
        name ? [{ name, protocol: protocol ?? 'TCP', port: containerPort }] : [],
      ),
    ),
    isLocal: spec.nodeName === nodeName,
  }
}
