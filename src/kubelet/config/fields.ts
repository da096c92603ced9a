// The downward API: fields and resources of a pod that its containers can read, as environment variables or as files.
// Source: kubernetes pkg/fieldpath, pkg/api/v1/resource (ExtractResourceValue…).
import { StatusError } from '../../base/errors.ts'
import { own } from '../../base/own.ts'
import { quantityMilli, quantityValue } from '../../api/quantity.ts'
import { findContainer, nameOf, namespaceOf, onHostNetwork, type ReadContainer, uidOf } from '../pod/spec.ts'
import type { Pod } from '../../kinds/core/pod.ts'

export interface NodeFacts {
  nodeIPs: readonly string[]
  cpuMilli: number
  memoryBytes: number
  ephemeralStorageBytes: number
}

/** The value of a field path. Throws BadRequest for a path that is not supported. */
export function fieldValue(pod: Pod, path: string, facts: NodeFacts, podIPs: readonly string[]): string {
  const subscript = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(path)
  if (subscript)
    return own(subscript[1] === 'labels' ? pod.metadata.labels : pod.metadata.annotations, subscript[2]!) ?? ''
  const ips = onHostNetwork(pod) ? facts.nodeIPs : podIPs
  switch (path) {
    case 'metadata.name':
      return nameOf(pod)
    case 'metadata.namespace':
      return namespaceOf(pod)
    case 'metadata.uid':
      return uidOf(pod)
    case 'metadata.labels':
      return mapText(pod.metadata.labels ?? {})
    case 'metadata.annotations':
      return mapText(pod.metadata.annotations ?? {})
    case 'spec.nodeName':
      return pod.spec.nodeName ?? ''
    case 'spec.serviceAccountName':
      return pod.spec.serviceAccountName ?? ''
    case 'status.hostIP':
      return facts.nodeIPs[0] ?? ''
    case 'status.hostIPs':
      return facts.nodeIPs.join(',')
    case 'status.podIP':
      return ips[0] ?? ''
    case 'status.podIPs':
      return ips.join(',')
    default:
      throw new StatusError('BadRequest', `unsupported fieldPath: ${path}`)
  }
}

// One `key="value"` on each line, sorted, in the quotation of Go.
const mapText = (map: Readonly<Record<string, string>>) =>
  Object.keys(map)
    .sort()
    .map(key => `${key}=${JSON.stringify(map[key])}`)
    .join('\n')

interface ResourceSelector {
  readonly containerName?: string | undefined
  readonly resource: string
  readonly divisor?: string | undefined
}

/**
 * A container's limit or request in units of the divisor, rounded up. A missing limit stands for the node's capacity.
 */
export function resourceValue(
  pod: Pod,
  container: ReadContainer | undefined,
  selector: ResourceSelector,
  facts: NodeFacts,
): string {
  const asked = selector.containerName ? findContainer(pod, selector.containerName)?.container : container
  if (!asked) throw new StatusError('BadRequest', `container ${selector.containerName ?? ''} not found`)
  const [kind, ...rest] = selector.resource.split('.')
  const name = rest.join('.')
  const { limits = {}, requests = {} } = asked.resources ?? {}
  const divisor = !selector.divisor || quantityMilli(selector.divisor) === 0 ? '1' : selector.divisor
  const capacity: Record<string, string> = {
    cpu: `${facts.cpuMilli}m`,
    memory: `${facts.memoryBytes}`,
    'ephemeral-storage': `${facts.ephemeralStorageBytes}`,
  }
  if (kind !== 'limits' && kind !== 'requests')
    throw new StatusError('BadRequest', `unsupported container resource: ${selector.resource}`)
  const amount = kind === 'limits' ? (own(limits, name) ?? own(capacity, name) ?? '0') : (own(requests, name) ?? '0')
  if (name === 'cpu') return String(Math.ceil(quantityMilli(amount) / quantityMilli(divisor)))
  return String(Math.ceil(quantityValue(amount) / quantityValue(divisor)))
}
