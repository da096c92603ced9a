// Answers load balancers that ask whether this node has endpoints of a Service with the external traffic policy Local:
// an HTTP server on the Service's healthCheckNodePort, with 200 while there is one and 503 otherwise.
// Source: pkg/proxy/healthcheck/service_health.go.
import { createServer, type Server, type ServerResponse } from 'node:http'
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
  server: Server
}

/** How long a client may take for its request. */
const requestMs = 5_000
const maxConnections = 100

/** What load balancers are to be answered about a Service; undefined when there is nothing to ask. Pure. */
export function healthOf(service: Service, slices: readonly EndpointSlice[], nodeName: string): Health | undefined {
  const { type, externalTrafficPolicy, healthCheckNodePort: port } = service.spec
  if (type !== 'LoadBalancer' || externalTrafficPolicy !== 'Local' || !port) return undefined
  const local = new Set(
    slices
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
  readonly #failed: (key: string, why: string) => void

  /** @param failed called when a port cannot be listened on */
  constructor(signal: AbortSignal, failed: (key: string, why: string) => void) {
    this.#failed = failed
    signal.addEventListener('abort', () => [...this.#checked.keys()].forEach(key => this.set(key, undefined)), {
      once: true,
    })
  }

  /** Starts, changes or ends the server for a Service. */
  set(key: string, health: Health | undefined): void {
    const before = this.#checked.get(key)
    if (before && before.health.port === health?.port) {
      before.health = health
      return
    }
    if (before) {
      this.#checked.delete(key)
      before.server.close()
      before.server.closeAllConnections()
    }
    if (!health) return
    const checked = { health, server: createServer((_, response) => answer(checked.health, response)) }
    const { server } = checked
    server.requestTimeout = requestMs
    server.headersTimeout = requestMs
    server.maxConnections = maxConnections
    server.on('error', error => {
      // It is tried again with the next change of the Service.
      if (this.#checked.get(key) === checked) this.#checked.delete(key)
      this.#failed(key, `cannot answer health checks on port ${health.port}: ${messageOf(error)}`)
    })
    server.listen(health.port)
    this.#checked.set(key, checked)
  }
}

function answer({ namespace, name, local }: Health, response: ServerResponse): void {
  const body = { service: { namespace, name }, localEndpoints: local, serviceProxyHealthy: true }
  response
    .writeHead(local ? 200 : 503, {
      'Content-Type': 'application/json',
      'X-Content-Type-Options': 'nosniff',
      'X-Load-Balancing-Endpoint-Weight': String(local),
    })
    .end(JSON.stringify(body, null, '\t'))
}
