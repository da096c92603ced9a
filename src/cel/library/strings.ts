// The strings extension: methods of strings that count in characters (code points), and `join` of lists.
// Source: cel-go ext/strings.go, version 2.
import { escapes } from '../../base/go-text.ts'
import { fn, member, plain, type FunctionDecl, type Library, type Overload } from '../functions.ts'
import * as t from '../types.ts'
import type { Type } from '../types.ts'
import { ArrayList, Failure, List, failure, noSuchOverload, stringSize, type Value } from '../values.ts'
import { grow, spend } from '../work.ts'
import { format, type FormatStyle } from './format-string.ts'

/** The characters of a text. */
function characters(text: string): string[] {
  spend(text.length / 4)
  return Array.from(text)
}

const outOfRange = (index: bigint): Failure => failure(`index out of range: ${index}`)

/** At the end of the text there is an empty character. */
function charAt(text: string, index: bigint): Value {
  const all = characters(text)
  if (index < 0n || index > all.length) return outOfRange(index)
  return all[Number(index)] ?? ''
}

/** The position in characters of a position in units of UTF-16. */
const position = (text: string, units: number): bigint => (units < 0 ? -1n : BigInt(stringSize(text.slice(0, units))))

/** The position in units of UTF-16 of a position in characters; undefined when it is not in the text. */
function unitsAt(text: string, index: bigint): number | undefined {
  if (index < 0n || index > text.length) return undefined
  spend(text.length / 8)
  let units = 0
  for (let left = Number(index); left > 0; left--) {
    if (units >= text.length) return undefined
    units += text.codePointAt(units)! > 0xffff ? 2 : 1
  }
  return units
}

function indexOf(text: string, part: string, from = 0n): Value {
  spend(text.length / 8)
  if (part === '') return from < 0n || from > stringSize(text) ? outOfRange(from) : from
  const units = unitsAt(text, from)
  return units === undefined ? outOfRange(from) : position(text, text.indexOf(part, units))
}

function lastIndexOf(text: string, part: string, from?: bigint): Value {
  spend(text.length / 8)
  if (from === undefined) return position(text, text.lastIndexOf(part))
  const units = unitsAt(text, from)
  return units === undefined ? outOfRange(from) : position(text, text.lastIndexOf(part, units))
}

function substring(text: string, start: bigint, end?: bigint): Value {
  const size = BigInt(stringSize(text))
  const last = end ?? size
  if (end !== undefined && start > end) return failure(`invalid substring range. start: ${start}, end: ${end}`)
  if (start < 0n || start > size) return outOfRange(start)
  if (last < 0n || last > size) return outOfRange(last)
  return text.slice(unitsAt(text, start), unitsAt(text, last))
}

/** Replaces from the left, at most `limit` times. An empty part is found around every character. */
function replace(text: string, part: string, by: string, limit = -1n): Value {
  if (limit === 0n) return text
  const pieces = part === '' ? ['', ...characters(text), ''] : text.split(part)
  if (part === '' && text === '') pieces.length = 2
  const count = limit < 0n ? pieces.length - 1 : Math.min(Number(limit), pieces.length - 1)
  if (count === 0) return text
  const tooLarge = grow(text.length + count * by.length)
  if (tooLarge) return tooLarge
  const rest = pieces.slice(count)
  return pieces.slice(0, count).join(by) + by + (part === '' ? rest.join('') : rest.join(part))
}

/** At most `limit` parts, the last of which is the rest. An empty separator gives the characters. */
function split(text: string, by: string, limit = -1n): Value {
  if (limit === 0n) return new ArrayList([])
  const pieces = by === '' ? characters(text) : text.split(by)
  spend(text.length / 8 + pieces.length)
  if (limit < 0n || limit >= pieces.length) return new ArrayList(pieces)
  const kept = Number(limit) - 1
  return new ArrayList([...pieces.slice(0, kept), pieces.slice(kept).join(by)])
}

function join(list: Value, by = ''): Value {
  if (!(list instanceof List)) return noSuchOverload()
  const parts: string[] = []
  let size = 0
  for (const element of list) {
    if (typeof element !== 'string') return element instanceof Failure ? element : noSuchOverload()
    size += element.length + by.length
    const tooLarge = grow(size)
    if (tooLarge) return tooLarge
    parts.push(element)
    spend(1)
  }
  return parts.join(by)
}

/** The text as a literal: in quotes, with escapes; what is no character becomes the replacement character. */
const quote = (text: string): Value =>
  grow(2 * text.length + 2) ?? `"${Array.from(text.toWellFormed(), c => escapes[c] ?? c).join('')}"`

// White space by Unicode, as Go and Java have it.
const space = '[\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]'
const leading = new RegExp(`^${space}+`)
const isSpace = new RegExp(space)

function trim(text: string): string {
  spend(text.length / 8)
  let end = text.length
  while (end > 0 && isSpace.test(text[end - 1]!)) end--
  return text.slice(0, end).replace(leading, '')
}

type Run = (text: never, ...more: never[]) => Value
/** A method of a string. */
const method = (id: string, args: readonly Type[], result: Type, run: Run): Overload =>
  member(id, [t.string, ...args], result, (text, ...more) => {
    spend((text as string).length / 16)
    return run(...([text, ...more] as [never, ...never[]]))
  })

const ascii = (change: (letters: string) => string, letters: RegExp) => (text: string) => text.replace(letters, change)

/** The extension, with `format` in one of its two styles. */
export const stringsWith = (style: FormatStyle): Library => ({
  name: 'cel.lib.ext.strings',
  functions: [
    ...functions,
    fn(
      'format',
      member('string_format', [t.string, t.list(t.dyn)], t.string, (text, args) =>
        args instanceof List ? format(text as string, args, style) : noSuchOverload(),
      ),
    ),
  ],
})

const functions: readonly FunctionDecl[] = [
  fn('charAt', method('string_char_at_int', [t.int], t.string, charAt)),
  fn(
    'indexOf',
    method('string_index_of_string', [t.string], t.int, indexOf),
    method('string_index_of_string_int', [t.string, t.int], t.int, indexOf),
  ),
  fn(
    'lastIndexOf',
    method('string_last_index_of_string', [t.string], t.int, lastIndexOf),
    method('string_last_index_of_string_int', [t.string, t.int], t.int, lastIndexOf),
  ),
  fn(
    'join',
    member('list_join', [t.list(t.string)], t.string, list => join(list)),
    member('list_join_string', [t.list(t.string), t.string], t.string, (list, by) => join(list, by as string)),
  ),
  fn(
    'lowerAscii',
    method(
      'string_lower_ascii',
      [],
      t.string,
      ascii(c => c.toLowerCase(), /[A-Z]+/g),
    ),
  ),
  fn(
    'upperAscii',
    method(
      'string_upper_ascii',
      [],
      t.string,
      ascii(c => c.toUpperCase(), /[a-z]+/g),
    ),
  ),
  fn(
    'replace',
    method('string_replace_string_string', [t.string, t.string], t.string, replace),
    method('string_replace_string_string_int', [t.string, t.string, t.int], t.string, replace),
  ),
  fn(
    'split',
    method('string_split_string', [t.string], t.list(t.string), split),
    method('string_split_string_int', [t.string, t.int], t.list(t.string), split),
  ),
  fn(
    'substring',
    method('string_substring_int', [t.int], t.string, substring),
    method('string_substring_int_int', [t.int, t.int], t.string, substring),
  ),
  fn('trim', method('string_trim', [], t.string, trim)),
  fn(
    'strings.quote',
    plain('strings_quote', [t.string], t.string, text => quote(text as string)),
  ),
]
