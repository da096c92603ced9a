// What of a claim for storage stays as it was: nearly all of it.
// Source: pkg/apis/core/validation (ValidatePersistentVolumeClaimUpdate).
import { sameJson } from '../../api/equal.ts'
import type { Problems } from '../../api/checks.ts'
import { goLines } from '../../api/go-value.ts'
import type { KubeObject } from '../../api/kind.ts'
import { unifiedDiff } from '../../api/line-diff.ts'
import { type Path, root } from '../../api/path.ts'
import { compareQuantities } from '../../api/quantity.ts'
import { immutableValue } from '../unchanged.ts'
import type { PersistentVolumeClaimStatus } from './persistentvolumeclaimstatus.ts'
import { PersistentVolumeClaimSpec } from './persistentvolumeclaimspec.ts'
import { betaClass } from './volume-annotations.ts'

type Claim = KubeObject & { spec: PersistentVolumeClaimSpec; status: PersistentVolumeClaimStatus }
type Spec = PersistentVolumeClaimSpec

export function* validateClaimUpdate(next: Claim, old: Claim, at: Path): Problems {
  const path = at.field('spec')
  const [was, is] = [old.metadata.annotations?.[betaClass], next.metadata.annotations?.[betaClass]]
  const upgraded =
    was !== undefined &&
    is === undefined &&
    old.spec.storageClassName === undefined &&
    next.spec.storageClassName === was
  if (!upgraded && was !== is)
    yield at
      .field('metadata', 'annotations')
      .key(betaClass)
      .invalid(is ?? '', 'field is immutable')
  const kept = withAllowedChanges(next, old, upgraded || (!was && old.spec.storageClassName === undefined))
  const before = old.spec.volumeName ? old.spec : { ...old.spec, volumeName: next.spec.volumeName }
  if (!sameJson(kept, before))
    yield path.forbidden(
      `spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n${difference(before as Spec, kept)}`,
    )
  yield* validateSizes(next, old, path.field('resources', 'requests', 'storage'))
  yield* immutableValue(next.spec.volumeMode, old.spec.volumeMode, root.field('volumeMode'))
  yield* validateAttributesClass(next, old.spec.volumeAttributesClassName, path.field('volumeAttributesClassName'))
}

const difference = (old: Spec, next: Spec) =>
  unifiedDiff(goLines(PersistentVolumeClaimSpec, old), goLines(PersistentVolumeClaimSpec, next))

/** The new spec with what may change as it was: a class where there was none, and the size of a bound claim. */
function withAllowedChanges({ spec, status }: Claim, old: Claim, mayGetClass: boolean): Spec {
  let kept = spec
  if (mayGetClass) kept = { ...kept, storageClassName: old.spec.storageClassName } as Spec
  if (status.phase !== 'Bound') return kept
  kept = { ...kept, volumeAttributesClassName: old.spec.volumeAttributesClassName } as Spec
  if (!kept.resources.requests) return kept
  const requests = { ...kept.resources.requests, storage: old.spec.resources.requests?.storage }
  return { ...kept, resources: { ...kept.resources, requests } } as Spec
}

/** A claim grows; a growth that has not come about may be taken back to more than there is. */
function* validateSizes(next: Claim, old: Claim, at: Path): Problems {
  const [size, before] = [next, old].map(({ spec }) => spec.resources.requests?.storage ?? '0') as [string, string]
  if (compareQuantities(size, before) < 0 && compareQuantities(size, old.status.capacity?.storage ?? '0') <= 0)
    yield at.forbidden('field can not be less than status.capacity')
}

/** A class that has come into effect can be changed, but not taken back. */
function* validateAttributesClass({ spec, status }: Claim, old: string | undefined, at: Path): Problems {
  const gone = old !== undefined && spec.volumeAttributesClassName === undefined
  if (gone && status.currentVolumeAttributesClassName !== undefined)
    yield at.forbidden('update to nil is forbidden when status.currentVolumeAttributesClassName is not nil')
}
