// Server-side apply as a request: checks the applied object, merges it into the live object or a new one (api/apply),
// and proposes the result to the registry. kubectl used to keep what it applied in an annotation, and is migrated from
// that to managed fields.
// Source: apiserver endpoints/handlers/patch.go (applyPatcher); managedfields (lastappliedmanager, lastappliedupdater).
import { StatusError } from '../base/errors.ts'
import { notAnObject } from '../base/go-text.ts'
import { apply as serverSideApply } from '../api/apply/apply.ts'
import { compare } from '../api/apply/compare.ts'
import { difference, type FieldSet, fieldsOf, structNode, union } from '../api/apply/fieldset.ts'
import { typeProblems } from '../api/apply/typed.ts'
import { asObject, type AnyKind, type KubeObject, parseApiVersion } from '../api/kind.ts'
import type { Operation, ServedResult } from '../api/operation.ts'
import { isObject } from '../api/patch/merge.ts'
import { root } from '../api/path.ts'
import { asJson, type JsonObject, type Mutable } from '../api/schema/node.ts'
import { timeText } from '../api/time.ts'
import { parseJson } from '../wire/json.ts'
import { decodeBody, editable, type Warn } from './body.ts'
import { conflict } from './errors.ts'
import { managerOf } from './manager.ts'
import { refuse } from './option-checks.ts'
import { asPart, ownableBy } from './parts.ts'
import { checkName, isMissing, placeInNamespace } from './placement.ts'
import type { Registry } from './registry.ts'

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'
const maxAnnotationBytes = 256 * 1024

/** Applies an object, and creates it if it does not exist. Throws BadRequest, Conflict, and the errors of a write. */
export async function apply(registry: Registry, operation: Operation, warn: Warn): Promise<ServedResult> {
  const { kind, subresource, options, name } = operation
  if (!options.fieldManager)
    refuse('PatchOptions', [root.field('fieldManager').required('is required for apply patch')])
  const wanted = wantedOf(operation, warn)
  const propose = (live: KubeObject) => proposal(operation, live, wanted, timeText(registry.clock.now()), warn)
  try {
    return { type: 'object', kind, item: await registry.update(operation, propose, { retry: true, warn }) }
  } catch (error) {
    if (subresource || !isMissing(error, operation)) throw error
  }
  const object = propose(editable<KubeObject>(kind, { kind: kind.kind, apiVersion: kind.apiVersion, metadata: {} }))
  const { uid } = object.metadata
  if (uid)
    throw conflict(
      kind,
      name,
      `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`,
    )
  object.metadata.name = name
  placeInNamespace(operation, object)
  delete object.metadata.resourceVersion
  return { type: 'object', kind, item: await registry.create(operation, object, warn), created: true }
}

function proposal(
  operation: Operation,
  live: KubeObject,
  wanted: JsonObject,
  now: string,
  warn: Warn,
): Mutable<KubeObject> {
  const { kind, options, subresource } = operation
  const manager = managerOf(operation)
  const before = asJson(structuredClone(live))
  const isKubectl = manager.manager === 'kubectl'
  const applied = serverSideApply(kind.schema, before, wanted, {
    manager,
    force: options.force ?? false,
    now,
    ownable: ownableBy(kind, subresource),
    allowed: isKubectl ? appliedByClient(kind, before) : undefined,
  })
  const sent = decodeBody(kind, applied.object, { fieldValidation: 'Ignore' }, warn)
  if (applied.managedFields.length) sent.metadata.managedFields = applied.managedFields
  else delete sent.metadata.managedFields
  if (isKubectl && sent.metadata.annotations?.[lastApplied] !== undefined)
    sent.metadata.annotations[lastApplied] = annotationOf(wanted)
  return asPart(operation, sent, live)
}

/** The object that was sent, with its type, name and fields checked. It gets no defaults, which would be owned then. */
function wantedOf(operation: Operation, warn: Warn): JsonObject {
  const { kind, options } = operation
  const body = operation.body ?? {}
  if (!isObject(body))
    throw new StatusError(
      'BadRequest',
      `error decoding YAML: error unmarshaling JSON: while decoding JSON: ${notAnObject(body)}`,
    )
  if (options.fieldValidation === 'Strict' && options.duplicates?.length)
    throw new StatusError(
      'BadRequest',
      `error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  ${options.duplicates.join('\n  ')}`,
    )
  if (options.fieldValidation !== 'Ignore') for (const text of options.duplicates ?? []) warn(text)
  const { group, version } = parseApiVersion(String(body.apiVersion ?? ''))
  if (group !== kind.group || version !== kind.version || body.kind !== kind.kind)
    throw new StatusError('BadRequest', `invalid object type: ${group}/${version}, Kind=${String(body.kind ?? '')}`)
  const metadata = isObject(body.metadata) ? body.metadata : {}
  if (metadata.managedFields !== undefined && metadata.managedFields !== null)
    throw new StatusError('BadRequest', 'metadata.managedFields must be nil')
  const problems = typeProblems(kind.schema, body)
  if (problems.length) {
    const all = problems.length === 1 ? problems[0] : `errors:\n  ${problems.join('\n  ')}`
    const whose = `${String(metadata.namespace ?? '')}/${String(metadata.name ?? '')}; ${kind.group}/${kind.version}, Kind=${kind.kind}`
    throw new StatusError('', `failed to create typed patch object (${whose}): ${all}`)
  }
  checkName(operation, asObject({ metadata }))
  return body
}

/**
 * The fields that `kubectl apply` without --server-side set and that have not changed since. kubectl may take them over
 * from their recorded owners. Undefined without the annotation.
 */
function appliedByClient(kind: AnyKind, live: JsonObject): FieldSet | undefined {
  const annotations = (live.metadata as { annotations?: Record<string, string> }).annotations
  const text = annotations?.[lastApplied]
  if (text === undefined) return undefined
  let before: unknown
  try {
    before = parseJson(text)
  } catch {
    // The annotation has other text, and so no information.
    return undefined
  }
  // An object without its type was not written by kubectl.
  if (!isObject(before) || !before.kind || !before.apiVersion) return undefined
  const node = structNode(kind.schema)
  const { changed, removed } = compare(node, live, before)
  return difference(fieldsOf(node, before), union(changed, removed))
}

/** The annotation in which `kubectl apply` would keep an object: JSON with sorted keys, on one line. */
function annotationOf(wanted: JsonObject): string {
  const text = `${JSON.stringify(sorted(wanted))}\n`
  return text.length > maxAnnotationBytes ? '' : text
}

function sorted(value: JsonObject[string]): JsonObject[string] {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map(key => [key, sorted(value[key]!)]),
  )
}
