// A node: a machine that runs pods.
import { defineKind, type Of } from '../../api/kind.ts'
import { nodeColumns } from './node-columns.ts'
import { defaultNode, validateNode, validateNodeUpdate } from './node-rules.ts'
import { NodeSpec } from './nodespec.ts'
import { NodeStatus } from './nodestatus.ts'

export const Node = defineKind({
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  scope: 'Cluster',
  shortNames: ['no'],
  subresources: ['proxy'],
  status: true,
  doc: 'Node is a machine in the cluster that runs pods.',
  columns: nodeColumns,
  keepsStatus: true,
  explicit: true,
  defaults: defaultNode,
  validate: validateNode,
  validateUpdate: validateNodeUpdate,
  selectable: { 'spec.unschedulable': n => String(n.spec.unschedulable ?? false) },
  fields: {
    spec: NodeSpec.value({ proto: 2, doc: 'Attributes of the node.' }),
    status: NodeStatus.value({
      proto: 3,
      doc: 'Most recently observed state of the node, as reported by its kubelet.',
    }),
  },
})
export type Node = Of<typeof Node>
