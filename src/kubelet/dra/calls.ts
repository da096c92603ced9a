// Calls to a DRA driver over its Unix socket. A driver may hang, die or answer nonsense: every call has a deadline, and
// every answer a limit. Source: pkg/kubelet/cm/dra/plugin/dra_plugin.go.
import { connectivityState } from '@grpc/grpc-js'
import type { Clock } from '../../base/clock.ts'
import { callUnary, followStream, grpcOf, type Received, socketClient } from '../../wire/grpc.ts'
import { counts } from '../metrics.ts'
import { draMessages, draServices, healthEnums, healthMessages, healthServices } from './definition.ts'

/** The services of a driver that a kubelet can use, the newest first, with the packages in which they are. */
export const draServicesKnown: ReadonlyMap<string, string> = new Map([
  ['v1.DRAPlugin', 'k8s.io.kubelet.pkg.apis.dra.v1'],
  ['v1beta1.DRAPlugin', 'k8s.io.kubelet.pkg.apis.dra.v1beta1'],
])

/** The most time of a call. Source: defaultClientCallTimeout. */
const callMs = 45_000
/** The most bytes of an answer. Source: the default of gRPC for Go. */
const maxAnswerBytes = 4 * 1024 * 1024

/** A claim as drivers are asked for it. */
export interface ClaimRef {
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

type Message<N extends keyof typeof draMessages> = Received<typeof draMessages, Record<never, string>, N>
export type PrepareAnswer = Message<'NodePrepareResourceResponse'>
export type HealthReport = Received<typeof healthMessages, typeof healthEnums, 'NodeWatchResourcesResponse'>

export interface DraCalls {
  /** What the driver answers for each claim, by uid. */
  prepare(claims: readonly ClaimRef[], signal?: AbortSignal): Promise<Record<string, PrepareAnswer>>
  /** What has failed, '' for nothing, for each claim, by uid. */
  unprepare(claims: readonly ClaimRef[], signal?: AbortSignal): Promise<Record<string, { error: string }>>
  /** The reports about the devices of the driver, one after the other, until the stream ends. */
  health(signal: AbortSignal): AsyncIterable<HealthReport>
  /** Connects, and keeps the connection as well as it can. Calls `changed` now, and whenever the driver came or went. */
  followConnection(changed: (isConnected: boolean) => void): void
  close(): void
}

interface ConnectOptions {
  driver: string
  socket: string
  /** One of those known. */
  service: string
  clock: Clock
}

/** A client for the driver that listens on a socket. */
export function connectDriver({ driver, socket, service, clock }: ConnectOptions): DraCalls {
  const name = draServicesKnown.get(service)
  if (name === undefined) throw new Error(`unsupported service ${service}`)
  const definition = { package: name, messages: draMessages, enums: {}, services: draServices }
  const client = socketClient(definition, 'DRAPlugin', socket, maxAnswerBytes)
  const healthDefinition = {
    package: 'v1alpha1',
    messages: healthMessages,
    enums: healthEnums,
    services: healthServices,
  }
  const healthClient = socketClient(healthDefinition, 'DRAResourceHealth', socket, maxAnswerBytes)
  const call = async (method: string, claims: readonly ClaimRef[], signal?: AbortSignal) => {
    const from = clock.steady()
    let code = 'OK'
    try {
      const answer = await callUnary(client, method, { claims }, { signal, timeoutMs: callMs })
      return (answer as { claims: unknown }).claims
    } catch (error) {
      code = signal?.aborted ? 'Canceled' : (grpcOf(error)?.code ?? 'Unknown')
      throw error
    } finally {
      counts.draCalled(clock.steady() - from, driver, `/${name}.DRAPlugin/${method.replace('node', 'Node')}`, code)
    }
  }
  return {
    prepare: async (claims, signal) =>
      (await call('nodePrepareResources', claims, signal)) as Record<string, PrepareAnswer>,
    unprepare: async (claims, signal) =>
      (await call('nodeUnprepareResources', claims, signal)) as Record<string, { error: string }>,
    health: signal => followStream(healthClient, 'nodeWatchResources', {}, signal) as AsyncIterable<HealthReport>,
    followConnection(changed) {
      const channel = client.getChannel()
      const look = () => {
        // A connection that has gone is made again only when it is asked for.
        const state = channel.getConnectivityState(true)
        if (state === connectivityState.SHUTDOWN) return
        changed(state === connectivityState.READY)
        channel.watchConnectivityState(state, Infinity, look)
      }
      look()
    },
    close() {
      client.close()
      healthClient.close()
    },
  }
}
