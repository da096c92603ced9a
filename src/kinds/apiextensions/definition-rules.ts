// The validation of CustomResourceDefinitions, their defaults, and the fields that cannot change.
// Source: apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go, pkg/apis/apiextensions/v1/defaults.go,
// pkg/registry/customresourcedefinition/strategy.go, pkg/apihelpers.
import { immutable, oneOf, type Problems, present } from '../../api/checks.ts'
import { dns1035Errors, dnsSubdomainErrors } from '../../api/names.ts'
import type { KubeObject } from '../../api/kind.ts'
import type { Path } from '../../api/path.ts'
import { asGiven } from '../../api/schema/empties.ts'
import type { Mutable } from '../../api/schema/node.ts'
import { validateUrl, validateService } from '../admissionregistration/webhook-rules.ts'
import type {
  CustomResourceConversion,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionStatus,
} from './definition-types.ts'
import { approvalAnnotation, approvalOf } from './approval.ts'
import { inside, printedVersions } from './inside.ts'
import { validatePart, validateVersion } from './version-rules.ts'

interface Definition extends KubeObject {
  spec: CustomResourceDefinitionSpec
  status: CustomResourceDefinitionStatus
}

const reviewVersions = ['v1', 'v1beta1']

/** Defaults that follow from other fields. */
export function defaultDefinition(spec: Mutable<CustomResourceDefinitionSpec>): void {
  const { names } = spec
  if (!names.singular && names.kind) names.singular = names.kind.toLowerCase()
  if (!names.listKind && names.kind) names.listKind = `${names.kind}List`
  spec.conversion ??= { strategy: 'None' }
  const service = spec.conversion.webhook?.clientConfig?.service
  if (service) service.port ??= 443
}

/**
 * The storage version joins the stored versions as soon as it is set, since objects may be stored in it from then on.
 */
export function prepareDefinition({ spec, status }: Mutable<Definition>): void {
  const name = spec.versions?.find(version => version.storage)?.name
  if (name !== undefined && !status.storedVersions?.includes(name))
    status.storedVersions = [...(status.storedVersions ?? []), name]
}

export function* validateDefinition(object: Definition, at: Path, old: Definition | undefined): Problems {
  const { metadata, spec, status } = object
  if (!old && metadata.name && metadata.name !== `${spec.names.plural}.${spec.group}`)
    yield at.field('metadata', 'name').invalid(metadata.name, 'must be spec.names.plural+"."+spec.group')
  yield* validateSpec(spec, at.field('spec'))
  if (old) yield* validateFixed(spec, old, at.field('spec'))
  yield* validateNames(status.acceptedNames, at.field('status', 'acceptedNames'))
  yield* validateStored(object, at.field('status', 'storedVersions'))
  yield* validateApproval(object, old, at.field('metadata', 'annotations').key(approvalAnnotation))
  if (spec.preserveUnknownFields && !old?.spec.preserveUnknownFields)
    yield at
      .field('spec', 'preserveUnknownFields')
      .invalid(
        true,
        'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
      )
}

function* validateSpec(spec: CustomResourceDefinitionSpec, at: Path): Problems {
  const { group, scope, names } = spec
  yield* validateGroup(group, at.field('group'))
  yield* oneOf(scope, ['Cluster', 'Namespaced'], at.field('scope'))
  yield* validateVersions(spec, at)
  for (const field of ['plural', 'singular', 'kind', 'listKind'] as const)
    yield* present(names[field], at.field('names', field))
  yield* validateNames(names, at.field('names'))
  const { shared, versions } = inside(spec.versions ?? [])
  const hasStatus = [shared, ...versions].some(part => part.subresources?.status)
  yield* validatePart(shared, hasStatus, at, 'validation')
  if (spec.conversion) yield* validateConversion(spec.conversion, at.field('conversion'))
}

function* validateGroup(group: string, at: Path): Problems {
  if (!group) return yield at.required()
  const errors = dnsSubdomainErrors(group)
  if (errors.length) yield at.invalid(group, errors.join(','))
  else if (!group.includes('.')) yield at.invalid(group, 'should be a domain with at least one dot')
}

function* validateVersions(spec: CustomResourceDefinitionSpec, at: Path): Problems {
  const { shared, versions } = inside(spec.versions ?? [])
  const path = at.field('versions')
  if (!shared.schema?.openAPIV3Schema)
    for (const [i, { schema }] of versions.entries())
      if (!schema?.openAPIV3Schema) yield path.index(i).field('schema', 'openAPIV3Schema').required()
  for (const [i, version] of versions.entries()) {
    const errors = dns1035Errors(version.name)
    if (errors.length) yield path.index(i).field('name').invalid(version.name, errors.join(','))
    yield* validateVersion(version, Boolean((version.subresources ?? shared.subresources)?.status), path.index(i))
  }
  const all = printedVersions(asGiven(spec, 'versions') ? versions : undefined)
  if (new Set(versions.map(({ name }) => name)).size < versions.length)
    yield path.invalid(all, 'must contain unique version names')
  if (versions.filter(({ storage }) => storage).length !== 1)
    yield path.invalid(all, 'must have exactly one version marked as storage version')
  // Upstream also validates the internal field `version`, which has the first version, from a time when there was only
  // one.
  const first = versions[0]?.name
  const errors = first ? dns1035Errors(first) : []
  if (errors.length) yield at.field('version').invalid(first, errors.join(','))
}

