// Chooses an overload by the values of the arguments, for calls that the checker could not decide.
// Source: cel-go common/decls/decls.go, matchesRuntimeSignature.
import type { Implementation, Overload } from './functions.ts'
import { isOptional, type Type } from './types.ts'
import { failure, typeName, type Value } from './values.ts'

/** A function that runs the first overload that takes its arguments. */
export const dispatch = (name: string, overloads: readonly Overload[]): Implementation => {
  const isOperator = /^[_@!-]/.test(name)
  return (...args) => {
    const overload = overloads.find(o => o.args.every((type, i) => takes(type, args[i]!)))
    if (overload) return overload.run(...args)
    return failure(isOperator ? 'no such overload' : `no such overload: ${name}(${args.map(typeName).join(', ')})`)
  }
}

/** Whether a value is of a type, as far as the value alone says: a list is a list, whatever it holds. */
function takes(type: Type, value: Value): boolean {
  switch (type.kind) {
    case 'dyn':
    case 'param':
    case 'error':
      return true
    case 'object':
      return typeName(value) === 'map' || typeName(value) === type.name
    case 'opaque':
      return isOptional(type) ? typeName(value) === 'optional_type' : typeName(value) === type.name
    default:
      return typeName(value) === type.name
  }
}
