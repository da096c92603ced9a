// A server of gRPC and one of WebSockets in the test's own process, behind Services of a cluster by EndpointSlices that are
// written by hand; and clients that reach them through what serves requests from outside.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import * as grpc from '@grpc/grpc-js'
import { WebSocket, WebSocketServer } from 'ws'
import { realClock } from '../../src/base/clock.ts'
import type { TestCluster } from './cluster.ts'

const text = {
  requestSerialize: (value: string) => Buffer.from(value),
  requestDeserialize: (bytes: Buffer) => bytes.toString(),
  responseSerialize: (value: string) => Buffer.from(value),
  responseDeserialize: (bytes: Buffer) => bytes.toString(),
}
const methods = {
  say: { path: '/test.Echo/Say', requestStream: false, responseStream: false, ...text },
  count: { path: '/test.Echo/Count', requestStream: false, responseStream: true, ...text },
} satisfies grpc.ServiceDefinition

/** The machine's address in the network of the nodes of a cluster that has several. */
export function machineIn({ tag }: TestCluster): string {
  const found = networkInterfaces()[`kt${tag}n`]?.find(({ family }) => family === 'IPv4')
  if (!found) throw new Error('the cluster has no network of nodes')
  return found.address
}

interface Programs {
  grpc: number
  webSocket: number
  close(): Promise<void>
}

/** Starts both servers at an address of the machine. */
export async function startPrograms(address: string): Promise<Programs> {
  const server = new grpc.Server()
  server.addService(methods, {
    say: (call: grpc.ServerUnaryCall<string, string>, done: grpc.sendUnaryData<string>) => {
      const [mark = ''] = call.metadata.get('x-mark')
      done(null, `${call.request} ${String(mark)}`.trim())
    },
    count: (call: grpc.ServerWritableStream<string, string>) => {
      for (let i = 1; i <= Number(call.request); i++) call.write(String(i))
      const trailers = new grpc.Metadata()
      trailers.set('x-end', 'reached')
      call.end(trailers)
    },
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${address}:0`, grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    )
  })
  const http = createServer()
  const sockets = new WebSocketServer({ server: http })
  sockets.on('connection', socket => socket.on('message', data => socket.send(`echo ${String(data)}`)))
  await new Promise<void>(resolve => void http.listen(0, address, resolve))
  return {
    grpc: port,
    webSocket: (http.address() as AddressInfo).port,
    async close() {
      server.forceShutdown()
      for (const socket of sockets.clients) socket.terminate()
      await new Promise(resolve => void http.close(resolve))
    },
  }
}

/** A Service with a port 80 that leads to a port of the machine. */
export const serviceTo = (name: string, address: string, port: number, appProtocol?: string): object => ({
  apiVersion: 'v1',
  kind: 'List',
  items: [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name },
      spec: { ports: [{ name: 'main', port: 80, ...(appProtocol && { appProtocol }) }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [address], conditions: { ready: true } }],
      ports: [{ name: 'main', port, protocol: 'TCP' }],
    },
  ],
})

const limitMs = 5_000

/** What a call of gRPC and a stream of it get by way of an address, under a host name. */
export async function callGrpc(target: string, host: string, mark = ''): Promise<{ said: string; counted: string[] }> {
  const Echo = grpc.makeGenericClientConstructor(methods, 'test.Echo')
  const client = new Echo(target, grpc.credentials.createInsecure(), { 'grpc.default_authority': host })
  const options = { deadline: realClock.now() + limitMs }
  const metadata = new grpc.Metadata()
  if (mark) metadata.set('x-mark', mark)
  try {
    const said = await new Promise<string>((resolve, reject) => {
      const done = (error: Error | null, answer?: string) => (error ? reject(error) : resolve(answer ?? ''))
      client.makeUnaryRequest(
        methods.say.path,
        text.requestSerialize,
        text.responseDeserialize,
        'hello',
        metadata,
        options,
        done,
      )
    })
    const counted = await new Promise<string[]>((resolve, reject) => {
      const all: string[] = []
      const stream = client.makeServerStreamRequest(
        methods.count.path,
        text.requestSerialize,
        text.responseDeserialize,
        '3',
        metadata,
        options,
      )
      stream.on('data', (one: string) => all.push(one))
      stream.on('error', reject)
      stream.on('status', ({ metadata: trailers }) => resolve([...all, ...trailers.get('x-end').map(String)]))
    })
    return { said, counted }
  } finally {
    client.close()
  }
}

/** What a WebSocket gets for a message by way of an address, under a host name. */
export function askWebSocket(url: string, host: string): Promise<string> {
  const socket = new WebSocket(url, { headers: { host }, handshakeTimeout: limitMs })
  return new Promise<string>((resolve, reject) => {
    socket.on('open', () => socket.send('hello'))
    socket.on('message', data => resolve(String(data)))
    socket.on('error', reject)
  }).finally(() => socket.terminate())
}
