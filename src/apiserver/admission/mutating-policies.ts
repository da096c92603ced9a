// MutatingAdmissionPolicy: expressions of a policy say how a request's object is to be changed.
//
// - `ApplyConfiguration` makes a partial object that is merged as server-side apply would. `JSONPatch` makes operations.
// - Policies run by their names, one after the other, and each gets what the ones before it have made of the object.
// - When one has changed the object, all plugins mutate it once more, and so do those policies before it that wish that.
// - A mutation that cannot be evaluated or applied fails the request, or with failurePolicy Ignore is left out.
//
// Source: apiserver pkg/admission/plugin/policy/mutating (dispatcher.go, patch).
import { isReason, messageOf, StatusError } from '../../base/errors.ts'
import { apply } from '../../api/apply/apply.ts'
import { fieldNode, isAtomic, structNode } from '../../api/apply/fieldset.ts'
import { typeProblems } from '../../api/apply/typed.ts'
import { sameJson } from '../../api/equal.ts'
import { isObject } from '../../api/patch/merge.ts'
import type { Json, JsonObject, Node } from '../../api/schema/node.ts'
import { Failure, misnamedObject, toJson } from '../../cel/index.ts'
import { MutatingAdmissionPolicy } from '../../kinds/admissionregistration/mutatingadmissionpolicy.ts'
import { MutatingAdmissionPolicyBinding } from '../../kinds/admissionregistration/mutatingadmissionpolicybinding.ts'
import type { Mutation } from '../../kinds/admissionregistration/mutatingadmissionpolicyspec.ts'
import { type Attributes, type Form, shownObject, takeObject } from './attributes.ts'
import type { AdmissionPlugin } from './chain.ts'
import { conditionsMet, Evaluation, factsOf } from './expressions.ts'
import { patched } from './patched.ts'
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
import { callAgain, endRound, type Rounds, roundOf, startRound } from './rounds.ts'

type Policy = MutatingAdmissionPolicy
type Binding = MutatingAdmissionPolicyBinding

export function mutatingPolicies(context: PolicyContext): AdmissionPlugin {
  const policies = new BoundPolicies(context, MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, {
    mutates: true,
  })
  const rounds: Rounds<Policy> = new WeakMap()
  return {
    name: 'MutatingAdmissionPolicy',
    mutatesAll: true,
    async mutate(request) {
      if (!policies.all.length || request.type === 'DELETE') return
      const attributes = judged(request, 'mutate')
      if (!attributes) return
      const round = roundOf(rounds, request)
      startRound(round, request)
      for (const one of policies.all) {
        const { policy } = one
        if (request.reinvocation?.round === 1 && !round.again.has(policy)) continue
        const outcome = await mutateBy(context, attributes, one)
        if (outcome === 'changed') callAgain(round, request)
        if (outcome && policy.spec.reinvocationPolicy === 'IfNeeded') round.called.add(policy)
      }
      endRound(round, request)
    },
  }
}

/** Carries out a policy for all its bindings. Returns undefined when it is not about the request. */
async function mutateBy(
  context: PolicyContext,
  attributes: Attributes,
  one: Bound<Policy, Binding>,
): Promise<'changed' | 'same' | undefined> {
  const { policy } = one
  const form = formOf(context, attributes, policy.spec.matchConstraints)
  if (!form) return undefined
  const before = await shownObject(attributes, form)
  for (const binding of one.bindings) {
    if (!formOf(context, attributes, binding.spec.matchResources)) continue
    try {
      const { paramKind } = policy.spec
      for (const params of await paramsOf(context, attributes, paramKind, binding.spec.paramRef))
        await mutateWith(context, attributes, form, one, params)
    } catch (error) {
      // The policy may be wrong, or the patch that it makes may not fit the object.
      if (!(error instanceof PolicyFault || isReason(error, 'Invalid', 'BadRequest'))) throw error
      if (policy.spec.failurePolicy === 'Ignore') continue
      throw refusal(attributes, policy, binding, messageOf(error))
    }
  }
  return sameJson(before, await shownObject(attributes, form)) ? 'same' : 'changed'
}

