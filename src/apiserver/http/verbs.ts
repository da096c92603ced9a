// Finds the verb of a method on a path. A path without a route for any method is NotFound, and one with routes only for
// other methods is MethodNotAllowed.
// Source: apiserver pkg/endpoints/installer.go (registerResourceHandlers).
import type { AnyKind } from '../../api/kind.ts'
import type { OperationVerb } from '../../api/operation.ts'
import { methodNotAllowed, resourceNotFound } from '../errors.ts'
import type { ResourcePath } from './route.ts'

/** The verb of each method that has a route. */
type Routes = Partial<Record<string, OperationVerb>>

/** Returns the verb. `special` is whether a verb of a subresource has a handler. Throws NotFound, MethodNotAllowed. */
export function verbOf(
  kind: AnyKind,
  path: ResourcePath,
  method: string,
  wantsWatch: boolean,
  special: (subresource: string, verb: OperationVerb) => boolean,
): OperationVerb {
  const routes = routesOf(kind, path, special)
  if (!Object.keys(routes).length) throw resourceNotFound()
  const verb = Object.hasOwn(routes, method) ? routes[method] : undefined
  if (!verb) throw methodNotAllowed()
  // There is no watch of an object by its name, which is read instead.
  if (verb !== 'list') return verb
  return wantsWatch && kind.verbs.includes('watch') ? 'watch' : verb
}

function routesOf(kind: AnyKind, path: ResourcePath, special: Parameters<typeof verbOf>[4]): Routes {
  if (path.namespace && !kind.namespaced) return {}
  const has = (verb: OperationVerb) => (kind.verbs as readonly string[]).includes(verb)
  const across = kind.namespaced && !path.namespace
  if (path.watch) return has('watch') && !path.subresource && (!path.name || !across) ? { GET: 'watch' } : {}
  if (!path.name) {
    if (across) return has('list') ? { GET: 'list' } : {}
    return pick({ GET: 'list', POST: 'create', DELETE: 'deletecollection' }, has)
  }
  if (across) return {}
  if (!path.subresource) return pick({ GET: 'get', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }, has)
  if (path.rest) return {}
  const plain =
    path.subresource === 'status' ? kind.status : path.subresource === 'scale' ? kind.scale !== undefined : false
  const verbs = { GET: 'get', POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' } as const
  return pick(verbs, verb =>
    plain ? verb === 'get' || verb === 'update' || verb === 'patch' : special(path.subresource, verb),
  )
}

/** The verb for authorization, even if there is no route. Source: apiserver request/requestinfo.go. */
export function verbOfMethod(method: string, { name, watch }: ResourcePath): OperationVerb {
  switch (method) {
    case 'POST':
      return 'create'
    case 'PUT':
      return 'update'
    case 'PATCH':
      return 'patch'
    case 'DELETE':
      return name ? 'delete' : 'deletecollection'
    default:
      return watch ? 'watch' : name ? 'get' : 'list'
  }
}

const pick = (routes: Routes, has: (verb: OperationVerb) => boolean): Routes =>
  Object.fromEntries(Object.entries(routes).filter(([, verb]) => has(verb!)))
