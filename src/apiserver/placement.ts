// Checks that the object in a body has the name and namespace of its URL.
import { isReason, StatusError } from '../base/errors.ts'
import type { KubeObject } from '../api/kind.ts'
import type { Operation } from '../api/operation.ts'
import type { Mutable } from '../api/schema/node.ts'

/** Whether the object itself was not found, rather than another one that it depends on. */
export const isMissing = (error: unknown, { name }: Operation): boolean =>
  isReason(error, 'NotFound') && error.details?.name === name

/** Throws BadRequest when the object has no name, or another one than the URL. */
export function checkName({ name }: Operation, { metadata }: KubeObject): void {
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

/** Sets the namespace of the URL. Throws BadRequest when the object has another one. */
export function placeInNamespace({ kind, namespace }: Operation, object: Mutable<KubeObject>): void {
  if (!kind.namespaced) return
  if (object.metadata.namespace && object.metadata.namespace !== namespace) {
    throw new StatusError(
      'BadRequest',
      `the namespace of the provided object does not match the namespace sent on the request`,
    )
  }
  object.metadata.namespace = namespace
}
