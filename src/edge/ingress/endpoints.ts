// Which addresses are behind a port of a Service. Pure.
import type { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import type { Service } from '../../kinds/core/service.ts'
import type { Target } from './routes.ts'

export interface Server {
  ip: string
  port: number
}

/** The most servers of one backend. */
const maxServers = 1_000

/** The servers' port of a Service, or why there is none. */
export function portOf(
  service: Service | undefined,
  { name, port }: NonNullable<Target['service']>,
): { port: Service['spec']['ports'] extends readonly (infer P)[] | undefined ? P : never } | { problem: string } {
  if (!service) return { problem: `the Service ${name} does not exist` }
  // The name could be that of anything the node reaches, and somebody else decides what it leads to.
  if (service.spec.type === 'ExternalName')
    return { problem: `the Service ${name} is of type ExternalName, which is refused` }
  const found = service.spec.ports?.find(one => (port.name ? one.name === port.name : one.port === port.number))
  if (!found) return { problem: `the Service ${name} has no port ${port.name || port.number}` }
  if (found.protocol !== 'TCP') return { problem: `the port ${found.port} of the Service ${name} is not of TCP` }
  return { port: found }
}

/**
 * The servers of a port: the endpoints that are ready or, if there are none, those that end and still serve. In the
 * order of their names, each once. Of a Service of both families, those of IPv4, since they are the same pods.
 */
export function serversOf(slices: readonly EndpointSlice[], portName: string): Server[] {
  const ready = new Map<string, Server>()
  const ending = new Map<string, Server>()
  const family = slices.some(({ addressType }) => addressType === 'IPv4') ? 'IPv4' : 'IPv6'
  for (const { addressType, endpoints, ports } of slices) {
    if (addressType !== family) continue
    const port = ports?.find(one => (one.name ?? '') === portName)?.port
    if (!port) continue
    for (const { addresses, conditions = {} } of endpoints ?? []) {
      const [ip] = addresses ?? []
      if (!ip) continue
      const server = { ip, port }
      if (conditions.ready !== false) ready.set(nameOf(server), server)
      else if (conditions.serving && conditions.terminating) ending.set(nameOf(server), server)
    }
  }
  return [...(ready.size ? ready : ending)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .slice(0, maxServers)
    .map(([, server]) => server)
}

/** The name of a server in its backend. An address that comes back has its name again. */
export const nameOf = ({ ip, port }: Server): string => `${ip}_${port}`

/** The address of a server, from its name. */
export function addressOf(name: string): string {
  const [ip = '', port = ''] = name.split('_')
  return `${ip.includes(':') ? `[${ip}]` : ip}:${port}`
}
