// The places of the built-in groups and versions among all others: the higher, the earlier do clients see and prefer
// them. Source: pkg/controlplane/apiserver/aggregator.go, cmd/kube-apiserver/app/aggregator.go (1.34 and later).

export interface Priority {
  /** groupPriorityMinimum of the APIService. */
  group: number
  /** versionPriority of the APIService. */
  version: number
}

const groups: Readonly<Record<string, number>> = {
  '': 18_000,
  apps: 17_800,
  'events.k8s.io': 17_750,
  'authentication.k8s.io': 17_700,
  'authorization.k8s.io': 17_600,
  autoscaling: 17_500,
  batch: 17_400,
  'certificates.k8s.io': 17_300,
  'networking.k8s.io': 17_200,
  policy: 17_100,
  'rbac.authorization.k8s.io': 17_000,
  'storage.k8s.io': 16_800,
  'admissionregistration.k8s.io': 16_700,
  'apiextensions.k8s.io': 16_700,
  'scheduling.k8s.io': 16_600,
  'coordination.k8s.io': 16_500,
  'node.k8s.io': 16_300,
  'discovery.k8s.io': 16_200,
  'resource.k8s.io': 16_200,
  'flowcontrol.apiserver.k8s.io': 16_100,
  'storagemigration.k8s.io': 15_800,
}

/** Priorities of versions that differ from that of most. */
const versions: Readonly<Record<string, number>> = {
  '/v1': 1,
  'autoscaling/v2': 30,
  'resource.k8s.io/v1': 20,
  'flowcontrol.apiserver.k8s.io/v1': 21,
}
const usualVersion = 15

/** The priority of a built-in group and version. Undefined for those that have no APIService of their own. */
export function builtinPriority(group: string, version: string): Priority | undefined {
  if (!Object.hasOwn(groups, group)) return undefined
  return { group: groups[group]!, version: versions[`${group}/${version}`] ?? usualVersion }
}

/** The priority of every group and version that CustomResourceDefinitions add. */
export const customPriority: Priority = { group: 1000, version: 100 }
