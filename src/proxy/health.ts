// Answers load balancers that ask whether this node has endpoints of a Service with the external traffic policy Local:
// an HTTP server on the Service's healthCheckNodePort, with 200 while there is one and 503 otherwise.
// Source: pkg/proxy/healthcheck/service_health.go.
import { createServer, type Server, type ServerResponse } from 'node:http'
import { cidrContains, ipFamily, parseCidr } from '../api/ip.ts'
import { messageOf } from '../base/errors.ts'
import type { Service } from '../kinds/core/service.ts'
import type { EndpointSlice } from '../kinds/discovery/endpointslice.ts'

interface Health {
  namespace: string
  name: string
  port: number
  /** The number of endpoints on this node that are ready. */
  local: number
}

interface Checked {
  health: Health
  servers: readonly Server[]
}

interface HealthOptions {
  signal: AbortSignal
  /** Called when a port cannot be listened on. */
  failed(key: string, why: string): void
  /** Whether the rules in the kernel are up to date. */
  isHealthy(): boolean
  /** The addresses to listen on; undefined for all. */
  addresses(): readonly string[] | undefined
}

/** How long a client may take for its request. */
const requestMs = 5_000
const maxConnections = 100

/** What load balancers are to be answered about a Service; undefined when there is nothing to ask. Pure. */
export function healthOf(
  service: Service,
  slicesOf: () => readonly EndpointSlice[],
  nodeName: string,
): Health | undefined {
  const { type, externalTrafficPolicy, healthCheckNodePort: port } = service.spec
  if (type !== 'LoadBalancer' || externalTrafficPolicy !== 'Local' || !port) return undefined
  const local = new Set(
    slicesOf()
      .filter(slice => slice.addressType !== 'FQDN')
      .flatMap(slice => slice.endpoints ?? [])
      .filter(endpoint => endpoint.nodeName === nodeName && (endpoint.conditions.ready ?? true))
      .map(endpoint => endpoint.targetRef?.uid ?? endpoint.addresses[0]),
  )
  const { namespace = '', name = '' } = service.metadata
  return { namespace, name, port, local: local.size }
}

/** The servers of a node, one for each Service that is asked about. */
export class HealthServers {
  readonly #checked = new Map<string, Checked>()
  readonly #options: HealthOptions

  constructor(options: HealthOptions) {
    this.#options = options
    const end = () => [...this.#checked.keys()].forEach(key => this.set(key, undefined))
    options.signal.addEventListener('abort', end, { once: true })
  }

  /** Starts, changes or ends the servers for a Service. */
  set(key: string, health: Health | undefined): void {
    const before = this.#checked.get(key)
    if (before && before.health.port === health?.port) {
      before.health = health
      return
    }
    if (before) this.#close(key, before)
    if (!health) return
    const addresses = this.#options.addresses() ?? [undefined]
    const checked = { health, servers: addresses.map(address => this.#listen(key, health.port, address)) }
    this.#checked.set(key, checked)
  }

  #close(key: string, { servers }: Checked): void {
    this.#checked.delete(key)
    for (const server of servers) {
      server.close()
      server.closeAllConnections()
    }
  }

  #listen(key: string, port: number, address: string | undefined): Server {
    const server = createServer((_, response) => {
      const checked = this.#checked.get(key)
      if (checked) answer(checked.health, this.#options.isHealthy(), response)
      else response.destroy()
    })
    server.requestTimeout = requestMs
    server.headersTimeout = requestMs
    server.maxConnections = maxConnections
    server.on('error', error => {
      // It is tried again with the next change of the Service.
      const checked = this.#checked.get(key)
      if (checked?.servers.includes(server)) this.#close(key, checked)
      this.#options.failed(key, `cannot answer health checks on port ${port}: ${messageOf(error)}`)
    })
    server.listen({ port, ...(address !== undefined && { host: address }) })
    return server
  }
}

function answer({ namespace, name, local }: Health, isHealthy: boolean, response: ServerResponse): void {
  const body = { service: { namespace, name }, localEndpoints: local, serviceProxyHealthy: isHealthy }
  response
    .writeHead(local && isHealthy ? 200 : 503, {
      'Content-Type': 'application/json',
      'X-Content-Type-Options': 'nosniff',
      'X-Load-Balancing-Endpoint-Weight': String(local),
    })
    .end(JSON.stringify(body, null, '\t'))
}

/**
 * The addresses of this node within ranges, on which health checks are answered; undefined for all, as when there is no
 * range or no address is in one. Pure. Source: pkg/proxy/util/nodeport_addresses.go.
 */
export function addressesWithin(ranges: readonly string[], addresses: readonly string[]): string[] | undefined {
  const within = addresses.filter(address =>
    ranges.some(range => {
      const cidr = parseCidr(range)
      return cidr && cidr.family === ipFamily(address) && cidrContains(cidr, address)
    }),
  )
  return within.length ? within : undefined
}
