// The identity of a StatefulSet's pod: its ordinal, and the name, hostname, labels and volume claims that follow from
// it. Source: pkg/controller/statefulset/stateful_set_utils.go.
import type { Draft } from '../../api/kind.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import type { PodTemplateSpec } from '../../kinds/core/podtemplatespec.ts'
import { revisionLabel } from '../history.ts'
import { claimName } from './claims.ts'
import type { StatefulSet } from '../../kinds/apps/statefulset.ts'

const nameLabel = 'statefulset.kubernetes.io/pod-name'
const indexLabel = 'apps.kubernetes.io/pod-index'

export const podName = (set: StatefulSet, ordinal: number): string => `${set.metadata.name}-${ordinal}`

/** The ordinal of a pod. Undefined when its name is not one of the set's. */
export function ordinalOf(set: StatefulSet, pod: Pod): number | undefined {
  const name = pod.metadata.name ?? ''
  const base = `${set.metadata.name}-`
  const digits = name.startsWith(base) ? name.slice(base.length) : ''
  return /^(0|[1-9]\d*)$/.test(digits) ? Number(digits) : undefined
}

/** The ordinals of a set's pods: `start` is the first, and `end` follows the last. */
export function ordinals({ spec }: StatefulSet): [start: number, end: number] {
  const start = spec.ordinals?.start ?? 0
  return [start, start + spec.replicas]
}

/** The pod with this ordinal at this revision. */
export function podOf(set: StatefulSet, ordinal: number, template: PodTemplateSpec, revision: string): Draft<Pod> {
  const name = podName(set, ordinal)
  const volumes = withClaims(set, ordinal, template.spec.volumes ?? [])
  const { labels, annotations, finalizers } = template.metadata
  return {
    metadata: {
      name,
      labels: { ...labels, ...identityLabels(set, ordinal), [revisionLabel]: revision },
      ...(annotations && { annotations }),
      ...(finalizers && { finalizers }),
    },
    spec: { ...template.spec, hostname: name, subdomain: set.spec.serviceName, ...(volumes.length && { volumes }) },
  }
}

const identityLabels = (set: StatefulSet, ordinal: number) => ({
  [nameLabel]: podName(set, ordinal),
  [indexLabel]: String(ordinal),
})

function withClaims(set: StatefulSet, ordinal: number, volumes: NonNullable<Pod['spec']['volumes']>) {
  const claims = (set.spec.volumeClaimTemplates ?? []).map(({ metadata: { name = '' } }) => ({
    name,
    persistentVolumeClaim: { claimName: claimName(name, set, ordinal) },
  }))
  const names = new Set(claims.map(claim => claim.name))
  return [...claims, ...volumes.filter(volume => !names.has(volume.name))]
}

/** The identity labels to restore on a pod. Undefined when it has them all. */
export function lostLabels(set: StatefulSet, ordinal: number, pod: Pod): Record<string, string> | undefined {
  const labels = identityLabels(set, ordinal)
  return Object.entries(labels).every(([key, value]) => pod.metadata.labels?.[key] === value) ? undefined : labels
}
