// Keeps pods from sending with addresses that are not theirs, since policies judge packets by their source. Each pod has
// a cable (a veth pair) to the node's bridge, and what comes out of it is compared with the pod's own addresses before
// the bridge takes it:
//
//   pod ─▶ cable ─▶ bridge: the link in @cables? ─▶ chain of the cable: own addresses accept … drop
//
// - What is compared: the hardware address, the addresses of IPv4 and IPv6, those in ARP, and those that a pod claims as
//   a neighbour (RFC 4861). Whatever is no IP and no ARP is dropped, as is IPv6 between link-local addresses, by which
//   pods of one node would reach each other past their policies.
// - The container runtime's CNI library keeps the result of each cable in a file, from when the sandbox is made until it
//   is removed. Nothing else names a cable's link.
// - Pods on the network of the node have no cable.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { formatIP, ipFamily, parseIP } from '../../api/ip.ts'
import { Ruleset } from './ruleset.ts'

/** Where libcni keeps results. Source: containernetworking/cni, libcni/api.go, CacheDir. */
const resultsDir = '/var/lib/cni/results'
const maxFiles = 4_096

/** What a pod is attached by. */
interface Cable {
  readonly namespace: string
  readonly name: string
  /** The end on the node. */
  readonly link: string
  /** The hardware address of the pod's end. */
  readonly mac: string
  readonly ips: readonly string[]
}

/** A result as far as it matters here. */
interface Result {
  cniArgs?: readonly (readonly [string, string])[]
  result?: {
    interfaces?: readonly { name?: string; mac?: string; sandbox?: string }[]
    ips?: readonly { address?: string }[]
  }
}

/** The cable in the text of a result; undefined for one of another bridge, and for what cannot be read. Pure. */
export function cableOf(text: string, bridge: string): Cable | undefined {
  try {
    return readCable(JSON.parse(text) as Result, bridge)
  } catch {
    // It is being written, and will be read again.
    return undefined
  }
}

function readCable(read: Result, bridge: string): Cable | undefined {
  const args = new Map(read.cniArgs ?? [])
  const interfaces = read.result?.interfaces ?? []
  const own = interfaces.find(each => each.sandbox)
  const outer = interfaces.find(each => !each.sandbox && each.name !== bridge)
  const [namespace, name] = [args.get('K8S_POD_NAMESPACE'), args.get('K8S_POD_NAME')]
  if (!interfaces.some(each => each.name === bridge) || !namespace || !name) return undefined
  if (!outer?.name || !isLink(outer.name) || !own?.mac || !isMac(own.mac)) return undefined
  const ips = (read.result?.ips ?? []).flatMap(({ address }) => canonical(address?.split('/')[0] ?? '') ?? [])
  return { namespace, name, link: outer.name, mac: own.mac, ips }
}

/** They become words of rules. */
const isLink = (text: string) => /^[\w.-]{1,15}$/.test(text)
const isMac = (text: string) => /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(text)

function canonical(text: string): string | undefined {
  const ip = parseIP(text)
  return ip && formatIP(ip.family, ip.value)
}

/** Reads the cables of a bridge. A file is read once, since it does not change. */
export class Cables {
  readonly #bridge: string
  readonly #dir: string
  readonly #read = new Map<string, Cable>()

  constructor(bridge: string, dir = resultsDir) {
    this.#bridge = bridge
    this.#dir = dir
  }

