// The errors of the API, with the messages of Kubernetes. Source: apimachinery pkg/api/errors/errors.go.
import { StatusError } from '../base/errors.ts'
import type { AnyKind } from '../api/kind.ts'
import type { Operation } from '../api/operation.ts'
import { asJson, type JsonObject } from '../api/schema/node.ts'

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

/** The conflict for another UID than the expected one, with the message of upstream's store. `below` is its prefix. */
export const otherUid = (
  kind: AnyKind,
  { namespace, name = '', uid }: { namespace?: string; name?: string; uid?: string },
  asked: string,
  below = '/registry',
) =>
  conflict(
    kind,
    name,
    `StorageError: invalid object, Code: 4, Key: ${below}/${storedAs[qualified(kind)] ?? kind.plural}/${namespace ? `${namespace}/` : ''}${name}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${asked}, UID in object meta: ${uid}`,
  )

/**
 * Names of kinds in the keys of upstream's store, if they differ from the plural. Source: pkg/registry
 * (ResourcePrefix).
 */
const storedAs: Readonly<Record<string, string>> = {
  replicationcontrollers: 'controllers',
  services: 'services/specs',
  endpoints: 'services/endpoints',
  nodes: 'minions',
  'ingresses.networking.k8s.io': 'ingress',
}

export const objectModified =
  'the object has been modified; please apply your changes to the latest version and try again'

export const forbidden = (kind: AnyKind, name: string, why: string) =>
  new StatusError('Forbidden', `${qualified(kind)} ${name ? `${JSON.stringify(name)} ` : ''}is forbidden: ${why}`, {
    details: detailsOf(kind, name),
  })

export const resourceNotFound = () =>
  new StatusError('NotFound', 'the server could not find the requested resource', { details: {} })

/** The error for a path that exists, but not for this method. */
export const methodNotAllowed = () =>
  new StatusError('MethodNotAllowed', 'the server does not allow this method on the requested resource', {
    details: {},
  })

/** The error for a user without the right to do this. */
export function accessDenied(
  operation: Pick<Operation, 'subresource' | 'namespace' | 'name' | 'user'> & {
    verb: string
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

/**
 * The error for anything that is not a StatusError. A stack overflow is caused by an object that is nested too deeply.
 */
function otherError(error: unknown): StatusError {
  if (error instanceof RangeError && error.message.includes('call stack'))
    return new StatusError('BadRequest', 'exceeded max depth')
  const text = error instanceof Error ? error.message : String(error)
  return new StatusError('InternalError', `Internal error occurred: ${text}`)
}

/** The Status for an error, as it is sent to the client. */
export function statusOf(error: unknown): JsonObject {
  const known = error instanceof StatusError ? error : otherError(error)
  const { reason, code, message, details } = known
  const metadata: JsonObject = known.continue ? { continue: known.continue } : {}
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata,
    status: 'Failure',
    message,
    ...(reason && { reason }),
    ...(details && { details: asJson(details) }),
    code,
  }
}
