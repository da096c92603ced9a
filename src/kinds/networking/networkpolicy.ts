// A network policy: who may talk to the pods it selects, and to whom they may.
import { defineKind, type Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { int32, intOrString, list, string, struct } from '../../api/schema/build.ts'
import { selectorCell } from '../columns.ts'

export const NetworkPolicyPort = struct('networking.v1.NetworkPolicyPort', '', {
  protocol: string({ proto: 1, optional: true }),
  port: intOrString({ proto: 2, optional: true }),
  endPort: int32({ proto: 3, optional: true }),
})
export type NetworkPolicyPort = Of<typeof NetworkPolicyPort>

export const IPBlock = struct('networking.v1.IPBlock', '', {
  cidr: string({ proto: 1, always: true, required: true }),
  except: list(string({}), { proto: 2 }),
})
export type IPBlock = Of<typeof IPBlock>

export const NetworkPolicyPeer = struct('networking.v1.NetworkPolicyPeer', '', {
  podSelector: LabelSelector.field({ proto: 1 }),
  namespaceSelector: LabelSelector.field({ proto: 2 }),
  ipBlock: IPBlock.field({ proto: 3 }),
})
export type NetworkPolicyPeer = Of<typeof NetworkPolicyPeer>

export const NetworkPolicyIngressRule = struct('networking.v1.NetworkPolicyIngressRule', '', {
  ports: list(NetworkPolicyPort, { proto: 1 }),
  from: list(NetworkPolicyPeer, { proto: 2 }),
})
export type NetworkPolicyIngressRule = Of<typeof NetworkPolicyIngressRule>

export const NetworkPolicyEgressRule = struct('networking.v1.NetworkPolicyEgressRule', '', {
  ports: list(NetworkPolicyPort, { proto: 1 }),
  to: list(NetworkPolicyPeer, { proto: 2 }),
})
export type NetworkPolicyEgressRule = Of<typeof NetworkPolicyEgressRule>

export const NetworkPolicySpec = struct('networking.v1.NetworkPolicySpec', '', {
  podSelector: LabelSelector.value({ proto: 1 }),
  ingress: list(NetworkPolicyIngressRule, { proto: 2 }),
  egress: list(NetworkPolicyEgressRule, { proto: 3 }),
  policyTypes: list(string({}), { proto: 4 }),
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
