import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../base/clock.ts'
import { StatusError } from '../base/errors.ts'
import { silentLog } from '../base/log.ts'
import { passes, patiently } from './patience.ts'

const failure = (code: string) => Object.assign(new Error(code), { code })

test('failures of a busy server are retried, others are not', async () => {
  for (const [error, expected] of [
    [new StatusError('ServiceUnavailable', 'the connection to the server was lost'), true],
    [new StatusError('Timeout', 'the server did not answer'), true],
    [new StatusError('Forbidden', 'no'), false],
    [new Error('cannot reach it', { cause: failure('ECONNRESET') }), true],
    [new Error('cannot reach it', { cause: failure('ETIMEDOUT') }), true],
    [new Error('cannot reach it', { cause: failure('ECONNREFUSED') }), false],
    [new Error('the token is wrong'), false],
  ] as const) {
    assert.equal(passes(error), expected, String(error))
    const clock = new VirtualClock()
    const around = { clock, log: silentLog, signal: new AbortController().signal }
    let calls = 0
    const once = patiently(around, async () => {
      if (calls++ === 0) throw error
      return 'done'
    }).catch(() => 'failed')
    await clock.forward(60_000)
    assert.equal(await once, expected ? 'done' : 'failed', String(error))
    calls = 0
    const never = patiently(around, async () => {
      calls++
      throw error
    }).catch(() => calls)
    await clock.forward(60_000)
    assert.equal(await never, expected ? 4 : 1, String(error))
  }
})