  async list(): Promise<readonly Cable[]> {
    const names = await readdir(this.#dir).catch(() => [])
    const files = new Set(names.filter(name => name.endsWith('-eth0')).slice(0, maxFiles))
    for (const name of this.#read.keys()) if (!files.has(name)) this.#read.delete(name)
    for (const name of files) {
      if (this.#read.has(name)) continue
      const cable = cableOf(await readFile(join(this.#dir, name), 'utf8').catch(() => ''), this.#bridge)
      if (cable) this.#read.set(name, cable)
    }
    return [...this.#read.values()]
  }
}

/** A pod of this node that has a cable. */
export interface GuardedPod {
  readonly namespace: string
  readonly name: string
  readonly ips: readonly string[]
}

export class SourceGuard {
  readonly ruleset: Ruleset
  readonly #table: string
  #links = new Map<string, string>()

  /** @param table family and name, such as `bridge x` */
  constructor(table: string) {
    this.#table = table
    this.ruleset = new Ruleset(table)
    this.ruleset.set('cables', 'map { type ifname : verdict ; }')
  }

  /** The text that replaces the table by one in which no cable is guarded. */
  get frame(): string {
    return `${[
      `add table ${this.#table}`,
      `delete table ${this.#table}`,
      `add table ${this.#table}`,
      `add map ${this.#table} cables { type ifname : verdict ; }`,
      `add chain ${this.#table} sources { type filter hook prerouting priority -300 ; policy accept ; }`,
      `add rule ${this.#table} sources iifname vmap @cables`,
    ].join('\n')}\n`
  }

  /** Makes these the pods whose cables are guarded. Returns those of which no cable is there. */
  guard(pods: readonly GuardedPod[], cables: readonly Cable[]): readonly GuardedPod[] {
    const keyOf = ({ namespace, name, ips }: GuardedPod) => `${namespace}/${name} ${[...ips].sort().join()}`
    const byKey = Map.groupBy(cables, keyOf)
    const wanted = new Map<string, string>()
    const missing: GuardedPod[] = []
    for (const pod of pods) {
      const own = byKey.get(keyOf(pod)) ?? []
      for (const cable of own) wanted.set(cable.link, cableRules(cable).join('\n'))
      if (!own.length) missing.push(pod)
    }
    for (const link of this.#links.keys()) if (!wanted.has(link)) this.#change(link, undefined)
    for (const [link, rules] of wanted) if (this.#links.get(link) !== rules) this.#change(link, rules.split('\n'))
    this.#links = wanted
    return missing
  }

  #change(link: string, rules: readonly string[] | undefined): void {
    const chain = `from-${link}`
    this.ruleset.chain(chain, rules)
    this.ruleset.element('cables', `"${link}"`, rules && `goto ${chain}`)
  }
}

const linkLocal = 'fe80::/10'

/** What may come out of a cable. Pure. */
export function cableRules({ mac, ips }: Pick<Cable, 'mac' | 'ips'>): string[] {
  const rules = [`ether saddr != ${mac} drop`]
  const four = ips.filter(ip => ipFamily(ip) === 4)
  const six = ips.filter(ip => ipFamily(ip) === 6)
  if (four.length) {
    // A pod that looks whether its address is taken asks without one.
    rules.push(`arp saddr ether ${mac} arp saddr ip { ${[...four, '0.0.0.0'].join(', ')} } accept`)
    rules.push(`ip saddr { ${four.join(', ')} } accept`)
  }
  if (six.length) {
    const claimed = [...six, linkLocalOf(mac)]
    const sources = `ip6 saddr { ${[...claimed, '::'].join(', ')} }`
    for (const ip of claimed) rules.push(`icmpv6 type nd-neighbor-advert ${sources} @th,64,128 ${hexOf(ip)} accept`)
    rules.push(
      `icmpv6 type { nd-neighbor-solicit, nd-router-solicit, mld-listener-report, mld2-listener-report } ${sources} accept`,
    )
    rules.push('icmpv6 type { nd-neighbor-advert, nd-router-advert, nd-redirect } drop')
    rules.push(`ip6 saddr { ${six.join(', ')} } ip6 daddr != ${linkLocal} accept`)
  }
  return [...rules, 'drop']
}

/** The link-local address that follows from a hardware address. Source: RFC 4291, appendix A. */
function linkLocalOf(mac: string): string {
  const bytes = mac.split(':').map(byte => parseInt(byte, 16))
  const [first = 0, ...others] = bytes
  const eight = [first ^ 2, ...others.slice(0, 2), 0xff, 0xfe, ...others.slice(2)]
  const value = eight.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
  return formatIP(6, (0xfe80n << 112n) | value)
}

const hexOf = (ip: string): string => `0x${(parseIP(ip)?.value ?? 0n).toString(16).padStart(32, '0')}`
