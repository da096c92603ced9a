// Makes the kinds of a definition, one for each served version, with the same parts as built-in kinds. API server,
// discovery, OpenAPI, apply, tables, garbage collection and quota treat them alike.
import { isPath, readAll, readPath } from '../../api/jsonpath.ts'
import {
  type AnyKind,
  apiVersionOf,
  type Column,
  type KindVersions,
  type KubeObject,
  type Verb,
} from '../../api/kind.ts'
import type { Problems } from '../../api/checks.ts'
import type { Path, Problem } from '../../api/path.ts'
import { asJson, type Json } from '../../api/schema/node.ts'
import { ObjectMeta } from '../../api/meta.ts'
import { age } from '../../api/table.ts'
import { createdColumn } from '../columns.ts'
import { isTrue } from '../apiextensions/conditions.ts'
import type { CustomResourceDefinition } from '../apiextensions/customresourcedefinition.ts'
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinitionVersion,
} from '../apiextensions/definition-types.ts'
import { compareVersions } from '../apiextensions/version-order.ts'
import type { SchemaProps } from '../apiextensions/jsonschema.ts'
import { customCodec } from './codec.ts'
import { documentOf } from './document.ts'
import { hasRules, ruleProblems } from './expressions.ts'
import { lazyStruct } from './nodes.ts'
import { validateEmbedded, validateLists, validateScale } from './object-rules.ts'
import { shapeOf } from './shape.ts'
import { schemaProblems } from './validate.ts'
import { type Convert, customVersions } from './versions.ts'

const verbs: readonly Verb[] = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']

/** The kinds of a definition, one for each served version. There are none before its names are accepted. */
export function customKinds(definition: CustomResourceDefinition, convert: Convert): AnyKind[] {
  const served = definition.spec.versions.filter(version => version.served)
  return served.map(version => customKind(definition, version, convert))
}

/** Whether the kinds of a definition are served. */
export const isEstablished = (definition: CustomResourceDefinition): boolean => isTrue(definition, 'Established')

function customKind(
  definition: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
  convert: Convert,
): AnyKind {
  const { group, scope } = definition.spec
  const names = definition.status.acceptedNames
  const schema = version.schema?.openAPIV3Schema ?? {}
  const { status, scale } = version.subresources ?? {}
  const paths = scale && {
    spec: scale.specReplicasPath,
    status: scale.statusReplicasPath,
    selector: scale.labelSelectorPath ?? '',
  }
  // Rules are evaluated once; what they warn of is kept from the check of an object until its warnings are asked for.
  const warnings = new WeakMap<KubeObject, string[]>()
  const given = version.additionalPrinterColumns ?? []
  // Where one of them cannot be read, the objects are shown as those of kinds without columns.
  const columns = given.every(({ jsonPath }) => isPath(jsonPath)) ? given.map(columnOf) : [createdColumn]
  return {
    group,
    version: version.name,
    apiVersion: apiVersionOf(group, version.name),
    kind: names.kind,
    listKind: names.listKind ?? `${names.kind}List`,
    plural: names.plural,
    singular: names.singular ?? names.kind.toLowerCase(),
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    scope: scope as AnyKind['scope'],
    namespaced: scope === 'Namespaced',
    doc: schema.description ?? '',
    custom: true,
    fingerprint: `${definition.metadata.uid} ${definition.metadata.generation}`,
    schema: lazyStruct(schemaName(group, version.name, names.kind), schema, true, {
      codec: customCodec(() => shapeOf(schema)),
      document: (dialect, ref) => documentOf(schema, dialect, ref(ObjectMeta)),
    }),
    verbs,
    ...(definition.metadata.deletionTimestamp && { closed: true }),
    subresources: [],
    status: status !== undefined,
    ...(paths && { scale: paths }),
    generation: true,
    conditionalUpdate: true,
    finalizers: 'any',
    columns,
    ...(columns.length && { age: false }),
    selectable: selectableOf(version),
    versions: customVersions(definition, version.name, convert) satisfies KindVersions,
    explicit: true,
    validate: (object: KubeObject, at: Path, old: KubeObject | undefined) => {
      const found: string[] = []
      warnings.set(object, found)
      return problemsOf({
        schema,
        object,
        at,
        old,
        scale: paths,
        warn: ({ field, body }) => found.push(`${field}: ${body}`),
      })
    },
    warnings: (object: KubeObject) => [...finalizerWarnings(object), ...(warnings.get(object) ?? [])],
    ...(version.deprecated && { deprecated: deprecationOf(definition, version) }),
  }
}

