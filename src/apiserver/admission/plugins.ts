// The admission plugins in their order, which is that of Kubernetes, and which of them run.
//
// Plugins with a name of Kubernetes can be enabled and disabled. Those without one are parts of the server: upstream
// has them in the storage of single kinds. They always run.
// Source: pkg/kubeapiserver/options/plugins.go (AllOrderedPlugins, DefaultOffAdmissionPlugins).
import type { AdmissionPlugin } from './chain.ts'
import type { AdmissionConfiguration } from './configuration.ts'

/** Off unless they are enabled. */
const offByDefault = new Set([
  'AlwaysPullImages',
  'PodNodeSelector',
  'PodTolerationRestriction',
  'EventRateLimit',
  'ExtendedResourceToleration',
  'OwnerReferencesPermissionEnforcement',
  'DenyServiceExternalIPs',
])

/** All plugins that can be switched, in the order in which they run. */
export const pluginNames = [
  'NamespaceLifecycle',
  'LimitRanger',
  'ServiceAccount',
  'NodeRestriction',
  'TaintNodesByCondition',
  'AlwaysPullImages',
  'PodSecurity',
  'PodNodeSelector',
  'Priority',
  'DefaultTolerationSeconds',
  'PodTolerationRestriction',
  'EventRateLimit',
  'ExtendedResourceToleration',
  'DefaultStorageClass',
  'StorageObjectInUseProtection',
  'OwnerReferencesPermissionEnforcement',
  'PersistentVolumeClaimResize',
  'RuntimeClass',
  'DefaultIngressClass',
  'DenyServiceExternalIPs',
  'PodTopologyLabels',
  'MutatingAdmissionPolicy',
  'MutatingAdmissionWebhook',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionWebhook',
  'ResourceQuota',
] as const

export interface PluginSwitches {
  readonly enable?: readonly string[]
  readonly disable?: readonly string[]
  readonly configuration?: AdmissionConfiguration
}

/** Why the plugins cannot run as they are switched. */
export function pluginProblem({ enable = [], disable = [], configuration }: PluginSwitches): string | undefined {
  const isOn = enable.includes('EventRateLimit') && !disable.includes('EventRateLimit')
  return isOn && !configuration?.eventLimits
    ? 'the admission plugin EventRateLimit needs limits, which the file of --admission-control-config-file must have'
    : undefined
}

/** The first of some names that is no plugin's. */
export const unknownPlugin = (names: readonly string[]): string | undefined =>
  names.find(name => !pluginNames.some(known => known === name))

/** The plugins that run. One that is both enabled and disabled does not. */
export function runningPlugins(
  plugins: readonly AdmissionPlugin[],
  { enable = [], disable = [] }: PluginSwitches = {},
): readonly AdmissionPlugin[] {
  return plugins.filter(({ name }) => !disable.includes(name) && (!offByDefault.has(name) || enable.includes(name)))
}
