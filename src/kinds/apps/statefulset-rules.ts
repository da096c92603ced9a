// What a StatefulSet may ask for, and the little of it that may change.
// Source: pkg/apis/apps/validation (ValidateStatefulSetSpec, ValidateStatefulSetUpdate).
import { sameJson } from '../../api/equal.ts'
import { named, notNegative, type Problems, supported, validateLabels } from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import { dnsLabelErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import { validateClaimSpec } from '../core/claim-rules.ts'
import type { PodTemplateSpec } from '../core/podtemplatespec.ts'
import type { PersistentVolumeClaim } from '../core/persistentvolumeclaim.ts'
import { validateCount } from './rolling-update.ts'
import { RollingUpdateStatefulSetStrategy, type StatefulSetSpec, StatefulSetUpdateStrategy } from './statefulsetspec.ts'
import { validateLasting, validateSelection } from './workload-rules.ts'

type Spec = StatefulSetSpec

export function* validateStatefulSet(spec: Spec, at: Path): Problems {
  const { replicas, minReadySeconds, podManagementPolicy, serviceName } = spec
  if (!['OrderedReady', 'Parallel'].includes(podManagementPolicy))
    yield at.field('podManagementPolicy').invalid(podManagementPolicy, "must be 'OrderedReady' or 'Parallel'")
  yield* validateStrategy(spec, at.field('updateStrategy'))
  const { whenDeleted, whenScaled } = spec.persistentVolumeClaimRetentionPolicy
  const retention = at.field('persistentVolumeClaimRetentionPolicy')
  yield* supported(whenDeleted, ['Retain', 'Delete'], retention.field('whenDeleted'))
  yield* supported(whenScaled, ['Retain', 'Delete'], retention.field('whenScaled'))
  yield* notNegative({ replicas, minReadySeconds }, at)
  yield* notNegative({ start: spec.ordinals?.start }, at.field('ordinals'))
  if (serviceName) yield* named(dnsLabelErrors, serviceName, at.field('serviceName'))
  for (const [i, claim] of (spec.volumeClaimTemplates ?? []).entries())
    yield* validateClaimSpec(claim.spec, at.field('volumeClaimTemplates').index(i).field('spec'))
  yield* validateSelection(spec, { kind: 'statefulset', broken: '' }, at)
  yield* validateLabels(spec.template.metadata.labels, at.field('template', 'labels'))
  yield* validateLasting(withClaims(spec), 'StatefulSet', at.field('template'))
}

function* validateStrategy({ updateStrategy }: Spec, at: Path): Problems {
  const { type, rollingUpdate } = updateStrategy
  if (type === 'RollingUpdate') {
    if (!rollingUpdate) return
    yield* notNegative({ partition: rollingUpdate.partition }, at.field('rollingUpdate'))
    yield* validateCount(rollingUpdate.maxUnavailable, at.field('rollingUpdate', 'maxUnavailable'))
  } else if (type === 'OnDelete') {
    if (rollingUpdate)
      yield at
        .field('rollingUpdate')
        .invalid(
          goStruct(RollingUpdateStatefulSetStrategy, rollingUpdate),
          "only allowed for updateStrategy 'RollingUpdate'",
        )
  } else if (type !== 'Recreate')
    yield at.invalid(goStruct(StatefulSetUpdateStrategy, updateStrategy), "must be 'RollingUpdate' or 'OnDelete'")
}

/** The template with the volumes that the set's claims become in each pod. They win over volumes of the same name. */
function withClaims({ template, volumeClaimTemplates = [] }: Spec): PodTemplateSpec {
  const nameOf = (claim: PersistentVolumeClaim) => claim.metadata.name ?? ''
  const names = new Set(volumeClaimTemplates.map(nameOf))
  const volumes = [
    ...[...names].map(name => ({ name, persistentVolumeClaim: { claimName: name } })),
    ...(template.spec.volumes ?? []).filter(volume => !names.has(volume.name)),
  ]
  return { ...template, spec: { ...template.spec, volumes } }
}

export function* validateStatefulSetUpdate(next: Spec, old: Spec, at: Path): Problems {
  const fixed = ({
    replicas: _replicas,
    template: _template,
    updateStrategy: _strategy,
    ordinals: _ordinals,
    persistentVolumeClaimRetentionPolicy: _retention,
    minReadySeconds: _seconds,
    revisionHistoryLimit: _limit,
    ...rest
  }: Spec) => rest
  if (!sameJson(fixed(next), fixed(old)))
    yield at.forbidden(
      "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    )
}
