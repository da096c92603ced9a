// Calls to the registration socket of a plugin. A plugin may hang, die or answer nonsense: every call has a deadline, and
// every answer a limit. Source: k8s.io/kubelet pkg/apis/pluginregistration/v1.
import { callUnary, type Received, socketClient } from '../../wire/grpc.ts'

const messages = {
  PluginInfo: { type: 'string = 1', name: 'string = 2', endpoint: 'string = 3', supportedVersions: 'string[] = 4' },
  RegistrationStatus: { pluginRegistered: 'bool = 1', error: 'string = 2' },
  RegistrationStatusResponse: {},
  InfoRequest: {},
} as const

/** Method → `Request Response`. */
const services = {
  Registration: {
    getInfo: 'InfoRequest PluginInfo',
    notifyRegistrationStatus: 'RegistrationStatus RegistrationStatusResponse',
  },
} as const

/** The most time of a call. */
const callMs = 10_000
/** The most bytes of an answer. What plugins answer is small. Source: the default of gRPC for Go. */
const maxAnswerBytes = 4 * 1024 * 1024

export type PluginInfo = Received<typeof messages, Record<never, string>, 'PluginInfo'>

interface RegistrationCalls {
  getInfo(signal: AbortSignal): Promise<PluginInfo>
  notify(registered: boolean, error: string, signal: AbortSignal): Promise<void>
  close(): void
}

/** A client for the registration socket of a plugin. */
export function connectRegistration(socket: string): RegistrationCalls {
  const definition = { package: 'pluginregistration', messages, enums: {}, services }
  const client = socketClient(definition, 'Registration', socket, maxAnswerBytes)
  const timeoutMs = callMs
  return {
    getInfo: async signal => (await callUnary(client, 'getInfo', {}, { signal, timeoutMs })) as PluginInfo,
    async notify(pluginRegistered, error, signal) {
      await callUnary(client, 'notifyRegistrationStatus', { pluginRegistered, error }, { signal, timeoutMs })
    },
    close: () => client.close(),
  }
}
