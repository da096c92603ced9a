// The clauses of a format string, and the check of calls that are all constant: `'%d'.format(['a'])` is refused when it
// is compiled.
// Source: cel-go ext/formatting.go, parseFormatString, stringFormatValidator.
import type { Call, Node } from '../ast.ts'
import { Failure, failure } from '../values.ts'
import type { Kind, Type } from '../types.ts'
import type { Issue } from '../issues.ts'

/** A part of a format string: text that stands for itself, or a clause. */
export type FormatPart = string | { readonly verb: string; readonly precision?: number } | Failure

const truncated = 'unexpected end of string'

/** The parts in their order. What is no clause is a failure, after which nothing follows. */
export function* partsOf(format: string): Generator<FormatPart> {
  let end = 0
  for (const match of format.matchAll(/%(?:%|(\.\d*)?(.)?)/gsu)) {
    const [whole, precision, verb] = match
    if (match.index > end) yield format.slice(end, match.index)
    end = match.index + whole.length
    if (whole === '%%') yield '%'
    else yield clauseOf(precision, verb)
  }
  if (end < format.length) yield format.slice(end)
}

function clauseOf(precision: string | undefined, verb: string | undefined): FormatPart {
  const fault = (text: string) => failure(`could not parse formatting clause: ${text}`)
  if (precision === undefined && verb === undefined) return failure(truncated)
  if (verb === undefined) return fault('error while parsing precision: could not find end of precision specifier')
  if (precision !== undefined && !(Number(precision.slice(1) || NaN) <= maxPrecision)) {
    const reason = precision === '.' ? 'invalid syntax' : 'value out of range'
    return fault(
      `error while parsing precision: error while converting precision to integer: strconv.Atoi: parsing "${precision.slice(1)}": ${reason}`,
    )
  }
  // Upstream looks at the first byte alone.
  if (!Object.hasOwn(complaints, verb.toLowerCase()) || (verb !== 'X' && verb !== verb.toLowerCase()))
    return fault(`unrecognized formatting clause "${Buffer.from(verb).toString('latin1')[0]!}"`)
  return precision === undefined ? { verb } : { verb, precision: Number(precision.slice(1)) }
}

/** Digits after the point that a clause may ask for. Upstream takes any number. */
const maxPrecision = 100

/** What is said about a value that a clause does not take. */
export const complaints: Readonly<Record<string, string>> = {
  b: 'only integers and bools can be formatted as binary, was given ',
  d: 'decimal clause can only be used on integers, was given ',
  e: 'scientific clause can only be used on doubles, was given ',
  f: 'fixed-point clause can only be used on doubles, was given ',
  o: 'octal clause can only be used on integers, was given ',
  s: 'string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given ',
  x: 'only integers, byte buffers, and strings can be formatted as hex, was given ',
}

const scalars: readonly Kind[] = ['int', 'uint', 'double', 'bool', 'string', 'bytes', 'timestamp', 'duration', 'null']
const accepted: Readonly<Record<string, ReadonlySet<Kind>>> = {
  b: new Set(['int', 'uint', 'bool']),
  d: new Set(['int', 'uint']),
  // Some doubles have names.
  e: new Set(['double', 'string']),
  f: new Set(['double', 'string']),
  o: new Set(['int', 'uint']),
  s: new Set([...scalars, 'list', 'map', 'type']),
  x: new Set(['int', 'uint', 'string', 'bytes']),
}

/** What is wrong with a call whose format and list of arguments are written out; undefined for any other call. */
export function faultOfFormat(call: Call): Issue | undefined {
  const [list] = call.args
  const { target } = call
  if (call.name !== 'format' || target?.kind !== 'constant' || typeof target.value !== 'string') return undefined
  if (call.args.length !== 1 || list?.kind !== 'list') return undefined
  const { elements } = list
  let count = 0
  for (const part of partsOf(target.value)) {
    if (typeof part === 'string') continue
    const element = elements[count++]
    const isTruncated = part instanceof Failure && part.message === truncated
    if (!element && !isTruncated) return { at: call.at, message: `index ${count - 1} out of range` }
    if (part instanceof Failure) return { at: call.at, message: part.message }
    const refused = refusedBy(part.verb.toLowerCase(), element!)
    if (refused) {
      const message = `error during formatting: ${complaints[part.verb.toLowerCase()]}${refused.type!.name}`
      return { at: refused.at, message }
    }
  }
  return count < elements.length
    ? {
        at: call.at,
        message: `too many arguments supplied to string.format (expected ${count}, got ${elements.length})`,
      }
    : undefined
}

/** The expression that a clause does not take: the argument, or for `%s` one within it. */
function refusedBy(verb: string, node: Node): Node | undefined {
  if (!accepted[verb]!.has(kindOf(node.type!)) && node.type!.kind !== 'dyn') return node
  if (verb !== 's') return undefined
  const inner =
    node.kind === 'list' ? node.elements : node.kind === 'map' ? node.entries.flatMap(e => [e.key, e.value]) : []
  for (const child of inner) {
    const refused = refusedBy(verb, child)
    if (refused) return refused
  }
  return undefined
}

const kindOf = (type: Type): Kind => (type.kind === 'wrapper' ? type.params[0]!.kind : type.kind)
