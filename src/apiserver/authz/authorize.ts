// Authorization of operations: which attributes of an operation the authorizers see.
import { parseTerms, selectedName } from '../../api/fields.ts'
import type { AnyKind } from '../../api/kind.ts'
import { pathSegmentErrors } from '../../api/names.ts'
import type { Operation } from '../../api/operation.ts'
import { accessDenied } from '../errors.ts'
import type { AccessRequest, Authorizer, Decision } from './authorizer.ts'

/** Throws Forbidden unless the user may do this, or rejects with it where an authorizer has to wait. */
export function authorize(core: { authorizer: Authorizer }, asked: Question): void | Promise<void> {
  const operation = withinItself(asked)
  const decision = core.authorizer.authorize(accessRequest(operation))
  if (decision instanceof Promise) return decision.then(late => finish(operation, late))
  finish(operation, decision)
  return undefined
}

function finish(operation: Question, decision: Decision): void {
  noteDecision(operation.annotations, decision)
  if (!decision.allowed) throw accessDenied(operation, decision.reason)
}

/** Notes a decision for an audit. Source: apiserver pkg/endpoints/filters/authorization.go. */
export function noteDecision(annotations: Operation['annotations'], { allowed, reason }: Decision): void {
  annotations?.set('authorization.k8s.io/decision', allowed ? 'allow' : 'forbid')
  annotations?.set('authorization.k8s.io/reason', reason)
}

/** The part of an operation that authorization needs. */
type Question = Pick<Operation, 'user' | 'verb' | 'subresource' | 'namespace' | 'name' | 'options' | 'annotations'> & {
  kind: Pick<AnyKind, 'group' | 'plural'> & { readonly version?: string }
}

/**
 * A namespace counts as inside itself, so a role in it can grant rights to it. Source: apiserver
 * request/requestinfo.go.
 */
const withinItself = (operation: Question): Question =>
  operation.kind.plural === 'namespaces' && operation.kind.group === '' && operation.name
    ? { ...operation, namespace: operation.name }
    : operation

// Every request passes here, so that only what is there is copied.
function accessRequest({ user, verb, kind, subresource, namespace, name, options }: Question): AccessRequest {
  const { fieldSelector, labelSelector } = options
  const request: AccessRequest = {
    user,
    verb,
    group: kind.group,
    version: kind.version ?? '',
    resource: kind.plural,
    subresource,
    namespace,
    name: name || onlyName(fieldSelector),
  }
  if (fieldSelector) request.fieldSelector = fieldSelector
  if (labelSelector) request.labelSelector = labelSelector
  return request
}

/** To list or watch one name is authorized like a request for that name. Source: apiserver request/requestinfo.go. */
function onlyName(fieldSelector = ''): string {
  try {
    const name = selectedName(parseTerms(fieldSelector)) ?? ''
    return pathSegmentErrors(name).length ? '' : name
  } catch {
    // A selector that cannot be read is refused later.
    return ''
  }
}
