// Calls to a driver, each over its Unix socket and with a deadline. A driver may hang, die or answer nonsense: a call
// ends in any case, with an answer, a StatusError or the signal's reason.
import {
  callUnary,
  type CallOptions,
  type Received,
  type Sent,
  type ServiceClient,
  type ServiceWords,
  socketClient,
} from '../../wire/grpc.ts'
import { csiEnums, csiMessages, csiServices } from './definition.ts'

/** The most time of a call to a driver. Source: csiTimeout in pkg/volume/csi/csi_plugin.go. */
const driverCallMs = 120_000
/** The most bytes of an answer. What drivers answer is small. Source: the default of gRPC for Go. */
const maxAnswerBytes = 4 * 1024 * 1024

type CsiMessages = typeof csiMessages
/** A message as it is received from a driver. */
export type CsiMessage<N extends keyof CsiMessages> = Received<CsiMessages, typeof csiEnums, N>
/** A message as it is sent to a driver. */
export type CsiRequest<N extends keyof CsiMessages> = Sent<CsiMessage<N>>

type Calls<S extends ServiceWords> = {
  [M in keyof S]: S[M] extends `${infer In extends keyof CsiMessages} ${infer Out extends keyof CsiMessages}`
    ? (request: CsiRequest<In>, options?: Pick<CallOptions, 'signal' | 'timeoutMs'>) => Promise<CsiMessage<Out>>
    : never
}

/** The Node service of a driver. */
export type CsiNodeCalls = Calls<(typeof csiServices)['Node']>

export interface CsiClient {
  readonly node: CsiNodeCalls
  close(): void
}

/** A client for the driver that listens on a socket. It connects with the first call, and again after a loss. */
export function connectDriver(socket: string): CsiClient {
  const definition = { package: 'csi.v1', messages: csiMessages, enums: csiEnums, services: csiServices }
  const client = socketClient(definition, 'Node', socket, maxAnswerBytes)
  return {
    node: callsOf(client, Object.keys(csiServices.Node), driverCallMs) as CsiNodeCalls,
    close: () => client.close(),
  }
}

function callsOf(client: ServiceClient, methods: readonly string[], timeoutMs: number): Record<string, unknown> {
  const call =
    (method: string) =>
    (request: object, options: CallOptions = {}) =>
      callUnary(client, method, request, { timeoutMs, ...options })
  return Object.fromEntries(methods.map(method => [method, call(method)]))
}
