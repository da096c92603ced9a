// The Common Expression Language (CEL), in which users of Kubernetes write rules: those of custom resources, admission
// policies, match conditions of webhooks, selectors of devices. An expression is compiled once and evaluated often.
//
// Contract:
//  - `compile` answers with a program, or with the text of all that is wrong, letter for letter as cel-go prints it.
//    Kubernetes puts before it what found it: `compilation failed: `, `program instantiation failed: `.
//  - An environment says which variables there are, with their types, and is immutable. `kubernetes` has the libraries
//    of Kubernetes 1.36; extend it with variables and the types of objects, which `declare` finds in a schema.
//  - `evaluate` answers with a value and its cost. A failure is a value, `Failure`; so is a cost beyond the limit. It
//    never throws, save for `Pending` when a function has to wait for its answer: `evaluateAsync` waits and goes on.
//  - Evaluation has no effect, and ends, whatever the expression and the data are: its cost is bounded, and so is the
//    work that costs do not see (work.ts), the size of what it makes, and the depth of expressions (parser.ts).
//  - Values are those of values.ts: int is a bigint, double a number. `adapt` makes them of JSON, lazily; the JSON may
//    not change meanwhile. `toJson` goes the other way.
//  - Costs and estimates are upstream's numbers and part of the API: a rule whose estimate is beyond the budget is
//    refused when it is written.
//
// A rule of a custom resource, from its schema to its answer:
//
//     const schema: Schema = { type: 'object', properties: { replicas: { type: 'integer' } } }
//     const self = declare(schema, 'self', true)!
//     const environment = kubernetes.extend({ variables: { self: self.type }, objects: objectsOf(self) })
//     const { program, error } = compile('self.replicas <= 5', environment)
//     if (error !== undefined) throw new StatusError(…)
//     estimateCost(program.node, estimatorWith(sizesOf({ self })))           // { min: 3n, max: 3n }
//     program.evaluate({ self: adapt({ replicas: 3 }, schema, true) })       // { value: true, cost: 3 }
//
// How a text becomes an answer, file by file: lexer.ts, parser.ts (with macros.ts) → ast.ts → checker.ts (with unify.ts)
// → compile.ts → closures, which a Program holds. library/ has the functions.
export { adapt, adaptUntyped } from './adapt.ts'
export { Environment, type ObjectTypes } from './environment.ts'
export { escapeField } from './escaping.ts'
export { estimateCost } from './estimate.ts'
export { estimatorWith, type SizeOf } from './estimator.ts'
export { compile, deviceSelection, kubernetes, mutation } from './kubernetes.ts'
export {
  authorizerType,
  makeAuthorizer,
  makeRequestResource,
  resourceCheckType,
  type AuthorizationAnswer,
  type AuthorizationQuestion,
} from './library/authorizer.ts'
export { misnamedObject, mutationTypes } from './library/mutation.ts'
export { makeQuantity, quantityType } from './library/quantity.ts'
export { makeSemver, semverType } from './library/semver.ts'
export { defaultCostLimit, Pending, type Program } from './program.ts'
export { declare, objectsOf, sizesOf, type Declared, type Schema } from './schema.ts'
export { toJson } from './to-json.ts'
export * as types from './types.ts'
export { Failure, LazyMap, Optional, type Value } from './values.ts'
export { mentions, selectsField } from './walk.ts'
