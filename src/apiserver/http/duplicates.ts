// Finds keys that an object in a JSON body has more than once, of which JSON.parse silently keeps the last. Whether
// there are any is found by counting, and only then the text is read again to find their paths.
import type { Json } from '../../api/schema/node.ts'

/** Limit of duplicates that are reported. */
const maxReported = 100

/** The number of keys in all objects of a value. */
export function countKeys(value: Json): number {
  if (typeof value !== 'object' || value === null) return 0
  let count = 0
  if (Array.isArray(value)) {
    for (const element of value) count += countKeys(element)
    return count
  }
  for (const key in value) count += 1 + countKeys(value[key]!)
  return count
}

/**
 * The paths of duplicate keys, such as `spec.containers[0].image`, in the order of the text.
 * @param text valid JSON
 */
export function duplicatePaths(text: string): string[] {
  const found = new Set<string>()
  const tokens = text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]/gs)
  const stack: Frame[] = []
  // The last string, which is a key if a colon follows.
  let last = ''
  for (const [token] of tokens) {
    const top = stack.at(-1)
    if (token === '{') stack.push({ keys: new Set(), part: '' })
    else if (token === '[') stack.push({ keys: undefined, part: '[0]', index: 0 })
    else if (token === '}' || token === ']') stack.pop()
    else if (token === ',' && top?.index !== undefined) top.part = `[${++top.index}]`
    else if (token === ':' && top?.keys) {
      const key = JSON.parse(last) as string
      top.part = key
      if (top.keys.has(key) && found.size < maxReported) found.add(pathOf(stack))
      top.keys.add(key)
    } else last = token
  }
  return [...found]
}

interface Frame {
  /** The keys that have been read; undefined for an array. */
  keys: Set<string> | undefined
  /** The present part of the path: a key, or an index such as `[3]`. */
  part: string
  index?: number
}

const pathOf = (stack: readonly Frame[]) =>
  stack.reduce((path, { keys, part }) => (keys && path ? `${path}.${part}` : `${path}${part}`), '')
