// The whole control plane in this process, on the memory store, behind the real HTTP front: requests go through
// Node.js's HTTP parser over pipes in memory, without sockets or TLS.
import { type ClientRequest, createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import { duplexPair, type Duplex } from 'node:stream'
import { realClock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import { realRandom } from '../../src/base/random.ts'
import { discovery, Frontend, health, openapi, streams } from '../../src/apiserver/index.ts'
import { openControlPlane } from '../../src/cluster/control-plane.ts'
import { startControllers } from '../../src/controllers/index.ts'
import { startScheduler } from '../../src/scheduler/index.ts'
import { openMemoryStore } from '../../src/store/index.ts'
import { makeSigningKey } from '../../src/wire/jwt.ts'
import { issue, makeAuthority } from '../../src/wire/x509.ts'

export interface Question {
  method: string
  path: string
  headers?: Readonly<Record<string, string>>
  body?: Buffer | undefined
  /** Without a client certificate. */
  anonymous?: boolean | undefined
}

export interface Answer {
  status: number
  headers: Readonly<Record<string, string[] | undefined>>
  body: Buffer
}

export interface InProcessServer {
  /** What the server calls itself. */
  host: string
  ask(question: Question): Promise<Answer>
  close(): Promise<void>
}

const patienceMs = 5_000
const host = '127.0.0.1:6443'

export async function openInProcessServer(): Promise<InProcessServer> {
  const clock = realClock
  const random = realRandom
  const log = silentLog
  const authority = await makeAuthority({ commonName: 'ca', now: clock.now(), validMs: 24 * 3600_000 })
  const plane = await openControlPlane({
    store: openMemoryStore(),
    clock,
    random,
    log,
    tokenKeys: { key: makeSigningKey() },
    serviceCidrs: ['10.96.0.0/16'],
    nodePorts: [30000, 32767],
    advertise: { address: '192.0.2.1', port: 6443 },
  })
  const ending = new AbortController()
  await startControllers({
    reader: plane.client('system:kube-controller-manager'),
    clientFor: plane.accountClient,
    clock,
    random,
    log,
    signal: ending.signal,
    kinds: plane.kinds,
    caPem: authority.certPem,
    authority,
    signToken: plane.signToken,
    clusterCidr: '10.244.0.0/16',
    // The recorded reads came before any binding.
    disable: ['persistent-volume-binder'],
  })
  const client = plane.client('system:kube-scheduler')
  await startScheduler({ client, clock, random, log, signal: ending.signal })
  const admin = await issue(
    authority,
    { commonName: 'admin', organizations: ['system:masters'] },
    { usages: ['client auth'], now: clock.now(), validMs: 24 * 3600_000 },
  )
  const kinds = () => plane.core.catalog.all
  const frontend = new Frontend({
    core: plane.core,
    serve: plane.serve,
    aggregator: plane.aggregator,
    paths: [health(plane.core), discovery(kinds, plane.remote), openapi(kinds, plane.remote)],
    streams: streams(plane.core, { ca: authority.certPem, ...admin }),
  })
  const http = createServer({ requestTimeout: 0 }, (request, response) => void frontend.handle(request, response))
  return {
    host,
    ask: question => ask(question, anonymous => connect(http, anonymous)),
    async close() {
      ending.abort()
      await plane.close()
    },
  }
}

/** A pipe to the server, which takes its other end for a TLS connection of the administrator or of nobody. */
function connect(http: ReturnType<typeof createServer>, anonymous: boolean): Duplex {
  const [ours, theirs] = duplexPair()
  Object.assign(theirs, {
    encrypted: true,
    authorized: !anonymous,
    getPeerCertificate: () => ({ subject: { CN: 'admin', O: 'system:masters' }, fingerprint256: '00:FF' }),
    setTimeout: () => {},
    setNoDelay: () => {},
    setKeepAlive: () => {},
  })
  Object.assign(ours, { setTimeout: () => {}, setNoDelay: () => {}, setKeepAlive: () => {} })
  http.emit('connection', theirs)
  return ours
}

function ask(question: Question, open: (anonymous: boolean) => Duplex): Promise<Answer> {
  const { method, path, headers, body, anonymous } = question
  return new Promise(resolve => {
    const broken = (error: Error) =>
      resolve({ status: 0, headers: {}, body: Buffer.from(`no answer: ${error.message}`) })
    const asked: ClientRequest = httpRequest(
      {
        method,
        path,
        headers: { host, ...(body && { 'content-length': String(body.length) }), ...headers },
        createConnection: () => open(anonymous ?? false),
      },
      (response: IncomingMessage) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', broken)
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headersDistinct,
            body: Buffer.concat(chunks),
          }),
        )
      },
    )
    asked.on('error', broken)
    // A watch without end has no answer, as it had none when it was recorded.
    const timer = setTimeout(() => (broken(new Error('TimeoutError')), asked.destroy()), patienceMs)
    asked.on('close', () => clearTimeout(timer))
    asked.end(body)
  })
}
