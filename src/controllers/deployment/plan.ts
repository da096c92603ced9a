// The next step of a Deployment, as a pure function of the present state: which ReplicaSet to create, which to resize,
// which to delete, and the status. Each reconcile takes one step, and the changes that it causes wake the next.
//
//   new template ─► new ReplicaSet ─► grow new / shrink old ─► … ─► complete ─► old ones beyond the limit deleted
//   newReplicaSet                     planStep                                  expired
//
// How far a ReplicaSet grows or shrinks in one step is decided in sizes.ts. Source: pkg/controller/deployment.
import { canonicalJson } from '../../api/equal.ts'
import type { Draft } from '../../api/kind.ts'
import type { DeploymentStatus, Deployment } from '../../kinds/apps/deployment.ts'
import type { ReplicaSet } from '../../kinds/apps/replicaset.ts'
import { templateHash } from '../hash.ts'
import {
  annotationsDiffer,
  desiredAnnotation,
  newReplicaSetAnnotations,
  revisionAnnotation,
  byRevision,
  revisionOf,
  sizeAnnotation,
  sizeAnnotations,
} from './annotations.ts'
import { byCreation, fenceposts, maxSize, nextNewSize, nextOldSizes, scaledSizes, totalSize } from './sizes.ts'
import { countStatus, findCondition, hasDeadline, isComplete, rolloutStatus, withCondition } from './status.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { isTerminal } from '../../kinds/core/pod-phase.ts'

const hashLabel = 'pod-template-hash'

export interface DeploymentPlan {
  /** The ReplicaSet of the current template, if it does not exist yet. */
  create?: Draft<ReplicaSet>
  /** ReplicaSets whose size or annotations change. */
  changes: { rs: ReplicaSet; replicas: number; annotations: Record<string, string>; minReadySeconds: number }[]
  remove: ReplicaSet[]
  /** The Deployment's own revision annotation. */
  revision?: string
  status: DeploymentStatus
}

export function planDeployment(
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  pods: ReadonlyMap<string, readonly Pod[]>,
  now: number,
): DeploymentPlan {
  const newRs = findNew(deployment, sets)
  const old = sets.filter(rs => rs !== newRs)
  if (deployment.metadata.deletionTimestamp)
    return { changes: [], remove: [], status: countStatus(deployment, newRs, old, now) }
  const named = withPauseCondition(deployment, now)
  if (named.spec.paused || wasScaled(named, sets)) return planScale(named, newRs, old, now)
  return planRollout(named, newRs, old, pods, now)
}

/** The ReplicaSet of the current template. If several have it, always the oldest, so that they do not alternate. */
export function findNew(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  const wanted = templateText(deployment.spec.template)
  return [...sets].sort(byCreation).find(rs => templateText(rs.spec.template) === wanted)
}

const templateTexts = new WeakMap<object, string>()

/** A template as text for comparison, without the hash label, which the Deployment's own template lacks. */
function templateText(template: ReplicaSet['spec']['template']): string {
  let text = templateTexts.get(template)
  if (text === undefined) {
    const { [hashLabel]: _hash, ...labels } = template.metadata.labels ?? {}
    text = canonicalJson({ ...template, metadata: { ...template.metadata, labels } })
    templateTexts.set(template, text)
  }
  return text
}

/** Whether the Deployment's size differs from the one that a ReplicaSet with pods has in its annotation. */
function wasScaled({ spec }: Deployment, sets: readonly ReplicaSet[]): boolean {
  return sets.some(rs => {
    const desired = rs.spec.replicas > 0 ? sizeAnnotation(rs, desiredAnnotation) : undefined
    return desired !== undefined && desired !== spec.replicas
  })
}

/** Records pausing and resuming in Progressing, so that the time while paused does not count against the deadline. */
function withPauseCondition(deployment: Deployment, now: number): Deployment {
  if (!hasDeadline(deployment)) return deployment
  const { paused } = deployment.spec
  const current = findCondition(deployment.status, 'Progressing')
  if (current?.reason === 'ProgressDeadlineExceeded') return deployment
  const isPaused = current?.reason === 'DeploymentPaused'
  if (Boolean(paused) === isPaused) return deployment
  const [reason, message] = paused
    ? ['DeploymentPaused', 'Deployment is paused']
    : ['DeploymentResumed', 'Deployment is resumed']
  const conditions = withCondition(deployment.status.conditions, 'Progressing', 'Unknown', reason, message, now)
  return { ...deployment, status: { ...deployment.status, conditions } }
}

function planScale(
  deployment: Deployment,
  newRs: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
  now: number,
): DeploymentPlan {
  const sizes = scaledSizes(deployment, newRs, old)
  const sets = newRs ? [...old, newRs] : [...old]
  // ReplicaSets that keep their size are listed too, since their size annotations change.
  for (const rs of sets) if (rs.spec.replicas > 0 && !sizes.has(rs)) sizes.set(rs, rs.spec.replicas)
  return {
    changes: changesOf(deployment, newRs, sizes),
    remove: deployment.spec.paused ? expired(deployment, old) : [],
    status: countStatus(deployment, newRs, old, now),
  }
}

