// Which pods may talk to which, as an nftables table: a state that follows pods, namespaces and policies, and keeps a
// ruleset up to date with them.
//
//   in4, out4        address of a pod of this node that policies select ─▶ the chain with all that they let through
//   in-…, out-…      one chain for all pods with the same rules: accept … accept, drop
//   group-…          the addresses of the pods that a pair of selectors selects, in the whole cluster
//   port-…           address . port of the pods that have a port of this name
//
//   forward ─▶ egress:  source in out4?       ─▶ its chain ─▶ forward ─▶ ingress: destination in in4? ─▶ its chain
//   input   ─▶ local:   source in out4?       ─▶ its chain      (from a pod to its own node)
//
// - Addresses of Services are translated before, and sources replaced after, so rules see the pods themselves.
// - Connections of TCP and SCTP that exist go on, and replies pass. Every other packet is judged: a flow of UDP has no
//   end, and its port may be used again, and so may the address of a pod that is gone. A SYN is the begin of a
//   connection, even where conntrack has an old one with these ports.
// - What the node itself sends is not looked at: probes always arrive. A pod reaches itself.
// - A pod in the network of its node is none of the pods here: no policy selects it, and no selector means it.
// - Only policies that select pods of this node have rules here, and only the groups that they name have sets.
// - DNS is served by the node at an address and port of its own. What lets pods of the cluster's DNS through at port 53,
//   or all addresses at that port, lets it through.
import { sameJson } from '../../api/equal.ts'
import type { Labels } from '../../api/labels.ts'
import { matchesSelector } from '../../api/labels.ts'
import { ipFamily } from '../../api/ip.ts'
import type { CompiledPolicy, CompiledRule, Direction, PeerGroup, PortMatch } from './compile.ts'
import { hashOf, Ruleset } from './ruleset.ts'

/** A pod that takes part in the network of pods. */
export interface NetworkPod {
  readonly namespace: string
  readonly labels: Labels
  readonly ips: readonly string[]
  /** The ports that have a name. */
  readonly ports: readonly { readonly name: string; readonly protocol: string; readonly port: number }[]
  /** Whether it runs on this node. */
  readonly isLocal: boolean
}

interface ModelOptions {
  /** Family and name, such as `inet x`. */
  readonly table: string
  readonly families: readonly (4 | 6)[]
  /** Where this node serves DNS. */
  readonly dns?: { readonly addresses: readonly string[]; readonly port: number }
}

interface Group extends PeerGroup {
  users: number
  /** Whether it has the cluster's DNS. */
  hasDns: boolean
  /** By the uid of the pod. */
  readonly members: Map<string, readonly string[]>
}

interface NamedPort {
  readonly protocol: string
  readonly name: string
  /** Whether only pods of this node matter. */
  readonly isLocal: boolean
  users: number
  readonly members: Map<string, readonly string[]>
}

interface Chain {
  readonly name: string
  users: number
  readonly groups: readonly string[]
  readonly ports: readonly string[]
}

/** The chains of a pod of this node. */
type Place = Partial<Record<Direction, { readonly chain: Chain; readonly ips: readonly string[] }>>

const directions: readonly Direction[] = ['ingress', 'egress']
const mapOf = { ingress: 'in', egress: 'out' } as const
const dnsNamespace = 'kube-system'
const dnsLabels = { 'k8s-app': 'kube-dns' }
const ipWord = { 4: 'ip', 6: 'ip6' } as const
/** What passes unjudged, most of the packets first. */
const passing = [
  'ct state established tcp flags & (syn | ack) != syn',
  'ct state established ct direction reply',
  'ct state established meta l4proto sctp',
  'ct state related',
]
const addressType = { 4: 'ipv4_addr', 6: 'ipv6_addr' } as const

export class PolicyModel {
  readonly ruleset: Ruleset
  readonly #options: ModelOptions
  readonly #namespaces = new Map<string, Labels>()
  readonly #pods = new Map<string, NetworkPod>()
  readonly #podsIn = new Map<string, Set<string>>()
  readonly #policiesIn = new Map<string, Map<string, CompiledPolicy>>()
  readonly #groups = new Map<string, Group>()
  readonly #ports = new Map<string, NamedPort>()
  readonly #chains = new Map<string, Chain>()
  readonly #places = new Map<string, Place>()
  /** How many pods have an element of a set. */
  readonly #counts = new Map<string, Map<string, number>>()