function refusal(attributes: Attributes, policy: Policy, binding: Binding, why: string): StatusError {
  const message = `policy '${policy.metadata.name}' with binding '${binding.metadata.name}' denied request: ${why}`
  const { details, code } = refusedBy(attributes, message, 'Forbidden')
  return new StatusError('Forbidden', message, { code, ...(details && { details }) })
}

async function mutateWith(
  context: PolicyContext,
  attributes: Attributes,
  form: Form,
  { policy, expressions }: Bound<Policy, Binding>,
  params: JsonObject | null,
): Promise<void> {
  const { matchConditions = [], mutations = [] } = policy.spec
  const met = await conditionsMet(expressions, matchConditions, await factsOf(context, attributes, form), params)
  if (met instanceof Failure) throw new PolicyFault(met.message)
  if (!met) return
  for (const mutation of mutations) {
    // Each sees what the ones before it have changed.
    const facts = await factsOf(context, attributes, form)
    const evaluation = new Evaluation(expressions, facts, params)
    const object = await shownObject(attributes, form)
    if (!object) return
    await takeObject(attributes, form, await mutated(form, object, mutation, evaluation))
  }
}

async function mutated(form: Form, object: JsonObject, mutation: Mutation, evaluation: Evaluation): Promise<Json> {
  const expression = (mutation.jsonPatch ?? mutation.applyConfiguration)?.expression ?? ''
  const value = await evaluation.value(expression)
  if (value instanceof Failure) throw new PolicyFault(value.message)
  const misnamed = mutation.applyConfiguration && misnamedObject(value)
  if (misnamed) throw new PolicyFault(`type mismatch: ${misnamed.message}`)
  const made = toJson(value) as Json | Failure
  if (made instanceof Failure) throw new PolicyFault(made.message)
  if (mutation.jsonPatch) return patched(object, made)
  if (!isObject(made)) throw new PolicyFault(`expression '${expression}' must evaluate to an Object`)
  return merged(form, object, made)
}

/** The object with everything that a partial one sets. Throws PolicyFault for what cannot be merged. */
function merged({ whole }: Form, object: JsonObject, partial: JsonObject): Json {
  const fault = (why: string) => new PolicyFault(`error applying patch: ${why}`)
  const [problem] = typeProblems(whole.schema, partial)
  if (problem) throw fault(`failed to convert patch object to typed object: ${problem}`)
  const atomics = [...atomicsIn(structNode(whole.schema), partial, '')]
  if (atomics.length)
    throw fault(`invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: ${atomics.join(', ')}`)
  const metadata = isObject(object.metadata) ? object.metadata : {}
  const { managedFields, ...bare } = metadata
  const next = apply(whole.schema, { ...object, metadata: bare }, partial, {
    manager: { manager: 'policy', operation: 'Apply', apiVersion: whole.apiVersion, subresource: '' },
    force: true,
    now: '',
    ownable: set => set,
  }).object
  if (!managedFields) return next
  return { ...next, metadata: { ...(isObject(next.metadata) ? next.metadata : {}), managedFields } }
}

/** The paths of values that are replaced as a whole, so that merging into them would lose what they had. */
function* atomicsIn(node: Node, value: Json, at: string): Iterable<string> {
  if (typeof value !== 'object' || value === null) return
  if (isAtomic(node)) return void (yield at)
  if (Array.isArray(value)) {
    if (node.item) for (const [i, element] of value.entries()) yield* atomicsIn(node.item, element, `${at}[${i}]`)
    return
  }
  for (const [name, child] of Object.entries(value)) {
    const below = fieldNode(node, name)
    if (below) yield* atomicsIn(below, child, `${at}.${name}`)
  }
}
