// The runtime as the kubelet sees it: every CRI call as an async function, and what happens to containers as a
// stream. containerd is the real one; a simulated runtime implements the same two interfaces.
import * as grpc from '@grpc/grpc-js'
import {
  type CallOptions,
  callUnary,
  loadDefinition,
  type Received,
  type Sent,
  type ServiceWords,
  socketChannelOptions,
} from '../grpc.ts'
import { enums, messages, services } from './definition.ts'

/** A CRI message as received. */
export type Message<N extends keyof typeof messages> = Received<typeof messages, typeof enums, N>
/** A CRI message as sent: fields left out have their zero value. */
export type Request<N extends keyof typeof messages> = Sent<Message<N>>

type Calls<S extends ServiceWords> = {
  [M in keyof S]: S[M] extends `${infer In extends keyof typeof messages} ${infer Out extends keyof typeof messages}`
    ? (request: Request<In>, options?: CallOptions) => Promise<Message<Out>>
    : never
}

/**
 * RuntimeService and ImageService of CRI v1. Failures are StatusErrors whose message is
 * `rpc error: code = NotFound desc = …`; `grpcOf` gives code and words apart.
 */
export type Cri = Calls<(typeof services)['RuntimeService']> & Calls<(typeof services)['ImageService']>

/** kubelet's --runtime-request-timeout. */
const requestTimeoutMs = 120_000
// These take as long as their work does: their caller says how long that may be.
const unlimited = new Set(['pullImage', 'execSync', 'stopContainer', 'runPodSandbox'])

export interface CriClient extends Disposable {
  readonly cri: Cri
  close(): void
}

/** A client for the CRI socket at `path`. It connects on the first call and again whenever the other side is back. */
export function connectCri(path: string): CriClient {
  const root = loadDefinition({ package: 'runtime.v1', messages, enums, services })
  const v1 = (root.runtime as grpc.GrpcObject).v1 as Record<string, grpc.ServiceClientConstructor>
  const clients: grpc.Client[] = []
  const cri: Record<string, unknown> = {}
  for (const [service, methods] of Object.entries(services)) {
    const client = new v1[service]!(`unix:${path}`, grpc.credentials.createInsecure(), socketChannelOptions)
    clients.push(client)
    for (const method of Object.keys(methods)) {
      const defaults = unlimited.has(method) ? {} : { timeoutMs: requestTimeoutMs }
      cri[method] = (request: object, options: CallOptions = {}) =>
        callUnary(client, method, request, { ...defaults, ...options })
    }
  }
  const close = () => {
    for (const client of clients) client.close()
  }
  return { cri: cri as unknown as Cri, close, [Symbol.dispose]: close }
}
