// Paths that name a field of a schema, as `.spec.replicas` or `.spec['a b']`.
// Source: apiextensions-apiserver pkg/apiserver/schema/cel (ValidFieldPath).
import { own } from '../../base/own.ts'
import { oneSchema, type SchemaProps } from './jsonschema.ts'

type Schema = SchemaProps

export type FieldAt = { names: string[]; schema: Schema } | { error: string }

/** The field that `path` leads to, or why it leads to none. `lists`: names in brackets and through lists will do. */
export function fieldAt(path: string, root: Schema, { lists }: { lists: boolean }): FieldAt {
  const names: string[] = []
  let schema = root
  for (let rest = path; rest; ) {
    const [token = '', dotted, quoted] = /^(?:\.([^.[\]]*)|\[(?:'((?:[^'\\]|\\.)*)')?\]?)/.exec(rest) ?? []
    if (!token) return { error: `expected [ or . but got: ${/^[.[\]]|^[^.[\]]+/.exec(rest)![0]}` }
    if (token.startsWith('[') && !lists) return { error: 'array notation is not allowed' }
    rest = rest.slice(token.length)
    const name = dotted ?? quoted?.replace(/\\(.)/g, '$1')
    if (!name && !rest) return { error: 'unexpected end of JSON path' }
    const inner = name ? childOf(schema, name) : undefined
    if (!inner) return { error: 'does not refer to a valid field' }
    names.push(name!)
    schema = inner
  }
  return { names, schema }
}

const childOf = ({ properties, additionalProperties }: Schema, name: string): Schema | undefined =>
  own(properties, name) ?? oneSchema(additionalProperties)
