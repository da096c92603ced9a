// Which requests a webhook or policy is about: operations and resources, and labels of objects and namespaces.
// Source: pkg/apis/admissionregistration/validation (validateRuleWithOperations, validateMatchResources and below).
import { named, oneOf, type Problems, present, requiredName, supported, validateSelector } from '../../api/checks.ts'
import { pathSegmentErrors, qualifiedNameErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import type { Mutable } from '../../api/schema/node.ts'
import { type Expressions, expressionProblem, resultTypes } from './expressions.ts'
import type { MatchCondition, MatchResources, NamedRuleWithOperations, Rule, RuleWithOperations } from './types.ts'

const operationNames = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE']
export const failurePolicies: readonly string[] = ['Fail', 'Ignore']
export const matchPolicies: readonly string[] = ['Equivalent', 'Exact']
const maxConditions = 64

/** A rule is about namespaced and other resources unless it says otherwise. */
export function defaultRules(rules: Mutable<readonly Rule[]> | undefined): void {
  for (const rule of rules ?? []) rule.scope ??= '*'
}

export function defaultMatch(match: Mutable<MatchResources> | undefined): void {
  if (!match) return
  match.matchPolicy ??= 'Equivalent'
  match.namespaceSelector ??= {}
  match.objectSelector ??= {}
  defaultRules(match.resourceRules)
  defaultRules(match.excludeResourceRules)
}

/** A list where `*` stands for everything, and therefore alone. */
function* validateList(list: readonly string[], what: string, at: Path): Problems {
  yield* present(list, at)
  if (list.length > 1 && list.includes('*')) yield at.invalid(list, `if '*' is present, must not specify other ${what}`)
}

export function* validateRule(rule: RuleWithOperations, at: Path): Problems {
  const { operations = [], apiGroups = [], apiVersions = [], resources = [], scope } = rule
  yield* validateList(operations, 'operations', at.field('operations'))
  for (const [i, operation] of operations.entries())
    yield* supported(operation, operationNames, at.field('operations').index(i))
  yield* validateList(apiGroups, 'API groups', at.field('apiGroups'))
  yield* validateList(apiVersions, 'API versions', at.field('apiVersions'))
  for (const [i, version] of apiVersions.entries()) yield* present(version, at.field('apiVersions').index(i))
  yield* validateResources(resources, at.field('resources'))
  if (scope !== undefined) yield* supported(scope, ['*', 'Cluster', 'Namespaced'], at.field('scope'))
}

function* validateResources(resources: readonly string[], at: Path): Problems {
  yield* present(resources, at)
  const wide = new Map<string, string>()
  for (const [i, resource] of resources.entries()) {
    const path = at.index(i)
    if (!resource) yield path.required()
    const slash = resource.indexOf('/')
    if (slash < 0) continue
    const [whole, sub] = [resource.slice(0, slash), resource.slice(slash + 1)]
    for (const pattern of [`${whole}/*`, `*/${sub}`])
      if (wide.has(pattern)) yield path.invalid(resource, `if '${pattern}' is present, must not specify ${resource}`)
    if (whole === '*' || sub === '*') wide.set(resource, resource)
  }
  if (resources.length > 1 && resources.includes('*/*'))
    yield at.invalid(resources, "if '*/*' is present, must not specify other resources")
  if (resources.includes('*') && resources.some(r => r && r !== '*' && !r.includes('/')))
    yield at.invalid(resources, "if '*' is present, must not specify other resources without subresources")
}

export function* validateMatch(match: MatchResources, at: Path): Problems {
  yield* oneOf(match.matchPolicy, matchPolicies, at.field('matchPolicy'))
  for (const field of ['namespaceSelector', 'objectSelector'] as const) {
    if (!match[field]) yield at.field(field).required()
    yield* validateSelector(match[field], at.field(field))
  }
  for (const field of ['resourceRules', 'excludeResourceRules'] as const)
    for (const [i, rule] of (match[field] ?? []).entries()) yield* validateNamedRule(rule, at.field(field).index(i))
}

function* validateNamedRule(rule: NamedRuleWithOperations, at: Path): Problems {
  const names = rule.resourceNames ?? []
  for (const [i, name] of names.entries()) {
    const path = at.field('resourceNames').index(i)
    yield* named(pathSegmentErrors, name, path)
    if (names.indexOf(name) < i) yield path.duplicate(name)
  }
  yield* validateRule(rule, at)
}

export function* validateConditions(
  conditions: readonly MatchCondition[] | undefined,
  expressions: Expressions,
  at: Path,
): Problems {
  const names = new Set<string>()
  if ((conditions?.length ?? 0) > maxConditions) yield at.tooMany(conditions!.length, maxConditions)
  for (const [i, { name, expression }] of (conditions ?? []).entries()) {
    yield* validateExpression(expressions, expression, resultTypes.condition, at.index(i).field('expression'))
    yield* requiredName(qualifiedNameErrors, name, at.index(i).field('name'))
    if (name && names.has(name)) yield at.index(i).field('name').duplicate(name)
    names.add(name)
  }
}

/** An expression that is there, can be compiled, and has a result of one of these types; of any type without them. */
export function* validateExpression(
  expressions: Expressions,
  expression: string,
  results: Parameters<typeof expressionProblem>[2],
  at: Path,
  missing?: string,
): Problems {
  const text = expression.trim()
  yield* present(text, at, missing)
  const problem = text && expressionProblem(expressions, text, results)
  if (problem) yield at.invalid(expression, problem)
}
