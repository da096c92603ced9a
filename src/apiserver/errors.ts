// The errors of the API, worded as Kubernetes words them. Source: apimachinery pkg/api/errors/errors.go.
import { StatusError } from '../base/errors.ts'
import type { AnyKind } from '../api/kind.ts'
import type { Operation } from '../api/operation.ts'

const qualified = (kind: AnyKind) => (kind.group ? `${kind.plural}.${kind.group}` : kind.plural)
const detailsOf = (kind: Pick<AnyKind, 'group' | 'plural'>, name: string) => ({
  ...(name && { name }),
  ...(kind.group && { group: kind.group }),
  kind: kind.plural,
})

export const notFound = (kind: AnyKind, name: string) =>
  new StatusError('NotFound', `${qualified(kind)} ${JSON.stringify(name)} not found`, {
    details: detailsOf(kind, name),
  })

export const alreadyExists = (kind: AnyKind, name: string) =>
  new StatusError('AlreadyExists', `${qualified(kind)} ${JSON.stringify(name)} already exists`, {
    details: detailsOf(kind, name),
  })

export const conflict = (kind: AnyKind, name: string, why: string) =>
  new StatusError('Conflict', `Operation cannot be fulfilled on ${qualified(kind)} ${JSON.stringify(name)}: ${why}`, {
    details: detailsOf(kind, name),
  })

export const objectModified =
  'the object has been modified; please apply your changes to the latest version and try again'

export const forbidden = (kind: AnyKind, name: string, why: string) =>
  new StatusError('Forbidden', `${qualified(kind)} ${name ? `${JSON.stringify(name)} ` : ''}is forbidden: ${why}`, {
    details: detailsOf(kind, name),
  })

export const resourceNotFound = () =>
  new StatusError('NotFound', 'the server could not find the requested resource', { details: {} })

/** The 405 of a path that exists, but not for this method. */
export const methodNotAllowed = () =>
  new StatusError('MethodNotAllowed', 'the server does not allow this method on the requested resource', {
    details: {},
  })

/** The 403 of a user who may not do this. */
export function accessDenied(
  operation: Pick<Operation, 'subresource' | 'namespace' | 'name' | 'verb' | 'user'> & {
    kind: Pick<AnyKind, 'group' | 'plural'>
  },
  reason: string,
): StatusError {
  const { kind, subresource, namespace, name, verb, user } = operation
  const resource = subresource ? `${kind.plural}/${subresource}` : kind.plural
  const where = namespace ? ` in the namespace ${JSON.stringify(namespace)}` : ' at the cluster scope'
  const full = kind.group ? `${resource.split('/')[0]}.${kind.group}` : resource.split('/')[0]
  const text = `${full}${name ? ` ${JSON.stringify(name)}` : ''} is forbidden: User ${JSON.stringify(user.name)} cannot ${verb} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(kind.group)}${where}${reason ? `: ${reason}` : ''}`
  return new StatusError('Forbidden', text, { details: detailsOf(kind, name) })
}
