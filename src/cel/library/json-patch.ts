// `jsonpatch.escapeKey`: a key as a part of a JSON pointer.
// Source: apiserver pkg/cel/library/jsonpatch.go; RFC 6901.
import { fn, plain, type Library } from '../functions.ts'
import * as t from '../types.ts'
import { grow } from '../work.ts'

export const jsonPatch: Library = {
  name: 'kubernetes.jsonpatch',
  functions: [
    fn(
      'jsonpatch.escapeKey',
      plain(
        'string_jsonpatch_escapeKey_string',
        [t.string],
        t.string,
        key => grow(2 * (key as string).length) ?? (key as string).replaceAll('~', '~0').replaceAll('/', '~1'),
      ),
    ),
  ],
}
