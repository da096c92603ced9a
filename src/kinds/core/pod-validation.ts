// Pods as a whole: their spec and annotations, what only pods have to fulfil, and what an update may change.
// Source: pkg/apis/core/validation (ValidatePodCreate, ValidatePodUpdate).
import { sameJson } from '../../api/equal.ts'
import type { Problems } from '../../api/checks.ts'
import type { KubeObject } from '../../api/kind.ts'
import { rangeProblem } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import { copyNotes } from '../../api/schema/empties.ts'
import { validateTolerations } from './affinity-rules.ts'
import { validateImageSpaces } from './container-rules.ts'
import type { Container } from './container.ts'
import { validateAnnotationsUpdate, validatePodAnnotations, validateProfilesMatch } from './pod-annotations.ts'
import { placementOfGated, podSpecDiff } from './pod-changes.ts'
import { validatePodSpec } from './pod-rules.ts'
import type { PodSpec } from './podspec.ts'
import type { PodStatus } from './podstatus.ts'

// Spelled out, since the kind's own type is inferred from a definition that uses this file.
type Pod = KubeObject & { spec: PodSpec; status: PodStatus }
type Spec = PodSpec

/** A pod, new or (with `old`) changed. */
export function* validatePod(pod: Pod, at: Path, old: Pod | undefined): Problems {
  const { metadata, spec } = pod
  const annotations = metadata.annotations ?? {}
  const path = at.field('spec')
  yield* validatePodAnnotations(annotations, spec, at.field('metadata', 'annotations'))
  yield* validatePodSpec(spec, { isPod: true, ...(metadata.name && { pod: metadata.name }) }, path)
  yield* validateTokens(spec, path.field('volumes'))
  for (const field of ['containers', 'initContainers'] as const)
    for (const [i, container] of (spec[field] ?? []).entries())
      yield* validateImageSpaces(container, path.field(field).index(i))
  if (old) return
  if (spec.ephemeralContainers?.length) yield path.field('ephemeralContainers').forbidden('cannot be set on create')
  if (spec.nodeName && spec.schedulingGates?.length)
    yield path.field('nodeName').forbidden('cannot be set until all schedulingGates have been cleared')
  yield* validateProfilesMatch(annotations, spec, path)
}

/** A token is one of the pod's service account. */
function* validateTokens(spec: Spec, at: Path): Problems {
  if (spec.serviceAccountName) return
  for (const [i, { projected }] of (spec.volumes ?? []).entries())
    for (const [j, source] of (projected?.sources ?? []).entries())
      if (source.serviceAccountToken)
        yield at
          .index(i)
          .field('projected', 'sources')
          .index(j)
          .field('serviceAccountToken')
          .forbidden('must not be specified when serviceAccountName is not set')
}

const updateRule =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'

/** A pod changes little: images, a shorter deadline, more tolerations, fewer scheduling gates. */
export function* validatePodUpdate(next: Pod, old: Pod, at: Path): Problems {
  const path = at.field('spec')
  yield* validateAnnotationsUpdate(
    next.metadata.annotations ?? {},
    old.metadata.annotations ?? {},
    at.field('metadata', 'annotations'),
  )
  for (const field of ['containers', 'initContainers'] as const) {
    if ((next.spec[field] ?? []).length !== (old.spec[field] ?? []).length)
      return yield path.field(field).forbidden('pod updates may not add or remove containers')
    for (const [i, container] of (next.spec[field] ?? []).entries()) {
      if (!container.image) yield path.field(field).index(i).field('image').required()
      yield* validateImageSpaces(container, path.field(field).index(i))
    }
  }
  const deadline = [...validateDeadline(next.spec, old.spec, path.field('activeDeadlineSeconds'))]
  yield* deadline
  if (deadline.length && next.spec.activeDeadlineSeconds !== undefined) return
  yield* validateAdded(next.spec, old.spec, path.field('tolerations'))
  yield* validateFewerGates(next.spec, old.spec, path.field('schedulingGates'))
  if (sameJson(next.spec, old.spec)) return
  let rest = withFixed(next.spec, old.spec)
  if (old.spec.schedulingGates?.length) {
    const placed = placementOfGated(rest, old.spec, path)
    yield* placed.problems
    rest = placed.rest
  }
  if (!sameJson(rest, old.spec)) yield path.forbidden(`${updateRule}\n${podSpecDiff(old.spec, rest)}`)
}

const maxSeconds = 2 ** 31 - 1

function* validateDeadline(next: Spec, old: Spec, at: Path): Problems {
  const [after, before] = [next.activeDeadlineSeconds, old.activeDeadlineSeconds]
  if (after === undefined) {
    if (before !== undefined) yield at.invalid(undefined, 'must not update from a positive integer to nil value')
  } else if (after < 0 || after > maxSeconds) yield at.invalid(after, rangeProblem(0, maxSeconds))
  else if (before !== undefined && before < after)
    yield at.invalid(after, 'must be less than or equal to previous value')
}

/** Tolerations are only added; how long one lasts may change. */
function* validateAdded(next: Spec, old: Spec, at: Path): Problems {
  const withoutSeconds = ({ tolerationSeconds: _seconds, ...rest }: NonNullable<Spec['tolerations']>[number]) => rest
  for (const toleration of old.tolerations ?? [])
    if (!next.tolerations?.some(other => sameJson(withoutSeconds(other), withoutSeconds(toleration))))
      return yield at.forbidden('existing toleration can not be modified except its tolerationSeconds')
  yield* validateTolerations(next.tolerations, at)
}

function* validateFewerGates(next: Spec, old: Spec, at: Path): Problems {
  for (const [i, { name }] of (next.schedulingGates ?? []).entries())
    if (!old.schedulingGates?.some(gate => gate.name === name))
      yield at.index(i).field('name').forbidden(`only deletion is allowed, but found new scheduling gate '${name}'`)
}

/** The new spec with what may change put back to what it was: all else has to be as it was. */
function withFixed(next: Spec, old: Spec): Spec {
  const images = (list: readonly Container[] | undefined, before: typeof list) =>
    list?.map((container, i) => copyNotes(container, { ...container, image: before![i]!.image }))
  const initContainers = images(next.initContainers, old.initContainers)
  const grace = next.terminationGracePeriodSeconds
  const mended = old.terminationGracePeriodSeconds < 0 && grace === 1
  return copyNotes(next, {
    ...next,
    containers: images(next.containers, old.containers) ?? [],
    ...(initContainers && { initContainers }),
    activeDeadlineSeconds: old.activeDeadlineSeconds,
    schedulingGates: old.schedulingGates,
    tolerations: old.tolerations,
    terminationGracePeriodSeconds: mended ? old.terminationGracePeriodSeconds : grace,
  } as Spec)
}
