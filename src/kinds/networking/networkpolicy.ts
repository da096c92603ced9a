// A network policy: who may talk to the pods it selects, and to whom they may.
import { defineKind, type Of } from '../../api/kind.ts'
import { type Cidr, cidrContains, parseCidr } from '../../api/ip.ts'
import { LabelSelector } from '../../api/meta.ts'
import type { Path } from '../../api/path.ts'
import { int32, intOrString, list, string, struct } from '../../api/schema/build.ts'
import { type Problems, supported, validateCIDR, validatePort, validateSelector } from '../../api/checks.ts'
import { selectorCell } from '../columns.ts'

export const NetworkPolicyPort = struct(
  'networking.v1.NetworkPolicyPort',
  'Port or range of ports that traffic is allowed on.',
  {
    protocol: string({
      proto: 1,
      default: 'TCP',
      optional: true,
      enum: ['TCP', 'UDP', 'SCTP'],
      doc: 'Protocol that traffic must use: TCP, UDP or SCTP. Defaults to TCP.',
    }),
    port: intOrString({
      proto: 2,
      optional: true,
      doc: 'Port of the receiving pod, as a number or the name of a container port. If unset, all ports are allowed.',
    }),
    endPort: int32({
      proto: 3,
      optional: true,
      doc: 'Last port of a range that starts at port. Requires port as a number, and must not be lower.',
    }),
  },
)
export type NetworkPolicyPort = Of<typeof NetworkPolicyPort>

export const IPBlock = struct('networking.v1.IPBlock', 'Range of IP addresses, possibly with exceptions.', {
  cidr: string({
    proto: 1,
    always: true,
    required: true,
    doc: 'Range of IP addresses, such as 192.168.1.0/24 or 2001:db8::/64.',
  }),
  except: list(string({}), { proto: 2, doc: 'Ranges within cidr that are excluded.' }),
})
export type IPBlock = Of<typeof IPBlock>

export const NetworkPolicyPeer = struct(
  'networking.v1.NetworkPolicyPeer',
  'Pods or addresses that traffic is allowed from or to. ipBlock cannot be combined with the selectors.',
  {
    podSelector: LabelSelector.field({
      proto: 1,
      doc: 'Selects pods by their labels, in the namespaces of namespaceSelector or else in that of the policy. An empty selector selects all pods there.',
    }),
    namespaceSelector: LabelSelector.field({
      proto: 2,
      doc: 'Selects namespaces by their labels. Without podSelector, all of their pods are selected. An empty selector selects all namespaces.',
    }),
    ipBlock: IPBlock.field({ proto: 3, doc: 'Range of IP addresses that traffic is allowed from or to.' }),
  },
)
export type NetworkPolicyPeer = Of<typeof NetworkPolicyPeer>

export const NetworkPolicyIngressRule = struct(
  'networking.v1.NetworkPolicyIngressRule',
  'Incoming traffic that is allowed. It must match both ports and from.',
  {
    ports: list(NetworkPolicyPort, {
      proto: 1,
      doc: 'Ports of the selected pods that traffic is allowed to. If empty, all ports are.',
    }),
    from: list(NetworkPolicyPeer, {
      proto: 2,
      doc: 'Sources that traffic is allowed from. If empty, all sources are.',
    }),
  },
)
export type NetworkPolicyIngressRule = Of<typeof NetworkPolicyIngressRule>

export const NetworkPolicyEgressRule = struct(
  'networking.v1.NetworkPolicyEgressRule',
  'Outgoing traffic that is allowed. It must match both ports and to.',
  {
    ports: list(NetworkPolicyPort, {
      proto: 1,
      doc: 'Destination ports that traffic is allowed to. If empty, all ports are.',
    }),
    to: list(NetworkPolicyPeer, {
      proto: 2,
      doc: 'Destinations that traffic is allowed to. If empty, all destinations are.',
    }),
  },
)
export type NetworkPolicyEgressRule = Of<typeof NetworkPolicyEgressRule>

export const NetworkPolicySpec = struct('networking.v1.NetworkPolicySpec', 'Traffic that a NetworkPolicy allows.', {
  podSelector: LabelSelector.value({
    proto: 1,
    doc: 'Selects the pods in the namespace that the policy applies to. An empty selector selects all of them. The rules of several policies for one pod are added together.',
  }),
  ingress: list(NetworkPolicyIngressRule, {
    proto: 2,
    doc: 'Incoming traffic that is allowed. If it is empty and the policy applies to Ingress, no incoming traffic is allowed.',
  }),
  egress: list(NetworkPolicyEgressRule, {
    proto: 3,
    doc: 'Outgoing traffic that is allowed. If it is empty and the policy applies to Egress, no outgoing traffic is allowed.',
  }),
  policyTypes: list(string({}), {
    proto: 4,
    doc: 'Directions that the policy applies to: Ingress, Egress or both. Defaults to Ingress, and Egress if there are egress rules.',
  }),
})
export type NetworkPolicySpec = Of<typeof NetworkPolicySpec>

