// Serves the metrics of DNS over HTTP at /metrics, as CoreDNS does: in the open, to anyone who reaches the address.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Log } from '../base/log.ts'
import type { DnsMetrics } from './metrics.ts'

interface MetricsOptions {
  readonly address: string
  readonly port: number
  readonly metrics: DnsMetrics
  readonly log: Log
  readonly signal: AbortSignal
}

const maxConnections = 50
const headersMs = 5_000
const maxHeaderBytes = 16_384

/**
 * Serves until the signal aborts. Resolves to the port; undefined if it is not free, which is logged: names matter
 * more than numbers about them.
 */
export function serveMetrics({ address, port, metrics, log, signal }: MetricsOptions): Promise<number | undefined> {
  const server = createServer({ headersTimeout: headersMs, maxHeaderSize: maxHeaderBytes }, (request, response) => {
    const path = (request.url ?? '').split('?', 1)[0]
    const allowed = request.method === 'GET' || request.method === 'HEAD'
    const code = path !== '/metrics' ? 404 : allowed ? 200 : 405
    response.writeHead(code, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
    response.end(code === 200 ? metrics.text() : '')
  })
  server.maxConnections = maxConnections
  signal.addEventListener('abort', () => (server.close(), server.closeAllConnections()), { once: true })
  return new Promise(resolve => {
    server.on('error', error => {
      log.warn('cannot serve the metrics of DNS', { address, port, why: error.message })
      resolve(undefined)
    })
    server.listen(port, address, () => resolve((server.address() as AddressInfo).port))
  })
}
