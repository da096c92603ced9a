// The HTTP GET of probes and hooks. Certificates are not verified, redirects to other hosts are not followed, and only
// the first 10 KiB of the answer are kept. Source: kubernetes pkg/probe/http.
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { Clock } from '../../base/clock.ts'
import type { HTTPGetAction } from '../../kinds/core/probe.ts'

interface HttpGetRequest {
  action: HTTPGetAction
  host: string
  port: number
  timeoutMs: number
  clock: Clock
  agent: string
  signal?: AbortSignal
}

/** The answer, or why there is none. */
type HttpGetResult = { status: number; body: string; location?: string } | { problem: string }

const maxBodyBytes = 10 * 1024
const maxRedirects = 10

export async function httpGet(request: HttpGetRequest): Promise<HttpGetResult> {
  const { action, host, port } = request
  const scheme = (action.scheme ?? 'HTTP').toLowerCase()
  const shown = host.includes(':') ? `[${host}]` : host
  let url = new URL(
    `${scheme}://${shown}:${port}${action.path?.startsWith('/') === false ? '/' : ''}${action.path || '/'}`,
  )
  for (let hops = 0; ; hops++) {
    const result = await once(request, url)
    const location = 'location' in result ? result.location : undefined
    if (!location || hops >= maxRedirects) return result
    const next = new URL(location, url)
    // A redirect to another host proves that the container is alive.
    if (next.hostname !== url.hostname) return result
    url = next
  }
}

function once({ action, timeoutMs, clock, agent, signal }: HttpGetRequest, url: URL): Promise<HttpGetResult> {
  return new Promise(resolve => {
    const headers: Record<string, string> = { 'user-agent': agent, accept: '*/*', connection: 'close' }
    for (const { name, value } of action.httpHeaders ?? []) headers[name.toLowerCase()] = value
    const send = url.protocol === 'https:' ? requestHttps : requestHttp
    let done = (result: HttpGetResult) => {
      done = () => {}
      cancel()
      signal?.removeEventListener('abort', onAbort)
      outgoing.destroy()
      resolve(result)
    }
    const fail = (problem: string) => done({ problem })
    const cancel = clock.after(timeoutMs, () =>
      fail(`Get "${textOf(url)}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`),
    )
    const onAbort = () => fail('aborted')
    signal?.addEventListener('abort', onAbort, { once: true })
    const outgoing = send(url, { agent: false, headers, rejectUnauthorized: false }, response => {
      const chunks: Buffer[] = []
      let size = 0
      const location =
        (response.statusCode ?? 0) >= 300 && (response.statusCode ?? 0) < 400 ? response.headers.location : undefined
      const finish = () =>
        done({
          status: response.statusCode ?? 0,
          body: Buffer.concat(chunks).toString().slice(0, maxBodyBytes),
          ...(location && { location }),
        })
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        size += chunk.length
        if (size >= maxBodyBytes) finish()
      })
      response.on('end', finish)
      response.on('error', error => fail(error.message))
    })
    outgoing.on('error', error => fail(`Get "${textOf(url)}": ${goWords(error, url, ends)}`))
    // A closed socket has no addresses any more, so they are read when it connects.
    let ends = ''
    outgoing.on('socket', socket =>
      socket.once('connect', () => {
        ends = `${endText(socket.localAddress, socket.localPort)}->${endText(socket.remoteAddress, socket.remotePort)}`
      }),
    )
    outgoing.end()
  })
}

/** As in Go's messages, the port is included even if it is the default of the scheme. */
const portText = ({ port, protocol }: URL) => port || (protocol === 'https:' ? '443' : '80')
const textOf = (url: URL) => `${url.protocol}//${url.hostname}:${portText(url)}${url.pathname}${url.search}`

const endText = (address = '', port = 0) => `${address.includes(':') ? `[${address}]` : address}:${port}`

const systemWords: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network is unreachable',
  ECONNRESET: 'connection reset by peer',
  ETIMEDOUT: 'connection timed out',
  EPIPE: 'broken pipe',
}

/** The message of a failed connection, as Go's dialer words it, since clients match on it. */
export function dialWords(error: Error, to: { hostname: string; port: string }): string {
  const { code = '', hostname } = error as NodeJS.ErrnoException & { hostname?: string }
  const address = `dial tcp ${to.hostname}:${to.port}`
  if (systemWords[code]) return `${address}: connect: ${systemWords[code]}`
  if (hostname !== undefined) return `dial tcp: lookup ${hostname}: no such host`
  return `${address}: ${error.message}`
}

// `ends` has the addresses of the connection, or '' without a connection.
function goWords(error: Error, url: URL, ends: string): string {
  const { code = '', syscall = 'read', rawPacket } = error as NodeJS.ErrnoException & { rawPacket?: Buffer }
  if (!ends) return dialWords(error, { hostname: url.hostname, port: portText(url) })
  // The other side closed the connection without an answer.
  if (error.message === 'socket hang up') return 'EOF'
  if (code.startsWith('HPE_')) {
    const line = rawPacket?.toString('latin1').split(/\r?\n/)[0] ?? ''
    return `net/http: HTTP/1.x transport connection broken: malformed HTTP response ${JSON.stringify(line)}`
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) return 'http: server gave HTTP response to HTTPS client'
  return systemWords[code] ? `${syscall} tcp ${ends}: ${syscall}: ${systemWords[code]}` : error.message
}
