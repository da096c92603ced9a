// Which requests a webhook or a policy is about, by rules on operations and resources, and by selectors on the labels
// of namespaces and objects.
// Source: apiserver pkg/admission/plugin/webhook/predicates, pkg/admission/plugin/policy/matching.
import { type Labels, matchesSelector, selectorOf } from '../../api/labels.ts'
import type { LabelSelector } from '../../api/meta.ts'
import type { NamedRuleWithOperations, RuleWithOperations } from '../../kinds/admissionregistration/types.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import type { Catalog } from '../catalog.ts'
import { notFound } from '../errors.ts'
import type { Storage } from '../storage.ts'
import { type Attributes, type Form, otherForms } from './attributes.ts'

/** A rule of a webhook or a policy. Only those of policies have names. */
type Rule = RuleWithOperations & Pick<NamedRuleWithOperations, 'resourceNames'>

/** The parts that webhooks and policies have in common. */
interface Matcher {
  readonly namespaceSelector?: LabelSelector | undefined
  readonly objectSelector?: LabelSelector | undefined
  readonly matchPolicy?: string | undefined
}

/**
 * Returns the form in which a request matches, or undefined if it does not. Rules are tried in their order; with
 * `Equivalent`, one that has the resource in another form matches, too, and the request is to be shown in that form.
 * Throws NotFound when a selector of namespaces needs one that does not exist.
 */
export function matchingForm(
  { storage, catalog }: { storage: Storage; catalog: Catalog },
  attributes: Attributes,
  matcher: Matcher,
  rules: readonly Rule[],
): Form | undefined {
  const form = ruledForm(catalog, attributes, matcher, rules)
  if (!form || !objectMatches(matcher.objectSelector, attributes)) return undefined
  return namespaceMatches(storage, matcher.namespaceSelector, attributes) ? form : undefined
}

function ruledForm(
  catalog: Catalog,
  attributes: Attributes,
  { matchPolicy }: Matcher,
  rules: readonly Rule[],
): Form | undefined {
  const { asked } = attributes
  if (rules.some(rule => matchesRule(rule, asked, attributes))) return asked
  if (matchPolicy !== 'Equivalent') return undefined
  const others = otherForms(catalog, attributes)
  for (const rule of rules) {
    const form = others.find(other => matchesRule(rule, other, attributes))
    if (form) return form
  }
  return undefined
}

const has = (list: readonly string[] | undefined, value: string) =>
  list?.includes('*') === true || list?.includes(value) === true

/** Whether a rule has the operation, the resource in this form, the subresource, the scope and the name of a request. */
function matchesRule(rule: Rule, { resource }: Form, attributes: Attributes): boolean {
  const { request, subresource, namespace, name } = attributes
  if (rule.resourceNames?.length && !rule.resourceNames.includes(name)) return false
  const isNamespace = resource.group === '' && resource.resource === 'namespaces'
  const scope = namespace === '' || isNamespace ? 'Cluster' : 'Namespaced'
  if (rule.scope !== undefined && rule.scope !== '*' && rule.scope !== scope) return false
  if (!has(rule.operations, request.type)) return false
  if (!has(rule.apiGroups, resource.group) || !has(rule.apiVersions, resource.version)) return false
  return (rule.resources ?? []).some(pattern => {
    const slash = pattern.indexOf('/')
    const [plural, sub] = slash < 0 ? [pattern, ''] : [pattern.slice(0, slash), pattern.slice(slash + 1)]
    return (plural === '*' || plural === resource.resource) && (sub === '*' || sub === subresource)
  })
}

/** Whether the labels of the object or of the old one match. What has no metadata matches only an empty selector. */
function objectMatches(selector: LabelSelector | undefined, { request: { object, old } }: Attributes): boolean {
  const requirements = selectorOf(selector) ?? []
  if (!requirements.length) return true
  return [object, old].some(it => it?.metadata !== undefined && matchesSelector(requirements, it.metadata.labels))
}

function namespaceMatches(storage: Storage, selector: LabelSelector | undefined, attributes: Attributes): boolean {
  const requirements = selectorOf(selector) ?? []
  const { namespace, request, subresource } = attributes
  const isNamespace = request.operation.kind === Namespace
  if (!requirements.length || (!namespace && !isNamespace)) return true
  let labels: Labels | undefined
  if (isNamespace && !subresource && request.object) labels = request.object.metadata.labels
  else {
    const found = storage.mirror(Namespace).get(undefined, namespace)
    if (!found) throw notFound(Namespace, namespace)
    labels = found.metadata.labels
  }
  return matchesSelector(requirements, labels)
}

const registrations = new Set(
  ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration'].concat(
    ['Validating', 'Mutating'].flatMap(kind => [`${kind}AdmissionPolicy`, `${kind}AdmissionPolicyBinding`]),
  ),
)

/** Whether a request is about a webhook or policy itself, which no webhook or policy can prevent from being repaired. */
export const isRegistration = ({ asked: { kind } }: Attributes): boolean =>
  kind.group === 'admissionregistration.k8s.io' && registrations.has(kind.kind)
