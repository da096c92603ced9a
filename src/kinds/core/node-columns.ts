// What `kubectl get nodes` shows. Source: pkg/printers/internalversion/printers.go (printNode).
import type { Column, KubeObject } from '../../api/kind.ts'
import { ageColumn } from '../columns.ts'
import type { NodeStatus } from './nodestatus.ts'
import type { NodeSpec } from './nodespec.ts'

// Spelled out, since the kind's own type is inferred from a definition that uses this file.
type Node = KubeObject & { spec: NodeSpec; status: NodeStatus }

const rolePrefix = 'node-role.kubernetes.io/'

export const nodeColumns: readonly Column<Node>[] = [
  { name: 'Status', type: 'string', value: n => statusText(n) },
  { name: 'Roles', type: 'string', value: n => rolesText(n) },
  ageColumn as Column<Node>,
  { name: 'Version', type: 'string', value: '.status.nodeInfo.kubeletVersion' },
  { name: 'Internal-IP', type: 'string', wide: true, value: n => address(n, 'InternalIP') },
  { name: 'External-IP', type: 'string', wide: true, value: n => address(n, 'ExternalIP') },
  { name: 'OS-Image', type: 'string', wide: true, value: n => n.status.nodeInfo.osImage || '<unknown>' },
  { name: 'Kernel-Version', type: 'string', wide: true, value: n => n.status.nodeInfo.kernelVersion || '<unknown>' },
  {
    name: 'Container-Runtime',
    type: 'string',
    wide: true,
    value: n => n.status.nodeInfo.containerRuntimeVersion || '<unknown>',
  },
]

function statusText(node: Node): string {
  const ready = node.status.conditions?.find(c => c.type === 'Ready')
  const words = [ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown']
  if (node.spec.unschedulable) words.push('SchedulingDisabled')
  return words.join(',')
}

function rolesText(node: Node): string {
  const roles = Object.entries(node.metadata.labels ?? {}).flatMap(([key, value]) =>
    key.startsWith(rolePrefix) && key.length > rolePrefix.length
      ? [key.slice(rolePrefix.length)]
      : key === 'kubernetes.io/role' && value
        ? [value]
        : [],
  )
  return [...new Set(roles)].sort().join(',') || '<none>'
}

const address = (node: Node, type: string) => node.status.addresses?.find(a => a.type === type)?.address ?? '<none>'
