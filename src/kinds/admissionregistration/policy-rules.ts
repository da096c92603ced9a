// What admission policies may say, and what the bindings that put them in force.
// Source: pkg/apis/admissionregistration/validation (validate…AdmissionPolicySpec, validate…BindingSpec).
import { named, oneOf, type Problems, present, requiredName, supported, validateSelector } from '../../api/checks.ts'
import { parseApiVersion } from '../../api/kind.ts'
import { dns1035Errors, dnsSubdomainErrors, pathSegmentErrors, qualifiedNameErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import type { MutatingAdmissionPolicySpec, Mutation } from './mutatingadmissionpolicyspec.ts'
import { Expressions, resultTypes } from './expressions.ts'
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
function* validatePolicy(spec: Policy, expressions: Expressions, at: Path): Problems {
  yield* spec.failurePolicy === undefined
    ? present(undefined, at.field('failurePolicy'))
    : supported(spec.failurePolicy, failurePolicies, at.field('failurePolicy'))
  if (spec.paramKind) yield* validateParamKind(spec.paramKind, at.field('paramKind'))
  const path = at.field('matchConstraints')
  if (spec.matchConstraints) {
    yield* validateMatch(spec.matchConstraints, path)
    yield* present(spec.matchConstraints.resourceRules ?? [], path.field('resourceRules'))
  } else yield path.required()
  yield* validateConditions(spec.matchConditions, expressions, at.field('matchConditions'))
  for (const [i, variable] of (spec.variables ?? []).entries())
    yield* validateVariable(variable, expressions, at.field('variables').index(i))
}

const expressionsOf = ({ variables = [], paramKind }: Policy, mutates: boolean) =>
  new Expressions({ variables, hasParams: paramKind !== undefined, mutates })

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

function* validateVariable({ name, expression }: Variable, expressions: Expressions, at: Path): Problems {
  if (!name) yield at.field('name').required('name is not specified')
  else if (!/^[_a-zA-Z][_a-zA-Z0-9]*$/.test(name))
    yield at.field('name').invalid(name, 'must be a valid CEL identifier')
  yield* validateExpression(expressions, expression, undefined, at.field('expression'), 'expression is not specified')
}

export function* validateValidatingPolicy(name: string, spec: ValidatingAdmissionPolicySpec, at: Path): Problems {
  const expressions = expressionsOf(spec, false)
  yield* validatePolicy(spec, expressions, at)
  const { validations = [], auditAnnotations = [] } = spec
  if (!validations.length && !auditAnnotations.length)
    for (const field of ['validations', 'auditAnnotations'] as const)
      yield at.field(field).required('validations or auditAnnotations must contain at least one item')
  for (const [i, validation] of validations.entries())
    yield* validateValidation(validation, expressions, at.field('validations').index(i))
  yield* validateAuditAnnotations(name, auditAnnotations, expressions, at.field('auditAnnotations'))
}

const reasons = ['Forbidden', 'Invalid', 'RequestEntityTooLarge']

function* validateValidation(validation: Validation, expressions: Expressions, at: Path): Problems {
  const { expression, message = '', messageExpression = '', reason } = validation
  const { condition, text } = resultTypes
  yield* validateExpression(expressions, expression, condition, at.field('expression'), 'expression is not specified')
  if (messageExpression && !messageExpression.trim())
    yield at.field('messageExpression').invalid(messageExpression, 'must be non-empty if specified')
  else if (messageExpression)
    yield* validateExpression(expressions, messageExpression, text, at.field('messageExpression'))
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
  expressions: Expressions,
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
    const where = path.field('valueExpression')
    yield* validateExpression(
      expressions,
      valueExpression,
      resultTypes.annotation,
      where,
      'valueExpression is not specified',
    )
    if (keys.has(key)) yield path.field('key').duplicate(key)
    keys.add(key)
  }
}

export function* validateMutatingPolicy(spec: MutatingAdmissionPolicySpec, at: Path): Problems {
  const expressions = expressionsOf(spec, true)
  yield* validatePolicy(spec, expressions, at)
  yield* validateMutable(spec.matchConstraints, at.field('matchConstraints'))
  const { mutations = [] } = spec
  yield* present(mutations, at.field('mutations'), 'mutations must contain at least one item')
  for (const [i, mutation] of mutations.entries())
    yield* validateMutation(mutation, expressions, at.field('mutations').index(i))
  yield* oneOf(spec.reinvocationPolicy, ['IfNeeded', 'Never'], at.field('reinvocationPolicy'))
}

/** What is deleted cannot be changed. */
export function* validateMutable(match: MatchResources | undefined, at: Path): Problems {
  for (const { operations = [] } of match?.resourceRules ?? [])
    for (const operation of operations)
      yield* supported(operation, ['*', 'CONNECT', 'CREATE', 'UPDATE'], at.field('resourceRules', 'operations'))
}

function* validateMutation(mutation: Mutation, expressions: Expressions, at: Path): Problems {
  const { patchType } = mutation
  yield* oneOf(patchType, ['ApplyConfiguration', 'JSONPatch'], at.field('patchType'))
  const fields = { ApplyConfiguration: 'applyConfiguration', JSONPatch: 'jsonPatch' } as const
  for (const [type, field] of Object.entries(fields)) {
    const path = at.field(field)
    if (type !== patchType) {
      if (mutation[field] && patchType in fields)
        yield path.invalid('{}', `must not be specified when patchType is ${patchType}`)
    } else if (!mutation[field]) yield path.required(`must be specified when patchType is ${type}`)
    else {
      const results = type === 'JSONPatch' ? resultTypes.patch : resultTypes.object
      yield* validateExpression(expressions, mutation[field].expression ?? '', results, path.field('expression'))
    }
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
