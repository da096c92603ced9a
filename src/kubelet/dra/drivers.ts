// The DRA drivers of a node. Of one driver several instances may be registered, while it is being replaced by another
// version: the one that came last and is connected is asked.
//
//   instance registers ──▶ usable ──▶ its slices stay
//   no instance is connected for 30 s ──▶ the ResourceSlices of the driver and this node are deleted
//   kubelet starts ──▶ those of the drivers that are not registered are deleted
//
// Pods could be given devices of a driver that is not there, and would wait for it on this node; that is why its slices go.
// A driver that comes again publishes them again. Source: pkg/kubelet/cm/dra/plugin/dra_plugin_manager.go.
import type { Clock } from '../../base/clock.ts'
import { isReason, messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { joined } from '../../base/waiters.ts'
import type { Client } from '../../client/index.ts'
import { ResourceSlice } from '../../kinds/resource/resourceslice.ts'
import type { Plugin, PluginHandler } from '../plugins/registration.ts'
import { connectDriver, type DraCalls, draServicesKnown, type HealthReport } from './calls.ts'

interface DriversOptions {
  client: Pick<Client, 'deleteCollection'>
  nodeName: string
  /** Called when a driver has registered. */
  onRegistered(driver: string): void
  /** Called with each report about devices, and with undefined when there are no more. */
  onHealth(driver: string, report: HealthReport | undefined): void
  clock: Clock
  log: Log
  signal: AbortSignal
}

interface Instance {
  readonly driver: string
  readonly calls: DraCalls
  readonly stop: AbortController
  isConnected: boolean
}

/** How long slices stay without a driver. Source: defaultWipingDelay. */
const wipeAfterMs = 30_000
const wipeRetry = { firstMs: 1_000, mostMs: 300_000 }
/** The pause before a stream of reports that ended is asked for again, and between two reports. */
const [healthRetryMs, healthPauseMs] = [5_000, 100]

export class DraDrivers {
  readonly #o: DriversOptions
  /** By socket, in the order in which they came. */
  readonly #instances = new Map<string, Instance>()
  /** The drivers whose slices will be deleted, with what prevents that. */
  readonly #wiping = new Map<string, () => void>()

  constructor(options: DriversOptions) {
    this.#o = options
    const { signal } = options
    signal.addEventListener('abort', () => this.#close(), { once: true })
  }

  /** Asks drivers of a type of plugins. */
  readonly handler: PluginHandler = {
    refusal: refusalOf,
    register: async ({ name, versions }, socket) => this.#add(name, socket, versions),
    unregister: ({ name }, socket) => this.#remove(name, socket),
  }

  /** Throws an error in upstream's words when the driver has no instance. */
  get(driver: string): DraCalls {
    const instances = this.#of(driver)
    const found = instances.findLast(({ isConnected }) => isConnected) ?? instances.at(-1)
    if (!found) throw new Error(`DRA driver ${driver} is not registered`)
    return found.calls
  }

  #of = (driver: string): Instance[] => [...this.#instances.values()].filter(item => item.driver === driver)

  #add(driver: string, socket: string, versions: readonly string[]): void {
    const { clock, log, signal, onRegistered } = this.#o
    signal.throwIfAborted()
    const before = this.#instances.get(socket)
    if (before && before.driver !== driver)
      throw new Error(`endpoint ${socket} already registered for DRA driver plugin ${before.driver}`)
    const stop = new AbortController()
    const calls = connectDriver({ driver, socket, service: serviceOf(versions) ?? '', clock })
    // Another process may have made the socket. The instance that comes last is the newest.
    this.#drop(socket)
    const instance: Instance = { driver, calls, stop, isConnected: false }
    this.#instances.set(socket, instance)
    log.info('a DRA driver is registered', { driver, socket, instances: this.#of(driver).length })
    this.#sync(driver)
    calls.followConnection(isConnected => {
      // While there is no connection, each try to make one is a change.
      if (instance.isConnected === isConnected) return
      instance.isConnected = isConnected
      this.#sync(driver)
    })
    void this.#followHealth(instance, versions.includes('v1alpha1.DRAResourceHealth'))
    onRegistered(driver)
  }

  #remove(driver: string, socket: string): void {
    if (this.#instances.get(socket)?.driver !== driver) return
    this.#drop(socket)
    this.#o.log.info('a DRA driver is not registered any more', { driver, instances: this.#of(driver).length })
    this.#sync(driver)
  }

  #drop(socket: string): void {
    const instance = this.#instances.get(socket)
    this.#instances.delete(socket)
    instance?.stop.abort(new Error('the driver is not registered any more'))
    instance?.calls.close()
  }

  #close(): void {
    for (const cancel of this.#wiping.values()) cancel()
    for (const socket of this.#instances.keys()) this.#drop(socket)
  }

  #isUsable = (driver: string): boolean => this.#of(driver).some(({ isConnected }) => isConnected)

  /** To be called when a driver has come or gone. */
  #sync(driver: string): void {
    const { clock, signal } = this.#o
    if (signal.aborted) return
    if (this.#isUsable(driver)) {
      this.#wiping.get(driver)?.()
      this.#wiping.delete(driver)
    } else if (!this.#wiping.has(driver)) {
      const stop = new AbortController()
      const cancel = clock.after(wipeAfterMs, () => void this.#wipeOne(driver, stop.signal))
      this.#wiping.set(driver, () => {
        cancel()
        stop.abort(new Error('the driver is there'))
      })
    }
  }

  async #wipeOne(driver: string, stop: AbortSignal): Promise<void> {
    const { signal, release } = joined(this.#o.signal, stop)
    await this.#wipe(() => [`spec.driver=${driver}`], signal)
    release()
    if (!signal.aborted) this.#wiping.delete(driver)
  }

  /** Deletes the slices of the drivers that have not registered. To be called when the node exists. */
  wipeUnregistered(): Promise<void> {
    const registered = () => new Set(Array.from(this.#instances.values(), ({ driver }) => driver))
    return this.#wipe(() => Array.from(registered(), driver => `spec.driver!=${driver}`), this.#o.signal)
  }

  /** Tries to delete slices of the node until that succeeds or the signal aborts. */
  async #wipe(which: () => string[], signal: AbortSignal): Promise<void> {
    const { client, nodeName, clock, log } = this.#o
    for (let pauseMs = wipeRetry.firstMs; !signal.aborted; pauseMs = Math.min(pauseMs * 2, wipeRetry.mostMs)) {
      try {
        const fieldSelector = [`spec.nodeName=${nodeName}`, ...which()].join(',')
        await client.deleteCollection(ResourceSlice, { fieldSelector, signal })
        return
      } catch (error) {
        if (signal.aborted || isReason(error, 'NotFound')) return
        log.warn('the ResourceSlices of drivers that are gone are still there', { why: messageOf(error) })
      }
      // It rejects only when aborted, which the loop checks.
      await clock.sleep(pauseMs, signal).catch(() => {})
    }
  }

  /** Reads the reports of an instance until it goes. A driver that announces none and has none is asked once. */
  async #followHealth({ driver, calls, stop }: Instance, isAnnounced: boolean): Promise<void> {
    const { clock, log, onHealth } = this.#o
    const { signal, release } = joined(this.#o.signal, stop.signal)
    let isOver = false
    while (!isOver && !signal.aborted) {
      try {
        for await (const report of calls.health(signal)) {
          onHealth(driver, report)
          await clock.sleep(healthPauseMs, signal)
        }
      } catch (error) {
        isOver = !isAnnounced && isReason(error, 'MethodNotAllowed')
        if (!isOver && !signal.aborted)
          log.debug('the health of devices is not reported', { driver, why: messageOf(error) })
      }
      onHealth(driver, undefined)
      // It rejects only when aborted, which the loop checks.
      if (!isOver) await clock.sleep(healthRetryMs, signal).catch(() => {})
    }
    release()
  }
}

/** The service that is used: the first one in the driver's order that the kubelet has. */
const serviceOf = (versions: readonly string[]): string | undefined =>
  versions.find(version => draServicesKnown.has(version))

const quoted = (words: Iterable<string>) => `[${Array.from(words, word => JSON.stringify(word)).join(' ')}]`

/** Why a driver is not taken into use; undefined if it is. Pure. */
export function refusalOf({ name, endpoint, versions }: Plugin): string | undefined {
  const refused = (why: string) =>
    `invalid supported gRPC versions of DRA driver plugin ${name} at endpoint ${endpoint}: ${why}`
  // The name becomes a part of field selectors. Source: the rules of spec.driver in ResourceSlices.
  if (!/^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/.test(name))
    return `the DRA driver name ${JSON.stringify(name)} is invalid`
  if (!versions.length) return refused('empty list of supported gRPC services (aka supported versions)')
  if (serviceOf(versions) !== undefined) return undefined
  return refused(
    `none of services supported by the plugin (${quoted(versions)}) are supported by the kubelet (${quoted(draServicesKnown.keys())})`,
  )
}
