// Registration of drivers and device plugins: a plugin, or the registrar beside it, listens on a socket in the node's
// plugins_registry. The kubelet finds the socket, asks who it is, takes it into use, and answers whether that worked.
//
//   socket appears ──▶ GetInfo ──▶ planRegistration ──▶ NodeGetInfo of the driver ──▶ CSINode ──▶ registered
//        ▲                 └── a failure: reported to the plugin, and tried again after 0.5 s, 1 s, … 2 min 2 s
//        └── another socket at the path: the driver was started again, and registers from the beginning
//   socket is gone ──▶ the driver is taken out of use, and out of CSINode
//
// - Each socket is served by itself, so that one that hangs or lies delays no other. Every call has a deadline.
// - A socket that is left by a driver that was killed keeps its registration until another takes its place.
// - Nothing is kept on disk: a kubelet that starts finds the sockets, and asks each of them.
//
// Source: pkg/kubelet/pluginmanager (pluginwatcher, operationexecutor), pkg/volume/csi/csi_plugin.go.
import { watch } from 'node:fs'
import { lstat, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Chore } from '../../base/chore.ts'
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { joined } from '../../base/waiters.ts'
import { isExtended } from '../../kinds/core/resource-rules.ts'
import { every } from '../node/node.ts'
import { type CsiMessage, connectRegistration, type PluginInfo } from './calls.ts'
import type { CsiDrivers } from './drivers.ts'

/** Where device plugins are taken into use. */
export interface DevicePlugins {
  /** Throws when that is impossible. */
  register(resource: string, socket: string): Promise<void>
  unregister(resource: string, socket: string): void
}

interface RegistrationOptions {
  /** The directory of the sockets. It is created. */
  dir: string
  drivers: CsiDrivers
  devices: DevicePlugins
  /** The path on the node of a socket that a plugin names. */
  pathOf(endpoint: string): string
  /** Makes the driver known in the API. Throws when that is impossible. */
  install(driver: string, info: CsiMessage<'NodeGetInfoResponse'>): Promise<void>
  uninstall(driver: string): Promise<void>
  clock: Clock
  log: Log
  signal: AbortSignal
}

interface Served {
  /** Which socket it is: another one at the same path has another mark. */
  mark: string
  stop: AbortController
  /** What was accepted, once it is registered. */
  plugin?: Accepted
}

/** Changes in the directory are reported by the kernel; those that were missed are found after this time. */
const lookEveryMs = 10_000
/** Sockets beyond this number are not served. */
const maxSockets = 200
const retry = { firstMs: 500, mostMs: 122_000 }

export class PluginRegistration {
  readonly #options: RegistrationOptions
  /** By path of the socket. */
  readonly #served = new Map<string, Served>()
  readonly #looking: Chore

  constructor(options: RegistrationOptions) {
    this.#options = options
    const { signal, clock, log } = options
    const failed = (error: unknown) => log.warn('the sockets of plugins could not be listed', { error })
    this.#looking = new Chore({ signal, retry: { clock, firstMs: 1000, maxMs: 10_000, failed } }, () => this.#look())
  }

