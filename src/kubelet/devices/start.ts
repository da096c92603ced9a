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
import type { Mirror } from '../../api/mirror.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { serveSocket } from '../grpc-server.ts'
import { livePods, liveUids } from '../on-node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { pluginDefinition } from './calls.ts'
import { podResourcesMessages, podResourcesServices } from './definition.ts'
import { DeviceManager } from './manager.ts'
import { pace } from './pace.ts'
import {
  allocatableResources,
  getResources,
  listResources,
  type ResourceCpus,
  type ResourceMemory,
  type ResourcesNow,
} from './pod-resources.ts'
import { planRegister } from './register.ts'

const podResources = {
  package: 'v1',
  messages: podResourcesMessages,
  enums: {},
  services: podResourcesServices,
}

/** A pod on the node. */
interface OnNode {
  readonly pod: Pod
  readonly over: boolean
  /** Lets its status be written again. */
  wake(): void
}

interface DevicesOptions {
  runtime: Pick<Runtime, 'real'>
  /** Whether a simulated node has devices, too. */
  hasDevices?: boolean
  /** The directory of the node. */
  rootDir: string
  /** The pods of the node, and whether they are all there. */
  source: { readonly pods: Pick<Mirror<Pod>, 'list'>; readonly isComplete: boolean }
  /** By uid. */
  workers: ReadonlyMap<string, OnNode>
  cpus: ResourceCpus | undefined
  memory: ResourceMemory | undefined
  /** Shows the claims of containers. Undefined on a node without drivers for them. */
  dra: { shownOf: ResourcesNow['dynamicOf'] } | undefined
  /** Writes the node's status, once there is a node. */
  report(): Promise<void> | undefined
  clock: Clock
  log: Log
  signal: AbortSignal
}

/** The status of the node is written at most this often because of devices. */
const reportEveryMs = 1_000
const checkpointName = 'kubelet_internal_checkpoint'

/**
 * Reads what a former kubelet has noted, and serves the sockets until the signal aborts. Undefined on a node without
 * devices.
 */
export async function makeDevices(o: DevicesOptions): Promise<DeviceManager | undefined> {
  const { rootDir, source, workers, clock, log, signal } = o
  if (!o.runtime.real && !o.hasDevices) return undefined
  const dir = join(rootDir, 'device-plugins')
  await mkdir(dir, { recursive: true, mode: 0o750 })
  const reporting = new Chore({ signal }, async () => {
    await o.report()
    // It rejects only when aborted, and nothing follows then.
    await clock.sleep(reportEveryMs, signal).catch(() => {})
  })
  const manager = new DeviceManager({
    nodeDir: rootDir,
    checkpoint: join(dir, checkpointName),
    live: () => (source.isComplete ? liveUids(source.pods.list(), workers) : undefined),
    onChange: () => reporting.wake(),
    onHealth: pods => pods.forEach(uid => workers.get(uid)?.wake()),
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

async function servePodResources(manager: DeviceManager, o: DevicesOptions) {
  const { rootDir, workers, cpus, memory, clock } = o
  const dir = join(rootDir, 'pod-resources')
  await mkdir(dir, { recursive: true, mode: 0o750 })
  const dynamicOf = o.dra?.shownOf ?? (() => [])
  const { allotmentsOf } = manager
  const now = () => ({ pods: livePods(workers), stocks: manager.stocks, allotmentsOf, cpus, memory, dynamicOf })
  const handlers = {
    list: () => listResources(now()),
    getAllocatableResources: () => allocatableResources(now()),
    get: (request: object) => getResources(request, now()),
  }
  return serveSocket(
    podResources,
    'PodResourcesLister',
    handlers,
    join(dir, 'kubelet.sock'),
    pace(() => clock.steady()),
  )
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
