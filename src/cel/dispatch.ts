// Chooses an overload by the values of the arguments, for calls that the checker could not decide.
// Source: cel-go common/decls/decls.go, matchesRuntimeSignature.
import type { Implementation, Overload } from './functions.ts'
import { isOptional, type Type } from './types.ts'
import { Failure, List, failure, typeName, type Mapping, type Value } from './values.ts'

/** A function that runs the first overload that takes its arguments. */
export const dispatch = (name: string, overloads: readonly Overload[]): Implementation => {
  const isOperator = /^[_@!-]/.test(name)
  return (...args) => {
    const overload = overloads.find(o => o.unguarded || o.args.every((type, i) => takes(type, args[i]!)))
    if (overload) return overload.run(...args)
    return failure(isOperator ? 'no such overload' : `no such overload: ${name}(${args.map(typeName).join(', ')})`)
  }
}

/** Whether a value is of a type, as far as one look says: of a list or a map, what comes first decides. */
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
    case 'list':
      return value instanceof List && (value.size === 0 || takesInner(type.params[0]!, value.at(0)))
    case 'map':
      return typeName(value) === 'map' && takesEntry(type, value as Mapping)
    default:
      return typeName(value) === type.name
  }
}

function takesEntry({ params: [keyType, valueType] }: Type, map: Mapping): boolean {
  for (const key of map.keys()) return takesInner(keyType!, key) && takesInner(valueType!, map.get(key))
  return true
}

/** What fails is of any type: the function is to see it, and to fail as it does. */
const takesInner = (type: Type, value: Value | Failure | undefined): boolean =>
  value === undefined || value instanceof Failure || takes(type, value)
