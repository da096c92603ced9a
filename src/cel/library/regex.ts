// `find` and `findAll`: the parts of a string that match a regular expression.
// Source: apiserver pkg/cel/library/regex.go.
import { fn, member, type Library } from '../functions.ts'
import { findPattern } from '../pattern.ts'
import * as t from '../types.ts'
import { ArrayList, Failure, failure, type Value } from '../values.ts'

function findAll(text: Value, pattern: Value, limit: Value = -1n): Value {
  const found = find(text, pattern, Number(limit))
  return found instanceof Failure ? found : new ArrayList(found)
}

function find(text: Value, pattern: Value, limit: number): string[] | Failure {
  const found = limit === 0 ? [] : findPattern(text as string, pattern as string, limit)
  return found instanceof Failure ? failure(`Illegal regex: ${found.message}`) : found
}

export const regex: Library = {
  name: 'kubernetes.regex',
  functions: [
    fn(
      'find',
      member('string_find_string', [t.string, t.string], t.string, (text, pattern) => {
        const found = find(text, pattern, 1)
        return found instanceof Failure ? found : (found[0] ?? '')
      }),
    ),
    fn(
      'findAll',
      member('string_find_all_string', [t.string, t.string], t.list(t.string), findAll),
      member('string_find_all_string_int', [t.string, t.string, t.int], t.list(t.string), findAll),
    ),
  ],
}
