// Names of fields as names in expressions: `a-b` is `a__dash__b`, `in` is `__in__`.
// Source: apiserver pkg/cel/escaping.go.

const reserved = new Set(
  (
    'true false null in as break const continue else for function if import let loop package namespace return ' +
    'var void while'
  ).split(' '),
)
const escapes: Readonly<Record<string, string>> = {
  __: '__underscores__',
  '.': '__dot__',
  '-': '__dash__',
  '/': '__slash__',
}
const unescapes: Readonly<Record<string, string>> = { underscores: '__', dot: '.', dash: '-', slash: '/' }

export const isReserved = (name: string): boolean => reserved.has(name)

/** The name in expressions; undefined for a field that has none. */
export function escapeField(field: string): string | undefined {
  if (reserved.has(field)) return `__${field}__`
  if (!/^[A-Za-z_.\-/][A-Za-z0-9_.\-/]*$/.test(field)) return undefined
  return field.replace(/__|[.\-/]/g, part => escapes[part]!)
}

/** The field that a name in an expression means; undefined when it is no escaped name. */
export function unescapeField(name: string): string | undefined {
  let isValid = true
  const field = name.replace(/__([^_]+)__/g, (whole, word: string) => {
    if (Object.hasOwn(unescapes, word)) return unescapes[word]!
    if (!reserved.has(word) || whole.length !== name.length) isValid = false
    return word
  })
  return isValid ? field : undefined
}
