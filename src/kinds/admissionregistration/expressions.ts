// The CEL expressions of webhooks and policies: what they can name, and whether they can be compiled.
//
//   object, oldObject, request, namespaceObject, authorizer, authorizer.requestResource; of policies also params and
//   variables, each of which may use those before it
//
// Source: apiserver pkg/admission/plugin/cel (compile.go, composition.go).
import type { AnyKind } from '../../api/kind.ts'
import {
  authorizerType,
  compile,
  type Environment,
  kubernetes,
  mutation,
  mutationTypes,
  resourceCheckType,
  types,
} from '../../cel/index.ts'
import { namespaceFields, namespaceType } from './namespace-schema.ts'
import { ObjectFields } from './object-types.ts'
import type { Variable } from './types.ts'

const named = (name: string) => types.object(`kubernetes.${name}`)
const strings = (...fields: string[]) => Object.fromEntries(fields.map(field => [field, types.string]))

/** The fields of the types of objects, except variables. */
const fieldTypes: Readonly<Record<string, Readonly<Record<string, typeof types.string>>>> = {
  'kubernetes.AdmissionRequest': {
    kind: named('GroupVersionKind'),
    resource: named('GroupVersionResource'),
    requestKind: named('GroupVersionKind'),
    requestResource: named('GroupVersionResource'),
    ...strings('subResource', 'requestSubResource', 'name', 'namespace', 'operation'),
    userInfo: named('UserInfo'),
    dryRun: types.bool,
    options: types.dyn,
  },
  'kubernetes.GroupVersionKind': strings('group', 'version', 'kind'),
  'kubernetes.GroupVersionResource': strings('group', 'version', 'resource'),
  'kubernetes.UserInfo': {
    ...strings('username', 'uid'),
    groups: types.list(types.string),
    extra: types.map(types.string, types.list(types.string)),
  },
}

const common = {
  object: types.dyn,
  oldObject: types.dyn,
  request: named('AdmissionRequest'),
  namespaceObject: namespaceType,
  authorizer: authorizerType,
  'authorizer.requestResource': resourceCheckType,
}

export type CompiledExpression = ReturnType<typeof compile>

interface ExpressionsSpec {
  variables?: readonly Variable[]
  hasParams?: boolean
  mutates?: boolean
  object?: AnyKind
  params?: AnyKind | undefined
}

/** The expressions of one spec. Variables may use those before them. */
export class Expressions {
  readonly #environment: Environment
  readonly #variables = new Map<string, CompiledExpression>()
  readonly #compiled = new Map<string, CompiledExpression>()

  /**
   * @param spec what the expressions may use; with the kinds of object and parameters, only fields of these
   */
  constructor(spec: ExpressionsSpec = {}) {
    const variableTypes: Record<string, typeof types.string> = {}
    const fieldsOf = new ObjectFields()
    const typeOf = (kind: AnyKind | undefined) => (kind ? fieldsOf.of(kind.schema, 'object') : types.dyn)
    const ofObjects = {
      fieldType: (typeName: string, field: string) => {
        const fields = typeName === 'kubernetes.variables' ? variableTypes : fieldTypes[typeName]
        if (fields === undefined)
          return [namespaceFields, fieldsOf].map(one => one.fieldType(typeName, field)).find(type => type !== null)
        return Object.hasOwn(fields, field) ? fields[field] : undefined
      },
    }
    const objects = spec.mutates ? mutationTypes(ofObjects) : ofObjects
    this.#environment = (spec.mutates ? mutation : kubernetes).extend({
      variables: {
        ...common,
        object: typeOf(spec.object),
        oldObject: typeOf(spec.object),
        ...(spec.variables?.length && { variables: named('variables') }),
        ...(spec.hasParams && { params: typeOf(spec.params) }),
      },
      objects,
    })
    for (const { name, expression } of spec.variables ?? []) {
      if (!expression.trim()) continue
      const compiled = this.compiled(expression)
      this.#variables.set(name, compiled)
      variableTypes[name] = compiled.error === undefined ? compiled.program.type : types.dyn
    }
  }

  compiled(expression: string): CompiledExpression {
    let known = this.#compiled.get(expression)
    if (!known) this.#compiled.set(expression, (known = compile(expression.trim(), this.#environment)))
    return known
  }

  get variables(): ReadonlyMap<string, CompiledExpression> {
    return this.#variables
  }
}

/** The types of results. */
export const resultTypes = {
  condition: [types.bool],
  text: [types.string],
  annotation: [types.string, types.nullType],
  object: [types.object('Object')],
  patch: [types.list(types.object('JSONPatch'))],
} as const

/** Why an expression cannot be used; undefined if it can. */
export function expressionProblem(
  expressions: Expressions,
  expression: string,
  results: readonly (typeof types.dyn)[] | undefined,
): string | undefined {
  const compiled = expressions.compiled(expression)
  if (compiled.error !== undefined) return `${compiled.foundBy} failed: ${compiled.error}`
  const { program } = compiled
  if (!results || results.some(type => types.sameType(program.type, type))) return undefined
  const names = results.map(types.formatType)
  const wanted = names.length === 1 ? names[0] : `one of [${names.join(' ')}]`
  return `must evaluate to ${wanted} but got ${types.formatType(program.type)}`
}
