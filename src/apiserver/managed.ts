// Which manager a write counts for, and the managed fields it leaves.
import { managedAfterUpdate, type Manager } from '../api/apply/managed.ts'
import type { KubeObject } from '../api/kind.ts'
import type { Operation } from '../api/operation.ts'
import { decode } from '../api/schema/decode.ts'
import type { DeepReadonly, JsonObject } from '../api/schema/node.ts'
import { timeText } from '../api/time.ts'

/** Who the managed fields of this write belong to. */
export function managerOf(operation: Operation): Manager {
  const { options, userAgent, kind, subresource, patchType } = operation
  const manager = options.fieldManager || (userAgent ?? '').split('/')[0] || 'unknown'
  return {
    manager: manager.slice(0, 128),
    operation: patchType === 'apply' ? 'Apply' : 'Update',
    apiVersion: kind.apiVersion,
    subresource,
  }
}

/** Sets managedFields of `next` for a write that is not an apply. Changes `next` in place. */
export function trackFields(
  operation: Operation,
  next: KubeObject,
  old: DeepReadonly<KubeObject> | undefined,
  now: number,
): void {
  const { kind } = operation
  const before = old ?? (decode(kind.schema, {}) as KubeObject)
  const entries =
    next.metadata.managedFields ?? (old?.metadata.managedFields as KubeObject['metadata']['managedFields'])
  const fields = managedAfterUpdate(kind.schema, bare(before), bare(next), entries, managerOf(operation), timeText(now))
  if (fields.length) next.metadata.managedFields = fields
  else delete next.metadata.managedFields
}

const bare = (object: DeepReadonly<KubeObject>): JsonObject => object as unknown as JsonObject
