// From request bodies to proposals: create, update, the patches and apply, of whole objects and of their status.
// Source: apiserver pkg/endpoints/handlers (create.go, update.go, patch.go).
import { isReason, StatusError } from '../base/errors.ts'
import { apply as serverSideApply } from '../api/apply/apply.ts'
import { undeclaredFields } from '../api/apply/undeclared.ts'
import type { AnyKind, KubeObject } from '../api/kind.ts'
import type { Operation, ServedResult } from '../api/operation.ts'
import { isObject, mergePatch } from '../api/patch/merge.ts'
import { jsonPatch } from '../api/patch/json.ts'
import { strategicPatch } from '../api/patch/strategic.ts'
import type { DeepReadonly, Json, JsonObject } from '../api/schema/node.ts'
import { timeText } from '../api/time.ts'
import { decodeBody, editable, type Warn } from './body.ts'
import { managerOf } from './manager.ts'
import { withStatusOf } from './parts.ts'
import type { Registry } from './registry.ts'

export async function create(registry: Registry, operation: Operation, warn: Warn): Promise<ServedResult> {
  const { kind } = operation
  const object = decodeBody(kind, operation.body, operation.options, warn)
  placeInNamespace(operation, object)
  const item = await registry.create(operation, object, warn)
  return { type: 'object', kind, item, created: true }
}

/** PUT of the object or of its status. A missing object is created where the kind allows it. */
export async function update(registry: Registry, operation: Operation, warn: Warn): Promise<ServedResult> {
  const { kind, name, subresource } = operation
  const sent = decodeBody(kind, operation.body, operation.options, warn)
  checkName(operation, sent)
  placeInNamespace(operation, sent)
  let attempts = 0
  const change = (old: DeepReadonly<KubeObject>) => {
    // Admission changes what it is given: another attempt begins with the body again.
    const fresh = attempts++ === 0 ? sent : decodeBody(kind, operation.body, operation.options, () => {})
    Object.assign(fresh.metadata, { name, namespace: sent.metadata.namespace })
    return asPart(operation, fresh, old)
  }
  try {
    const item = await registry.update(operation, change, { retry: !sent.metadata.resourceVersion, warn })
    return { type: 'object', kind, item }
  } catch (error) {
    if (!kind.createOnUpdate || subresource || !isMissing(error, operation)) throw error
  }
  return { type: 'object', kind, item: await registry.create(operation, sent, warn), created: true }
}

/** Whether what was not found is the object itself, not something it needs. */
const isMissing = (error: unknown, { name }: Operation): boolean =>
  isReason(error, 'NotFound') && error.details?.name === name

/** All four patch types. Apply creates what is not there. */
export async function patch(registry: Registry, operation: Operation, warn: Warn): Promise<ServedResult> {
  const { kind, patchType } = operation
  if (patchType === 'apply') return apply(registry, operation, warn)
  const retry = mayRetry(operation)
  const change = (old: DeepReadonly<KubeObject>) => asPart(operation, patchedObject(operation, old, warn), old)
  return { type: 'object', kind, item: await registry.update(operation, change, { retry, warn }) }
}

/** Whether a patch other than apply may be tried again on the newest state: not when it names a resourceVersion. */
export function mayRetry({ patchType, body, options }: Operation): boolean {
  if (options.force !== undefined)
    throw invalidPatchOption('force', 'Forbidden: may not be specified for non-apply patch')
  return patchType === 'json' || !isObject(body) || !isObject(body.metadata) || !body.metadata.resourceVersion
}

/** What a patch other than apply makes of `before`, which is of the operation's kind. */
export function patchedObject(operation: Operation, before: DeepReadonly<KubeObject>, warn: Warn): KubeObject {
  const { kind, patchType, body } = operation
  const type = patchType as Exclude<typeof patchType, 'apply' | undefined>
  const sent = decodePatched(operation, patchedBody(kind, type, before, body ?? null), warn)
  checkName(operation, sent)
  placeInNamespace(operation, sent)
  return sent
}

/** Throws BadRequest unless the object has the name of the URL. */
function checkName({ name }: Operation, { metadata }: KubeObject): void {
  if (!metadata.name)
    throw new StatusError(
      'BadRequest',
      `the name of the object (${name} based on URL) was undeterminable: name must be provided`,
    )
  if (metadata.name !== name)
    throw new StatusError(
      'BadRequest',
      `the name of the object (${metadata.name}) does not match the name on the URL (${name})`,
    )
}

/** What a patch made, decoded; in strict mode it is the patch that is refused, for itself or for what it made. */
function decodePatched({ kind, body, options }: Operation, patched: Json, warn: Warn): KubeObject {
  const { fieldValidation = 'Warn', duplicates = [] } = options
  if (fieldValidation === 'Ignore') return decodeBody(kind, patched, { fieldValidation }, warn)
  const problems = [...duplicates]
  const sent = decodeBody(kind, patched, { fieldValidation: 'Warn' }, text => problems.push(text))
  if (fieldValidation === 'Strict' && problems.length) {
    const text = `Invalid value: ${JSON.stringify(JSON.stringify(body))}: strict decoding error: ${problems.join(', ')}`
    const causes = [{ reason: 'FieldValueInvalid', message: text, field: 'patch' }]
    throw new StatusError('Invalid', ` "" is invalid: patch: ${text}`, { details: { causes } })
  }
  for (const text of problems) warn(text)
  return sent
}

