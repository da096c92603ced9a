// `serve`: the only way to the cluster's state. An operation is authorized, and then answered by the handler of its
// resource and verb. Admission and validation are part of the registry.
//
// - Every answer is a ServedResult, every failure a StatusError or a fault of the server. Warnings are added to both.
// - The objects in a result are those of the mirrors. They are never changed.
// - When the operation's signal aborts, waits and watches end. A write that the store has been given is completed.
import { StatusError } from '../base/errors.ts'
import type { Operation, ServedResult } from '../api/operation.ts'
import { authorize } from './authz/authorize.ts'
import type { Warn } from './body.ts'
import { handlerKey, type ServerCore } from './core.ts'
import { remove, removeCollection } from './deletion.ts'
import { methodNotAllowed, resourceNotFound } from './errors.ts'
import { list } from './lists.ts'
import type { Registry } from './registry.ts'
import { handlers } from './resources/handlers.ts'
import { throughView } from './view.ts'
import { watch } from './watch.ts'
import { create, patch, update } from './writes.ts'

/** Answers an operation, which must have an authenticated user. Throws StatusError. */
export async function serve(core: ServerCore, given: Operation): Promise<ServedResult> {
  const operation = current(core, given)
  const waiting = authorize(core, operation)
  if (waiting) await waiting
  const warnings: string[] = []
  const result = await dispatch(core, operation, text => warnings.push(text)).catch((error: unknown) => {
    if (error instanceof StatusError && warnings.length) error.warnings = [...new Set(warnings)]
    throw error
  })
  return warnings.length ? { ...result, warnings: [...new Set(warnings)] } : result
}

/** The operation with the kind as its definition has it now. A client in this process may have an older one. */
function current({ catalog }: ServerCore, operation: Operation): Operation {
  if (!operation.kind.custom) return operation
  const kind = catalog.find(operation.kind)
  if (!kind) throw resourceNotFound()
  return kind === operation.kind ? operation : { ...operation, kind }
}

async function dispatch(core: ServerCore, operation: Operation, warn: Warn): Promise<ServedResult> {
  const { kind, subresource, verb } = operation
  const extension = core.extensions.get(kind.group)
  if (extension) return extension(core, operation, warn)
  const special =
    handlers.get(handlerKey(kind, subresource, verb)) ??
    (subresource === 'scale' && kind.scale ? handlers.get(`scale:${verb}`) : undefined)
  if (special) return special(core, operation, warn)
  const isStatus = subresource === 'status' && kind.status
  if (subresource && !isStatus) throw resourceNotFound()
  if (!isStatus && !kind.verbs.includes(verb)) throw methodNotAllowed()
  return kind.view ? throughView(core.registry, operation, warn, generic) : generic(core.registry, operation, warn)
}

/** Answers the verbs of stored kinds. */
async function generic(registry: Registry, operation: Operation, warn: Warn): Promise<ServedResult> {
  const { kind, verb, namespace } = operation
  if (kind.namespaced && namespace === '' && !['list', 'watch', 'deletecollection'].includes(verb))
    throw new StatusError('BadRequest', 'namespace is required')
  switch (verb) {
    case 'get':
      return { type: 'object', kind, item: await registry.get(operation) }
    case 'list':
      return list(registry.storage, operation)
    case 'watch':
      return { type: 'watch', kind, events: await watch(registry.storage, operation) }
    case 'create':
      return create(registry, operation, warn)
    case 'update':
      return update(registry, operation, warn)
    case 'patch':
      return patch(registry, operation, warn)
    case 'delete':
      return remove(registry, operation, warn)
    case 'deletecollection':
      return removeCollection(registry, operation, warn)
  }
}
