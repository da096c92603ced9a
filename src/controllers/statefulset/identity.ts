// What makes a pod of a StatefulSet itself: its number, and the name, address and volumes that follow from it.
// Source: pkg/controller/statefulset/stateful_set_utils.go.
import type { Draft } from '../../api/kind.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
import type { StatefulSet as StatefulSetObject } from '../../kinds/apps/statefulset.ts'
import type { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import type { Pod as PodObject } from '../../kinds/core/pod.ts'
import type { PodTemplateSpec } from '../../kinds/core/podtemplatespec.ts'
import { revisionLabel } from '../history.ts'
import type { Pod } from '../pods.ts'

export type StatefulSet = DeepReadonly<StatefulSetObject>

const nameLabel = 'statefulset.kubernetes.io/pod-name'
const indexLabel = 'apps.kubernetes.io/pod-index'

export const podName = (set: StatefulSet, ordinal: number): string => `${set.metadata.name}-${ordinal}`

/** The number of a pod, or undefined when its name is not one of the set's. */
export function ordinalOf(set: StatefulSet, pod: Pod): number | undefined {
  const name = pod.metadata.name ?? ''
  const base = `${set.metadata.name}-`
  const digits = name.startsWith(base) ? name.slice(base.length) : ''
  return /^(0|[1-9]\d*)$/.test(digits) ? Number(digits) : undefined
}

export const claimName = (template: string, set: StatefulSet, ordinal: number): string =>
  `${template}-${podName(set, ordinal)}`

/** The pod of this number at this revision. */
export function podOf(
  set: StatefulSet,
  ordinal: number,
  template: DeepReadonly<PodTemplateSpec>,
  hash: string,
): Draft<PodObject> {
  const name = podName(set, ordinal)
  const claims = (set.spec.volumeClaimTemplates ?? []).map(claim => ({
    name: claim.metadata.name ?? '',
    persistentVolumeClaim: { claimName: claimName(claim.metadata.name ?? '', set, ordinal) },
  }))
  const names = new Set(claims.map(claim => claim.name))
  const { labels, annotations, finalizers } = template.metadata
  return {
    metadata: {
      name,
      labels: { ...labels, [nameLabel]: name, [indexLabel]: String(ordinal), [revisionLabel]: hash },
      ...(annotations && { annotations }),
      ...(finalizers && { finalizers }),
    },
    spec: {
      ...template.spec,
      hostname: name,
      subdomain: set.spec.serviceName,
      volumes: [...(template.spec.volumes ?? []).filter(volume => !names.has(volume.name)), ...claims],
    },
  }
}

/** The volume claims of the pod of this number. They outlive it. */
export function claimsOf(set: StatefulSet, ordinal: number): Draft<PersistentVolumeClaim>[] {
  return (set.spec.volumeClaimTemplates ?? []).map(({ metadata, spec }) => ({
    metadata: {
      name: claimName(metadata.name ?? '', set, ordinal),
      namespace: set.metadata.namespace ?? '',
      labels: { ...metadata.labels, ...set.spec.selector?.matchLabels },
      ...(metadata.annotations && { annotations: metadata.annotations }),
    },
    spec,
  }))
}
