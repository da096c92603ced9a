// What a Deployment writes on its ReplicaSets and on itself: the revision, its sizes at the time, and everything
// the user annotated. Source: pkg/controller/deployment/util.
import type { DeepReadonly } from '../../api/schema/node.ts'
import type { Deployment } from '../../kinds/apps/deployment.ts'
import type { ReplicaSet } from '../../kinds/apps/replicaset.ts'

export const revisionAnnotation = 'deployment.kubernetes.io/revision'
export const revisionHistoryAnnotation = 'deployment.kubernetes.io/revision-history'
export const desiredAnnotation = 'deployment.kubernetes.io/desired-replicas'
export const maxAnnotation = 'deployment.kubernetes.io/max-replicas'
const maxHistoryLength = 2000

const notCopied = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  revisionAnnotation,
  revisionHistoryAnnotation,
  desiredAnnotation,
  maxAnnotation,
  'deprecated.deployment.rollback.to',
])

type Annotations = Record<string, string>

export function revisionOf(object: DeepReadonly<{ metadata: ReplicaSet['metadata'] }>): number {
  const text = object.metadata.annotations?.[revisionAnnotation]
  return text && /^\d+$/.test(text) ? Number(text) : 0
}

export function sizeAnnotation(rs: DeepReadonly<ReplicaSet>, name: string): number | undefined {
  const text = rs.metadata.annotations?.[name]
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}

/** The annotations the ReplicaSet of the current template should carry at this revision. */
export function newReplicaSetAnnotations(
  deployment: DeepReadonly<Deployment>,
  current: Readonly<Annotations> | undefined,
  revision: number,
): Annotations {
  const next: Annotations = { ...current }
  for (const [key, value] of Object.entries(deployment.metadata.annotations ?? {}))
    if (!notCopied.has(key)) next[key] = value
  const old = current?.[revisionAnnotation]
  const oldRevision = old && /^\d+$/.test(old) ? Number(old) : 0
  if (oldRevision >= revision) return next
  next[revisionAnnotation] = String(revision)
  if (oldRevision > 0) {
    let history = [...(current?.[revisionHistoryAnnotation]?.split(',') ?? []), String(oldRevision)]
    while (history.join(',').length > maxHistoryLength) history = history.slice(1)
    next[revisionHistoryAnnotation] = history.join(',')
  }
  return next
}

/** The two sizes a ReplicaSet remembers, from which a later change of size is shared out. */
export const sizeAnnotations = (desired: number, max: number): Annotations => ({
  [desiredAnnotation]: String(desired),
  [maxAnnotation]: String(max),
})

export const annotationsDiffer = (a: Readonly<Annotations> | undefined, b: Readonly<Annotations>): boolean =>
  Object.entries(b).some(([key, value]) => a?.[key] !== value)