/** The name in OpenAPI documents: the group in reverse, version and kind, such as `com.example.stable.v1.CronTab`. */
const schemaName = (group: string, version: string, kind: string): string =>
  `${group.split('.').reverse().join('.')}.${version}.${kind}`

interface CheckRequest {
  schema: SchemaProps
  object: KubeObject
  at: Path
  old: KubeObject | undefined
  scale: AnyKind['scale']
  warn: (problem: Problem) => void
}

function* problemsOf({ schema, object, at, old, scale, warn }: CheckRequest): Problems {
  const value = asJson(object) as Json
  const problems = [
    ...schemaProblems(schema, value, old && asJson(old)),
    ...validateEmbedded(schema, value, at),
    ...validateLists(schema, value, at),
    ...(scale ? validateScale(scale, object) : []),
  ]
  yield* problems
  if (!hasRules(schema)) return
  if (problems.some(({ type }) => blocking.includes(type)))
    yield at.invalid(
      undefined,
      'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
    )
  else yield* ruleProblems(schema, value, at, { old: old && asJson(old), isRoot: true, warn })
}

/** Problems after which the types of values are not certain. */
const blocking: readonly string[] = [
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
]

function* finalizerWarnings({ metadata }: KubeObject): Iterable<string> {
  for (const finalizer of metadata.finalizers ?? [])
    if (!finalizer.includes('/') && finalizer !== 'orphan' && finalizer !== 'foregroundDeletion')
      yield `metadata.finalizers: ${JSON.stringify(finalizer)}: prefer a domain-qualified finalizer name including a path (/) to avoid accidental conflicts with other finalizer writers`
}

/**
 * The warning for requests in a deprecated version. It names the best version that is not deprecated, if there is one.
 */
function deprecationOf({ spec }: CustomResourceDefinition, version: CustomResourceDefinitionVersion): string {
  if (version.deprecationWarning !== undefined) return version.deprecationWarning
  const { group, names } = spec
  const better = spec.versions
    .filter(other => other.served && !other.deprecated && compareVersions(version.name, other.name) < 0)
    .map(other => other.name)
    .sort((a, b) => compareVersions(b, a))
  const instead = better[0] ? `; use ${group}/${better[0]} ${names.kind}` : ''
  return `${group}/${version.name} ${names.kind} is deprecated${instead}`
}

function columnOf({ name, type, format, description, priority, jsonPath }: CustomResourceColumnDefinition): Column {
  return {
    name,
    type: type as Column['type'],
    value: (object, now) => cellOf(type, readAll(object, jsonPath)[0], now),
    wide: (priority ?? 0) > 0,
    ...(description && { doc: description }),
    ...(format && { format }),
  }
}

/** A cell of a printer column. Source: apiextensions-apiserver pkg/registry/customresource/tableconvertor. */
function cellOf(type: string, value: Json | undefined, now: number): string | number | boolean | null {
  if (value === undefined) return null
  switch (type) {
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : typeof value === 'bigint' ? Number(value) : null
    case 'number':
      return typeof value === 'number' ? value : null
    case 'boolean':
      return typeof value === 'boolean' ? value : null
    case 'date':
      return typeof value === 'string' ? age(value, now) : null
    default:
      return typeof value === 'string'
        ? value
        : value === null
          ? '<nil>'
          : typeof value === 'object'
            ? JSON.stringify(value)
            : String(value)
  }
}

/** The values for field selectors, by their path without the leading dot. A missing field is an empty text. */
function selectableOf({ selectableFields }: CustomResourceDefinitionVersion): AnyKind['selectable'] {
  return Object.fromEntries(
    (selectableFields ?? []).map(({ jsonPath }) => [
      jsonPath.replace(/^\./, ''),
      (object: KubeObject) => {
        const value = readPath(object, jsonPath)
        return value === undefined || value === null ? '' : String(value)
      },
    ]),
  )
}