  /** Serves the sockets from now on, until the signal aborts. */
  async start(): Promise<void> {
    const { dir, clock, signal, log } = this.#options
    await mkdir(dir, { recursive: true, mode: 0o750 })
    const watcher = watch(dir, () => this.#looking.wake())
    watcher.on('error', error => log.warn('the directory of plugins is not watched', { error }))
    signal.addEventListener('abort', () => watcher.close(), { once: true })
    void every(clock, lookEveryMs, signal, async () => this.#looking.wake())
  }

  async #look(): Promise<void> {
    const sockets = await socketsIn(this.#options.dir)
    for (const [path, served] of this.#served) if (!sockets.has(path)) this.#drop(path, served)
    for (const [path, mark] of sockets) {
      const served = this.#served.get(path)
      if (served?.mark === mark) continue
      // The driver is there again: it stays in CSINode, and pods that wait for it need not wait longer.
      served?.stop.abort(new Error('another socket is in its place'))
      const next: Served = { mark, stop: new AbortController(), ...(served?.plugin && { plugin: served.plugin }) }
      this.#served.set(path, next)
      void this.#serve(path, next)
    }
  }

  #drop(path: string, { stop, plugin }: Served): void {
    const { drivers, devices, uninstall, pathOf, log } = this.#options
    stop.abort(new Error('the socket is gone'))
    this.#served.delete(path)
    if (plugin?.type === 'DevicePlugin') return devices.unregister(plugin.name, pathOf(plugin.endpoint))
    const driver = plugin?.name
    // Another socket may have registered the same driver.
    const has = (other: Served) => other.plugin?.type === 'CSIPlugin' && other.plugin.name === driver
    if (driver === undefined || Array.from(this.#served.values()).some(has)) return
    drivers.remove(driver)
    log.info('a driver is not registered any more', { driver })
    uninstall(driver).catch((error: unknown) =>
      log.warn('a driver is still in CSINode', { driver, why: messageOf(error) }),
    )
  }

  /** Tries to register until it succeeds or the socket is gone. */
  async #serve(path: string, served: Served): Promise<void> {
    const { clock, log } = this.#options
    const { signal, release } = joined(this.#options.signal, served.stop.signal)
    let pauseMs = retry.firstMs
    while (!signal.aborted) {
      try {
        served.plugin = await this.#register(path, signal)
        log.info('a plugin is registered', { name: served.plugin.name, socket: path })
        break
      } catch (error) {
        if (signal.aborted) break
        log.warn('a plugin could not be registered, will be retried', { socket: path, why: messageOf(error) })
      }
      // It rejects only when aborted, which the loop checks.
      await clock.sleep(pauseMs, signal).catch(() => {})
      pauseMs = Math.min(pauseMs * 2, retry.mostMs)
    }
    release()
  }

  async #register(path: string, signal: AbortSignal): Promise<Accepted> {
    const registration = connectRegistration(path)
    try {
      const plan = planRegistration(await registration.getInfo(signal), path)
      if ('refusal' in plan) {
        await registration.notify(false, plan.refusal, signal)
        throw new Error(plan.refusal)
      }
      try {
        await this.#takeIntoUse(plan, signal)
      } catch (error) {
        signal.throwIfAborted()
        const why = `RegisterPlugin error -- plugin registration failed with err: ${messageOf(error)}`
        await registration.notify(false, why, signal)
        throw new Error(why, { cause: error })
      }
      await registration.notify(true, '', signal)
      return plan
    } finally {
      registration.close()
    }
  }

  async #takeIntoUse({ type, name, endpoint }: Accepted, signal: AbortSignal): Promise<void> {
    const { drivers, devices, pathOf, install } = this.#options
    if (type === 'DevicePlugin') return devices.register(name, pathOf(endpoint))
    const driver = drivers.add(name, pathOf(endpoint))
    try {
      await install(name, await driver.node.nodeGetInfo({}, { signal }))
    } catch (error) {
      drivers.remove(name)
      throw error
    }
  }
}

interface Accepted {
  type: 'CSIPlugin' | 'DevicePlugin'
  name: string
  endpoint: string
}

/**
 * Whether a plugin is taken into use, and under which name and socket. `path` is that of its registration socket, which
 * serves a plugin that names no other.
 */
export function planRegistration(
  { type, name, endpoint, supportedVersions }: PluginInfo,
  path: string,
): Accepted | { refusal: string } {
  if (type !== 'CSIPlugin' && type !== 'DevicePlugin')
    return { refusal: `No handler registered for plugin type: ${type} at socket ${path}` }
  const refused = (why: string) => ({ refusal: `RegisterPlugin error -- plugin validation failed with err: ${why}` })
  if (type === 'DevicePlugin') {
    const versions = supportedVersions.join(' ')
    if (!supportedVersions.includes('v1beta1'))
      return refused(`manager version, v1beta1, is not among plugin supported versions [${versions}]`)
    if (!isExtended(name))
      return refused(`invalid name of device plugin socket: the ResourceName ${JSON.stringify(name)} is invalid`)
    return { type, name, endpoint: endpoint || path }
  }
  const rules = `kubernetes.io/csi: ValidatePlugin for CSI driver ${JSON.stringify(name)} failed.`
  if (!isDriverName(name)) return refused(`${rules} The name is not that of a driver`)
  if (!supportedVersions.length) return refused(`${rules} Plugin returned an empty list for supported versions`)
  if (!supportedVersions.some(version => /^v?1\.\d+(\.\d+)?$/.test(version)))
    return refused(`${rules} None of the versions specified ${JSON.stringify(supportedVersions)} are supported.`)
  return { type, name, endpoint: endpoint || path }
}

/** Names of drivers become parts of paths. Source: the CSI specification, GetPluginInfo. */
const isDriverName = (name: string) => /^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/i.test(name)

/** The sockets of a directory and of those in it, each with a mark that another socket at the path does not have. */
async function socketsIn(dir: string): Promise<Map<string, string>> {
  const sockets = new Map<string, string>()
  const look = async (at: string, depth: number): Promise<void> => {
    for (const entry of await readdir(at, { withFileTypes: true })) {
      if (sockets.size >= maxSockets) return
      const path = join(at, entry.name)
      if (entry.name.startsWith('.')) continue
      if (entry.isDirectory() && depth > 0) await look(path, depth - 1).catch(() => {})
      if (!entry.isSocket()) continue
      const stats = await lstat(path, { bigint: true }).catch(() => undefined)
      if (stats) sockets.set(path, `${stats.ino} ${stats.birthtimeNs}`)
    }
  }
  await look(dir, 1)
  return sockets
}
