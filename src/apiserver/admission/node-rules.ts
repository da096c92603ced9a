// Rules about objects of nodes: which pods are mirror pods, and which labels a node may not set on itself.
// Source: plugin/pkg/admission/noderestriction, k8s.io/kubelet/pkg/apis/well_known_labels.go.
import type { Pod } from '../../kinds/core/pod.ts'

/** Whether a pod is the API's copy of a pod that its node runs from a file. */
export const isMirrorPod = ({ metadata }: Pod): boolean =>
  metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined

/** Labels in the reserved namespaces that a node may set on itself. */
const kubeletLabels = new Set([
  'kubernetes.io/hostname',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'node.kubernetes.io/instance-type',
  'beta.kubernetes.io/instance-type',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
])
const kubeletNamespaces = ['kubelet.kubernetes.io', 'node.kubernetes.io']
const reservedNamespaces = ['kubernetes.io', 'k8s.io']
const restrictedNamespace = 'node-restriction.kubernetes.io'

type Labels = Readonly<Record<string, string>> | undefined

/** The labels that a change adds, changes or removes although a node may not do that, sorted. */
export function forbiddenLabels(before: Labels, after: Labels): string[] {
  const keys = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])
  return [...keys].filter(key => before?.[key] !== after?.[key] && isForbidden(key)).sort()
}

function isForbidden(key: string): boolean {
  const namespace = key.includes('/') ? key.slice(0, key.indexOf('/')) : ''
  const isIn = (parent: string) => namespace === parent || namespace.endsWith(`.${parent}`)
  if (isIn(restrictedNamespace)) return true
  return reservedNamespaces.some(isIn) && !kubeletLabels.has(key) && !kubeletNamespaces.some(isIn)
}
