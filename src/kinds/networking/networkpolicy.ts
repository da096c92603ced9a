// A network policy: who may talk to the pods it selects, and to whom they may.
import { defineKind, type Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { int32, intOrString, list, string, struct } from '../../api/schema/build.ts'
import { selectorCell } from '../columns.ts'

export const NetworkPolicyPort = struct('networking.v1.NetworkPolicyPort', 'A port, or a range of ports.', {
  protocol: string({ proto: 1, optional: true, doc: 'TCP, UDP or SCTP.' }),
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
  fields: {
    spec: NetworkPolicySpec.value({ proto: 2, doc: 'What is wanted.' }),
  },
})
export type NetworkPolicy = Of<typeof NetworkPolicy>
