// Applies the JSON patch of a webhook. Unlike for a patch of a client, the error says which operation failed.
// Source: gopkg.in/evanphx/json-patch.v4 (patch.go).
import { own } from '../../base/own.ts'
import { StatusError } from '../../base/errors.ts'
import { jsonPatch } from '../../api/patch/json.ts'
import type { Json, JsonObject } from '../../api/schema/node.ts'

/** Failures in longer patches are reported without the operation, since looking for it repeats the patch. */
const maxExplained = 100

/** The patched object. Throws StatusError with the reason. */
export function patched(object: JsonObject, patch: Json): Json {
  try {
    return jsonPatch(object, patch)
  } catch (cause) {
    const why = problemOf(object, patch)
    if (why === undefined) throw cause
    throw new StatusError('Invalid', why, { cause })
  }
}

function problemOf(object: JsonObject, patch: Json): string | undefined {
  if (!Array.isArray(patch) || patch.length > maxExplained) return undefined
  let before: Json = object
  for (const operation of patch) {
    try {
      before = jsonPatch(before, [operation])
    } catch {
      // That it failed is all that the patch itself reports.
      return operationProblem(before, operation as JsonObject)
    }
  }
  return undefined
}

function operationProblem(document: Json, operation: JsonObject): string | undefined {
  const [op, path] = [String(operation.op ?? ''), String(operation.path ?? '')]
  const inside = hasHolder(document, path)
  const key = path.slice(path.lastIndexOf('/') + 1)
  switch (op) {
    case 'add':
      return `add operation does not apply: doc is missing path: "${path}": missing value`
    case 'replace':
      return `replace operation does not apply: doc is missing path: ${path}: missing value`
    case 'remove':
      return inside
        ? `error in remove for path: '${path}': Unable to remove nonexistent key: ${key}: missing value`
        : `remove operation does not apply: doc is missing path: "${path}": missing value`
    case 'test':
      return `testing value ${path} failed: test failed`
    case 'move':
    case 'copy':
      return `${op} operation does not apply: doc is missing from path: ${String(operation.from ?? '')}: missing value`
    default:
      return `Unexpected kind: ${op}`
  }
}

/** Whether a document has the object or list in which a path ends. */
function hasHolder(document: Json, path: string): boolean {
  let at: Json | undefined = document
  for (const part of path.split('/').slice(1, -1)) {
    if (typeof at !== 'object' || at === null) return false
    at = own(at as JsonObject, part.replaceAll('~1', '/').replaceAll('~0', '~'))
  }
  return typeof at === 'object' && at !== null
}