/** The object a patch makes of `old`, as JSON. */
export function patchedBody(
  kind: AnyKind,
  type: Exclude<Operation['patchType'], undefined | 'apply'>,
  old: DeepReadonly<KubeObject>,
  body: Json,
): Json {
  // No patch changes its target.
  const target = old as unknown as JsonObject
  if (type === 'json') return jsonPatch(target, body)
  if (!isObject(body))
    throw new StatusError(
      'BadRequest',
      'error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}',
    )
  return type === 'merge' ? mergePatch(target, body) : strategicPatch(kind.schema, target, body)
}

async function apply(registry: Registry, operation: Operation, warn: Warn): Promise<ServedResult> {
  const { kind, subresource, options, name } = operation
  if (!options.fieldManager) throw invalidPatchOption('fieldManager', 'Required value: is required for apply patch')
  const wanted = isObject(operation.body) ? operation.body : {}
  checkApplied(operation, wanted)
  if (options.fieldValidation === 'Strict' && options.duplicates?.length) {
    throw new StatusError(
      'BadRequest',
      `error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  ${options.duplicates.join('\n  ')}`,
    )
  }
  // Only what was written counts as wanted: no defaults here.
  const bare = plainDecode(operation, wanted, warn)
  const force = options.force ?? false
  const now = timeText(registry.clock.now())
  const change = (old: DeepReadonly<KubeObject>) => {
    const applied = serverSideApply(kind.schema, structuredClone(old) as unknown as JsonObject, bare, {
      manager: managerOf(operation),
      force,
      now,
    })
    const sent = decodeBody(kind, applied.object, { fieldValidation: 'Ignore' }, warn)
    sent.metadata.managedFields = applied.managedFields
    return asPart(operation, sent, old)
  }
  try {
    return { type: 'object', kind, item: await registry.update(operation, change, { retry: true, warn }) }
  } catch (error) {
    if (subresource || !isMissing(error, operation)) throw error
  }
  const empty = editable<KubeObject>(kind, { kind: kind.kind, apiVersion: kind.apiVersion, metadata: {} })
  const object = await change(empty)
  object.metadata.name = name
  placeInNamespace(operation, object)
  delete object.metadata.uid
  delete object.metadata.resourceVersion
  return { type: 'object', kind, item: await registry.create(operation, object, warn), created: true }
}

function plainDecode({ kind, namespace, name, options }: Operation, wanted: JsonObject, warn: Warn): JsonObject {
  // Decoding checks types; what was explicitly written is kept as written.
  let unknown = false
  const full = decodeBody(kind, wanted, { fieldValidation: 'Warn' }, () => (unknown = true)) as unknown as Json
  // However strict the client wants it: a field that the kind lacks cannot be owned.
  const lacking = unknown ? undeclaredFields(kind.schema, wanted).map(at => `${at}: field not declared in schema`) : []
  if (lacking.length) {
    const all = lacking.length === 1 ? lacking[0] : `errors:\n  ${lacking.join('\n  ')}`
    const whose = `${namespace ? `${namespace}/` : '/'}${name}; ${kind.apiVersion}, Kind=${kind.kind}`
    throw new StatusError('', `failed to create typed patch object (${whose}): ${all}`)
  }
  if (options.fieldValidation !== 'Ignore') for (const text of options.duplicates ?? []) warn(text)
  const keep = (source: Json, target: Json): Json => {
    if (Array.isArray(source) && Array.isArray(target))
      return source.map((element, i) => keep(element, target[i] ?? element))
    if (!isObject(source) || !isObject(target)) return target
    return Object.fromEntries(
      Object.entries(source).flatMap(([key, value]) =>
        value === null || target[key] === undefined ? [] : [[key, keep(value, target[key])]],
      ),
    )
  }
  return keep(wanted, full) as JsonObject
}

function checkApplied(operation: Operation, wanted: JsonObject): void {
  const meta = isObject(wanted.metadata) ? wanted.metadata : {}
  if (!wanted.apiVersion || !wanted.kind)
    throw new StatusError('BadRequest', "error decoding YAML: Object 'Kind' or 'apiVersion' is missing")
  if (meta.managedFields !== undefined) throw new StatusError('BadRequest', 'metadata.managedFields must be nil')
  if (meta.name !== undefined && meta.name !== operation.name) {
    throw new StatusError(
      'BadRequest',
      `the name of the object (${String(meta.name)}) does not match the name on the URL (${operation.name})`,
    )
  }
}

function invalidPatchOption(field: string, body: string): StatusError {
  const [reason, message] = body.startsWith('Forbidden') ? ['FieldValueForbidden', body] : ['FieldValueRequired', body]
  return new StatusError('Invalid', `PatchOptions.meta.k8s.io "" is invalid: ${field}: ${body}`, {
    details: { group: 'meta.k8s.io', kind: 'PatchOptions', causes: [{ reason, message, field }] },
  })
}

/** What a request asks for: through /status the live object with another status, otherwise what was sent. */
function asPart({ kind, subresource }: Operation, sent: KubeObject, live: DeepReadonly<KubeObject>): KubeObject {
  return subresource === 'status' ? withStatusOf(kind, sent, live) : sent
}

function placeInNamespace({ kind, namespace }: Operation, object: KubeObject): void {
  if (!kind.namespaced) return
  if (object.metadata.namespace && object.metadata.namespace !== namespace) {
    throw new StatusError(
      'BadRequest',
      `the namespace of the provided object does not match the namespace sent on the request`,
    )
  }
  object.metadata.namespace = namespace
}
