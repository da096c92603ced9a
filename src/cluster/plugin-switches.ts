// The admission plugins of a cluster: which run, and how they are configured.
import { loadAdmissionConfiguration, pluginProblem, type PluginSwitches } from '../apiserver/index.ts'
import type { ClusterConfig } from './config.ts'

type Chosen = Partial<Pick<ClusterConfig, 'enableAdmissionPlugins' | 'disableAdmissionPlugins' | 'admissionConfig'>>

/** Reads the configuration file, if there is one. Throws an error that states what is wrong with it. */
export async function pluginSwitches(chosen: Chosen): Promise<PluginSwitches> {
  const { enableAdmissionPlugins: enable = [], disableAdmissionPlugins: disable = [], admissionConfig: file } = chosen
  const switches = { enable, disable, ...(file && { configuration: await loadAdmissionConfiguration(file) }) }
  const problem = pluginProblem(switches)
  if (problem) throw new Error(problem)
  return switches
}
