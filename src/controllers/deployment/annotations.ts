// The annotations that the Deployment controller writes on ReplicaSets and on the Deployment: the revision, the sizes
// at the time of writing, and a copy of the Deployment's own annotations. Source: pkg/controller/deployment/util.
import { parseInt64 } from '../../api/int64.ts'
import type { Deployment } from '../../kinds/apps/deployment.ts'
import type { ReplicaSet } from '../../kinds/apps/replicaset.ts'

export const revisionAnnotation = 'deployment.kubernetes.io/revision'
const revisionHistoryAnnotation = 'deployment.kubernetes.io/revision-history'
export const desiredAnnotation = 'deployment.kubernetes.io/desired-replicas'
export const maxAnnotation = 'deployment.kubernetes.io/max-replicas'
/** The longest revision history, in characters. */
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

/** The revision in a text, or 0 if it has no integer of 64 bits. */
const parseRevision = (text: string | undefined): bigint => parseInt64(text) ?? 0n

export const revisionOf = (object: { metadata: ReplicaSet['metadata'] }): bigint =>
  parseRevision(object.metadata.annotations?.[revisionAnnotation])

export const byRevision = (a: ReplicaSet, b: ReplicaSet): number => Number(revisionOf(a) - revisionOf(b))

export function sizeAnnotation(rs: ReplicaSet, name: string): number | undefined {
  const text = rs.metadata.annotations?.[name]
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}

/** The annotations that the ReplicaSet of the current template has at this revision. */
export function newReplicaSetAnnotations(
  deployment: Deployment,
  current: Readonly<Annotations> | undefined,
  revision: bigint,
): Annotations {
  const next: Annotations = { ...current }
  for (const [key, value] of Object.entries(deployment.metadata.annotations ?? {}))
    if (!notCopied.has(key)) next[key] = value
  const old = current?.[revisionAnnotation]
  const oldRevision = parseRevision(old)
  if (oldRevision >= revision) return next
  next[revisionAnnotation] = String(revision)
  if (oldRevision > 0n) {
    let history = [...(current?.[revisionHistoryAnnotation]?.split(',') ?? []), String(oldRevision)]
    while (history.join(',').length > maxHistoryLength) history = history.slice(1)
    next[revisionHistoryAnnotation] = history.join(',')
  }
  return next
}

/** The Deployment's sizes as a ReplicaSet keeps them: a later change of size is shared out in proportion to them. */
export const sizeAnnotations = (desired: number, max: number): Annotations => ({
  [desiredAnnotation]: String(desired),
  [maxAnnotation]: String(max),
})

export const annotationsDiffer = (a: Readonly<Annotations> | undefined, b: Readonly<Annotations>): boolean =>
  Object.entries(b).some(([key, value]) => a?.[key] !== value)
