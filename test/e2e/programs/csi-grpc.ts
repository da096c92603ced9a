// gRPC servers and clients on Unix sockets for the drivers and plugins of the tests, from .proto files.
import { rmSync } from 'node:fs'
import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

/** What the methods of the driver read of their requests. Each method has some of the fields. */
export interface Request {
  name: string
  volume_id: string
  node_id: string
  target_path: string
  staging_target_path: string
  volume_path: string
  readonly: boolean
  volume_context: Record<string, string>
  publish_context: Record<string, string>
  parameters: Record<string, string>
  capacity_range: { required_bytes: number }
  volume_capability: Capability
  volume_capabilities: [Capability]
  claims: ClaimRef[]
  plugin_registered: boolean
  error: string
}
/** A claim as DRA drivers are asked for it. */
export interface ClaimRef {
  namespace: string
  uid: string
  name: string
}
interface Capability {
  block: object | null
}
/** What the methods of the driver's controller answer. */
interface Answer {
  volume: { volume_id: string; volume_context: Record<string, string> }
  publish_context: Record<string, string>
}

export type Handler = (request: Request) => Promise<object> | object

/** An error that the caller receives with a gRPC code. */
export const refuse = (code: grpc.status, details: string): Error =>
  Object.assign(new Error(details), { code, details })
export const { status } = grpc

/** What serves and calls a service of a file. */
export function constructorOf(file: string, name: string): grpc.ServiceClientConstructor {
  const loaded = grpc.loadPackageDefinition(
    loadSync(new URL(file, import.meta.url).pathname, { keepCase: true, longs: Number, defaults: true }),
  )
  const [service = '', ...rest] = name.split('.').reverse()
  let at = loaded
  for (const part of rest.reverse()) at = at[part] as grpc.GrpcObject
  return at[service] as grpc.ServiceClientConstructor
}

/** Serves methods, by service. A socket that a killed process has left is replaced. */
export async function serve(
  socket: string,
  file: string,
  services: Readonly<Record<string, Readonly<Record<string, Handler>>>>,
): Promise<grpc.Server> {
  // Some answer more than a caller may read.
  const server = new grpc.Server({ 'grpc.max_send_message_length': -1 })
  for (const [name, methods] of Object.entries(services)) {
    const handlers = Object.entries(methods).map(([method, handle]) => [
      method,
      (call: grpc.ServerUnaryCall<Request, object>, answer: grpc.sendUnaryData<object>) => {
        Promise.resolve()
          .then(() => handle(call.request))
          .then(
            result => answer(null, result),
            (error: Error & { code?: number }) =>
              answer({ code: error.code ?? status.INTERNAL, details: error.message }),
          )
      },
    ])
    server.addService(constructorOf(file, name).service, Object.fromEntries(handlers))
  }
  rmSync(socket, { force: true })
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${socket}`, grpc.ServerCredentials.createInsecure(), error =>
      error ? reject(error) : resolve(),
    ),
  )
  return server
}

type Method = (request: object, options: grpc.CallOptions, done: (error: Error | null, answer: Answer) => void) => void

/** A function that calls methods of a service. */
export function caller(socket: string, file: string, name: string) {
  const client = new (constructorOf(file, name))(`unix:${socket}`, grpc.credentials.createInsecure())
  return (method: string, request: object): Promise<Answer> =>
    new Promise((resolve, reject) =>
      (client[method] as Method).call(client, request, { deadline: Date.now() + 30_000 }, (error, answer) =>
        error ? reject(error) : resolve(answer),
      ),
    )
}