  constructor(options: ModelOptions) {
    this.#options = options
    this.ruleset = new Ruleset(options.table)
    for (const family of options.families) {
      for (const direction of directions)
        this.ruleset.set(`${mapOf[direction]}${family}`, `map { type ${addressType[family]} : verdict ; }`)
      this.ruleset.set(`self${family}`, `set { type ${addressType[family]} . ${addressType[family]} ; }`)
    }
  }

  /** The labels of a namespace; undefined when it is gone. */
  setNamespace(name: string, labels: Labels | undefined): void {
    if (labels) this.#namespaces.set(name, labels)
    else this.#namespaces.delete(name)
    for (const group of this.#groups.values()) {
      if (typeof group.namespaces === 'string') continue
      const hadDns = group.hasDns
      group.hasDns = this.#hasDns(group)
      for (const uid of this.#podsIn.get(name) ?? []) this.#joinGroup(group, uid)
      if (hadDns !== group.hasDns) this.#placeAll()
    }
  }

  /** A pod of the cluster; undefined when it is gone, or has ended. */
  setPod(uid: string, pod: NetworkPod | undefined): void {
    const before = this.#pods.get(uid)
    // Most of what is written of a pod changes nothing here.
    if (before && pod && sameJson(before, pod)) return
    if (pod) this.#pods.set(uid, pod)
    else this.#pods.delete(uid)
    if (before && before.namespace !== pod?.namespace) this.#podsIn.get(before.namespace)?.delete(uid)
    if (pod) this.#podsIn.set(pod.namespace, (this.#podsIn.get(pod.namespace) ?? new Set()).add(uid))
    for (const group of this.#groups.values()) this.#joinGroup(group, uid)
    for (const [key, port] of this.#ports) this.#joinPort(key, port, uid)
    if (pod?.isLocal || before?.isLocal) this.#place(uid)
  }

  /** A policy by a key of its own; undefined when it is gone. */
  setPolicy(namespace: string, key: string, policy: CompiledPolicy | undefined): void {
    const policies = this.#policiesIn.get(namespace) ?? new Map<string, CompiledPolicy>()
    if (policy) policies.set(key, policy)
    else policies.delete(key)
    this.#policiesIn.set(namespace, policies)
    if (!policies.size) this.#policiesIn.delete(namespace)
    for (const uid of this.#podsIn.get(namespace) ?? []) if (this.#pods.get(uid)?.isLocal) this.#place(uid)
  }

  /** The text that replaces the table by one with only the frame: hooks without anything that is looked for. */
  get frame(): string {
    const { table, families } = this.#options
    const chains: [name: string, hook: string, rules: readonly string[]][] = [
      ['egress', 'forward priority 10', this.#lookUps('saddr', 'out')],
      ['ingress', 'forward priority 11', this.#lookUps('daddr', 'in')],
      ['local', 'input priority 10', this.#lookUps('saddr', 'out')],
    ]
    const sets = families.flatMap(family => [
      `add map ${table} in${family} { type ${addressType[family]} : verdict ; }`,
      `add map ${table} out${family} { type ${addressType[family]} : verdict ; }`,
      `add set ${table} self${family} { type ${addressType[family]} . ${addressType[family]} ; }`,
    ])
    return `${[
      `add table ${table}`,
      `delete table ${table}`,
      `add table ${table}`,
      ...sets,
      ...chains.map(([name, hook]) => `add chain ${table} ${name} { type filter hook ${hook} ; policy accept ; }`),
      ...chains.flatMap(([name, , rules]) => rules.map(rule => `add rule ${table} ${name} ${rule}`)),
    ].join('\n')}\n`
  }

  #lookUps(field: 'saddr' | 'daddr', map: 'in' | 'out'): string[] {
    return [
      ...passing.map(match => `${match} accept`),
      // Without these, a pod would not find out where its neighbours and its gateway are.
      ...(this.#options.families.includes(6)
        ? ['icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept']
        : []),
      ...this.#options.families.flatMap(family => [
        `${ipWord[family]} saddr . ${ipWord[family]} daddr @self${family} accept`,
        `${ipWord[family]} ${field} vmap @${map}${family}`,
      ]),
    ]
  }

  #placeAll(): void {
    for (const uid of this.#places.keys()) this.#place(uid)
  }

  /** Leads to the chains with what the policies for a pod of this node let through. */
  #place(uid: string): void {
    const pod = this.#pods.get(uid)
    const before = this.#places.get(uid) ?? {}
    const place: Place = {}
    const isHere = pod?.isLocal && pod.ips.length > 0
    const policies = isHere ? this.#policiesFor(pod) : []
    for (const direction of directions) {
      const rules = policies.map(policy => policy.rules.get(direction)).filter(each => each !== undefined)
      if (rules.length && pod) place[direction] = { chain: this.#use(direction, rules.flat()), ips: pod.ips }
    }
    for (const direction of directions) this.#lead(uid, direction, before[direction], place[direction])
    const [had, has] = [addressesOf(before), addressesOf(place)]
    for (const ip of had) if (!has.has(ip)) this.#count(`self${familyOf(ip)}`, `${ip} . ${ip}`, -1)
    for (const ip of has) if (!had.has(ip)) this.#count(`self${familyOf(ip)}`, `${ip} . ${ip}`, 1)
    if (isHere) this.#places.set(uid, place)
    else this.#places.delete(uid)
  }

  #lead(uid: string, direction: Direction, before: Place[Direction], now: Place[Direction]): void {
    for (const ip of before?.ips ?? []) {
      if (now?.ips.includes(ip)) continue
      // Another pod may have the address by now.
      const other = this.#placedAt(ip, direction, uid)
      this.ruleset.element(`${mapOf[direction]}${familyOf(ip)}`, ip, other && `goto ${other.name}`)
    }
    for (const ip of now?.ips ?? [])
      this.ruleset.element(`${mapOf[direction]}${familyOf(ip)}`, ip, `goto ${now!.chain.name}`)
    if (before) this.#release(before.chain)
  }

  #placedAt(ip: string, direction: Direction, but: string): Chain | undefined {
    for (const [uid, place] of this.#places)
      if (uid !== but && place[direction]?.ips.includes(ip)) return place[direction].chain
    return undefined
  }

  /** In an order that does not change, so that the same policies give the same chain. */
  #policiesFor({ namespace, labels }: NetworkPod): CompiledPolicy[] {
    return [...(this.#policiesIn.get(namespace) ?? [])]
      .filter(([, { selector }]) => matchesSelector(selector, labels))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, policy]) => policy)
  }

  #use(direction: Direction, rules: readonly CompiledRule[]): Chain {
    const groups = new Map<string, PeerGroup>()
    const ports = new Map<string, Pick<NamedPort, 'protocol' | 'name' | 'isLocal'>>()
    for (const rule of rules) {
      for (const group of rule.groups ?? []) groups.set(group.key, group)
      for (const { protocol, ports: name } of rule.ports ?? [])
        if (typeof name === 'string') {
          const port = { protocol, name, isLocal: direction === 'ingress' }
          ports.set(portKey(port), port)
        }
    }
    // They are in use before the chain is looked up, which may be the last one that another pod leaves.
    for (const group of groups.values()) this.#useGroup(group)
    for (const [key, port] of ports) this.#usePort(key, port)
    const texts = [...new Set(rules.flatMap(rule => this.#ruleTexts(direction, rule))), 'drop']
    const name = `${mapOf[direction]}-${hashOf(texts.join('\n'))}`
    let chain = this.#chains.get(name)
    if (chain) {
      for (const key of groups.keys()) this.#leaveGroup(key)
      for (const key of ports.keys()) this.#leavePort(key)
    } else {
      chain = { name, users: 0, groups: [...groups.keys()], ports: [...ports.keys()] }
      this.#chains.set(name, chain)
      this.ruleset.chain(name, texts)
    }
    chain.users++
    return chain
  }

  #release(chain: Chain): void {
    if (--chain.users > 0) return
    this.#chains.delete(chain.name)
    this.ruleset.chain(chain.name, undefined)
    for (const key of chain.groups) this.#leaveGroup(key)
    for (const key of chain.ports) this.#leavePort(key)
  }

  #ruleTexts(direction: Direction, rule: CompiledRule): string[] {
    const peer = direction === 'ingress' ? 'saddr' : 'daddr'
    const { families } = this.#options
    const peers: Match[] = rule.groups
      ? [
          ...rule.groups.flatMap(({ key }) =>
            families.map(family => ({ family, text: `${ipWord[family]} ${peer} @${groupName(key, family)}` })),
          ),
          ...rule.blocks
            .filter(({ family }) => families.includes(family))
            .map(({ family, cidr, except }) => {
              const word = `${ipWord[family]} ${peer}`
              const others = except.length ? ` ${word} != { ${except.join(', ')} }` : ''
              return { family, text: `${word} ${cidr}${others}` }
            }),
        ]
      : [anything]
    const ports = rule.ports ? portMatches(rule.ports, direction, families) : [anything]
    const texts = peers.flatMap(who =>
      ports
        // A packet has one family.
        .filter(({ family }) => !family || !who.family || family === who.family)
        .map(where => [who.text, where.text, 'accept'].filter(Boolean).join(' ')),
    )
    return direction === 'egress' ? [...texts, ...this.#dnsTexts(rule)] : texts
  }

  #dnsTexts(rule: CompiledRule): string[] {
    const { dns } = this.#options
    if (!dns || (rule.groups && !rule.groups.some(({ key }) => this.#groups.get(key)?.hasDns))) return []
    return (['udp', 'tcp'] as const)
      .filter(protocol => !rule.ports || rule.ports.some(port => port.protocol === protocol && isDnsPort(port)))
      .flatMap(protocol =>
        dns.addresses.map(ip => `${ipWord[familyOf(ip)]} daddr ${ip} ${protocol} dport ${dns.port} accept`),
      )
  }

  #useGroup(peers: PeerGroup): void {
    const found = this.#groups.get(peers.key)
    if (found) return void found.users++
    const group: Group = { ...peers, users: 1, hasDns: this.#hasDns(peers), members: new Map() }
    this.#groups.set(peers.key, group)
    for (const family of this.#options.families)
      this.ruleset.set(groupName(peers.key, family), `set { type ${addressType[family]} ; }`)
    for (const uid of this.#pods.keys()) this.#joinGroup(group, uid)
  }

  #leaveGroup(key: string): void {
    const group = this.#groups.get(key)
    if (!group || --group.users > 0) return
    this.#groups.delete(key)
    for (const family of this.#options.families) this.#removeSet(groupName(key, family))
  }

  #joinGroup(group: Group, uid: string): void {
    const pod = this.#pods.get(uid)
    const isMember = pod && this.#isIn(group, pod.namespace) && matchesSelector(group.pods, pod.labels)
    this.#join(group.members, uid, isMember ? pod.ips : [], ip => [groupName(group.key, familyOf(ip)), ip])
  }

  #isIn({ namespaces }: PeerGroup, namespace: string): boolean {
    if (typeof namespaces === 'string') return namespaces === namespace
    const labels = this.#namespaces.get(namespace)
    return labels !== undefined && matchesSelector(namespaces, labels)
  }

  #hasDns(group: PeerGroup): boolean {
    return this.#isIn(group, dnsNamespace) && matchesSelector(group.pods, dnsLabels)
  }

  #usePort(key: string, port: Pick<NamedPort, 'protocol' | 'name' | 'isLocal'>): void {
    const found = this.#ports.get(key)
    if (found) return void found.users++
    const named: NamedPort = { ...port, users: 1, members: new Map() }
    this.#ports.set(key, named)
    for (const family of this.#options.families)
      this.ruleset.set(portName(key, family), `set { type ${addressType[family]} . inet_service ; }`)
    for (const uid of this.#pods.keys()) this.#joinPort(key, named, uid)
  }

  #leavePort(key: string): void {
    const port = this.#ports.get(key)
    if (!port || --port.users > 0) return
    this.#ports.delete(key)
    for (const family of this.#options.families) this.#removeSet(portName(key, family))
  }

  #joinPort(key: string, port: NamedPort, uid: string): void {
    const pod = this.#pods.get(uid)
    const isMember = pod && (pod.isLocal || !port.isLocal)
    const numbers = isMember
      ? pod.ports.filter(({ name, protocol }) => name === port.name && protocol.toLowerCase() === port.protocol)
      : []
    const elements = numbers.flatMap(each => pod?.ips.map(ip => `${ip} . ${each.port}`) ?? [])
    this.#join(port.members, uid, elements, element => [portName(key, familyOf(element.split(' ')[0] ?? '')), element])
  }

  /** Makes these the elements that a pod has in a set. */
  #join(
    members: Map<string, readonly string[]>,
    uid: string,
    now: readonly string[],
    where: (element: string) => [set: string, element: string],
  ): void {
    const before = members.get(uid) ?? []
    if (now.length) members.set(uid, now)
    else members.delete(uid)
    for (const element of before) if (!now.includes(element)) this.#count(...where(element), -1)
    for (const element of now) if (!before.includes(element)) this.#count(...where(element), 1)
  }

  #count(set: string, element: string, by: 1 | -1): void {
    const counts = this.#counts.get(set) ?? new Map<string, number>()
    this.#counts.set(set, counts)
    const count = (counts.get(element) ?? 0) + by
    if (count > 0) counts.set(element, count)
    else counts.delete(element)
    if (count === 0 || (count === 1 && by === 1)) this.ruleset.element(set, element, count ? '' : undefined)
  }

  #removeSet(name: string): void {
    this.#counts.delete(name)
    this.ruleset.removeSet(name)
  }
}

