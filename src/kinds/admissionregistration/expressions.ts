// What expressions of admission can see: `object`, `oldObject`, `request`, `namespaceObject`, `authorizer` and, in
// policies, `params` and `variables`. Match conditions of webhooks and policies are written in the same environment.
// Source: apiserver pkg/admission/plugin/cel (compile.go), pkg/admission/plugin/policy/validating/typechecking.go.
import {
  authorizerType,
  compile,
  declare,
  type Environment,
  kubernetes,
  mutation,
  mutationTypes,
  objectsOf,
  type ObjectTypes,
  type Program,
  resourceCheckType,
  types,
} from '../../cel/index.ts'

type Schema = Parameters<typeof declare>[0]
type Type = (typeof types)['dyn']

const text: Schema = { type: 'string' }
const flag: Schema = { type: 'boolean' }
const number: Schema = { type: 'integer' }
/** Any value. */
const any: Schema = { 'x-kubernetes-int-or-string': true }
const object = (properties: Record<string, Schema>): Schema => ({ type: 'object', properties })
const list = (items: Schema): Schema => ({ type: 'array', items })
const map = (additionalProperties: Schema): Schema => ({ type: 'object', additionalProperties })

const kindSchema = object({ group: text, version: text, kind: text })
const resourceSchema = object({ group: text, version: text, resource: text })

/** The request, as expressions see it. */
export const requestSchema: Schema = object({
  kind: kindSchema,
  resource: resourceSchema,
  subResource: text,
  requestKind: kindSchema,
  requestResource: resourceSchema,
  requestSubResource: text,
  name: text,
  namespace: text,
  operation: text,
  userInfo: object({ username: text, uid: text, groups: list(text), extra: map(list(text)) }),
  dryRun: flag,
  options: any,
})

/** The namespace of the object, as expressions see it. */
export const namespaceSchema: Schema = object({
  metadata: object({
    name: text,
    generateName: text,
    namespace: text,
    labels: map(text),
    annotations: map(text),
    UID: text,
    creationTimestamp: { type: 'string', format: 'date-time' },
    deletionGracePeriodSeconds: number,
    deletionTimestamp: { type: 'string', format: 'date-time' },
    generation: number,
    resourceVersion: text,
    finalizers: list(text),
  }),
  spec: object({ finalizers: list(text) }),
  status: object({ phase: text }),
})

const request = declare(requestSchema, 'kubernetes.AdmissionRequest')!
const namespaceObject = declare(namespaceSchema, 'kubernetes.Namespace')!
const known = objectsOf(request, namespaceObject)
const variablesType = 'kubernetes.variables'

interface Scope {
  /** Whether there are parameters. */
  params?: boolean
  /** The types of the variables that are defined so far; undefined where there are none. */
  variables?: ReadonlyMap<string, Type> | undefined
  /** Whether expressions are mutations. */
  mutates?: boolean
  /** The type of the object, where it is known. */
  object?: Type
}

/** The environment of expressions of a scope. */
export function admissionEnvironment({ params, variables, mutates, object: type = types.dyn }: Scope): Environment {
  const objects: ObjectTypes = {
    fieldType: (name, field) => (name === variablesType ? variables?.get(field) : known.fieldType(name, field)),
  }
  return (mutates ? mutation : kubernetes).extend({
    objects: mutates ? mutationTypes(objects) : objects,
    variables: {
      object: type,
      oldObject: type,
      request: request.type,
      namespaceObject: namespaceObject.type,
      authorizer: authorizerType,
      'authorizer.requestResource': resourceCheckType,
      ...(params && { params: types.dyn }),
      ...(variables && { variables: types.object(variablesType) }),
    },
  })
}

export type CompiledExpression = { program: Program; error?: undefined } | { program?: undefined; error: string }

/** Compiles an expression whose value must be of one of these kinds; of any without them. */
export function compileExpression(
  source: string,
  environment: Environment,
  ...kinds: Type['kind'][]
): CompiledExpression {
  const compiled = compile(source, environment)
  if (compiled.error !== undefined) return { error: `${compiled.foundBy} failed: ${compiled.error}` }
  const { program } = compiled
  const { kind } = program.type
  if (!kinds.length || kind === 'dyn' || kinds.includes(kind)) return { program }
  const names = kinds.map(one => (one === 'null' ? 'null_type' : one))
  const wanted = names.length === 1 ? names[0] : `one of ${names.join(' or ')}`
  return { error: `must evaluate to ${wanted} but got ${kind}` }
}
