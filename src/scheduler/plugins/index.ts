// The built-in plugins that a profile has by default, in the order in which their filters are asked, with the weights
// of their scores. Source: pkg/scheduler/apis/config/v1/default_plugins.go.
import type { PluginMaker } from '../framework.ts'
import { balancedAllocation } from './balanced-allocation.ts'
import { defaultPreemption } from './default-preemption.ts'
import { dynamicResources } from './dynamic-resources.ts'
import { imageLocality } from './image-locality.ts'
import { interPodAffinity } from './inter-pod-affinity.ts'
import { nodeAffinity } from './node-affinity.ts'
import { nodeName } from './node-name.ts'
import { nodePorts } from './node-ports.ts'
import { nodeResourcesFit } from './node-resources.ts'
import { nodeUnschedulable } from './node-unschedulable.ts'
import { defaultBinder, prioritySort, schedulingGates } from './queue-plugins.ts'
import { taintToleration } from './taint-toleration.ts'
import { topologySpread } from './topology-spread.ts'
import { volumeBinding } from './volume-binding.ts'
import { nodeVolumeLimits } from './volume-limits.ts'
import { volumeRestrictions } from './volume-restrictions.ts'
import { volumeZone } from './volume-zone.ts'

export const defaultPlugins: readonly { maker: PluginMaker; weight?: number }[] = [
  { maker: schedulingGates },
  { maker: prioritySort },
  { maker: nodeUnschedulable },
  { maker: nodeName },
  { maker: taintToleration, weight: 3 },
  { maker: nodeAffinity, weight: 2 },
  { maker: nodePorts },
  { maker: nodeResourcesFit, weight: 1 },
  { maker: volumeRestrictions },
  { maker: nodeVolumeLimits },
  { maker: volumeBinding },
  { maker: volumeZone },
  { maker: topologySpread, weight: 2 },
  { maker: interPodAffinity, weight: 2 },
  // Before preemption: a claim that nobody uses gives way before a pod does.
  { maker: dynamicResources },
  { maker: defaultPreemption },
  { maker: balancedAllocation, weight: 1 },
  { maker: imageLocality, weight: 1 },
  { maker: defaultBinder },
]

/** Plugins of Kubernetes that do not exist here. A configuration may disable them, but not enable them. */
export const unbuiltPlugins: ReadonlySet<string> = new Set(['NodeDeclaredFeatures', 'GangScheduling'])
