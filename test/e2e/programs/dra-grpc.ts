// A DRA driver as gRPC servers on Unix sockets, from .proto files: the driver itself, its health, and its registration.
// The driver of the end-to-end tests and those inside a test process are made from it.
import { rmSync } from 'node:fs'
import type * as grpc from '@grpc/grpc-js'
import { constructorOf, type Handler, type Request, serve } from './csi-grpc.ts'

export interface HealthOf {
  device: { pool_name: string; device_name: string }
  health: number
  message?: string
}

interface DriverOptions {
  name: string
  /** The socket of the driver, and as the kubelet is told of it. */
  socket: string
  endpoint?: string
  /** The registration socket. */
  registration: string
  version?: 'v1' | 'v1beta1'
  prepare: Handler
  unprepare: Handler
  /** Whether it serves the health of its devices. */
  hasHealth?: boolean
  onStatus?(registered: boolean, error: string): void
}

/** Serves a driver, and lets it register. */
export async function serveDriver(o: DriverOptions) {
  const { version = 'v1', hasHealth = false } = o
  const watchers = new Set<grpc.ServerWritableStream<object, object>>()
  let devices: readonly HealthOf[] | undefined
  const server = await serve(o.socket, `dra-${version}.proto`, {
    [`k8s.io.kubelet.pkg.apis.dra.${version}.DRAPlugin`]: {
      NodePrepareResources: o.prepare,
      NodeUnprepareResources: o.unprepare,
    },
  })
  if (hasHealth)
    server.addService(constructorOf('dra-health.proto', 'v1alpha1.DRAResourceHealth').service, {
      NodeWatchResources(call: grpc.ServerWritableStream<object, object>) {
        watchers.add(call)
        call.on('cancelled', () => watchers.delete(call))
        call.on('error', () => watchers.delete(call))
        if (devices) call.write({ devices })
      },
    })
  const services = [`${version}.DRAPlugin`, ...(hasHealth ? ['v1alpha1.DRAResourceHealth'] : [])]
  const info = { type: 'DRAPlugin', name: o.name, endpoint: o.endpoint ?? o.socket, supported_versions: services }
  const registration = await serve(o.registration, 'registration.proto', {
    'pluginregistration.Registration': {
      GetInfo: () => info,
      NotifyRegistrationStatus({ plugin_registered, error }: Request) {
        o.onStatus?.(plugin_registered, error)
        return {}
      },
    },
  })
  return {
    /** Sends a report to everyone who watches, and to those who come later. */
    report(next: readonly HealthOf[]) {
      devices = next
      for (const call of watchers) call.write({ devices })
    },
    watchers: () => watchers.size,
    /** Breaks connections as a kill does. The sockets stay. */
    kill() {
      server.forceShutdown()
      registration.forceShutdown()
    },
    /** Ends it, with its sockets. */
    close() {
      this.kill()
      for (const socket of [o.socket, o.registration]) rmSync(socket, { force: true })
    },
  }
}
