// Puts the parts for devices together: the socket at which plugins register, the manager, and what the node reports.
//
//   NODE/device-plugins/kubelet.sock                  plugins register here
//   NODE/device-plugins/kubelet_internal_checkpoint   which container has which devices
//   NODE/device-plugins/…                             the sockets of plugins
//   NODE/pod-resources/kubelet.sock                   shows which pod has which devices
//
// A kubelet that starts removes the sockets of plugins. A plugin takes that, or the new kubelet.sock, as a sign to
// register again. Source: pkg/kubelet/cm/devicemanager/plugin/v1beta1/server.go.
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Chore } from '../../base/chore.ts'
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { serveSocket } from '../grpc-server.ts'
import { pluginDefinition } from './calls.ts'
import { podResourcesMessages, podResourcesServices } from './definition.ts'
import { DeviceManager, type DeviceManagerOptions } from './manager.ts'
import { allocatableResources, getResources, listResources } from './pod-resources.ts'
import { planRegister } from './register.ts'

const podResources = {
  package: 'v1',
  messages: podResourcesMessages,
  enums: {},
  services: podResourcesServices,
}

interface DevicesOptions extends Pick<DeviceManagerOptions, 'live'> {
  nodeDir: string
  /** The pods that have not ended. */
  pods(): readonly Pod[]
  /** Writes the node's status, once there is a node. */
  report(): Promise<void> | undefined
  clock: Clock
  log: Log
  signal: AbortSignal
}

/** The status of the node is written at most this often because of devices. */
const reportEveryMs = 1_000
const checkpointName = 'kubelet_internal_checkpoint'

/** Reads what a former kubelet has noted, and serves the sockets until the signal aborts. */
export async function openDevices(o: DevicesOptions): Promise<DeviceManager> {
  const { nodeDir, clock, log, signal } = o
  const dir = join(nodeDir, 'device-plugins')
  await mkdir(dir, { recursive: true, mode: 0o750 })
  const reporting = new Chore({ signal }, async () => {
    await o.report()
    // It rejects only when aborted, and nothing follows then.
    await clock.sleep(reportEveryMs, signal).catch(() => {})
  })
  const onChange = () => reporting.wake()
  const manager = new DeviceManager({
    nodeDir,
    checkpoint: join(dir, checkpointName),
    live: o.live,
    onChange,
    clock,
    log,
    signal,
  })
  await manager.open()
  const failed = (error: unknown) => log.warn('device plugins cannot register', { why: messageOf(error) })
  new Chore({ signal, retry: { clock, firstMs: 1_000, maxMs: 30_000, failed } }, async () => {
    await removeSockets(dir)
    const register = async (request: object) => {
      const { resource, socket } = planRegister(request, dir)
      await manager.register(resource, socket)
      return {}
    }
    serveUntil(signal, await serveSocket(pluginDefinition, 'Registration', { register }, join(dir, 'kubelet.sock')))
  }).wake()
  const unseen = (error: unknown) => log.warn('the devices of pods are not shown', { why: messageOf(error) })
  new Chore({ signal, retry: { clock, firstMs: 1_000, maxMs: 30_000, failed: unseen } }, async () => {
    serveUntil(signal, await servePodResources(manager, o))
  }).wake()
  return manager
}

async function servePodResources(manager: DeviceManager, { nodeDir, pods }: DevicesOptions) {
  const dir = join(nodeDir, 'pod-resources')
  await mkdir(dir, { recursive: true, mode: 0o750 })
  const now = () => ({ pods: pods(), stocks: manager.stocks, allotmentsOf: manager.allotmentsOf })
  const handlers = {
    list: () => listResources(now()),
    getAllocatableResources: () => allocatableResources(now()),
    get: (request: object) => getResources(request, now()),
  }
  return serveSocket(podResources, 'PodResourcesLister', handlers, join(dir, 'kubelet.sock'))
}

function serveUntil(signal: AbortSignal, server: { close(): void }): void {
  if (signal.aborted) server.close()
  else signal.addEventListener('abort', () => server.close(), { once: true })
}

/** Removes the sockets that former plugins, and a former kubelet, have left. */
async function removeSockets(dir: string): Promise<void> {
  for (const entry of await readdir(dir, { withFileTypes: true }))
    if (entry.isSocket()) await rm(join(dir, entry.name), { force: true })
}
