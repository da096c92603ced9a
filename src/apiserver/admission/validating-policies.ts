// ValidatingAdmissionPolicy: requests that expressions of a policy find wrong are refused, reported to the client, or
// noted for the audit log, as the binding says.
//
// - A validation that cannot be evaluated counts as one that is not met, or with failurePolicy Ignore as one that is.
// - A binding that cannot be used, because its parameters are missing, refuses the request whatever its actions are.
// - All policies are evaluated, so warnings and notes of all reach the client and the log; the first refusal counts.
//
// Source: apiserver pkg/admission/plugin/policy/validating (dispatcher.go, validator.go).
import { Failure } from '../../cel/index.ts'
import { ValidatingAdmissionPolicy } from '../../kinds/admissionregistration/validatingadmissionpolicy.ts'
import { ValidatingAdmissionPolicyBinding } from '../../kinds/admissionregistration/validatingadmissionpolicybinding.ts'
import type { Validation } from '../../kinds/admissionregistration/validatingadmissionpolicyspec.ts'
import type { JsonObject } from '../../api/schema/node.ts'
import type { Attributes } from './attributes.ts'
import type { AdmissionPlugin } from './chain.ts'
import { conditionsMet, Evaluation, type Facts, factsOf } from './expressions.ts'
import {
  type Bound,
  BoundPolicies,
  formOf,
  judged,
  paramsOf,
  type PolicyContext,
  PolicyFault,
  refusedBy,
} from './policies.ts'

type Policy = ValidatingAdmissionPolicy
type Binding = ValidatingAdmissionPolicyBinding

/** A validation that a request does not meet. */
interface Failed {
  message: string
  reason: string
  /** The place of the validation in its policy. */
  index: number
}

const maxMessageBytes = 5 * 1024
const maxAnnotationBytes = 10 * 1024

export function validatingPolicies(context: PolicyContext): AdmissionPlugin {
  const policies = new BoundPolicies(context, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding)
  return {
    name: 'ValidatingAdmissionPolicy',
    async validate(request) {
      if (!policies.all.length) return
      const attributes = judged(request, 'validate')
      if (!attributes) return
      const outcome = new Outcome(attributes)
      for (const one of policies.all) await judge(context, attributes, one, outcome)
      outcome.finish()
    },
  }
}

async function judge(
  context: PolicyContext,
  attributes: Attributes,
  one: Bound<Policy, Binding>,
  outcome: Outcome,
): Promise<void> {
  const { policy } = one
  const form = formOf(context, attributes, policy.spec.matchConstraints)
  if (!form) return
  let facts: Facts | undefined
  for (const binding of one.bindings) {
    if (!formOf(context, attributes, binding.spec.matchResources)) continue
    try {
      const { paramKind } = policy.spec
      for (const params of await paramsOf(context, attributes, paramKind, binding.spec.paramRef)) {
        facts ??= await factsOf(context, attributes, form)
        await evaluate(one, binding, facts, params, outcome)
      }
    } catch (error) {
      if (!(error instanceof PolicyFault)) throw error
      if (policy.spec.failurePolicy !== 'Ignore') outcome.deny(policy, binding, error.message, 'Invalid')
    }
  }
}

async function evaluate(
  { policy, expressions }: Bound<Policy, Binding>,
  binding: Binding,
  facts: Facts,
  params: JsonObject | null,
  outcome: Outcome,
): Promise<void> {
  const { matchConditions = [], validations = [], auditAnnotations = [], failurePolicy } = policy.spec
  const fails = failurePolicy !== 'Ignore'
  const met = await conditionsMet(expressions, matchConditions, facts, params)
  if (met instanceof Failure && fails)
    outcome.add(policy, binding, { message: met.message, reason: 'Invalid', index: 0 })
  if (met !== true) return
  const evaluation = new Evaluation(expressions, facts, params)
  for (const [index, validation] of validations.entries()) {
    const value = await evaluation.value(validation.expression)
    if (value === true) continue
    if (value instanceof Failure) {
      if (fails) outcome.add(policy, binding, { message: value.message, reason: 'Invalid', index })
      continue
    }
    const message = await messageOf(validation, evaluation)
    outcome.add(policy, binding, { message, reason: validation.reason ?? 'Invalid', index })
  }
  for (const { key, valueExpression } of auditAnnotations) {
    const value = await evaluation.value(valueExpression)
    if (typeof value === 'string') {
      if (value.trim()) outcome.annotate(`${policy.metadata.name}/${key}`, value.trim().slice(0, maxAnnotationBytes))
    } else if (value !== null && fails) {
      const why = value instanceof Failure ? value.message : `valueExpression '${valueExpression}' is no string`
      outcome.add(policy, binding, { message: why, reason: 'Invalid', index: 0 })
    }
  }
}

/** The message for the client: of the expression for it, or the fixed one, or the expression that failed. */
async function messageOf(validation: Validation, evaluation: Evaluation): Promise<string> {
  const { message = '', messageExpression = '', expression } = validation
  if (messageExpression) {
    const value = await evaluation.value(messageExpression)
    const text = typeof value === 'string' ? value.trim() : ''
    if (text && !text.includes('\n') && Buffer.byteLength(text) <= maxMessageBytes) return text
  }
  return message.trim() || `failed expression: ${expression.trim()}`
}

/** What the policies have found for one request. */
class Outcome {
  readonly #attributes: Attributes
  readonly #annotations = new Map<string, string[]>()
  #denied: { message: string; reason: string } | undefined

  constructor(attributes: Attributes) {
    this.#attributes = attributes
  }

  /** Does with a failed validation what the binding says. */
  add(policy: Policy, binding: Binding, { message, reason, index }: Failed): void {
    const { validationActions = [] } = binding.spec
    const names = `ValidatingAdmissionPolicy '${policy.metadata.name}' with binding '${binding.metadata.name}'`
    for (const action of validationActions) {
      if (action === 'Deny') this.deny(policy, binding, message, reason)
      else if (action === 'Warn') this.#attributes.request.warn?.(`Validation failed for ${names}: ${message}`)
      else if (!this.#annotations.has(failureKey)) {
        const [policyName, bindingName] = [policy.metadata.name, binding.metadata.name]
        const failure = { message, policy: policyName, binding: bindingName, expressionIndex: index, validationActions }
        this.annotate(failureKey, JSON.stringify([failure]))
      }
    }
  }

  deny(policy: Policy, binding: Binding, why: string, reason: string): void {
    const names = `ValidatingAdmissionPolicy '${policy.metadata.name}' with binding '${binding.metadata.name}'`
    this.#denied ??= { message: `${names} denied request: ${why}`, reason }
  }

  annotate(key: string, value: string): void {
    const values = this.#annotations.get(key) ?? []
    if (!values.includes(value)) values.push(value)
    this.#annotations.set(key, values)
  }

  /** Hands over the annotations, and throws if the request is denied. */
  finish(): void {
    const { annotations } = this.#attributes.request.operation
    for (const [key, values] of this.#annotations) annotations?.set(key, values.join(', '))
    if (this.#denied) throw refusedBy(this.#attributes, this.#denied.message, this.#denied.reason)
  }
}

const failureKey = 'validation.policy.admission.k8s.io/validation_failure'
