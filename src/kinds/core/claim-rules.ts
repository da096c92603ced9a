// What a claim for storage may ask for, alone and as the template of claims.
// Source: pkg/apis/core/validation (ValidatePersistentVolumeClaimSpec and below).
import {
  named,
  type Problems,
  present,
  supported,
  validateAnnotations,
  validateLabels,
  validateSelector,
} from '../../api/checks.ts'
import type { ObjectMeta } from '../../api/meta.ts'
import { dnsLabelErrors, dnsSubdomainErrors } from '../../api/names.ts'
import { Printed, type Path } from '../../api/path.ts'
import { compareQuantities } from '../../api/quantity.ts'
import type { PersistentVolumeClaimSpec } from './persistentvolumeclaimspec.ts'

type Spec = PersistentVolumeClaimSpec

const accessModes = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod']
export const volumeModes = ['Block', 'Filesystem']

/** Ways to mount a volume: known ones, and the one for a single pod alone. */
export function* validateAccessModes(modes: readonly string[], at: Path): Problems {
  for (const mode of modes) yield* supported(mode, accessModes, at)
  if (modes.includes('ReadWriteOncePod') && modes.some(m => m !== 'ReadWriteOncePod' && accessModes.includes(m)))
    yield at.forbidden('may not use ReadWriteOncePod with other access modes')
}

export function* validateClaimSpec(spec: Spec, at: Path): Problems {
  const { accessModes: modes = [], selector, resources, storageClassName, volumeMode, dataSource } = spec
  yield* present(modes, at.field('accessModes'), 'at least 1 access mode is required')
  yield* validateSelector(selector, at.field('selector'))
  yield* validateAccessModes(modes, at.field('accessModes'))
  yield* validateSize(resources.requests?.storage, at.field('resources').key('storage'))
  if (storageClassName) yield* named(dnsSubdomainErrors, storageClassName, at.field('storageClassName'))
  if (volumeMode !== undefined) yield* supported(volumeMode, volumeModes, at.field('volumeMode'))
  if (dataSource) yield* validateDataSource(dataSource, at.field('dataSource'))
  if (spec.dataSourceRef) {
    const { namespace } = spec.dataSourceRef
    yield* validateDataSource(spec.dataSourceRef, at.field('dataSourceRef'))
    if (namespace) yield* named(dnsLabelErrors, namespace, at.field('dataSourceRef', 'namespace'))
    yield* validateTwoSources(spec, at)
  }
  if (spec.volumeAttributesClassName)
    yield* named(dnsSubdomainErrors, spec.volumeAttributesClassName, at.field('volumeAttributesClassName'))
}

function* validateSize(size: string | undefined, at: Path): Problems {
  if (size === undefined) yield at.required()
  else if (compareQuantities(size, '0') <= 0) yield at.invalid(size, 'must be greater than zero')
}

function* validateDataSource(
  source: { readonly name: string; readonly kind: string; readonly apiGroup?: string },
  at: Path,
): Problems {
  yield* present(source.name, at.field('name'))
  yield* present(source.kind, at.field('kind'))
  if (source.apiGroup) yield* named(dnsSubdomainErrors, source.apiGroup, at.field('apiGroup'))
  else if (source.kind !== 'PersistentVolumeClaim')
    yield at.invalid(source.kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup")
}

/** The old and the new field for a data source say the same, if both say something. */
function* validateTwoSources({ dataSource, dataSourceRef }: Spec, at: Path): Problems {
  if (!dataSource || !dataSourceRef) return
  // The value that Kubernetes shows is the path of the field, which has nothing to show.
  const shown = new Printed('{}')
  if (dataSourceRef.namespace) yield at.invalid(shown, 'may not be specified when dataSourceRef.namespace is specified')
  else if (
    dataSource.apiGroup !== dataSourceRef.apiGroup ||
    dataSource.kind !== dataSourceRef.kind ||
    dataSource.name !== dataSourceRef.name
  )
    yield at.invalid(shown, 'must match dataSourceRef')
}

/** The claim that is made for an ephemeral volume: of its metadata only labels and annotations are taken. */
export function* validateClaimTemplate(
  template: { readonly metadata: ObjectMeta; readonly spec: Spec },
  at: Path,
): Problems {
  const { labels, annotations, ...rest } = template.metadata
  yield* validateAnnotations(annotations, at.field('metadata', 'annotations'))
  yield* validateLabels(labels, at.field('metadata', 'labels'))
  for (const field of Object.keys(rest)) yield at.field('metadata', field).forbidden('cannot be set')
  yield* validateClaimSpec(template.spec, at.field('spec'))
}
