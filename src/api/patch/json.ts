// JSON patch: a list of add, remove, replace, move, copy and test. Sources: RFC 6902; the limits are the API server's.
import { applyPatch, type Operation } from 'rfc6902'
import { StatusError } from '../../base/errors.ts'
import type { Json } from '../schema/node.ts'

const maxOperations = 10_000
const kinds = new Set(['add', 'remove', 'replace', 'move', 'copy', 'test'])

/** The patched value. Throws Invalid when an operation cannot be carried out, BadRequest when the patch is malformed. */
export function jsonPatch(target: Json, patch: unknown): Json {
  if (!Array.isArray(patch))
    throw new StatusError(
      'BadRequest',
      'error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch',
    )
  if (patch.length > maxOperations) {
    throw new StatusError(
      'RequestEntityTooLarge',
      `The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`,
    )
  }
  for (const operation of patch as Operation[]) {
    if (!kinds.has(operation?.op))
      throw new StatusError('BadRequest', `Unexpected kind: ${JSON.stringify(operation?.op ?? 'unknown')}`)
    if (typeof operation.path !== 'string')
      throw new StatusError('BadRequest', 'error decoding patch: an operation has no path')
  }
  const result = structuredClone(target)
  const holder = { value: result }
  // Work below a holder, so that a patch of the root ("") works too.
  const moved = (patch as Operation[]).map(operation => ({
    ...operation,
    path: `/value${operation.path}`,
    ...('from' in operation && { from: `/value${operation.from}` }),
  })) as Operation[]
  const errors = applyPatch(holder, moved)
  const failed = errors.findIndex(error => error !== null)
  if (failed >= 0) throw new StatusError('Invalid', describe((patch as Operation[])[failed]!, errors[failed]!))
  return holder.value
}

function describe(operation: Operation, error: Error): string {
  if (operation.op === 'test')
    return `the server rejected our request due to an error in our request: testing value ${operation.path} failed`
  return `the server rejected our request due to an error in our request: ${operation.op} operation does not apply: doc is missing path: ${operation.path}: ${error.name === 'MissingError' ? 'missing value' : error.message}`
}