function planRollout(
  deployment: Deployment,
  newRs: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
  pods: ReadonlyMap<string, readonly Pod[]>,
  now: number,
): DeploymentPlan {
  const revision = old.reduce((max, rs) => (revisionOf(rs) > max ? revisionOf(rs) : max), 0n) + 1n
  const recreate = deployment.spec.strategy.type === 'Recreate'
  const mustEmpty = recreate && (totalSize(old) > 0 || old.some(rs => isRunning(pods.get(rs.metadata.uid ?? ''))))
  const status = () => rolloutStatus(deployment, newRs, old, now)
  if (mustEmpty) {
    const sizes = new Map(old.filter(rs => rs.spec.replicas > 0).map(rs => [rs, 0]))
    return { changes: changesOf(deployment, newRs, sizes), remove: [], status: status() }
  }
  if (!newRs) {
    const create = newReplicaSet(deployment, revision, totalSize(old))
    const message = `Created new replica set "${create.metadata!.name}"`
    const planned = noted(deployment, 'NewReplicaSetCreated', message, now)
    return {
      create,
      changes: [],
      remove: [],
      revision: String(revision),
      status: countStatus(planned, undefined, old, now),
    }
  }
  return planStep(deployment, newRs, old, revision, now)
}

const isRunning = (pods: readonly Pod[] | undefined): boolean => (pods ?? []).some(pod => !isTerminal(pod))

function planStep(
  deployment: Deployment,
  newRs: ReplicaSet,
  old: readonly ReplicaSet[],
  revision: bigint,
  now: number,
): DeploymentPlan {
  const found = findCondition(deployment.status, 'Progressing')
    ? deployment
    : noted(deployment, 'FoundNewReplicaSet', `Found new replica set "${newRs.metadata.name}"`, now)
  const size = nextNewSize(found, newRs.spec.replicas, totalSize(old) + newRs.spec.replicas)
  const sizes =
    size === newRs.spec.replicas ? nextOldSizes(found, newRs, old) : new Map<ReplicaSet, number>([[newRs, size]])
  if (deployment.spec.strategy.type === 'Recreate') sizes.set(newRs, size)
  if (!sizes.has(newRs)) sizes.set(newRs, newRs.spec.replicas)
  const annotations = newReplicaSetAnnotations(found, newRs.metadata.annotations, revision)
  const status = rolloutStatus(found, newRs, old, now)
  return {
    changes: changesOf(found, newRs, sizes, annotations),
    remove: isComplete(found, status) ? expired(found, old) : [],
    revision: annotations[revisionAnnotation]!,
    status,
  }
}

function noted(deployment: Deployment, reason: string, message: string, now: number): Deployment {
  if (!hasDeadline(deployment)) return deployment
  const conditions = withCondition(deployment.status.conditions, 'Progressing', 'True', reason, message, now)
  return { ...deployment, status: { ...deployment.status, conditions } }
}

/** The ReplicaSets whose size, minReadySeconds or annotations differ from the stored ones. */
function changesOf(
  deployment: Deployment,
  newRs: ReplicaSet | undefined,
  sizes: ReadonlyMap<ReplicaSet, number>,
  newAnnotations: Record<string, string> = {},
): DeploymentPlan['changes'] {
  const currentSizes = sizeAnnotations(
    deployment.spec.replicas,
    deployment.spec.replicas + fenceposts(deployment).surge,
  )
  return [...sizes].flatMap(([rs, replicas]) => {
    const sized = rs.spec.replicas > 0 || replicas > 0
    const annotations = { ...(rs === newRs && newAnnotations), ...(sized && currentSizes) }
    const minReadySeconds = (rs === newRs ? deployment : rs).spec.minReadySeconds ?? 0
    const same =
      replicas === rs.spec.replicas &&
      minReadySeconds === (rs.spec.minReadySeconds ?? 0) &&
      !annotationsDiffer(rs.metadata.annotations, annotations)
    return same ? [] : [{ rs, replicas, annotations, minReadySeconds }]
  })
}

/** The ReplicaSet of the current template. Its name ends with the hash of the template. */
function newReplicaSet(deployment: Deployment, revision: bigint, oldTotal: number): Draft<ReplicaSet> {
  const { template, selector, minReadySeconds } = deployment.spec
  const { [hashLabel]: _hash, ...bare } = template.metadata.labels ?? {}
  const hash = templateHash(
    { ...template, metadata: { ...template.metadata, labels: bare } },
    deployment.status.collisionCount ?? 0,
  )
  const labels = { ...bare, [hashLabel]: hash }
  const annotations = {
    ...newReplicaSetAnnotations(deployment, undefined, revision),
    ...sizeAnnotations(deployment.spec.replicas, maxSize(deployment)),
  }
  return {
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      namespace: deployment.metadata.namespace ?? '',
      labels,
      annotations,
    },
    spec: {
      replicas: nextNewSize(deployment, 0, oldTotal),
      ...(minReadySeconds && { minReadySeconds }),
      selector: { ...selector, matchLabels: { ...selector?.matchLabels, [hashLabel]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  }
}

/** Empty old ReplicaSets beyond revisionHistoryLimit, lowest revisions first. */
function expired(deployment: Deployment, old: readonly ReplicaSet[]): ReplicaSet[] {
  const alive = old.filter(rs => !rs.metadata.deletionTimestamp).sort(byRevision)
  const surplus = alive.length - deployment.spec.revisionHistoryLimit
  return alive
    .slice(0, Math.max(0, surplus))
    .filter(
      rs =>
        rs.spec.replicas === 0 &&
        rs.status.replicas === 0 &&
        (rs.status.observedGeneration ?? 0) >= (rs.metadata.generation ?? 0),
    )
}
