// The types of the Common Expression Language (CEL), as the checker computes with them and as its messages print them.
// Source: cel-spec doc/langdef.md, "Values"; cel-go checker/format.go.

export type Kind =
  | 'dyn'
  | 'error'
  | 'bool'
  | 'int'
  | 'uint'
  | 'double'
  | 'string'
  | 'bytes'
  | 'null'
  | 'timestamp'
  | 'duration'
  | 'list'
  | 'map'
  | 'type'
  | 'object'
  | 'opaque'
  | 'param'
  | 'wrapper'

/**
 * A type. `name` is what the type is called at run time, in `type(x)`; for an object it is the name that the caller's
 * resolver takes, for a parameter the name of the parameter. `params` are the elements of a list, the keys and values
 * of a map, the parameters of an opaque type, the value that a wrapper or an optional may hold.
 */
export interface Type {
  readonly kind: Kind
  readonly name: string
  readonly params: readonly Type[]
}

const simple = (kind: Kind, name: string = kind): Type => ({ kind, name, params: [] })

export const dyn = simple('dyn')
/** What an expression has that could not be checked: assignable to everything, so that one fault has one message. */
export const errorType = simple('error', '!error!')
export const bool = simple('bool')
export const int = simple('int')
export const uint = simple('uint')
export const double = simple('double')
export const string = simple('string')
export const bytes = simple('bytes')
export const nullType = simple('null', 'null_type')
export const timestamp = simple('timestamp', 'google.protobuf.Timestamp')
export const duration = simple('duration', 'google.protobuf.Duration')

export const list = (element: Type): Type => ({ kind: 'list', name: 'list', params: [element] })
export const map = (key: Type, value: Type): Type => ({ kind: 'map', name: 'map', params: [key, value] })
/** The type of types: of `int` as an expression, for instance. */
export const typeOfType = (target?: Type): Type => ({ kind: 'type', name: 'type', params: target ? [target] : [] })
export const object = (name: string): Type => simple('object', name)
export const opaque = (name: string, ...params: Type[]): Type => ({ kind: 'opaque', name, params })
export const optional = (value: Type): Type => opaque('optional_type', value)
export const param = (name: string): Type => simple('param', name)
/** A value or null. Only the conformance tests have it: no schema of Kubernetes makes one. */
export const wrapper = (value: Type): Type => ({ kind: 'wrapper', name: value.name, params: [value] })

export const isOptional = (type: Type): boolean => type.kind === 'opaque' && type.name === 'optional_type'
export const isDynOrError = (type: Type): boolean => type.kind === 'dyn' || type.kind === 'error'

/** How messages print a type: `map(string, list(int))`. */
export function formatType(type: Type): string {
  switch (type.kind) {
    case 'null':
      return 'null'
    case 'timestamp':
    case 'duration':
      return type.kind
    case 'wrapper':
      return `wrapper(${formatType(type.params[0]!)})`
    default:
      return type.params.length ? `${type.name}(${type.params.map(formatType).join(', ')})` : type.name
  }
}

/** How messages print what a function was applied to: `(int, string)`, or `string.(int)` for a method. */
export function formatCall(args: readonly Type[], isMember: boolean): string {
  const texts = args.map(formatType)
  return isMember ? `${texts[0]}.(${texts.slice(1).join(', ')})` : `(${texts.join(', ')})`
}

export function sameType(a: Type, b: Type): boolean {
  if (a === b) return true
  return (
    a.kind === b.kind &&
    a.name === b.name &&
    a.params.length === b.params.length &&
    a.params.every((p, i) => sameType(p, b.params[i]!))
  )
}
