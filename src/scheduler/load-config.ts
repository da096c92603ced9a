// Reads a configuration file and loads the files of own plugins that it names.
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { messageOf, StatusError } from '../base/errors.ts'
import { readYamlFile } from '../base/yaml-file.ts'
import { readConfig, type SchedulerConfig } from './config.ts'
import type { Plugin, PluginMaker } from './framework.ts'

/** Throws a StatusError that names the file and all fields with mistakes. */
export async function loadSchedulerConfig(path: string): Promise<SchedulerConfig> {
  const value = await readYamlFile(path)
  return readConfig(value, path, await loadPlugins(value, path))
}

async function loadPlugins(value: unknown, path: string): Promise<PluginMaker[]> {
  const own = (value as { kutter?: { plugins?: unknown } } | null)?.kutter?.plugins
  if (own === undefined || own === null) return []
  if (!Array.isArray(own)) throw new StatusError('BadRequest', `${path}: kutter.plugins: must be a list of files`)
  const lists = await Promise.all(own.map((file: unknown, i) => loadPlugin(file, path, `kutter.plugins[${i}]`)))
  return lists.flat()
}

async function loadPlugin(file: unknown, path: string, at: string): Promise<PluginMaker[]> {
  const fail = (text: string, cause?: unknown) => new StatusError('BadRequest', `${path}: ${at}: ${text}`, { cause })
  if (typeof file !== 'string') throw fail('must be the path of a file')
  const full = resolve(dirname(path), file)
  let module: { plugins?: unknown }
  try {
    module = (await import(pathToFileURL(full).href)) as typeof module
  } catch (cause) {
    throw fail(`${full} cannot be loaded: ${messageOf(cause)}`, cause)
  }
  if (!Array.isArray(module.plugins) || !module.plugins.length) throw fail(`${full} must export a list named plugins`)
  return module.plugins.map((entry: unknown) => {
    if (!isNamed(entry)) throw fail(`${full} exports something in plugins that has no name`)
    return 'read' in entry ? (entry as PluginMaker) : makerOf(entry as Plugin)
  })
}

const isNamed = (entry: unknown): entry is { name: string } =>
  typeof entry === 'object' && entry !== null && typeof (entry as { name?: unknown }).name === 'string'

/** A maker for a plugin that is exported as an object, with defaults for what it leaves out. */
const makerOf = (plugin: Plugin): PluginMaker => ({
  name: plugin.name,
  read: () => () => ({ ...plugin, weight: plugin.weight ?? 1, wakeOn: plugin.wakeOn ?? [] }),
})
