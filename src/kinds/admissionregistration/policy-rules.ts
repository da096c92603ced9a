// What admission policies may say, and what the bindings that put them in force.
// Source: pkg/apis/admissionregistration/validation (validate…AdmissionPolicySpec, validate…BindingSpec).
import { named, oneOf, type Problems, present, requiredName, supported, validateSelector } from '../../api/checks.ts'
import { parseApiVersion } from '../../api/kind.ts'
import { dns1035Errors, dnsSubdomainErrors, pathSegmentErrors, qualifiedNameErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import type { MutatingAdmissionPolicySpec, Mutation } from './mutatingadmissionpolicyspec.ts'
import { types } from '../../cel/index.ts'
import { admissionEnvironment, compileExpression } from './expressions.ts'
import { failurePolicies, validateConditions, validateExpression, validateMatch } from './request-rules.ts'
import type { MatchCondition, MatchResources, ParamKind, ParamRef, Variable } from './types.ts'
import type { AuditAnnotation, ValidatingAdmissionPolicySpec, Validation } from './validatingadmissionpolicyspec.ts'

interface Policy {
  readonly failurePolicy?: string
  readonly paramKind?: ParamKind
  readonly matchConstraints?: MatchResources
  readonly matchConditions?: readonly MatchCondition[]
  readonly variables?: readonly Variable[]
}

const maxAuditAnnotations = 20

/** What policies of both kinds begin with. */
function* validatePolicy(spec: Policy, mutates: boolean, at: Path): Problems {
  yield* spec.failurePolicy === undefined
    ? present(undefined, at.field('failurePolicy'))
    : supported(spec.failurePolicy, failurePolicies, at.field('failurePolicy'))
  if (spec.paramKind) yield* validateParamKind(spec.paramKind, at.field('paramKind'))
  const path = at.field('matchConstraints')
  if (spec.matchConstraints) {
    yield* validateMatch(spec.matchConstraints, path)
    yield* present(spec.matchConstraints.resourceRules ?? [], path.field('resourceRules'))
  } else yield path.required()
  const params = spec.paramKind !== undefined
  yield* validateConditions(spec.matchConditions, at.field('matchConditions'), admissionEnvironment({ params }))
  const known = new Map<string, VariableType>()
  for (const [i, variable] of (spec.variables ?? []).entries()) {
    const environment = admissionEnvironment({ params, variables: known, mutates })
    yield* validateVariable(variable, environment, at.field('variables').index(i))
    const type = typeOfVariable(variable, environment)
    if (type) known.set(variable.name, type)
  }
}

/** The environment in which the expressions of a policy are written, after its variables. */
function policyEnvironment({ paramKind, variables }: Policy, mutates: boolean) {
  const params = paramKind !== undefined
  if (!variables) return admissionEnvironment({ params, mutates })
  const known = new Map<string, VariableType>()
  for (const variable of variables) {
    const type = typeOfVariable(variable, admissionEnvironment({ params, variables: known, mutates }))
    if (type) known.set(variable.name, type)
  }
  return admissionEnvironment({ params, variables: known, mutates })
}

type VariableEnvironment = ReturnType<typeof admissionEnvironment>
type VariableType = NonNullable<ReturnType<typeof compileExpression>['program']>['type']

/** The type of a variable, any if its expression is wrong; undefined for one that cannot be used. */
function typeOfVariable({ name, expression }: Variable, environment: VariableEnvironment): VariableType | undefined {
  if (!isVariableName(name) || !expression.trim()) return undefined
  return compileExpression(expression, environment).program?.type ?? types.dyn
}

const isVariableName = (name: string) => /^[_a-zA-Z][_a-zA-Z0-9]*$/.test(name)

function* validateParamKind({ apiVersion = '', kind = '' }: ParamKind, at: Path): Problems {
  const path = at.field('apiVersion')
  if (!apiVersion) yield path.required()
  else if (apiVersion.split('/').length > 2)
    yield path.invalid(apiVersion, `unexpected GroupVersion string: ${apiVersion}`)
  else {
    const { group, version } = parseApiVersion(apiVersion)
    const [groupErrors, versionErrors] = [group ? dnsSubdomainErrors(group) : [], version ? dns1035Errors(version) : []]
    if (groupErrors.length) yield path.invalid(group, groupErrors.join(','))
    if (!version) yield path.invalid(apiVersion, 'version must be specified')
    if (versionErrors.length) yield path.invalid(version, versionErrors.join(','))
  }
  if (!kind) yield at.field('kind').required()
  else if (dns1035Errors(kind.toLowerCase()).length)
    yield at
      .field('kind')
      .invalid(kind, `may have mixed case, but should otherwise match: ${dns1035Errors(kind.toLowerCase()).join(',')}`)
}

function* validateVariable({ name, expression }: Variable, environment: VariableEnvironment, at: Path): Problems {
  if (!name) yield at.field('name').required('name is not specified')
  else if (!isVariableName(name)) yield at.field('name').invalid(name, 'must be a valid CEL identifier')
  yield* validateExpression(expression, environment, at.field('expression'), [], notSpecified('expression'))
}

const notSpecified = (field: string) => `${field} is not specified`

export function* validateValidatingPolicy(name: string, spec: ValidatingAdmissionPolicySpec, at: Path): Problems {
  yield* validatePolicy(spec, false, at)
  const { validations = [], auditAnnotations = [] } = spec
  const environment = policyEnvironment(spec, false)
  if (!validations.length && !auditAnnotations.length)
    for (const field of ['validations', 'auditAnnotations'] as const)
      yield at.field(field).required('validations or auditAnnotations must contain at least one item')
  for (const [i, validation] of validations.entries())
    yield* validateValidation(validation, environment, at.field('validations').index(i))
  yield* validateAuditAnnotations(name, auditAnnotations, environment, at.field('auditAnnotations'))
}

const reasons = ['Forbidden', 'Invalid', 'RequestEntityTooLarge']

function* validateValidation(validation: Validation, environment: VariableEnvironment, at: Path): Problems {
  const { expression, message = '', messageExpression = '', reason } = validation
  yield* validateExpression(expression, environment, at.field('expression'), ['bool'], notSpecified('expression'))
  if (messageExpression && !messageExpression.trim())
    yield at.field('messageExpression').invalid(messageExpression, 'must be non-empty if specified')
  else if (messageExpression)
    yield* validateExpression(messageExpression, environment, at.field('messageExpression'), ['string'])
  if (message && !message.trim()) yield at.field('message').invalid(message, 'message must be non-empty if specified')
  else if (message.trim().includes('\n'))
    yield at.field('message').invalid(message, 'message must not contain line breaks')
  else if (expression.trim().includes('\n') && !message.trim())
    yield at.field('message').required('message must be specified if expression contains line breaks')
  if (reason !== undefined) yield* supported(reason, reasons, at.field('reason'))
}

function* validateAuditAnnotations(
  name: string,
  list: readonly AuditAnnotation[],
  environment: VariableEnvironment,
  at: Path,
): Problems {
  const keys = new Set<string>()
  if (list.length > maxAuditAnnotations)
    yield at.invalid(list, `must not have more than ${maxAuditAnnotations} auditAnnotations`)
  for (const [i, { key, valueExpression }] of list.entries()) {
    const path = at.index(i)
    // The key is written with the policy's name before it.
    if (name) yield* named(qualifiedNameErrors, `${name}/${key}`, path.field('key'))
    else yield* named(qualifiedNameErrors, key, path.field('key'))
    yield* validateExpression(
      valueExpression,
      environment,
      path.field('valueExpression'),
      ['string', 'null'],
      notSpecified('valueExpression'),
    )
    if (keys.has(key)) yield path.field('key').duplicate(key)
    keys.add(key)
  }
}

export function* validateMutatingPolicy(spec: MutatingAdmissionPolicySpec, at: Path): Problems {
  yield* validatePolicy(spec, true, at)
  yield* validateMutable(spec.matchConstraints, at.field('matchConstraints'))
  const { mutations = [] } = spec
  const environment = policyEnvironment(spec, true)
  yield* present(mutations, at.field('mutations'), 'mutations must contain at least one item')
  for (const [i, mutation] of mutations.entries())
    yield* validateMutation(mutation, environment, at.field('mutations').index(i))
  yield* oneOf(spec.reinvocationPolicy, ['IfNeeded', 'Never'], at.field('reinvocationPolicy'))
}

/** What is deleted cannot be changed. */
export function* validateMutable(match: MatchResources | undefined, at: Path): Problems {
  for (const { operations = [] } of match?.resourceRules ?? [])
    for (const operation of operations)
      yield* supported(operation, ['*', 'CONNECT', 'CREATE', 'UPDATE'], at.field('resourceRules', 'operations'))
}

function* validateMutation(mutation: Mutation, environment: VariableEnvironment, at: Path): Problems {
  const { patchType } = mutation
  yield* oneOf(patchType, ['ApplyConfiguration', 'JSONPatch'], at.field('patchType'))
  const fields = { ApplyConfiguration: 'applyConfiguration', JSONPatch: 'jsonPatch' } as const
  for (const [type, field] of Object.entries(fields)) {
    const path = at.field(field)
    if (type !== patchType) {
      if (mutation[field] && patchType in fields)
        yield path.invalid('{}', `must not be specified when patchType is ${patchType}`)
    } else if (!mutation[field]) yield path.required(`must be specified when patchType is ${type}`)
    else
      yield* validateExpression(mutation[field].expression ?? '', environment, path.field('expression'), [
        type === 'JSONPatch' ? 'list' : 'object',
      ])
  }
}

interface Binding {
  readonly policyName?: string
  readonly paramRef?: ParamRef
  readonly matchResources?: MatchResources
}

/** What bindings of both kinds say. */
export function* validateBinding({ policyName, paramRef, matchResources }: Binding, at: Path): Problems {
  yield* requiredName(dnsSubdomainErrors, policyName, at.field('policyName'))
  if (paramRef) yield* validateParamRef(paramRef, at.field('paramRef'))
  if (matchResources) yield* validateMatch(matchResources, at.field('matchResources'))
}

function* validateParamRef({ name, selector, parameterNotFoundAction: action }: ParamRef, at: Path): Problems {
  const exclusive = 'name and selector are mutually exclusive'
  if (name) yield* named(pathSegmentErrors, name, at.field('name'))
  if (name && selector) yield at.field('name').forbidden(exclusive)
  yield* validateSelector(selector, at.field('selector'))
  if (name && selector) yield at.field('selector').forbidden(exclusive)
  if (!name && !selector) yield at.required('one of name or selector must be specified')
  yield* oneOf(action, ['Deny', 'Allow'], at.field('parameterNotFoundAction'))
}

export function* validateActions(actions: readonly string[], at: Path): Problems {
  yield* present(actions, at, 'at least one validation action is required')
  for (const [i, action] of actions.entries()) {
    yield* supported(action, ['Audit', 'Deny', 'Warn'], at.index(i))
    if (actions.indexOf(action) < i) yield at.index(i).duplicate(action)
  }
  if (actions.includes('Deny') && actions.includes('Warn'))
    yield at.invalid(
      actions,
      'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
    )
}
