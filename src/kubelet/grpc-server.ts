// gRPC servers on Unix sockets, from the same definitions as clients. The kubelet serves the registration of device
// plugins and the resources of pods this way. A handler that throws fails its own call, and nothing else.
import { rm } from 'node:fs/promises'
import * as grpc from '@grpc/grpc-js'
import { messageOf } from '../base/errors.ts'
import { capital, clientsOf, type Definition } from '../wire/grpc.ts'

/** Answers one call. What it throws becomes the status Unknown with the error's message, as in Go programs. */
type Handler = (request: object) => Promise<object> | object

interface SocketServer {
  /** Breaks all connections, and removes the socket. */
  close(): void
}

/** The most calls under way; further ones fail with ResourceExhausted. */
const maxCalls = 100
/** The most bytes of a request. Source: the default of gRPC for Go. */
const maxRequestBytes = 4 * 1024 * 1024

/**
 * Serves one service of a definition on a socket. A socket that a killed process has left there is replaced. `may` is asked
 * before each call, and says whether it may come now.
 */
export async function serveSocket(
  definition: Definition,
  service: string,
  handlers: Readonly<Record<string, Handler>>,
  socket: string,
  may: () => boolean = () => true,
): Promise<SocketServer> {
  const server = new grpc.Server({ 'grpc.max_receive_message_length': maxRequestBytes })
  const constructor = clientsOf(definition)[service]
  if (!constructor) throw new Error(`the definition has no service ${service}`)
  let calls = 0
  const wrapped = Object.entries(handlers).map(([method, handle]) => [
    capital(method),
    (call: grpc.ServerUnaryCall<object, object>, answer: grpc.sendUnaryData<object>) => {
      if (calls >= maxCalls) return answer({ code: grpc.status.RESOURCE_EXHAUSTED, details: 'too many calls' })
      if (!may()) return answer({ code: grpc.status.RESOURCE_EXHAUSTED, details: 'rejected by rate limit' })
      calls++
      Promise.resolve()
        .then(() => handle(call.request))
        .then(
          result => answer(null, result),
          (error: unknown) => answer({ code: grpc.status.UNKNOWN, details: messageOf(error) }),
        )
        .finally(() => calls--)
    },
  ])
  server.addService(constructor.service, Object.fromEntries(wrapped))
  await rm(socket, { force: true })
  await new Promise<void>((resolve, reject) => {
    const bound = (error: Error | null) => (error ? reject(error) : resolve())
    server.bindAsync(`unix:${socket}`, grpc.ServerCredentials.createInsecure(), bound)
  })
  return { close: () => server.forceShutdown() }
}
