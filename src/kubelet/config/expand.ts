// Expands $(NAME) in commands, arguments and values. A reference to an unknown variable stays as it is, and $$ stands
// for a single $. Source: kubernetes third_party/forked/golang/expansion.

export function expand(text: string, lookup: (name: string) => string | undefined): string {
  let out = ''
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== '$' || i + 1 >= text.length) {
      out += text[i]
      continue
    }
    const next = text[i + 1]!
    const end = next === '(' ? text.indexOf(')', i + 2) : -1
    if (next === '$') {
      out += '$'
      i++
    } else if (next === '(' && end < 0) {
      out += '$('
      i++
    } else if (next === '(') {
      const name = text.slice(i + 2, end)
      out += lookup(name) ?? `$(${name})`
      i = end
    } else {
      out += `$${next}`
      i++
    }
  }
  return out
}
