// Registration of plugins: a driver of volumes, a device plugin or a DRA driver, or the registrar beside it, listens on a
// socket in the node's plugins_registry. The kubelet finds the socket, asks who it is, passes it to the handler of its
// type, and answers whether that took it into use.
//
//   socket appears ──▶ GetInfo ──▶ planRegistration ──▶ handler.register ──▶ registered
//        ▲                 └── a failure: reported to the plugin, and tried again after 0.5 s, 1 s, … 2 min 2 s
//        └── another socket at the path: the plugin was started again, and registers from the beginning
//   socket is gone ──▶ handler.unregister
//
// - Each socket is served by itself, so that one that hangs or lies delays no other. Every call has a deadline.
// - A socket that is left by a plugin that was killed keeps its registration until another takes its place.
// - Nothing is kept on disk: a kubelet that starts finds the sockets, and asks each of them.
//
// Source: pkg/kubelet/pluginmanager (pluginwatcher, operationexecutor).
import { watch } from 'node:fs'
import { lstat, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Chore } from '../../base/chore.ts'
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { joined } from '../../base/waiters.ts'
import { every } from '../node/node.ts'
import { connectRegistration, type PluginInfo } from './calls.ts'

/** A plugin whose type has a handler that does not refuse it. */
export interface Plugin {
  readonly type: string
  readonly name: string
  /** As the plugin names it; the path of its registration socket if it names none. */
  readonly endpoint: string
  readonly versions: readonly string[]
}

/** What takes the plugins of one type into use. */
export interface PluginHandler {
  /** Why a plugin is not taken into use; undefined if it is. */
  refusal(plugin: Plugin): string | undefined
  /**
   * Throws when that is impossible. `socket` is the path on the node of the plugin's endpoint. It can be repeated, when
   * the plugin was started again.
   */
  register(plugin: Plugin, socket: string, signal: AbortSignal): Promise<void>
  /** `isLast`: no other plugin of the type has registered with the name. */
  unregister(plugin: Plugin, socket: string, isLast: boolean): void
}

interface RegistrationOptions {
  /** The directory of the sockets. It is created. */
  dir: string
  /** By type. */
  handlers: ReadonlyMap<string, PluginHandler>
  /** The path on the node of a socket that a plugin names. */
  pathOf(endpoint: string): string
  clock: Clock
  log: Log
  signal: AbortSignal
}

interface Served {
  /** Which socket it is: another one at the same path has another mark. */
  mark: string
  stop: AbortController
  /** What was accepted, once it is registered. */
  plugin?: Plugin
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
    if (signal.aborted) return
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
      // The plugin is there again: it stays in use, and pods that wait for it need not wait longer.
      served?.stop.abort(new Error('another socket is in its place'))
      const next: Served = { mark, stop: new AbortController(), ...(served?.plugin && { plugin: served.plugin }) }
      this.#served.set(path, next)
      void this.#serve(path, next)
    }
  }

  #drop(path: string, { stop, plugin }: Served): void {
    stop.abort(new Error('the socket is gone'))
    this.#served.delete(path)
    if (plugin) this.#release(plugin)
  }

  /** Ends the use of a plugin that is in `served` no more. */
  #release(plugin: Plugin): void {
    const { handlers, pathOf, log } = this.#options
    const { type, name, endpoint } = plugin
    const isSame = (other: Served) => other.plugin?.type === type && other.plugin.name === name
    const isLast = !Array.from(this.#served.values()).some(isSame)
    handlers.get(type)?.unregister(plugin, pathOf(endpoint), isLast)
    log.info('a plugin is not registered any more', { type, name })
  }

  /** Tries to register until it succeeds or the socket is gone. */
  async #serve(path: string, served: Served): Promise<void> {
    const { clock, log } = this.#options
    const { signal, release } = joined(this.#options.signal, served.stop.signal)
    let pauseMs = retry.firstMs
    while (!signal.aborted) {
      try {
        const before = served.plugin
        const plugin = await this.#register(path, signal)
        served.plugin = plugin
        if (before && !isSamePlugin(before, plugin)) this.#release(before)
        log.info('a plugin is registered', { name: plugin.name, socket: path })
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

  async #register(path: string, signal: AbortSignal): Promise<Plugin> {
    const { handlers, pathOf } = this.#options
    const registration = connectRegistration(path)
    try {
      const plan = planRegistration(await registration.getInfo(signal), path, handlers)
      if ('refusal' in plan) {
        await registration.notify(false, plan.refusal, signal)
        throw new Error(plan.refusal)
      }
      const { plugin, handler } = plan
      try {
        await handler.register(plugin, pathOf(plugin.endpoint), signal)
      } catch (error) {
        signal.throwIfAborted()
        const why = `RegisterPlugin error -- plugin registration failed with err: ${messageOf(error)}`
        await registration.notify(false, why, signal)
        throw new Error(why, { cause: error })
      }
      await registration.notify(true, '', signal)
      return plugin
    } finally {
      registration.close()
    }
  }
}

const isSamePlugin = (a: Plugin, b: Plugin) => a.type === b.type && a.name === b.name && a.endpoint === b.endpoint

/**
 * Whether a plugin is taken into use, and by which handler. `path` is that of its registration socket, which serves a
 * plugin that names no other.
 */
export function planRegistration(
  { type, name, endpoint, supportedVersions }: PluginInfo,
  path: string,
  handlers: ReadonlyMap<string, PluginHandler>,
): { plugin: Plugin; handler: PluginHandler } | { refusal: string } {
  const handler = handlers.get(type)
  if (!handler) return { refusal: `No handler registered for plugin type: ${type} at socket ${path}` }
  const plugin: Plugin = { type, name, endpoint: endpoint || path, versions: supportedVersions }
  const refusal = handler.refusal(plugin)
  if (refusal === undefined) return { plugin, handler }
  return { refusal: `RegisterPlugin error -- plugin validation failed with err: ${refusal}` }
}

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
