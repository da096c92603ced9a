// The real HTTPS server of a simulated cluster, and a simple client that uses it as a superuser.
import { request } from 'node:https'
import {
  discovery,
  type FlowFront,
  health,
  openapi,
  type PathHandler,
  startHttp,
  streams,
} from '../../src/apiserver/index.ts'
import { issue, makeAuthority } from '../../src/wire/x509.ts'
import type { Sim } from './cluster.ts'

export interface Answer {
  code: number
  headers: Readonly<Record<string, string | string[] | undefined>>
  text: string
  /** The body as JSON. */
  // The type is open, since answers have many forms and each test states what it expects.
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any
}

export interface Https {
  send(method: string, path: string, body?: string | object, headers?: Record<string, string>): Promise<Answer>
  /** The address of the server, and the credentials of the superuser. */
  tls: { host: string; port: number; ca: string; cert: string; key: string }
  close(patienceMs?: number): Promise<void>
}

/** What a server has beyond the usual. */
interface Extra {
  flow?: FlowFront
  requestTimeoutMs?: number
  stalledMs?: number
  maxWatches?: number
  paths?: readonly PathHandler[]
}

export async function openHttps({ plane, clock }: Sim, { paths = [], ...extra }: Extra = {}): Promise<Https> {
  const valid = { now: clock.now(), validMs: 365 * 24 * 3600_000 * 20 }
  const authority = await makeAuthority({ commonName: 'ca', ...valid })
  const serving = await issue(
    authority,
    { commonName: 'server', ips: ['127.0.0.1'] },
    { usages: ['server auth'], ...valid },
  )
  const admin = await issue(
    authority,
    { commonName: 'admin', organizations: ['system:masters'] },
    { usages: ['client auth'], ...valid },
  )
  const kinds = () => plane.core.catalog.all
  const http = await startHttp(
    {
      core: plane.core,
      serve: plane.serve,
      aggregator: plane.aggregator,
      key: serving.keyPem,
      cert: serving.certPem,
      clientCa: authority.certPem,
      paths: [health(plane.core), discovery(kinds, plane.remote), openapi(kinds, plane.remote), ...paths],
      ...extra,
      streams: streams(plane.core, { ca: authority.certPem, ...admin }),
    },
    '127.0.0.1',
    0,
  )
  const tls = { host: '127.0.0.1', port: http.port, ca: authority.certPem, cert: admin.certPem, key: admin.keyPem }
  return {
    tls,
    close: patienceMs => http.close(patienceMs),
    send: (method, path, body, headers = {}) =>
      new Promise((resolve, reject) => {
        const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
        const asked = request(
          { ...tls, method, path, agent: false, headers: { 'content-type': 'application/json', ...headers } },
          response => {
            const chunks: Buffer[] = []
            response.on('data', (chunk: Buffer) => chunks.push(chunk))
            response.on('error', reject)
            response.on('end', () => resolve(answer(response.statusCode ?? 0, response.headers, Buffer.concat(chunks))))
          },
        )
        asked.on('error', reject)
        asked.end(text)
      }),
  }
}

function answer(code: number, headers: Answer['headers'], bytes: Buffer): Answer {
  const text = bytes.toString()
  return { code, headers, text, body: text.startsWith('{') ? JSON.parse(text) : undefined }
}
