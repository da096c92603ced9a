// Finds the manager to whom a write gives fields.
import type { Manager } from '../api/apply/managed.ts'
import type { Operation } from '../api/operation.ts'

const maxManagerLength = 128

/** The manager of an operation's managed fields. Source: apiserver handlers/create.go (managerOrUserAgent). */
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