function* validateNames(names: CustomResourceDefinitionNames, at: Path): Problems {
  for (const field of ['plural', 'singular'] as const) {
    const errors = names[field] ? dns1035Errors(names[field]) : []
    if (errors.length) yield at.field(field).invalid(names[field], errors.join(','))
  }
  for (const field of ['kind', 'listKind'] as const) {
    const errors = names[field] ? dns1035Errors(names[field].toLowerCase()) : []
    if (errors.length)
      yield at
        .field(field)
        .invalid(names[field], `may have mixed case, but should otherwise match: ${errors.join(',')}`)
  }
  yield* validateLabels(names.shortNames, at.field('shortNames'))
  if (names.kind && names.kind === names.listKind)
    yield at.field('listKind').invalid(names.listKind, 'kind and listKind may not be the same')
  yield* validateLabels(names.categories, at.field('categories'))
}

function* validateLabels(labels: readonly string[] | undefined, at: Path): Problems {
  for (const [i, label] of (labels ?? []).entries()) {
    const errors = dns1035Errors(label)
    if (errors.length) yield at.index(i).invalid(label, errors.join(','))
  }
}

function* validateConversion({ strategy, webhook }: CustomResourceConversion, at: Path): Problems {
  yield* oneOf(strategy, ['None', 'Webhook'], at.field('strategy'))
  const [client, versions] = [webhook?.clientConfig, webhook?.conversionReviewVersions ?? []]
  const [clientPath, versionsPath] = [at.field('webhookClientConfig'), at.field('conversionReviewVersions')]
  if (strategy !== 'Webhook') {
    const unwanted = 'should not be set when strategy is not set to Webhook'
    if (client) yield clientPath.forbidden(unwanted)
    if (versions.length) yield versionsPath.forbidden(unwanted)
    return
  }
  if (!client) yield clientPath.required('required when strategy is set to Webhook')
  else if ((client.url === undefined) === !client.service)
    yield clientPath.required('exactly one of url or service is required')
  else if (client.url !== undefined) yield* validateUrl(client.url, clientPath.field('url'))
  else if (client.service) yield* validateService(client.service, clientPath.field('service'))
  yield* validateReviewVersions(versions, versionsPath)
}

function* validateReviewVersions(versions: readonly string[], at: Path): Problems {
  if (!versions.length) return yield at.required()
  for (const [i, version] of versions.entries())
    if (versions.indexOf(version) < i) yield at.index(i).invalid(version, 'duplicate version')
    else for (const error of dns1035Errors(version)) yield at.index(i).invalid(version, error)
  if (!versions.some(version => reviewVersions.includes(version)))
    yield at.invalid(versions, `must include at least one of ${reviewVersions.join(', ')}`)
}

function* validateStored({ spec, status }: Definition, at: Path): Problems {
  const stored = status.storedVersions ?? []
  if (!stored.length) return yield at.invalid(status.storedVersions, 'must have at least one stored version')
  const left = new Set(stored)
  // Of two versions with the same name, the second counts as missing.
  for (const { name, storage } of spec.versions ?? [])
    if (!left.delete(name) && storage) yield at.invalid(stored, `must have the storage version ${name}`)
  for (const [i, name] of stored.entries())
    if (left.has(name))
      yield at
        .index(i)
        .invalid(
          name,
          `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`,
        )
}

/** Checks fields that cannot change: those that determine the keys in the store, and for served kinds their names. */
function* validateFixed(
  { group, scope, names }: CustomResourceDefinitionSpec,
  { spec, status }: Definition,
  at: Path,
): Problems {
  if (status.conditions?.some(c => c.type === 'Established' && c.status === 'True')) {
    if (scope !== spec.scope) yield at.field('scope').invalid(scope, immutable)
    if (names.kind !== spec.names.kind) yield at.field('names', 'kind').invalid(names.kind, immutable)
  }
  if (group !== spec.group) yield at.field('group').invalid(group, immutable)
  if (names.plural !== spec.names.plural) yield at.field('names', 'plural').invalid(names.plural, immutable)
}

/** Refuses a definition in a protected group without approval, unless it had the same fault before. */
function* validateApproval(object: Definition, old: Definition | undefined, at: Path): Problems {
  const approval = approvalOf(object)
  if (!approval || approval.state === 'approved' || approval.state === 'bypassed') return
  if (old && approvalOf(old)?.state === approval.state) return
  if (approval.state === 'missing') yield at.required(approval.message)
  else yield at.invalid(object.metadata.annotations?.[approvalAnnotation], approval.message)
}
