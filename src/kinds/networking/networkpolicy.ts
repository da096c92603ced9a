// A network policy: who may talk to the pods it selects, and to whom they may.
import { defineKind, type Of } from '../../api/kind.ts'
import { type Cidr, cidrContains, parseCidr } from '../../api/ip.ts'
import { LabelSelector } from '../../api/meta.ts'
import type { Path } from '../../api/path.ts'
import { int32, intOrString, list, string, struct } from '../../api/schema/build.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
import { type Problems, supported, validateCIDR, validatePort, validateSelector } from '../../api/checks.ts'
import { selectorCell } from '../columns.ts'

export const NetworkPolicyPort = struct('networking.v1.NetworkPolicyPort', 'A port, or a range of ports.', {
  protocol: string({
    proto: 1,
    default: 'TCP',
    optional: true,
    enum: ['TCP', 'UDP', 'SCTP'],
    doc: 'TCP, UDP or SCTP.',
  }),
  port: intOrString({ proto: 2, optional: true, doc: 'Number, or name of a container’s port; otherwise all.' }),
  endPort: int32({ proto: 3, optional: true, doc: 'Last number of a range that begins with port.' }),
})
export type NetworkPolicyPort = Of<typeof NetworkPolicyPort>

export const IPBlock = struct('networking.v1.IPBlock', 'A range of addresses, with holes.', {
  cidr: string({ proto: 1, always: true, required: true, doc: 'The range.' }),
  except: list(string({}), { proto: 2, doc: 'Ranges within it that do not count.' }),
})
export type IPBlock = Of<typeof IPBlock>

export const NetworkPolicyPeer = struct('networking.v1.NetworkPolicyPeer', 'The other side of a connection.', {
  podSelector: LabelSelector.field({
    proto: 1,
    doc: 'Pods of the policy’s namespace, or of those of namespaceSelector.',
  }),
  namespaceSelector: LabelSelector.field({
    proto: 2,
    doc: 'Namespaces of the pods; all of their pods without podSelector.',
  }),
  ipBlock: IPBlock.field({ proto: 3, doc: 'Addresses; not together with the selectors.' }),
})
export type NetworkPolicyPeer = Of<typeof NetworkPolicyPeer>

export const NetworkPolicyIngressRule = struct('networking.v1.NetworkPolicyIngressRule', 'Lets some traffic in.', {
  ports: list(NetworkPolicyPort, { proto: 1, doc: 'Ports of the pods; otherwise all.' }),
  from: list(NetworkPolicyPeer, { proto: 2, doc: 'Who may connect; otherwise everybody.' }),
})
export type NetworkPolicyIngressRule = Of<typeof NetworkPolicyIngressRule>

export const NetworkPolicyEgressRule = struct('networking.v1.NetworkPolicyEgressRule', 'Lets some traffic out.', {
  ports: list(NetworkPolicyPort, { proto: 1, doc: 'Ports of the other side; otherwise all.' }),
  to: list(NetworkPolicyPeer, { proto: 2, doc: 'Whom the pods may connect to; otherwise everybody.' }),
})
export type NetworkPolicyEgressRule = Of<typeof NetworkPolicyEgressRule>

export const NetworkPolicySpec = struct('networking.v1.NetworkPolicySpec', 'Which traffic some pods may have.', {
  podSelector: LabelSelector.value({
    proto: 1,
    doc: 'Pods of the namespace that the policy is for; an empty one means all.',
  }),
  ingress: list(NetworkPolicyIngressRule, {
    proto: 2,
    doc: 'Traffic let in; what no rule of any policy lets in stays out.',
  }),
  egress: list(NetworkPolicyEgressRule, {
    proto: 3,
    doc: 'Traffic let out; what no rule of any policy lets out stays in.',
  }),
  policyTypes: list(string({}), { proto: 4, doc: 'Ingress, Egress or both: the directions that the policy is about.' }),
})
export type NetworkPolicySpec = Of<typeof NetworkPolicySpec>

function* validatePolicy(spec: DeepReadonly<NetworkPolicySpec>, at: Path): Problems {
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
  rule: DeepReadonly<NetworkPolicyIngressRule & NetworkPolicyEgressRule>,
  side: 'from' | 'to',
  at: Path,
): Problems {
  for (const [i, port] of (rule.ports ?? []).entries()) yield* validatePorts(port, at.field('ports').index(i))
  for (const [i, peer] of (rule[side] ?? []).entries()) yield* validatePeer(peer, at.field(side).index(i))
}

function* validatePorts({ protocol, port, endPort }: DeepReadonly<NetworkPolicyPort>, at: Path): Problems {
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

function* validatePeer(
  { podSelector, namespaceSelector, ipBlock }: DeepReadonly<NetworkPolicyPeer>,
  at: Path,
): Problems {
  if (!podSelector && !namespaceSelector && !ipBlock) return yield at.required('must specify a peer')
  if (ipBlock && (podSelector || namespaceSelector))
    return yield at.forbidden('may not specify both ipBlock and another peer')
  yield* validateSelector(podSelector, at.field('podSelector'))
  yield* validateSelector(namespaceSelector, at.field('namespaceSelector'))
  if (!ipBlock) return
  const path = at.field('ipBlock')
  if (!ipBlock.cidr) return yield path.field('cidr').required()
  yield* validateCIDR(ipBlock.cidr, path.field('cidr'))
  const range = parseCidr(ipBlock.cidr)
  if (range)
    for (const [i, hole] of (ipBlock.except ?? []).entries())
      yield* validateHole(hole, range, path.field('except').index(i))
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
  doc: 'A network policy: who may talk to the pods it selects, and to whom they may.',
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
    spec: NetworkPolicySpec.value({ proto: 2, doc: 'What is wanted.' }),
  },
})
export type NetworkPolicy = Of<typeof NetworkPolicy>
