// The question of a SubjectAccessReview that a request is for a server: user, and attributes of a resource or a path.
// Selectors are sent as their requirements, or as they are written where they cannot be read.
// Source: apiserver plugin/pkg/authorizer/webhook/webhook.go.
import { parseTerms } from '../../api/fields.ts'
import { parseSelector } from '../../api/labels.ts'
import type { AccessRequest } from './authorizer.ts'

interface AccessReviewSpec {
  readonly user?: string
  readonly uid?: string
  readonly groups?: readonly string[]
  readonly extra?: Readonly<Record<string, readonly string[]>>
  readonly resourceAttributes?: Readonly<Record<string, unknown>>
  readonly nonResourceAttributes?: { readonly path: string; readonly verb: string }
}

interface SelectorAttributes {
  readonly rawSelector?: string
  readonly requirements?: readonly {
    readonly key: string
    readonly operator: string
    readonly values?: readonly string[]
  }[]
}

/** What is sent: fields that are empty are left out. */
export function reviewSpec(request: AccessRequest): AccessReviewSpec {
  const { user, path, verb } = request
  return {
    ...(path === undefined
      ? { resourceAttributes: withoutEmpty(resourceAttributes(request)) }
      : { nonResourceAttributes: { path, verb } }),
    user: user.name,
    ...(user.groups.length && { groups: user.groups }),
    ...(user.extra && { extra: user.extra }),
    ...(user.uid && { uid: user.uid }),
  }
}

/** What expressions see: all fields but selectors are there. */
export function expressionSpec(request: AccessRequest): object {
  const { user, path, verb } = request
  const { name, groups, uid = '', extra = {} } = user
  return {
    user: name,
    groups,
    uid,
    extra,
    ...(path === undefined
      ? { resourceAttributes: resourceAttributes(request) }
      : { nonResourceAttributes: { path, verb } }),
  }
}

function resourceAttributes(request: AccessRequest): Record<string, unknown> {
  const { namespace, verb, group, version = '', resource, subresource, name, fieldSelector, labelSelector } = request
  return {
    namespace,
    verb,
    group,
    version,
    resource,
    subresource,
    name,
    ...(fieldSelector && { fieldSelector: selectorOr(fieldSelector, fieldRequirements) }),
    ...(labelSelector && { labelSelector: selectorOr(labelSelector, labelRequirements) }),
  }
}

function selectorOr(text: string, read: typeof fieldRequirements): SelectorAttributes {
  try {
    return { requirements: read(text) }
  } catch {
    // A selector that cannot be read is refused later.
    return { rawSelector: text }
  }
}

const fieldRequirements = (text: string): SelectorAttributes['requirements'] =>
  parseTerms(text).map(({ field, equal, value }) => ({ key: field, operator: equal ? 'In' : 'NotIn', values: [value] }))

const labelRequirements = (text: string): SelectorAttributes['requirements'] =>
  parseSelector(text).map(({ key, operator, values }) => ({
    key,
    operator: labelOperators[operator] ?? operator,
    ...(values.length && { values }),
  }))

const labelOperators: Readonly<Record<string, string>> = {
  '=': 'In',
  in: 'In',
  '!=': 'NotIn',
  notin: 'NotIn',
  exists: 'Exists',
  '!': 'DoesNotExist',
}

const withoutEmpty = (attributes: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== ''))
