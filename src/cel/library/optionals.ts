// Optional values: `optional.of(x)`, `a.?b`, `x.orValue(y)`.
// Source: cel-go cel/library.go, optionalLib.
import { fn, member, plain, type Implementation, type Library } from '../functions.ts'
import { indexInto, optionalIndexInto } from '../select.ts'
import * as t from '../types.ts'
import {
  ArrayList,
  Duration,
  List,
  Mapping,
  Opaque,
  Optional,
  Timestamp,
  Uint,
  failure,
  noSuchOverload,
  type Value,
} from '../values.ts'

const v = t.param('V')
const k = t.param('K')
const optionalV = t.optional(v)
const optionalList = t.optional(t.list(v))
const optionalMap = t.optional(t.map(k, v))

/** Whether a value is the default of its type: such a one is none to `optional.ofNonZeroValue`. */
function isZero(value: Value): boolean {
  if (value instanceof Uint) return value.value === 0n
  if (value instanceof Uint8Array) return value.length === 0
  if (value instanceof List || value instanceof Mapping) return value.size === 0
  if (value instanceof Timestamp || value instanceof Duration) return value.nanos === 0n
  if (value instanceof Optional) return value.value === undefined || isZero(value.value)
  if (value instanceof Opaque) return false
  return value === null || value === false || value === 0n || value === 0 || value === ''
}

/** A method of an optional. */
const onOptional =
  (run: (optional: Optional, other: Value) => Value): Implementation =>
  (optional, other) =>
    optional instanceof Optional ? run(optional, other ?? null) : noSuchOverload()

/** Evaluated by the compiler, which does not look at the alternative where it is not needed. */
const alternative: Implementation = () => failure('evaluated by the compiler')

const index: Implementation = (operand, key) => indexInto(operand, key)

export const optionals: Library = {
  name: 'optional',
  macros: ['optional'],
  types: [t.optional(t.dyn)],
  functions: [
    fn(
      'optional.of',
      plain('optional_of', [v], optionalV, value => new Optional(value)),
    ),
    fn(
      'optional.ofNonZeroValue',
      plain('optional_ofNonZeroValue', [v], optionalV, value => new Optional(isZero(value) ? undefined : value)),
    ),
    fn(
      'optional.none',
      plain('optional_none', [], optionalV, () => new Optional()),
    ),
    fn('optional.unwrap', plain('optional_unwrap', [t.list(optionalV)], t.list(v), unwrap)),
    fn('unwrapOpt', member('optional_unwrapOpt', [t.list(optionalV)], t.list(v), unwrap)),
    fn(
      'value',
      member(
        'optional_value',
        [optionalV],
        v,
        onOptional(({ value }) => value ?? (value === null ? null : failure('optional.none() dereference'))),
      ),
    ),
    fn(
      'hasValue',
      member(
        'optional_hasValue',
        [optionalV],
        t.bool,
        onOptional(({ value }) => value !== undefined),
      ),
    ),
    fn('or', member('optional_or_optional', [optionalV, optionalV], optionalV, alternative)),
    fn('orValue', member('optional_orValue_value', [optionalV, v], v, alternative)),
    fn('_?._', plain('select_optional_field', [t.dyn, t.string], optionalV, optionalIndexInto)),
    fn(
      '_[?_]',
      plain('list_optindex_optional_int', [t.list(v), t.int], optionalV, optionalIndexInto),
      plain('optional_list_optindex_optional_int', [optionalList, t.int], optionalV, optionalIndexInto),
      plain('map_optindex_optional_value', [t.map(k, v), k], optionalV, optionalIndexInto),
      plain('optional_map_optindex_optional_value', [optionalMap, k], optionalV, optionalIndexInto),
    ),
    fn(
      '_[_]',
      plain('optional_list_index_int', [optionalList, t.int], optionalV, index),
      plain('optional_map_index_value', [optionalMap, k], optionalV, index),
    ),
  ],
}

/** The values of a list of optionals that have one. */
function unwrap(list: Value): Value {
  if (!(list instanceof List)) return noSuchOverload()
  const items: Value[] = []
  for (const element of list) {
    if (!(element instanceof Optional)) return noSuchOverload()
    if (element.value !== undefined) items.push(element.value)
  }
  return new ArrayList(items)
}
