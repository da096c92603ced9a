// What a persistent volume may say, and what of it stays as it was.
// Source: pkg/apis/core/validation (ValidatePersistentVolumeSpec, ValidatePersistentVolumeUpdate).
import { sameJson } from '../../api/equal.ts'
import { asGiven } from '../../api/schema/empties.ts'
import { named, type Problems, present, supported } from '../../api/checks.ts'
import { goLines, goStruct } from '../../api/go-value.ts'
import { unifiedDiff } from '../../api/line-diff.ts'
import { dnsSubdomainErrors } from '../../api/names.ts'
import { type Path, root } from '../../api/path.ts'
import { compareQuantities } from '../../api/quantity.ts'
import { struct } from '../../api/schema/build.ts'
import { immutableValue } from '../unchanged.ts'
import { VolumeNodeAffinity } from './affinity.ts'
import { validateNodeSelector } from './affinity-rules.ts'
import { validateAccessModes, volumeModes } from './claim-rules.ts'
import { PersistentVolumeSource } from './persistentvolumesource.ts'
import type { PersistentVolumeSpec } from './persistentvolumespec.ts'
import { validateAmount } from './resource-rules.ts'
import { persistentRules } from './volume-source-rules.ts'

type Spec = PersistentVolumeSpec

export function* validateVolume(spec: Spec, at: Path): Problems {
  const policy = spec.persistentVolumeReclaimPolicy
  const policyAt = at.field('persistentVolumeReclaimPolicy')
  yield* present(spec.accessModes ?? [], at.field('accessModes'))
  yield* validateAccessModes(spec.accessModes ?? [], at.field('accessModes'))
  yield* validateCapacity(
    asGiven(spec, 'capacity') as Readonly<Record<string, string>> | undefined,
    at.field('capacity'),
  )
  if (policy) yield* supported(policy, ['Delete', 'Recycle', 'Retain'], policyAt)
  if (spec.nodeAffinity) yield* validateNodeAffinity(spec.nodeAffinity, at.field('nodeAffinity'))
  yield* validateSource(spec, at)
  if (isRoot(spec.hostPath?.path) && policy === 'Recycle')
    yield policyAt.forbidden("may not be 'recycle' for a hostPath mount of '/'")
  if (spec.storageClassName) yield* named(dnsSubdomainErrors, spec.storageClassName, at.field('storageClassName'))
  if (spec.volumeMode !== undefined) yield* supported(spec.volumeMode, volumeModes, at.field('volumeMode'))
  yield* validateAttributesClass(spec, at)
}

const isRoot = (path: string | undefined) => path !== undefined && /^\/[/.]*$/.test(path)

function* validateCapacity(given: Readonly<Record<string, string>> | undefined, at: Path): Problems {
  const capacity = given ?? {}
  const names = Object.keys(capacity)
  if (!names.length) yield at.required()
  if (!capacity.storage || names.length > 1) yield at.notSupported(given, ['storage'])
  for (const [name, amount] of Object.entries(capacity)) {
    yield* validateAmount(name, amount, at.key(name))
    if (compareQuantities(amount, '0') <= 0) yield at.key(name).invalid(amount, 'must be greater than zero')
  }
}

function* validateNodeAffinity({ required }: VolumeNodeAffinity, at: Path): Problems {
  if (required) yield* validateNodeSelector(required, at.field('required'))
  else yield at.field('required').required('must specify required node constraints')
}

function* validateSource(spec: Spec, at: Path): Problems {
  let found = 0
  for (const [field, rule] of Object.entries(persistentRules)) {
    const source = spec[field as keyof PersistentVolumeSource]
    if (!source) continue
    if (found++) yield at.field(field).forbidden('may not specify more than 1 volume type')
    else yield* rule(source, at.field(field))
    if (field === 'local' && !spec.nodeAffinity)
      yield at.field('nodeAffinity').required('Local volume requires node affinity')
  }
  if (!found) yield at.required('must specify a volume type')
}

