// The CRI client: every call of CRI v1 as an async function over containerd's socket.
//
// - Calls are independent of each other: they run at the same time, and end in any order. None is retried here.
// - The first call connects. After the connection is lost, the client reconnects with a pause of 50 ms to 1 s. A call
//   for which there is no connection fails with the reason ServiceUnavailable.
// - A call has two minutes, after which it fails with the reason Timeout. Calls whose work may take longer (pullImage,
//   execSync, stopContainer, runPodSandbox) have no limit but the one of their caller.
// - An abort cancels the call and rejects with the signal's reason. It takes nothing back: what the runtime did until
//   then stays, such as a sandbox or a layer of an image, and must be looked for.
// - An answer has at most 64 MiB.
//
// For example, `cri.stopContainer({ containerId, timeout: 30 }, { timeoutMs: 90_000 })` leaves a minute beyond the
// grace period, and throws a StatusError with the reason NotFound for an unknown container.
import * as grpc from '@grpc/grpc-js'
import {
  type CallOptions,
  callUnary,
  clientsOf,
  type Received,
  type Sent,
  type ServiceWords,
  socketChannelOptions,
} from '../../wire/grpc.ts'
import { enums, messages, services } from './definition.ts'

/** A CRI message as received. */
export type Message<N extends keyof typeof messages> = Received<typeof messages, typeof enums, N>
/** A CRI message as sent. Fields that are left out have their zero value. */
export type Request<N extends keyof typeof messages> = Sent<Message<N>>

type Calls<S extends ServiceWords> = {
  [M in keyof S]: S[M] extends `${infer In extends keyof typeof messages} ${infer Out extends keyof typeof messages}`
    ? (request: Request<In>, options?: CallOptions) => Promise<Message<Out>>
    : never
}

/**
 * RuntimeService and ImageService of CRI v1. Failures are StatusErrors with the message
 * `rpc error: code = NotFound desc = …`; `grpcOf` returns code and description separately.
 */
export type Cri = Calls<(typeof services)['RuntimeService']> & Calls<(typeof services)['ImageService']>

/** The default of kubelet's --runtime-request-timeout. */
const requestTimeoutMs = 120_000
// How long these take depends on their work, so the caller sets the limit.
const unlimited = new Set(['pullImage', 'execSync', 'stopContainer', 'runPodSandbox'])

export interface CriClient extends Disposable {
  readonly cri: Cri
  close(): void
}

/** A client for the CRI socket at `path`. After `close` it must not be used. */
export function connectCri(path: string): CriClient {
  const v1 = clientsOf({ package: 'runtime.v1', messages, enums, services })
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
  return { cri: cri as Cri, close, [Symbol.dispose]: close }
}