function* validatePolicy(spec: NetworkPolicySpec, at: Path): Problems {
  yield* validateSelector(spec.podSelector, at.field('podSelector'))
  for (const [i, rule] of (spec.ingress ?? []).entries())
    yield* validateRule(rule, 'from', at.field('ingress').index(i))
  for (const [i, rule] of (spec.egress ?? []).entries()) yield* validateRule(rule, 'to', at.field('egress').index(i))
  const { policyTypes = [] } = spec
  if (policyTypes.length > 2)
    return yield at.field('policyTypes').invalid(policyTypes, 'may not specify more than two policyTypes')
  for (const [i, type] of policyTypes.entries())
    yield* supported(type, ['Ingress', 'Egress'], at.field('policyTypes').index(i))
}

function* validateRule(
  rule: NetworkPolicyIngressRule & NetworkPolicyEgressRule,
  side: 'from' | 'to',
  at: Path,
): Problems {
  for (const [i, port] of (rule.ports ?? []).entries()) yield* validatePorts(port, at.field('ports').index(i))
  for (const [i, peer] of (rule[side] ?? []).entries()) yield* validatePeer(peer, at.field(side).index(i))
}

function* validatePorts({ protocol, port, endPort }: NetworkPolicyPort, at: Path): Problems {
  if (protocol !== undefined) yield* supported(protocol, ['TCP', 'UDP', 'SCTP'], at.field('protocol'))
  if (port !== undefined) yield* validatePort(port, at.field('port'))
  if (endPort === undefined) return
  const path = at.field('endPort')
  if (port === undefined) yield path.invalid(endPort, 'may not be specified when `port` is not specified')
  else if (typeof port === 'string') yield path.invalid(endPort, 'may not be specified when `port` is non-numeric')
  else {
    if (endPort < port) yield path.invalid(port, 'must be greater than or equal to `port`')
    yield* validatePort(endPort, path)
  }
}

function* validatePeer({ podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer, at: Path): Problems {
  yield* validateSelector(podSelector, at.field('podSelector'))
  yield* validateSelector(namespaceSelector, at.field('namespaceSelector'))
  if (ipBlock) yield* validateBlock(ipBlock, at.field('ipBlock'))
  const isSelected = podSelector || namespaceSelector
  if (!ipBlock && !isSelected) yield at.required('must specify a peer')
  if (ipBlock && isSelected) yield at.forbidden('may not specify both ipBlock and another peer')
}

function* validateBlock({ cidr, except = [] }: IPBlock, at: Path): Problems {
  if (!cidr) return yield at.field('cidr').required()
  yield* validateCIDR(cidr, at.field('cidr'))
  const range = parseCidr(cidr)
  if (range) for (const [i, hole] of except.entries()) yield* validateHole(hole, range, at.field('except').index(i))
}

function* validateHole(text: string, range: Cidr, at: Path): Problems {
  yield* validateCIDR(text, at)
  const hole = parseCidr(text)
  if (hole && (hole.bits <= range.bits || !cidrContains(range, text.split('/')[0]!)))
    yield at.invalid(text, 'must be a strict subset of `cidr`')
}

export const NetworkPolicy = defineKind({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  scope: 'Namespaced',
  shortNames: ['netpol'],
  doc: 'NetworkPolicy restricts the network traffic of the pods that it selects to what it allows.',
  generation: true,
  columns: [{ name: 'Pod-Selector', type: 'string', value: o => selectorCell(o.spec.podSelector) }],
  defaults({ spec }) {
    // Without egress rules a policy says nothing about what goes out.
    spec.policyTypes ??= spec.egress?.length ? ['Ingress', 'Egress'] : ['Ingress']
  },
  explicit: true,
  *validate({ spec }, at) {
    yield* validatePolicy(spec, at.field('spec'))
  },
  fields: {
    spec: NetworkPolicySpec.value({
      proto: 2,
      doc: 'Pods that the policy applies to, and the traffic that it allows.',
    }),
  },
})
export type NetworkPolicy = Of<typeof NetworkPolicy>