function* validateAttributesClass({ volumeAttributesClassName: name, csi }: Spec, at: Path): Problems {
  if (name === undefined) return
  const path = at.field('volumeAttributesClassName')
  if (name) yield* named(dnsSubdomainErrors, name, path)
  else yield path.required('an empty string is disallowed')
  if (!csi) yield at.field('csi').required('has to be specified when using volumeAttributesClassName')
}

const inline = 'in the context of inline volumes'
const notInline = ['claimRef', 'capacity', 'persistentVolumeReclaimPolicy', 'nodeAffinity'] as const

/** A volume that stands in another object, without a PersistentVolume: one of a CSI driver, and nothing but that. */
export function* validateInlineVolume(spec: Spec, at: Path): Problems {
  for (const field of notInline)
    if (spec[field] !== undefined) yield at.field(field).forbidden(`may not be specified ${inline}`)
  if (!spec.csi) yield at.field('csi').required(`has to be specified ${inline}`)
  yield* present(spec.accessModes ?? [], at.field('accessModes'))
  yield* validateAccessModes(spec.accessModes ?? [], at.field('accessModes'))
  yield* validateSource(spec, at)
  if (spec.storageClassName) yield at.field('storageClassName').forbidden(`may not be specified ${inline}`)
  if (spec.volumeMode !== undefined) yield at.field('volumeMode').forbidden(`may not specify volumeMode ${inline}`)
  if (spec.volumeAttributesClassName !== undefined)
    yield at.field('volumeAttributesClassName').forbidden(`may not be specified ${inline}`)
}

/** The order of sources inside, which is not that of the API. */
const order = [
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'hostPath',
  'glusterfs',
  'nfs',
  'rbd',
  'quobyte',
  'iscsi',
  'flexVolume',
  'cinder',
  'cephfs',
  'fc',
  'flocker',
  'azureFile',
  'vsphereVolume',
  'azureDisk',
  'photonPersistentDisk',
  'portworxVolume',
  'scaleIO',
  'local',
  'storageos',
  'csi',
] as const
const internalSource = struct(
  'core.PersistentVolumeSource',
  '',
  Object.fromEntries(order.map(field => [field, PersistentVolumeSource.fields[field]!])),
)

const sourceOf = (spec: Spec): object => Object.fromEntries(order.map(field => [field, spec[field]]))

export function* validateVolumeUpdate(next: Spec, old: Spec): Problems {
  const [source, before] = [sourceOf(next), sourceOf(old)]
  if (!sameJson(source, before))
    yield root
      .field('spec', 'persistentvolumesource')
      .forbidden(
        `spec.persistentvolumesource is immutable after creation\n${unifiedDiff(goLines(internalSource, before), goLines(internalSource, source))}`,
      )
  yield* immutableValue(next.volumeMode, old.volumeMode, root.field('volumeMode'))
  if (
    old.nodeAffinity &&
    !sameJson(next.nodeAffinity, withoutBeta(old.nodeAffinity)) &&
    !sameJson(next.nodeAffinity, old.nodeAffinity)
  )
    yield root
      .field('nodeAffinity')
      .invalid(
        goStruct(VolumeNodeAffinity, next.nodeAffinity),
        'field is immutable, except for updating from beta label to GA',
      )
}

const stableLabels: Readonly<Record<string, string>> = {
  'beta.kubernetes.io/arch': 'kubernetes.io/arch',
  'beta.kubernetes.io/os': 'kubernetes.io/os',
  'beta.kubernetes.io/instance-type': 'node.kubernetes.io/instance-type',
  'failure-domain.beta.kubernetes.io/region': 'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone': 'topology.kubernetes.io/zone',
}

/** Labels that have been renamed may be renamed here, too. */
function withoutBeta(affinity: VolumeNodeAffinity): object {
  const terms = affinity.required?.nodeSelectorTerms.map(term => ({
    ...term,
    matchExpressions: term.matchExpressions?.map(e => ({ ...e, key: stableLabels[e.key] ?? e.key })),
  }))
  return { required: { nodeSelectorTerms: terms } }
}
