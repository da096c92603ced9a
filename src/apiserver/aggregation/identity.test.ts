// A user as headers, and headers as a user again.
import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { headersOf, userOf } from './identity.ts'

/** As Node.js shows headers as they came, each value in a line of its own. */
const received = (headers: Record<string, string | string[]>) =>
  Object.entries(headers).flatMap(([name, value]) => [value].flat().flatMap(one => [name.toUpperCase(), one]))

test('a user comes back from its headers as it was, in any script', () => {
  for (const user of [
    { name: 'jane', groups: [] },
    { name: 'jörg 日本', uid: 'u-1', groups: ['a', 'b, system:masters'], extra: { 'example.com/scope%': ['x', 'ÿ'] } },
  ])
    deepStrictEqual(userOf(received(headersOf(user))), user)
})

test('names of headers are tokens, and values are bytes', () => {
  const headers = headersOf({ name: 'ö', groups: ['g'], extra: { 'a/b c': ['v'] } })
  deepStrictEqual(headers, { 'x-remote-user': 'Ã¶', 'x-remote-group': ['g'], 'x-remote-extra-a%2Fb%20c': ['v'] })
})

test('without a name there is no user, and a key that is not encoded counts as it stands', () => {
  strictEqual(userOf(['x-remote-group', 'system:masters']), undefined)
  strictEqual(userOf(['x-remote-user', '']), undefined)
  deepStrictEqual(userOf(['x-remote-user', 'a', 'x-remote-extra-50%', 'v'])?.extra, { '50%': ['v'] })
})
