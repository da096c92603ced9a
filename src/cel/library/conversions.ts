// The conversions between types as functions: `int(x)`, `string(x)`, `type(x)`, `dyn(x)`.
// Source: cel-spec doc/langdef.md, "List of Standard Definitions".
import { toBool, toBytes, toDouble, toDuration, toInt, toText, toTimestamp, toUint } from '../convert.ts'
import { fn, plain, type FunctionDecl, type Implementation } from '../functions.ts'
import * as t from '../types.ts'
import type { Type } from '../types.ts'
import { TypeValue, typeName } from '../values.ts'

/** The function `name`, from each of the types; identifiers are `FROM_to_NAME`. */
function conversion(name: string, id: string, to: Type, run: Implementation, from: Readonly<Record<string, Type>>) {
  return fn(name, ...Object.entries(from).map(([word, type]) => plain(`${word}_to_${id}`, [type], to, run)))
}

// A conversion to the type that a value has already is allowed: generated expressions need not look.
export const conversions: readonly FunctionDecl[] = [
  conversion('bool', 'bool', t.bool, toBool, { bool: t.bool, string: t.string }),
  conversion('bytes', 'bytes', t.bytes, toBytes, { bytes: t.bytes, string: t.string }),
  conversion('double', 'double', t.double, toDouble, {
    double: t.double,
    int64: t.int,
    string: t.string,
    uint64: t.uint,
  }),
  conversion('duration', 'duration', t.duration, toDuration, {
    duration: t.duration,
    int64: t.int,
    string: t.string,
  }),
  conversion('int', 'int64', t.int, toInt, {
    int64: t.int,
    double: t.double,
    duration: t.duration,
    string: t.string,
    timestamp: t.timestamp,
    uint64: t.uint,
  }),
  conversion('string', 'string', t.string, toText, {
    string: t.string,
    bool: t.bool,
    bytes: t.bytes,
    double: t.double,
    duration: t.duration,
    int64: t.int,
    timestamp: t.timestamp,
    uint64: t.uint,
  }),
  conversion('timestamp', 'timestamp', t.timestamp, toTimestamp, {
    timestamp: t.timestamp,
    int64: t.int,
    string: t.string,
  }),
  conversion('uint', 'uint64', t.uint, toUint, { uint64: t.uint, double: t.double, int64: t.int, string: t.string }),
  fn(
    'dyn',
    plain('to_dyn', [t.param('A')], t.dyn, x => x),
  ),
  fn(
    'type',
    plain('type', [t.param('A')], t.typeOfType(t.param('A')), x => new TypeValue(typeName(x))),
  ),
]
