// An operation put to the authorizers.
import { parseTerms, selectedName } from '../../api/fields.ts'
import type { AnyKind } from '../../api/kind.ts'
import { pathSegmentErrors } from '../../api/names.ts'
import type { Operation } from '../../api/operation.ts'
import { accessDenied } from '../errors.ts'
import type { AccessRequest, Authorizer } from './authorizer.ts'

/** Throws Forbidden unless the user may. */
export function authorize(core: { authorizer: Authorizer }, asked: Question): void {
  const operation = withinItself(asked)
  const decision = core.authorizer.authorize(accessRequest(operation))
  if (!decision.allowed) throw accessDenied(operation, decision.reason)
}

/** What authorization needs to see of an operation. */
type Question = Pick<Operation, 'user' | 'verb' | 'subresource' | 'namespace' | 'name' | 'options'> & {
  kind: Pick<AnyKind, 'group' | 'plural'>
}

/** A namespace is in itself: a role there may be about it. Source: apiserver request/requestinfo.go. */
const withinItself = (operation: Question): Question =>
  operation.kind.plural === 'namespaces' && operation.kind.group === '' && operation.name
    ? { ...operation, namespace: operation.name }
    : operation

function accessRequest({ user, verb, kind, subresource, namespace, name, options }: Question): AccessRequest {
  return {
    user,
    verb,
    group: kind.group,
    resource: kind.plural,
    subresource,
    namespace,
    name: name || onlyName(options.fieldSelector),
    ...(options.fieldSelector && { fieldSelector: options.fieldSelector }),
  }
}

/** Listing or watching one name is authorized as a request for that name. Source: apiserver request/requestinfo.go. */
function onlyName(fieldSelector = ''): string {
  try {
    const name = selectedName(parseTerms(fieldSelector)) ?? ''
    return pathSegmentErrors(name).length ? '' : name
  } catch {
    // What cannot be read is refused later, and names nothing.
    return ''
  }
}
