// Turns the bodies of writes into proposals for the registry: create, update and the patches, of whole objects and of
// their status.
// Source: apiserver pkg/endpoints/handlers (create.go, update.go, patch.go).
import { StatusError } from '../base/errors.ts'
import { goQuote, goValue, notAnObject } from '../base/go-text.ts'
import type { AnyKind, KubeObject } from '../api/kind.ts'
import type { Operation, ServedResult } from '../api/operation.ts'
import { isObject, mergePatch } from '../api/patch/merge.ts'
import { jsonPatch } from '../api/patch/json.ts'
import { strategicPatch } from '../api/patch/strategic.ts'
import { DecodeError } from '../api/schema/decode.ts'
import { asJson, type Json, type Mutable } from '../api/schema/node.ts'
import { root } from '../api/path.ts'
import { apply } from './apply.ts'
import { decodeBody, type Warn } from './body.ts'
import { asPart } from './parts.ts'
import { checkName, isMissing, placeInNamespace } from './placement.ts'
import { refuse } from './option-checks.ts'
import type { Registry } from './registry.ts'

export async function create(registry: Registry, operation: Operation, warn: Warn): Promise<ServedResult> {
  const { kind } = operation
  const object = decodeBody(kind, operation.body, operation.options, warn)
  placeInNamespace(operation, object)
  const item = await registry.create(operation, object, warn)
  return { type: 'object', kind, item, created: true }
}

/** Replaces an object or its status. A missing object is created if the kind allows that. */
export async function update(registry: Registry, operation: Operation, warn: Warn): Promise<ServedResult> {
  const { kind, name, subresource } = operation
  const sent = decodeBody(kind, operation.body, operation.options, warn)
  checkName(operation, sent)
  placeInNamespace(operation, sent)
  let attempts = 0
  const change = (old: KubeObject) => {
    // Admission changes the object in place, so another attempt decodes the body again.
    const object = attempts++ === 0 ? sent : decodeBody(kind, operation.body, operation.options, () => {})
    Object.assign(object.metadata, { name, namespace: sent.metadata.namespace })
    return asPart(operation, object, old)
  }
  try {
    const item = await registry.update(operation, change, { retry: !sent.metadata.resourceVersion, warn })
    return { type: 'object', kind, item }
  } catch (error) {
    if (!kind.createOnUpdate || subresource || !isMissing(error, operation)) throw error
  }
  return { type: 'object', kind, item: await registry.create(operation, sent, warn), created: true }
}

/** Patches an object, by one of the four types of patches. An apply creates a missing object. */
export async function patch(registry: Registry, operation: Operation, warn: Warn): Promise<ServedResult> {
  const { kind, patchType } = operation
  if (patchType === 'apply') return apply(registry, operation, warn)
  const retry = mayRetry(operation)
  const change = (old: KubeObject) => asPart(operation, patchedObject(operation, old, warn), old)
  return { type: 'object', kind, item: await registry.update(operation, change, { retry, warn }) }
}

/**
 * Whether a patch other than apply may be repeated on the newest state, which it may unless it has a resourceVersion.
 */
export function mayRetry({ patchType, body, options }: Operation): boolean {
  if (options.force !== undefined)
    refuse('PatchOptions', [root.field('force').forbidden('may not be specified for non-apply patch')])
  return patchType === 'json' || !isObject(body) || !isObject(body.metadata) || !body.metadata.resourceVersion
}

/** The result of a patch other than apply. `before` is of the operation's kind. */
export function patchedObject(operation: Operation, before: KubeObject, warn: Warn): Mutable<KubeObject> {
  const { kind, patchType, body } = operation
  const type = patchType as Exclude<typeof patchType, 'apply' | undefined>
  const sent = decodePatched(operation, patchedBody(kind, type, before, body ?? null), warn)
  checkName(operation, sent)
  placeInNamespace(operation, sent)
  return sent
}

/** Decodes the result of a patch. With strict validation, the patch is refused for problems in it or in its result. */
function decodePatched(operation: Operation, patched: Json, warn: Warn): Mutable<KubeObject> {
  const { kind, options, patchType, body } = operation
  const { fieldValidation = 'Warn', duplicates = [] } = options
  const problems = [...duplicates]
  // The result of a strategic merge patch always has the type of the object.
  const typed =
    patchType === 'strategic' && isObject(patched)
      ? { ...patched, kind: kind.kind, apiVersion: kind.apiVersion }
      : patched
  let sent: Mutable<KubeObject>
  try {
    const validation = fieldValidation === 'Ignore' ? 'Ignore' : 'Warn'
    sent = decodeBody(kind, typed, { fieldValidation: validation }, text => problems.push(text))
  } catch (error) {
    if (patchType === 'strategic' && error instanceof StatusError && error.cause instanceof DecodeError)
      throw badPatch(`Invalid value: ${goQuote(goValue(body))}: ${error.cause.converting}`)
    throw error
  }
  if (fieldValidation === 'Strict' && problems.length) {
    const shown = patchType === 'strategic' ? goValue(body) : JSON.stringify(body)
    throw badPatch(`Invalid value: ${goQuote(shown)}: strict decoding error: ${problems.join(', ')}`)
  }
  if (fieldValidation !== 'Ignore') for (const text of problems) warn(text)
  if (resetsOwners(patched)) sent.metadata.managedFields = [{}]
  return sent
}

/** Whether a body has an empty list of managers, which resets ownership. Decoding would drop it. */
const resetsOwners = (body: Json): boolean =>
  isObject(body) &&
  isObject(body.metadata) &&
  Array.isArray(body.metadata.managedFields) &&
  !body.metadata.managedFields.length

const badPatch = (message: string) =>
  new StatusError('Invalid', ` "" is invalid: patch: ${message}`, {
    details: { causes: [{ reason: 'FieldValueInvalid', message, field: 'patch' }] },
  })

/** The result of a patch of `old`, as JSON. */
export function patchedBody(
  kind: AnyKind,
  type: Exclude<Operation['patchType'], undefined | 'apply'>,
  old: KubeObject,
  body: Json,
): Json {
  // A patch does not change its target.
  const target = asJson(old)
  if (type === 'json') return jsonPatch(target, body)
  if (!isObject(body)) {
    const text = notAnObject(body)
    throw new StatusError('BadRequest', type === 'merge' ? `error decoding patch: ${text}` : text)
  }
  return type === 'merge' ? mergePatch(target, body) : strategicPatch(kind.schema, target, body)
}
