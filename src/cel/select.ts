// Steps into values: fields, indices, and their optional forms.
// Source: cel-go interpreter/attributes.go; cel-spec doc/langdef.md, "Field Selection", "Optional Values".
import {
  Failure,
  List,
  Mapping,
  Optional,
  Uint,
  failure,
  noSuchKey,
  noSuchOverload,
  typeName,
  type Value,
} from './values.ts'

/** A field of a map or object; of an optional, an optional. */
export function selectFrom(operand: Value, field: string): Value {
  if (operand instanceof Mapping) return operand.get(field) ?? missing(operand, field)
  if (operand instanceof Failure) return operand
  if (operand instanceof Optional) return operand.value === undefined ? operand : found(operand.value, field)
  return noSuchOverload()
}

/** Null is a value: only undefined is a key that is not there. */
const missing = (map: Mapping, key: Value): Value => (map.get(key) === null ? null : noSuchKey(key))

/** Whether the field is there. */
export function testField(operand: Value, field: string): Value {
  if (operand instanceof Failure) return operand
  if (operand instanceof Mapping) {
    const value = operand.get(field)
    return value instanceof Failure ? value : value !== undefined
  }
  if (operand instanceof Optional) return operand.value === undefined ? false : testField(operand.value, field)
  return noSuchOverload()
}

/** `a[i]`. Whole numbers of every kind are an index; anything may be a key, and most keys are not there. */
export function indexInto(operand: Value, index: Value): Value {
  if (operand instanceof List) {
    const at = listIndex(index)
    if (at === undefined) return failure(`unsupported index type '${typeName(index)}' in list`)
    return at >= 0 && at < operand.size ? operand.at(at) : failure(`index out of bounds: ${at}`)
  }
  if (operand instanceof Mapping) return operand.get(index) ?? missing(operand, index)
  if (operand instanceof Optional) return operand.value === undefined ? operand : found(operand.value, index)
  return noSuchOverload()
}

/** `a[?i]`: an optional, whether or not `a` is one. */
export function optionalIndexInto(operand: Value, index: Value): Value {
  if (operand instanceof Optional) return operand.value === undefined ? operand : found(operand.value, index)
  return found(operand, index)
}

/** `a.?b`. */
export const optionalSelectFrom = optionalIndexInto

/** The value at a key or index as an optional. */
function found(operand: Value, index: Value): Value {
  if (operand instanceof Mapping) {
    const value = operand.get(index)
    return value instanceof Failure ? value : new Optional(value)
  }
  if (operand instanceof List) {
    const at = listIndex(index)
    if (at === undefined) return failure(`unsupported index type '${typeName(index)}' in list`)
    return at >= 0 && at < operand.size ? present(operand.at(at)) : new Optional()
  }
  return noSuchOverload()
}

const present = (value: Value): Value => (value instanceof Failure ? value : new Optional(value))

/** Any number without a fraction is an index. */
function listIndex(index: Value): number | undefined {
  if (typeof index === 'bigint') return Number(index)
  if (index instanceof Uint) return Number(index.value)
  return typeof index === 'number' && Number.isInteger(index) ? index : undefined
}
