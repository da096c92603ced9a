import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode } from 'dns-packet'
import { lasts } from './upstream.ts'

test('only whole answers are kept, whether the name exists or not', () => {
  const reply = (flags: number) =>
    encode({ type: 'response', id: 1, flags, questions: [{ type: 'A', name: 'example.com' }] })
  const [noError, serverFailure, noName, refused, truncated] = [0, 2, 3, 5, 0x200]
  assert.deepEqual(
    [noError, serverFailure, noName, refused, truncated].map(flags => lasts(reply(flags))),
    [true, false, true, false, false],
  )
})
