// The CEL expressions of an AuthenticationConfiguration: some see the claims of a token, others the user that was made
// of them. Source: apiserver pkg/authentication/cel.
import {
  adaptUntyped,
  compile,
  Failure,
  kubernetes,
  type Program,
  selectsField,
  toJson,
  types,
  type Value,
} from '../../cel/index.ts'

export interface Expression {
  readonly text: string
  readonly program: Program
}

const stringLists = types.map(types.string, types.list(types.string))
const userFields: Readonly<Record<string, typeof types.string>> = {
  username: types.string,
  uid: types.string,
  groups: types.list(types.string),
  extra: stringLists,
}

const environments = {
  claims: kubernetes.extend({ variables: { claims: types.map(types.string, types.dyn) } }),
  user: kubernetes.extend({
    variables: { user: types.object('kubernetes.UserInfo') },
    objects: {
      fieldType: (typeName, field) => {
        if (typeName !== 'kubernetes.UserInfo') return null
        return Object.hasOwn(userFields, field) ? userFields[field] : undefined
      },
    },
  }),
}

/** Compiles an expression about a variable; the error is upstream's. */
export function compileExpression(
  text: string,
  variable: keyof typeof environments,
  result: 'bool' | 'any',
): Expression | { readonly error: string; readonly isInternal: boolean } {
  const compiled = compile(text, environments[variable])
  if (compiled.error !== undefined)
    return { error: `${compiled.foundBy} failed: ${compiled.error}`, isInternal: compiled.foundBy !== 'compilation' }
  if (result === 'bool' && !types.sameType(compiled.program.type, types.bool))
    return { error: 'must evaluate to bool', isInternal: false }
  return { text, program: compiled.program }
}

/** Whether an expression reads `claims.FIELD`. */
export const readsClaim = ({ program }: Expression, field: string): boolean =>
  selectsField(program.node, 'claims', field)

/** The value of an expression. Throws when it fails. */
export function evaluate({ program, text }: Expression, variable: keyof typeof environments, json: unknown): Value {
  const { value } = program.evaluate({ [variable]: adaptUntyped(json) })
  if (value instanceof Failure) throw new Error(`expression '${text}' resulted in error: ${value.message}`)
  return value
}

/**
 * A value as a list: a string is a list of one, and what is null or empty counts as absent. Throws for everything else.
 */
export function stringsOf(value: Value): string[] {
  const json = toJson(value)
  const list = json === null ? [] : typeof json === 'string' ? [json] : json
  if (!Array.isArray(list) || !list.every(one => typeof one === 'string'))
    throw new Error('expression must return a string or a list of strings')
  return list.filter(one => one !== '')
}
