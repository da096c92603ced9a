// Puts the parts for claims together: the drivers that register, what they prepare for pods, and the health of their
// devices.
//
//   NODE/dra_manager_state        which pods have which claims, and what drivers prepared for them
//   NODE/plugins_registry/…       the sockets at which drivers register (plugins/registration.ts)
import { join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { Client } from '../../client/index.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import type { ResourceStatus } from '../../kinds/core/podstatus.ts'
import type { ReadContainer } from '../pod/spec.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { HealthReport } from './calls.ts'
import { DraDrivers } from './drivers.ts'
import { DriverHealth } from './health.ts'
import { DraManager } from './manager.ts'
import { hasClaims } from './pod-claims.ts'
import { claimHealth, dynamicResources } from './shown.ts'

interface DraOptions {
  client: Client
  nodeName: string
  runtime: Pick<Runtime, 'real'>
  /** Whether a simulated node has drivers, too. */
  hasDevices?: boolean
  /** The directory of the node. It exists. */
  rootDir: string
  /** By uid. Those that wait for a driver are tried again when one has registered. */
  workers: ReadonlyMap<string, { readonly pod: Pod; objectsChanged(): void; wake(): void }>
  clock: Clock
  log: Log
  signal: AbortSignal
}

export interface NodeDra {
  manager: DraManager
  handler: DraDrivers['handler']
  /** Deletes the ResourceSlices of drivers that are not here. To be called when the node is registered. */
  start(): void
  /** The health of the devices that a container has by claims. */
  healthOf(pod: Pod, container: ReadContainer): ResourceStatus[]
  /** What podresources shows of the claims of a container. */
  shownOf(pod: Pod, container: ReadContainer): ReturnType<typeof dynamicResources>
}

/** Reads what a former kubelet has noted. Undefined on a node without devices. */
export async function makeDra(o: DraOptions): Promise<NodeDra | undefined> {
  const { client, nodeName, workers, clock, log, signal } = o
  if (!o.runtime.real && !o.hasDevices) return undefined
  const health = new DriverHealth()
  const onHealth = (driver: string, report: HealthReport | undefined) => {
    try {
      const news = report ? health.update(driver, report, clock.steady()) : health.clear(driver)
      for (const uid of manager.podsWith(driver, news)) workers.get(uid)?.wake()
    } catch (error) {
      log.warn('a report about devices is not used', { driver, why: messageOf(error) })
    }
  }
  const onRegistered = () => {
    for (const worker of workers.values()) if (hasClaims(worker.pod)) worker.objectsChanged()
  }
  const drivers = new DraDrivers({ client, nodeName, onRegistered, onHealth, clock, log, signal })
  const manager = new DraManager({
    client,
    driver: name => drivers.get(name),
    checkpoint: join(o.rootDir, 'dra_manager_state'),
    clock,
    log,
  })
  await manager.open()
  const { claim } = manager
  const now = { claim, healthOf: (driver: string, device: string) => health.of(driver, device, clock.steady()) }
  return {
    manager,
    handler: drivers.handler,
    start: () => void drivers.wipeUnregistered(),
    healthOf: (pod, container) => (hasClaims(pod) ? claimHealth(pod, container, now) : []),
    shownOf: (pod, container) => (hasClaims(pod) ? dynamicResources(pod, container, now) : []),
  }
}
