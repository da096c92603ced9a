// Reads a NetworkPolicy into what the rules are made of: which pods it selects, and for each direction the peers and
// ports that it lets through. Pure. Source: KEP-2091's predecessors, kubernetes.io/docs/concepts/services-networking.
import { type Cidr, parseCidr } from '../../api/ip.ts'
import { type Selector, selectorOf, selectorText } from '../../api/labels.ts'
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../../kinds/networking/networkpolicy.ts'

/** The pods that two selectors select together. */
export interface PeerGroup {
  /** The same for all groups with the same selectors. */
  readonly key: string
  /** The namespaces: one by its name, or those with certain labels. */
  readonly namespaces: string | Selector
  readonly pods: Selector
}

/** A range of addresses, without others. */
interface Block {
  readonly family: 4 | 6
  readonly cidr: string
  readonly except: readonly string[]
}

export interface PortMatch {
  readonly protocol: 'tcp' | 'udp' | 'sctp'
  /** Undefined for all ports; a name is that of a port of the receiving pod's containers. */
  readonly ports: { readonly from: number; readonly to: number } | string | undefined
}

export interface CompiledRule {
  /** Undefined for everybody. */
  readonly groups: readonly PeerGroup[] | undefined
  readonly blocks: readonly Block[]
  /** Undefined for all ports of all protocols. */
  readonly ports: readonly PortMatch[] | undefined
}

export type Direction = 'ingress' | 'egress'

export interface CompiledPolicy {
  readonly namespace: string
  readonly selector: Selector
  /** What is let through, for each direction that the policy is about. */
  readonly rules: ReadonlyMap<Direction, readonly CompiledRule[]>
}

export function compilePolicy({ metadata, spec }: NetworkPolicy): CompiledPolicy {
  const namespace = metadata.namespace ?? ''
  const types = spec.policyTypes?.length ? spec.policyTypes : ['Ingress', ...(spec.egress?.length ? ['Egress'] : [])]
  const rules = new Map<Direction, readonly CompiledRule[]>()
  if (types.includes('Ingress'))
    rules.set(
      'ingress',
      (spec.ingress ?? []).map(rule => compileRule(namespace, rule.from, rule.ports)),
    )
  if (types.includes('Egress'))
    rules.set(
      'egress',
      (spec.egress ?? []).map(rule => compileRule(namespace, rule.to, rule.ports)),
    )
  return { namespace, selector: selectorOf(spec.podSelector) ?? [], rules }
}

function compileRule(
  namespace: string,
  peers: readonly NetworkPolicyPeer[] = [],
  ports: readonly NetworkPolicyPort[] = [],
): CompiledRule {
  return {
    groups: peers.length ? peers.flatMap(peer => groupOf(namespace, peer) ?? []) : undefined,
    blocks: peers.flatMap(peer => blockOf(peer) ?? []),
    ports: ports.length ? ports.map(portOf) : undefined,
  }
}

function groupOf(namespace: string, { podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer) {
  if (ipBlock || (!podSelector && !namespaceSelector)) return undefined
  const [pods, namespaces] = [selectorOf(podSelector) ?? [], selectorOf(namespaceSelector) ?? namespace]
  const where = typeof namespaces === 'string' ? { name: namespaces } : { labels: selectorText(namespaces) }
  return { key: JSON.stringify([where, selectorText(pods)]), namespaces, pods }
}

/** A range that cannot be read lets nothing through, and an exception that cannot be read is the whole range. */
function blockOf({ ipBlock }: NetworkPolicyPeer): Block | undefined {
  const range = ipBlock && parseCidr(ipBlock.cidr)
  if (!range) return undefined
  const except = (ipBlock.except ?? []).map(parseCidr)
  if (except.some(each => each?.family !== range.family)) return undefined
  return { family: range.family, cidr: textOf(ipBlock.cidr, range), except: outermost(ipBlock.except ?? []) }
}

const textOf = (text: string, { bits }: Cidr) => `${text.split('/')[0]}/${bits}`

/** Ranges without those that lie within others, since a set of the kernel's has no range twice. */
function outermost(texts: readonly string[]): string[] {
  const ranges = texts
    .flatMap(text => {
      const cidr = parseCidr(text)
      return cidr ? [{ text: textOf(text, cidr), cidr }] : []
    })
    .sort((a, b) => a.cidr.bits - b.cidr.bits)
  const kept: typeof ranges = []
  for (const range of ranges) {
    const isWithin = kept.some(({ cidr }) => range.cidr.base >= cidr.base && range.cidr.base < cidr.base + cidr.size)
    if (!isWithin) kept.push(range)
  }
  return kept.map(({ text }) => text)
}

const protocols = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' } as const

function portOf({ protocol, port, endPort }: NetworkPolicyPort): PortMatch {
  const name = protocols[(protocol ?? 'TCP') as keyof typeof protocols]
  if (port === undefined || typeof port === 'string') return { protocol: name, ports: port }
  return { protocol: name, ports: { from: port, to: Math.max(port, endPort ?? port) } }
}
