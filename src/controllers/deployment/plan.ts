// The next step of a Deployment, as a pure function of what is: which ReplicaSet to make, which to resize, which to
// forget, and what to write down. Each reconcile takes one step; the changes it causes wake the next.
//
//   new template ─► new ReplicaSet ─► grow new / shrink old ─► … ─► complete ─► old ones beyond the limit deleted
//
// Source: pkg/controller/deployment.
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
  /** The ReplicaSet of the current template, to be made. */
  create?: Draft<ReplicaSet>
  /** New sizes, and annotations to go with them. */
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
  const fresh = findNew(deployment, sets)
  const old = sets.filter(rs => rs !== fresh)
  if (deployment.metadata.deletionTimestamp)
    return { changes: [], remove: [], status: countStatus(deployment, fresh, old, now) }
  const named = withPauseCondition(deployment, now)
  if (named.spec.paused || wasScaled(named, sets)) return planScale(named, fresh, old, now)
  return planRollout(named, fresh, old, pods, now)
}

/** The oldest ReplicaSet whose template is the Deployment's: of several always the same, whatever is written on them. */
export function findNew(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  const wanted = templateText(deployment.spec.template)
  return [...sets].sort(byCreation).find(rs => templateText(rs.spec.template) === wanted)
}

const templateTexts = new WeakMap<object, string>()

/** A template in comparable form, without the label that tells ReplicaSets apart. */
function templateText(template: ReplicaSet['spec']['template']): string {
  let text = templateTexts.get(template)
  if (text === undefined) {
    const { [hashLabel]: _hash, ...labels } = template.metadata.labels ?? {}
    text = canonicalJson({ ...template, metadata: { ...template.metadata, labels } })
    templateTexts.set(template, text)
  }
  return text
}

function wasScaled({ spec }: Deployment, sets: readonly ReplicaSet[]): boolean {
  return sets.some(rs => {
    const desired = rs.spec.replicas > 0 ? sizeAnnotation(rs, desiredAnnotation) : undefined
    return desired !== undefined && desired !== spec.replicas
  })
}

/** Pausing and resuming are written into Progressing, so that time spent paused does not count as stuck. */
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
  fresh: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
  now: number,
): DeploymentPlan {
  const sizes = scaledSizes(deployment, fresh, old)
  const sets = fresh ? [...old, fresh] : [...old]
  // Also those that keep their size learn what the Deployment's size was.
  for (const rs of sets) if (rs.spec.replicas > 0 && !sizes.has(rs)) sizes.set(rs, rs.spec.replicas)
  return {
    changes: changesOf(deployment, fresh, sizes),
    remove: deployment.spec.paused ? expired(deployment, old) : [],
    status: countStatus(deployment, fresh, old, now),
  }
}

function planRollout(
  deployment: Deployment,
  fresh: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
  pods: ReadonlyMap<string, readonly Pod[]>,
  now: number,
): DeploymentPlan {
  const revision = old.reduce((max, rs) => (revisionOf(rs) > max ? revisionOf(rs) : max), 0n) + 1n
  const recreate = deployment.spec.strategy.type === 'Recreate'
  const mustEmpty = recreate && (totalSize(old) > 0 || old.some(rs => isRunning(pods.get(rs.metadata.uid ?? ''))))
  const status = () => rolloutStatus(deployment, fresh, old, now)
  if (mustEmpty) {
    const sizes = new Map(old.filter(rs => rs.spec.replicas > 0).map(rs => [rs, 0]))
    return { changes: changesOf(deployment, fresh, sizes), remove: [], status: status() }
  }
  if (!fresh) {
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
  return planStep(deployment, fresh, old, revision, now)
}

const isRunning = (pods: readonly Pod[] | undefined): boolean => (pods ?? []).some(pod => !isTerminal(pod))

function planStep(
  deployment: Deployment,
  fresh: ReplicaSet,
  old: readonly ReplicaSet[],
  revision: bigint,
  now: number,
): DeploymentPlan {
  const found = findCondition(deployment.status, 'Progressing')
    ? deployment
    : noted(deployment, 'FoundNewReplicaSet', `Found new replica set "${fresh.metadata.name}"`, now)
  const size = nextNewSize(found, fresh.spec.replicas, totalSize(old) + fresh.spec.replicas)
  const sizes =
    size === fresh.spec.replicas ? nextOldSizes(found, fresh, old) : new Map<ReplicaSet, number>([[fresh, size]])
  if (deployment.spec.strategy.type === 'Recreate') sizes.set(fresh, size)
  if (!sizes.has(fresh)) sizes.set(fresh, fresh.spec.replicas)
  const annotations = newReplicaSetAnnotations(found, fresh.metadata.annotations, revision)
  const status = rolloutStatus(found, fresh, old, now)
  return {
    changes: changesOf(found, fresh, sizes, annotations),
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

/** The ReplicaSets that really change, with the annotations they get. */
function changesOf(
  deployment: Deployment,
  fresh: ReplicaSet | undefined,
  sizes: ReadonlyMap<ReplicaSet, number>,
  freshAnnotations: Record<string, string> = {},
): DeploymentPlan['changes'] {
  const remembered = sizeAnnotations(deployment.spec.replicas, deployment.spec.replicas + fenceposts(deployment).surge)
  return [...sizes].flatMap(([rs, replicas]) => {
    const sized = rs.spec.replicas > 0 || replicas > 0
    const annotations = { ...(rs === fresh && freshAnnotations), ...(sized && remembered) }
    const minReadySeconds = (rs === fresh ? deployment : rs).spec.minReadySeconds ?? 0
    const same =
      replicas === rs.spec.replicas &&
      minReadySeconds === (rs.spec.minReadySeconds ?? 0) &&
      !annotationsDiffer(rs.metadata.annotations, annotations)
    return same ? [] : [{ rs, replicas, annotations, minReadySeconds }]
  })
}

/** The ReplicaSet of the current template, named after its hash. */
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

/** Old and empty ReplicaSets beyond the history a Deployment keeps, oldest revisions first. */
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
