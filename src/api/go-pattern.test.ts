// Problems of regular expressions, as Go reports them.
import { equal } from 'node:assert'
import { test } from 'node:test'
import { goPatternError } from './go-pattern.ts'

test('a pattern that Go refuses has the error of Go', () => {
  const table: [pattern: string, error: string | undefined][] = [
    ['^[a-z]([-a-z0-9]*[a-z0-9])?$', undefined],
    ['(?i)(?P<year>\\d{4})|[^]\\]x]+?', undefined],
    ['(', 'missing closing ): `(`'],
    ['a)', 'unexpected ): `a)`'],
    ['[a', 'missing closing ]: `[a`'],
    ['*a', 'missing argument to repetition operator: `*`'],
    ['a|+', 'missing argument to repetition operator: `+`'],
    ['a**', 'invalid nested repetition operator: `**`'],
    ['(?=a)', 'invalid or unsupported Perl syntax: `(?=`'],
    ['(a)\\1', 'invalid escape sequence: `\\1`'],
    ['\\', 'trailing backslash at end of expression: ``'],
    ['[z-a]', 'invalid character class range: `z-a`'],
  ]
  for (const [pattern, error] of table)
    equal(goPatternError(pattern), error && `error parsing regexp: ${error}`, pattern)
})
