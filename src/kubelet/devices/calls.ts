// Calls to a device plugin over its Unix socket. A plugin may hang, die or answer nonsense: every call has a deadline, and
// every answer a limit. Source: pkg/kubelet/cm/devicemanager/endpoint.go.
import { callUnary, followStream, type Received, socketClient, timeToConnect } from '../../wire/grpc.ts'
import { pluginMessages, pluginServices } from './definition.ts'

type Message<N extends keyof typeof pluginMessages> = Received<typeof pluginMessages, Record<never, string>, N>

export const pluginDefinition = {
  package: 'v1beta1',
  messages: pluginMessages,
  enums: {},
  services: pluginServices,
}

/** The most time until a plugin that registers accepts a connection. */
const connectMs = 10_000
/** The most time of calls that decide. Upstream has a limit for the last one only, KubeletPreStartContainerRPCTimeoutInSecs. */
const [optionsMs, preferMs, allocateMs, preStartMs] = [10_000, 10_000, 60_000, 30_000]
/** The most bytes of an answer. Source: the default of gRPC for Go. */
const maxAnswerBytes = 4 * 1024 * 1024

export interface PluginCalls {
  /** Throws an error when there is no connection. */
  connect(signal: AbortSignal): Promise<void>
  options(signal: AbortSignal): Promise<Message<'DevicePluginOptions'>>
  /** The lists of devices, one after the other, until the plugin ends. */
  lists(signal: AbortSignal): AsyncIterable<Message<'ListAndWatchResponse'>>
  /** The ids that the plugin would choose. */
  prefer(available: readonly string[], must: readonly string[], size: number, signal: AbortSignal): Promise<string[]>
  /** The answer for one container. */
  allocate(ids: readonly string[], signal: AbortSignal): Promise<Message<'ContainerAllocateResponse'>>
  preStart(ids: readonly string[], signal: AbortSignal): Promise<void>
  close(): void
}

/** A client for the plugin that listens on a socket. */
export function connectPlugin(socket: string): PluginCalls {
  const client = socketClient(pluginDefinition, 'DevicePlugin', socket, maxAnswerBytes)
  return {
    async connect(signal) {
      if ((await timeToConnect(client, connectMs, signal)) === undefined)
        throw new Error(`failed to dial device plugin: no connection to ${socket} within ${connectMs / 1000} seconds`)
    },
    options: async signal =>
      (await callUnary(
        client,
        'getDevicePluginOptions',
        {},
        { signal, timeoutMs: optionsMs },
      )) as Message<'DevicePluginOptions'>,
    lists: signal => followStream(client, 'listAndWatch', {}, signal) as AsyncIterable<Message<'ListAndWatchResponse'>>,
    async prefer(availableDeviceIds, mustIncludeDeviceIds, allocationSize, signal) {
      const request = { containerRequests: [{ availableDeviceIds, mustIncludeDeviceIds, allocationSize }] }
      const options = { signal, timeoutMs: preferMs }
      const answer = await callUnary(client, 'getPreferredAllocation', request, options)
      return (answer as Message<'PreferredAllocationResponse'>).containerResponses[0]?.deviceIds ?? []
    },
    async allocate(devicesIds, signal) {
      const options = { signal, timeoutMs: allocateMs }
      const answer = await callUnary(client, 'allocate', { containerRequests: [{ devicesIds }] }, options)
      const [first] = (answer as Message<'AllocateResponse'>).containerResponses
      if (!first) throw new Error(`no containers return in allocation response ${JSON.stringify(answer)}`)
      return first
    },
    async preStart(devicesIds, signal) {
      await callUnary(client, 'preStartContainer', { devicesIds }, { signal, timeoutMs: preStartMs })
    },
    close: () => client.close(),
  }
}
