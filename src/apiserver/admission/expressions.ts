// Evaluates the CEL expressions of webhooks and policies for a request.
//
// - An expression that cannot be compiled fails when it is evaluated. A variable is evaluated when it is first used.
// - All evaluations of one policy for one request have one budget of costs.
//
// Source: apiserver pkg/admission/plugin/cel (condition.go, activation.go), plugin/webhook/matchconditions.
import type { Json, JsonObject } from '../../api/schema/node.ts'
import {
  adapt,
  adaptUntyped,
  Failure,
  LazyMap,
  makeAuthorizer,
  makeRequestResource,
  type Value,
} from '../../cel/index.ts'
import type { CompiledExpression, Expressions } from '../../kinds/admissionregistration/expressions.ts'
import { namespaceSchema } from '../../kinds/admissionregistration/namespace-schema.ts'
import type { MatchCondition } from '../../kinds/admissionregistration/types.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import type { Authorizer } from '../authz/authorizer.ts'
import type { Storage } from '../storage.ts'
import { type Attributes, type Form, shownObject, shownOld } from './attributes.ts'
import { isDryRun, optionsOf } from './review.ts'

/** The budget of all expressions of one policy. Source: apiserver pkg/apis/cel (RuntimeCELCostBudget). */
const policyBudget = 10_000_000
/** The budget of match conditions. Source: RuntimeCELCostBudgetMatchConditions. */
const conditionBudget = 2_500_000

/** What expressions see of one request, and what they may still cost. */
export class Evaluation {
  readonly #expressions: Expressions
  readonly #values: Record<string, Value>
  #budget: number

  constructor(expressions: Expressions, facts: Facts, params: JsonObject | null, budget = policyBudget) {
    this.#expressions = expressions
    this.#budget = budget
    this.#values = { ...facts.values, params: adaptUntyped(params) }
    const { variables } = expressions
    this.#values.variables = new LazyMap([...variables.keys()], name => this.#run(variables.get(name)!))
  }

  /** The value of an expression; a Failure has the message for the client. */
  async value(expression: string): Promise<Value> {
    const compiled = this.#expressions.compiled(expression)
    if (compiled.error !== undefined)
      return new Failure(`compilation error: ${compiled.foundBy} failed: ${compiled.error}`)
    if (this.#budget <= 0) return outOfBudget
    const { value, cost } = await compiled.program.evaluateAsync(this.#values, this.#budget)
    this.#budget -= cost
    if (!(value instanceof Failure)) return value
    return new Failure(`expression '${expression}' resulted in error: ${value.message}`)
  }

  #run(compiled: CompiledExpression): Value {
    if (compiled.error !== undefined)
      return new Failure(`compilation error: ${compiled.foundBy} failed: ${compiled.error}`)
    const { value, cost } = compiled.program.evaluate(this.#values, Math.max(this.#budget, 1))
    this.#budget -= cost
    return value
  }
}

const outOfBudget = new Failure(
  'validation failed due to running out of cost budget, no further validation rules will be run',
)

/** The parts of a request that expressions see. */
export interface Facts {
  readonly values: Record<string, Value>
}

interface FactSources {
  storage: Storage
  authorizer: Authorizer
}

/** What expressions see of a request, with its objects in a form. */
export async function factsOf(sources: FactSources, attributes: Attributes, form: Form): Promise<Facts> {
  const { request, namespace, subresource, asked, name } = attributes
  const isNamespace = request.operation.kind === Namespace
  const ofRequest = namespace && !isNamespace ? sources.storage.mirror(Namespace).get(undefined, namespace) : undefined
  const authorizer = authorizerOf(sources, attributes)
  const { group, resource } = asked.resource
  return {
    values: {
      object: adaptUntyped((await shownObject(attributes, form)) ?? null),
      oldObject: adaptUntyped((await shownOld(attributes, form)) ?? null),
      request: adaptUntyped(requestOf(attributes, form)),
      namespaceObject: ofRequest ? adapt(ofRequest, namespaceSchema) : null,
      authorizer,
      'authorizer.requestResource': makeRequestResource(authorizer, { group, resource, subresource, namespace, name }),
    },
  }
}

function requestOf(attributes: Attributes, form: Form): Json {
  const { request, asked, subresource, name, namespace } = attributes
  const { user } = request.operation
  return {
    kind: { ...form.kind },
    resource: { ...form.resource },
    subResource: subresource,
    requestKind: { ...asked.kind },
    requestResource: { ...asked.resource },
    requestSubResource: subresource,
    name,
    namespace,
    operation: request.type,
    userInfo: {
      username: user.name,
      uid: user.uid ?? '',
      groups: [...user.groups],
      extra: Object.fromEntries(Object.entries(user.extra ?? {}).map(([key, list]) => [key, [...list]])),
    },
    dryRun: isDryRun(attributes),
    options: optionsOf(attributes),
  }
}

/** Checks of the user of the request, or of another account, by the authorizers that decide about requests. */
const authorizerOf = ({ authorizer }: FactSources, { request }: Attributes) =>
  makeAuthorizer(question => {
    const {
      serviceAccount,
      verb,
      path,
      group = '',
      resource = '',
      subresource = '',
      namespace = '',
      name = '',
    } = question
    const user = serviceAccount
      ? {
          name: `system:serviceaccount:${serviceAccount.namespace}:${serviceAccount.name}`,
          groups: [
            'system:serviceaccounts',
            `system:serviceaccounts:${serviceAccount.namespace}`,
            'system:authenticated',
          ],
        }
      : request.operation.user
    const asked = { user, verb, group, resource, subresource, namespace, name }
    return authorizer.authorize({
      ...asked,
      ...(path !== undefined && { path }),
      ...(question.fieldSelector && { fieldSelector: question.fieldSelector }),
    })
  })

/** Whether conditions are met: yes, no, or an error. One that is not met counts more than errors of others. */
export async function conditionsMet(
  expressions: Expressions,
  conditions: readonly MatchCondition[],
  facts: Facts,
  params: JsonObject | null,
): Promise<boolean | Failure> {
  const evaluation = new Evaluation(expressions, facts, params, conditionBudget)
  const errors: string[] = []
  for (const { expression } of conditions) {
    const value = await evaluation.value(expression)
    if (value === false) return false
    if (value instanceof Failure) errors.push(value.message)
    else if (value !== true) errors.push(`expression '${expression}' resulted in error: no boolean`)
  }
  return errors.length ? new Failure(errors.length > 1 ? `[${errors.join(', ')}]` : errors[0]!) : true
}
