// Formats values as Go prints them, for messages that must be the same as those of Kubernetes.
// Source: strconv.Quote, fmt (%v of maps and slices).

/** The escapes of Go's literals, by the character that they stand for. CEL has the same. */
export const escapes: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
}
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u
const plain = /^[ !#-[\]-~]*$/

/** A string in double quotes with escapes, like Go's %q. */
export function goQuote(text: string): string {
  if (plain.test(text)) return `"${text}"`
  const quoted = Array.from(text, c => escapes[c] ?? (printable.test(c) ? c : escaped(c.codePointAt(0)!)))
  return `"${quoted.join('')}"`
}

function escaped(code: number): string {
  const hex = (digits: number) => code.toString(16).padStart(digits, '0')
  if (code < 0x80) return `\\x${hex(2)}`
  return code < 0x10000 ? `\\u${hex(4)}` : `\\U${hex(8)}`
}

/** A JSON value like Go's %v, with sorted keys: `map[a:1 b:[x y]]`. */
export function goValue(value: unknown): string {
  if (value === null || value === undefined) return '<nil>'
  if (Array.isArray(value)) return `[${value.map(goValue).join(' ')}]`
  if (typeof value !== 'object') return String(value as string | number | bigint | boolean)
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `map[${entries.map(([key, inner]) => `${key}:${goValue(inner)}`).join(' ')}]`
}

/** Go's type for decoded JSON, as its messages name it. Whole numbers are integers. */
export function goTypeOf(json: unknown): string {
  if (json === null || json === undefined) return '<nil>'
  if (Array.isArray(json)) return '[]interface {}'
  switch (typeof json) {
    case 'object':
      return 'map[string]interface {}'
    case 'number':
      return Number.isInteger(json) ? 'int64' : 'float64'
    case 'bigint':
      return 'int64'
    case 'boolean':
      return 'bool'
    default:
      return 'string'
  }
}

/** What Go's JSON decoder says of a value where an object should be. */
export function notAnObject(json: unknown): string {
  const what = Array.isArray(json) ? 'array' : typeof json === 'boolean' ? 'bool' : typeof json
  return `json: cannot unmarshal ${what} into Go value of type map[string]interface {}`
}
