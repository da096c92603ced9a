// Finds the destination of a pod's stream: the kubelet of its node, and the path there.
// Source: pkg/registry/core/pod/strategy.go (ExecLocation, LogLocation …).
import { StatusError } from '../../base/errors.ts'
import { Node } from '../../kinds/core/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { notFound } from '../errors.ts'
import { checkLogOptions } from './log-options.ts'
import type { ResourcePath } from '../http/route.ts'
import type { Storage } from '../storage.ts'

interface KubeletTarget {
  host: string
  port: number
  /** The path at the kubelet, with its query. */
  path: string
}

/** The address of a node's kubelet. Throws NotFound, or ServiceUnavailable when the node has none. */
export function kubeletOf(storage: Storage, nodeName: string): { host: string; port: number } {
  const node = storage.mirror(Node).get(undefined, nodeName)
  if (!node) throw notFound(Node, nodeName)
  const order = ['InternalIP', 'ExternalIP', 'Hostname']
  const address = [...(node.status.addresses ?? [])].sort((a, b) => order.indexOf(a.type) - order.indexOf(b.type))[0]
  if (!address) throw new StatusError('ServiceUnavailable', `node ${nodeName} has not reported an address yet`)
  return { host: address.address, port: node.status.daemonEndpoints.kubeletEndpoint.Port || 10250 }
}

/** The destination; undefined for logs of a pod without a node. Throws NotFound, BadRequest, Invalid. */
export async function podTarget(
  storage: Storage,
  { namespace, name, subresource }: ResourcePath,
  query: URLSearchParams,
): Promise<KubeletTarget | undefined> {
  if (subresource === 'log') checkLogOptions(name, query)
  await storage.catchUp()
  const pod = storage.mirror(Pod).get(namespace, name)
  if (!pod) throw notFound(Pod, name)
  if (subresource === 'portforward') {
    if (!pod.spec.nodeName) throw new StatusError('BadRequest', `pod ${name} does not have a host assigned`)
    // WebSocket clients list the ports in the query: as `ports` here, and as `port` at the kubelet.
    const ports = new URLSearchParams(query.getAll('ports').map((port): [string, string] => ['port', port]))
    const path = `/portForward/${namespace}/${name}${ports.size ? `?${ports.toString()}` : ''}`
    return { ...kubeletOf(storage, pod.spec.nodeName), path }
  }
  const container = containerOf(pod, query.get('container') ?? '')
  if (!pod.spec.nodeName) {
    // A pod without a node has no logs yet, which is no error.
    if (subresource === 'log') return undefined
    throw new StatusError('BadRequest', `pod ${name} does not have a host assigned`)
  }
  const at = kubeletOf(storage, pod.spec.nodeName)
  if (subresource === 'log') {
    const wanted = [
      'follow',
      'previous',
      'sinceSeconds',
      'sinceTime',
      'timestamps',
      'tailLines',
      'limitBytes',
      'stream',
    ]
    return { ...at, path: `/containerLogs/${namespace}/${name}/${container}${suffix(query, wanted)}` }
  }
  const translated = new URLSearchParams()
  for (const [from, to] of [
    ['stdin', 'input'],
    ['stdout', 'output'],
    ['stderr', 'error'],
    ['tty', 'tty'],
  ] as const) {
    if (['true', '1', ''].includes(query.get(from) ?? 'no')) translated.set(to, '1')
  }
  for (const word of query.getAll('command')) translated.append('command', word)
  return { ...at, path: `/${subresource}/${namespace}/${name}/${container}?${translated.toString()}` }
}

function suffix(query: URLSearchParams, names: string[]): string {
  const kept = new URLSearchParams([...query].filter(([name]) => names.includes(name)))
  return kept.size ? `?${kept.toString()}` : ''
}

function containerOf(pod: Pod, asked: string): string {
  const name = pod.metadata.name ?? ''
  const containers = pod.spec.containers.map(c => c.name)
  const others = [...(pod.spec.initContainers ?? []), ...(pod.spec.ephemeralContainers ?? [])].map(c => c.name)
  if (asked) {
    if (![...containers, ...others].includes(asked))
      throw new StatusError('BadRequest', `container ${asked} is not valid for pod ${name}`)
    return asked
  }
  if (containers.length === 1) return containers[0]!
  const init = (pod.spec.initContainers ?? []).map(c => c.name)
  throw new StatusError(
    'BadRequest',
    `a container name must be specified for pod ${name}, choose one of: [${containers.join(' ')}]${init.length ? ` or one of the init containers: [${init.join(' ')}]` : ''}`,
  )
}
