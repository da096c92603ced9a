// Which requests a flow schema may pick. Source: pkg/apis/flowcontrol/validation (ValidateFlowSchemaSpec and below).
import { named, type Problems, present, requiredName, supported } from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import { dnsLabelErrors, dnsSubdomainErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import {
  FlowDistinguisherMethod,
  type FlowSchemaSpec,
  type NonResourcePolicyRule,
  type PolicyRulesWithSubjects,
  type ResourcePolicyRule,
  type Subject,
} from './flowschemaspec.ts'

const maxPrecedence = 10_000
const verbNames = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch']

export function* validateSchema(name: string, spec: FlowSchemaSpec, at: Path): Problems {
  const { matchingPrecedence: precedence, distinguisherMethod: method, priorityLevelConfiguration: level } = spec
  const path = at.field('matchingPrecedence')
  if (precedence <= 0) yield path.invalid(precedence, 'must be a positive value')
  if (precedence > maxPrecedence) yield path.invalid(precedence, `must not be greater than ${maxPrecedence}`)
  if (precedence === 1 && name !== 'exempt')
    yield path.invalid(precedence, "only the schema named 'exempt' may have matchingPrecedence 1")
  const methods = ['ByNamespace', 'ByUser']
  if (method && !methods.includes(method.type))
    yield at.field('distinguisherMethod', 'type').notSupported(goStruct(FlowDistinguisherMethod, method), methods)
  const levelAt = at.field('priorityLevelConfiguration', 'name')
  if (level.name) yield* named(dnsSubdomainErrors, level.name, levelAt)
  else yield levelAt.required('must reference a priority level')
  for (const [i, rules] of (spec.rules ?? []).entries()) yield* validateRules(rules, at.field('rules').index(i))
}

function* validateRules(rules: PolicyRulesWithSubjects, at: Path): Problems {
  const { subjects, resourceRules = [], nonResourceRules = [] } = rules
  yield* present(subjects ?? [], at.field('subjects'), 'subjects must contain at least one value')
  for (const [i, subject] of (subjects ?? []).entries()) yield* validateSubject(subject, at.field('subjects').index(i))
  if (!resourceRules.length && !nonResourceRules.length)
    yield at.required('at least one of resourceRules and nonResourceRules has to be non-empty')
  for (const [i, rule] of resourceRules.entries()) yield* validateResourceRule(rule, at.field('resourceRules').index(i))
  for (const [i, rule] of nonResourceRules.entries())
    yield* validatePathRule(rule, at.field('nonResourceRules').index(i))
}

const subjectFields = { ServiceAccount: 'serviceAccount', User: 'user', Group: 'group' } as const

function* validateSubject(subject: Subject, at: Path): Problems {
  const { kind } = subject
  if (!Object.hasOwn(subjectFields, kind))
    return yield* supported(kind, ['Group', 'ServiceAccount', 'User'], at.field('kind'))
  for (const [type, field] of Object.entries(subjectFields)) {
    const path = at.field(field)
    if (type !== kind) {
      if (subject[field]) yield path.forbidden(`${field} is forbidden when subject kind is not '${type}'`)
    } else if (!subject[field]) yield path.required(`${field} is required when subject kind is '${type}'`)
    else if (field !== 'serviceAccount') yield* present(subject[field].name, path.field('name'))
    else yield* validateServiceAccount(subject.serviceAccount!, path)
  }
}

function* validateServiceAccount(account: NonNullable<Subject['serviceAccount']>, at: Path): Problems {
  if (account.name !== '*') yield* requiredName(dnsSubdomainErrors, account.name, at.field('name'))
  if (account.namespace) yield* named(dnsLabelErrors, account.namespace, at.field('namespace'))
  else yield at.field('namespace').required('must specify namespace for service account')
}

/** `*` stands for everything, and therefore alone. */
function* alone(list: readonly string[], what: string, at: Path): Problems {
  if (list.length > 1 && list.includes('*')) yield at.invalid(list, `if '*' is present, must not specify other ${what}`)
}

function* validateVerbs(verbs: readonly string[], at: Path): Problems {
  yield* present(verbs, at, 'verbs must contain at least one value')
  if (verbs.includes('*')) yield* alone(verbs, 'verbs', at)
  else if (!verbs.every(verb => verbNames.includes(verb))) yield at.notSupported(verbs, verbNames)
}

function* validateResourceRule(rule: ResourcePolicyRule, at: Path): Problems {
  const { apiGroups, resources, namespaces = [], clusterScope } = rule
  yield* validateVerbs(rule.verbs ?? [], at.field('verbs'))
  yield* present(apiGroups ?? [], at.field('apiGroups'), 'resource rules must supply at least one api group')
  yield* alone(apiGroups ?? [], 'api groups', at.field('apiGroups'))
  yield* present(resources ?? [], at.field('resources'), 'resource rules must supply at least one resource')
  yield* alone(resources ?? [], 'resources', at.field('resources'))
  const path = at.field('namespaces')
  if (!namespaces.length && !clusterScope)
    yield path.required('resource rules that are not cluster scoped must supply at least one namespace')
  yield* alone(namespaces, 'namespaces', path)
  if (namespaces.includes('*')) return
  for (const [i, namespace] of namespaces.entries())
    for (const error of dnsLabelErrors(namespace))
      yield path.index(i).invalid(namespace, `each member of this list must be '*' or a DNS-1123 label; ${error}`)
}

function* validatePathRule(rule: NonResourcePolicyRule, at: Path): Problems {
  const urls = rule.nonResourceURLs ?? []
  const path = at.field('nonResourceURLs')
  yield* validateVerbs(rule.verbs ?? [], at.field('verbs'))
  yield* present(urls, path, 'nonResourceURLs must contain at least one value')
  yield* alone(urls, 'non-resource URLs', path)
  if (urls.includes('*')) return
  for (const [i, url] of urls.entries()) {
    const error = urlError(url)
    if (error) yield path.index(i).invalid(url, error)
  }
}

function urlError(url: string): string | undefined {
  if (!url) return 'must not be empty'
  if (url === '/') return undefined
  if (!url.startsWith('/')) return 'must start with slash'
  if (url.includes(' ')) return 'must not contain white-space'
  if (url.includes('//')) return 'must not contain double slash'
  const stars = url.split('*').length - 1
  return stars > 1 || (stars === 1 && !url.endsWith('/*')) ? 'wildcard can only do suffix matching' : undefined
}
