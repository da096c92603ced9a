// Which manager a write counts for.
import type { Manager } from '../api/apply/managed.ts'
import type { Operation } from '../api/operation.ts'

const maxManagerLength = 128

/** Who the managed fields of this write belong to. Source: apiserver handlers/create.go (managerOrUserAgent). */
export function managerOf(operation: Operation): Manager {
  const { options, userAgent, kind, subresource, patchType } = operation
  const manager = options.fieldManager || (userAgent ?? '').split('/')[0] || 'unknown'
  return {
    manager: manager.slice(0, maxManagerLength),
    operation: patchType === 'apply' ? 'Apply' : 'Update',
    apiVersion: kind.apiVersion,
    subresource,
  }
}