const familyOf = (ip: string): 4 | 6 => ipFamily(ip) ?? 4
const groupName = (key: string, family: 4 | 6) => `group-${hashOf(key)}-${family}`
const portKey = ({ protocol, name, isLocal }: Pick<NamedPort, 'protocol' | 'name' | 'isLocal'>) =>
  JSON.stringify([protocol, name, isLocal])
const portName = (key: string, family: 4 | 6) => `port-${hashOf(key)}-${family}`

const addressesOf = (place: Place): Set<string> => new Set(directions.flatMap(direction => place[direction]?.ips ?? []))

/** What a rule looks for in a packet; a family where that is only in packets of one. */
interface Match {
  readonly family?: 4 | 6
  readonly text: string
}

const anything: Match = { text: '' }

/** The matches of ports, one for each protocol as far as that goes. */
function portMatches(ports: readonly PortMatch[], direction: Direction, families: readonly (4 | 6)[]): Match[] {
  return (['tcp', 'udp', 'sctp'] as const).flatMap((protocol): Match[] => {
    const of = ports.filter(port => port.protocol === protocol)
    if (of.some(port => port.ports === undefined)) return [{ text: `meta l4proto ${protocol}` }]
    const ranges = merged(of.flatMap(port => (typeof port.ports === 'object' ? [port.ports] : [])))
    const named = of.flatMap(({ ports: name }) => (typeof name === 'string' ? [name] : []))
    return [
      ...(ranges.length ? [{ text: `${protocol} dport { ${ranges.map(rangeText).join(', ')} }` }] : []),
      ...named.flatMap(name => {
        const key = portKey({ protocol, name, isLocal: direction === 'ingress' })
        const text = (family: 4 | 6) =>
          `meta l4proto ${protocol} ${ipWord[family]} daddr . th dport @${portName(key, family)}`
        return families.map(family => ({ family, text: text(family) }))
      }),
    ]
  })
}

const rangeText = ({ from, to }: { from: number; to: number }) => (from === to ? `${from}` : `${from}-${to}`)

/** Ranges that do not overlap, since a set of the kernel's has no port twice. */
function merged(ranges: readonly { from: number; to: number }[]): { from: number; to: number }[] {
  const result: { from: number; to: number }[] = []
  for (const range of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = result.at(-1)
    if (last && range.from <= last.to + 1) last.to = Math.max(last.to, range.to)
    else result.push({ ...range })
  }
  return result
}

const isDnsPort = ({ ports }: PortMatch): boolean =>
  ports === undefined || (typeof ports === 'object' && ports.from <= 53 && ports.to >= 53)
