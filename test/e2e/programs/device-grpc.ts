// A device plugin as a gRPC server on a Unix socket, and calls to the kubelet's own sockets, from .proto files. The plugin
// of the end-to-end tests and those inside a test process are made from it.
import { rmSync } from 'node:fs'
import * as grpc from '@grpc/grpc-js'
import { constructorOf } from './csi-grpc.ts'

export interface DeviceMessage {
  ID: string
  health: string
  topology?: { nodes: { ID: number }[] }
}
/** What the methods read of their requests. Each method has some of the fields. */
interface PluginRequest {
  container_requests: {
    devices_ids: string[]
    available_deviceIDs: string[]
    must_include_deviceIDs: string[]
    allocation_size: number
  }[]
  devices_ids: string[]
}
export type PluginMethod = (request: PluginRequest) => Promise<object> | object

/** Methods that are left out are not implemented. */
export interface PluginMethods {
  GetDevicePluginOptions?: PluginMethod
  GetPreferredAllocation?: PluginMethod
  Allocate?: PluginMethod
  PreStartContainer?: PluginMethod
}

/** Serves a plugin. `list` sends a list of devices to everyone who watches, and to those who come later. */
export async function servePlugin(socket: string, methods: PluginMethods) {
  const server = new grpc.Server({ 'grpc.max_send_message_length': -1 })
  const watchers = new Set<grpc.ServerWritableStream<object, object>>()
  let devices: readonly DeviceMessage[] | undefined
  const unary =
    (handle: PluginMethod) =>
    (call: grpc.ServerUnaryCall<PluginRequest, object>, answer: grpc.sendUnaryData<object>) => {
      Promise.resolve()
        .then(() => handle(call.request))
        .then(
          result => answer(null, result),
          (error: Error) => answer({ code: grpc.status.INTERNAL, details: error.message }),
        )
    }
  server.addService(constructorOf('device-plugin.proto', 'v1beta1.DevicePlugin').service, {
    GetDevicePluginOptions: unary(() => ({})),
    ...Object.fromEntries(Object.entries(methods).map(([name, handle]) => [name, unary(handle as PluginMethod)])),
    ListAndWatch(call: grpc.ServerWritableStream<object, object>) {
      watchers.add(call)
      call.on('cancelled', () => watchers.delete(call))
      call.on('error', () => watchers.delete(call))
      if (devices) call.write({ devices })
    },
  })
  rmSync(socket, { force: true })
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${socket}`, grpc.ServerCredentials.createInsecure(), error =>
      error ? reject(error) : resolve(),
    ),
  )
  return {
    list(next: readonly DeviceMessage[]) {
      devices = next
      for (const call of watchers) call.write({ devices })
    },
    watchers: () => watchers.size,
    close: () => server.forceShutdown(),
  }
}

type Method = (request: object, options: grpc.CallOptions, done: (error: Error | null, answer: object) => void) => void

/** Calls a method of a service once. */
export function call(socket: string, file: string, service: string, method: string, request: object): Promise<object> {
  const client = new (constructorOf(file, service))(`unix:${socket}`, grpc.credentials.createInsecure())
  return new Promise<object>((resolve, reject) =>
    (client[method] as Method).call(client, request, { deadline: Date.now() + 20_000 }, (error, answer) =>
      error ? reject(error) : resolve(answer),
    ),
  ).finally(() => client.close())
}

/** Registers a plugin with the kubelet. */
export const register = (kubelet: string, endpoint: string, resource: string, version = 'v1beta1') =>
  call(kubelet, 'device-plugin.proto', 'v1beta1.Registration', 'Register', {
    version,
    endpoint,
    resource_name: resource,
  })
