// Requests of the API server itself, by which it makes and keeps objects of its own.
import { isReason } from '../../base/errors.ts'
import type { AnyKind } from '../../api/kind.ts'
import type { Operation, Serve } from '../../api/operation.ts'
import type { JsonObject } from '../../api/schema/node.ts'
import { self } from '../self.ts'

export const operation = (verb: Operation['verb'], kind: AnyKind, object: JsonObject): Operation => {
  const { name = '', namespace = '' } = object.metadata as { name?: string; namespace?: string }
  return {
    verb,
    kind,
    subresource: '',
    namespace,
    name: verb === 'create' ? '' : name,
    user: self,
    options: {},
    userAgent: 'kutter-apiserver',
    body: object,
  }
}

/**
 * Creates an object if it does not exist.
 * @returns whether it was missing
 */
export async function ensure(serve: Serve, kind: AnyKind, object: JsonObject): Promise<boolean> {
  try {
    await serve({ ...operation('get', kind, object), options: { resourceVersion: '0' } })
    return false
  } catch (error) {
    if (!isReason(error, 'NotFound')) throw error
  }
  try {
    await serve(operation('create', kind, object))
  } catch (error) {
    // Another server of the same cluster may have created it at the same time.
    if (!isReason(error, 'AlreadyExists')) throw error
  }
  return true
}

/** Creates an object, or overwrites it. */
export async function replace(serve: Serve, kind: AnyKind, object: JsonObject): Promise<void> {
  if (!(await ensure(serve, kind, object))) await serve(operation('update', kind, object))
}
