// The volumes of a pod: each is of exactly one kind, whose own rules are checked.
// Source: pkg/apis/core/validation (ValidateVolumes, validateVolumeSource and below).
import { named, type Problems, present } from '../../api/checks.ts'
import { dnsLabelErrors, dnsSubdomainErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import { compareQuantities } from '../../api/quantity.ts'
import { validateClaimTemplate } from './claim-rules.ts'
import { pullPolicies } from './container-rules.ts'
import type { Volumes } from './mount-rules.ts'
import { fileMode } from './path-rules.ts'
import { validateDownwardFile, validateKeys } from './volume-file-rules.ts'
import { type SourceRule, validateDriverName, vendorRules } from './volume-source-rules.ts'
import { validateProjected } from './projection-rules.ts'
import type {
  CSIVolumeSource,
  EmptyDirVolumeSource,
  KeyToPath,
  Volume,
  EphemeralVolumeSource,
  ImageVolumeSource,
} from './volume.ts'

/** What volumes are judged against: the pod they are of, where it is a pod and not a template. */
export interface VolumeContext {
  /** Name of the pod. */
  pod?: string
  isPod: boolean
}

/** Checks all volumes of a pod and returns those without problems. */
export function validateVolumes(
  volumes: readonly Volume[] | undefined,
  context: VolumeContext,
  at: Path,
): { known: Volumes; problems: Problems } {
  const known = new Map<string, Volume>()
  const problems = (volumes ?? []).flatMap((volume, i) => {
    const found = [...validateVolume(volume, known, context, at.index(i))]
    if (!found.length) known.set(volume.name, volume)
    return [...found, ...validateClaimOwner(volumes ?? [], volume, context, at.index(i))]
  })
  return { known, problems }
}

function* validateVolume(volume: Volume, known: Volumes, context: VolumeContext, at: Path): Problems {
  const { name, ...source } = volume
  yield* validateSource(source, name, context, at)
  if (!name) yield at.field('name').required()
  else yield* named(dnsLabelErrors, name, at.field('name'))
  if (known.has(name)) yield at.field('name').duplicate(name)
}

/** A claim that is made for an ephemeral volume of the pod is not to be used as another volume of it. */
function* validateClaimOwner(
  all: readonly Volume[],
  { persistentVolumeClaim: claim }: Volume,
  { pod }: VolumeContext,
  at: Path,
): Problems {
  if (claim && pod && all.some(v => v.ephemeral && `${pod}-${v.name}` === claim.claimName))
    yield at
      .field('persistentVolumeClaim', 'claimName')
      .invalid(claim.claimName, 'must not reference a PVC that gets created for an ephemeral volume')
}

const maxPortalLength = 64
const portalTooLong =
  'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.'

function* validateSource(source: Omit<Volume, 'name'>, name: string, context: VolumeContext, at: Path): Problems {
  let isFirst = true
  for (const [field, rule] of rulesOf(source, name, context)) {
    const value = source[field as keyof typeof source]
    if (!value) continue
    if (isFirst) yield* rule(value, at.field(field))
    else yield at.field(spelled[field] ?? field).forbidden('may not specify more than 1 volume type')
    isFirst = false
  }
  if (source.iscsi?.initiatorName !== undefined && `${name}:${source.iscsi.targetPortal}`.length > maxPortalLength)
    yield at.field('name').invalid(name, portalTooLong)
  if (isFirst) yield at.required('must specify a volume type')
}

/** How Kubernetes spells a few fields when it refuses a second volume type. */
const spelled: Readonly<Record<string, string>> = { cephfs: 'cephFS', downwardAPI: 'downwarAPI' }

function* rulesOf(
  source: Omit<Volume, 'name'>,
  name: string,
  context: VolumeContext,
): Iterable<readonly [string, SourceRule]> {
  const { emptyDir, secret, configMap, persistentVolumeClaim, downwardAPI, projected, csi, ephemeral, image } = source
  if (emptyDir) yield ['emptyDir', (_, at) => validateEmptyDir(emptyDir, at)]
  for (const rule of vendorRules) if (rule[0] in source) yield rule
  if (secret) yield ['secret', (_, at) => validateFiles(secret, secret.secretName, 'secretName', at)]
  if (persistentVolumeClaim)
    yield ['persistentVolumeClaim', (_, at) => present(persistentVolumeClaim.claimName, at.field('claimName'))]
  if (downwardAPI)
    yield [
      'downwardAPI',
      function* (_, at) {
        yield* fileMode(downwardAPI.defaultMode, at.field('defaultMode'))
        for (const file of downwardAPI.items ?? []) yield* validateDownwardFile(file, at)
      },
    ]
  if (configMap) yield ['configMap', (_, at) => validateFiles(configMap, configMap.name, 'name', at)]
  if (projected) yield ['projected', (_, at) => validateProjected(projected, at)]
  if (csi) yield ['csi', (_, at) => validateCSI(csi, at)]
  if (ephemeral) yield ['ephemeral', (_, at) => validateEphemeral(ephemeral, name, context, at)]
  if (image) yield ['image', (_, at) => validateImage(image, context, at)]
}

function* validateEmptyDir({ sizeLimit, mode }: EmptyDirVolumeSource, at: Path): Problems {
  if (sizeLimit !== undefined && compareQuantities(sizeLimit, '0') < 0)
    yield at.field('sizeLimit').forbidden('SizeLimit field must be a valid resource quantity')
  yield* fileMode(mode, at.field('mode'))
}

function* validateFiles(
  { items, defaultMode }: { readonly items?: readonly KeyToPath[]; readonly defaultMode?: number },
  name: string | undefined,
  nameField: string,
  at: Path,
): Problems {
  yield* present(name, at.field(nameField))
  yield* fileMode(defaultMode, at.field('defaultMode'))
  yield* validateKeys(items, at.field('items'))
}

function* validateCSI({ driver, nodePublishSecretRef }: CSIVolumeSource, at: Path): Problems {
  yield* validateDriverName(driver, at.field('driver'))
  if (!nodePublishSecretRef) return
  const { name = '' } = nodePublishSecretRef
  if (!name) yield at.field('nodePublishSecretRef', 'name').required()
  else yield* named(dnsSubdomainErrors, name, at.field('name'))
}

function* validateEphemeral(
  { volumeClaimTemplate }: EphemeralVolumeSource,
  volume: string,
  { pod }: VolumeContext,
  at: Path,
): Problems {
  if (!volumeClaimTemplate) yield at.field('volumeClaimTemplate').required()
  else yield* validateClaimTemplate(volumeClaimTemplate, at.field('volumeClaimTemplate'))
  if (!pod || !volume) return
  for (const error of dnsSubdomainErrors(`${pod}-${volume}`))
    yield at.parent.field('name').invalid(volume, `PVC name ${JSON.stringify(`${pod}-${volume}`)}: ${error}`)
}

function* validateImage({ reference, pullPolicy }: ImageVolumeSource, { isPod }: VolumeContext, at: Path): Problems {
  if (isPod) yield* present(reference, at.field('reference'))
  if (!pullPolicy) yield at.field('pullPolicy').required()
  else if (!pullPolicies.includes(pullPolicy)) yield at.field('pullPolicy').notSupported(pullPolicy, pullPolicies)
}
