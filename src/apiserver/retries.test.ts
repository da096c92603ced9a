// After which failures a server that decides is asked again, when, and how often.
import { deepStrictEqual, ok, rejects, strictEqual } from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { VirtualClock } from '../base/clock.ts'
import { StatusError } from '../base/errors.ts'
import { seededRandom } from '../base/random.ts'
import { Refused } from './exchange.ts'
import { jsonServer, untilSettled } from './post-json-testing.ts'
import { askPatiently, longestQuestionMs } from './retries.ts'

const failure = (cause: unknown) => new StatusError('ServiceUnavailable', 'failed', { cause })
const refused = (code: number, retryAfter?: string) => failure(new Refused(code, retryAfter))
const broken = (code: string) => failure(Object.assign(new Error(code), { code }))

/** Asks with one failure after another, then with success. `at` has the times of the attempts. */
function asked(failures: readonly Error[], { timeoutMs = 30_000, jitter = 0, tookMs = 0 } = {}) {
  const clock = new VirtualClock(0)
  const ending = new AbortController()
  const at: number[] = []
  const limits: number[] = []
  const random = { ...seededRandom(1), float: () => jitter }
  const answer = askPatiently(
    async ms => {
      at.push(clock.steady())
      limits.push(ms)
      if (tookMs) await clock.sleep(tookMs)
      const error = failures[at.length - 1]
      if (error) throw error
      return 'yes'
    },
    timeoutMs,
    { clock, random, signal: ending.signal },
  )
  answer.catch(() => {})
  return { clock, answer, at, limits, ending }
}

const always = (error: Error) => Array.from({ length: 20 }, () => error)

test('what passes is asked again, with longer and longer waits, five times in all', async () => {
  for (const error of [refused(500), refused(504), refused(429), broken('ECONNRESET'), refused(429, 'soon')]) {
    const once = asked([error])
    await once.clock.forward(longestQuestionMs)
    strictEqual(await once.answer, 'yes')
    deepStrictEqual(once.at, [0, 500])
    const never = asked(always(error))
    await never.clock.forward(longestQuestionMs)
    await rejects(never.answer, error)
    deepStrictEqual(never.at, [0, 500, 1250, 2375, 4063])
  }
  const late = asked(always(refused(500)), { jitter: 0.999 })
  await late.clock.forward(longestQuestionMs)
  deepStrictEqual(late.at, [0, 600, 1500, 2850, 4875])
})

test('what does not pass is not asked again', async () => {
  const lasting = [
    ...[400, 401, 403, 404, 409, 418, 422, 501, 502, 503].map(code => refused(code)),
    ...['ECONNREFUSED', 'ETIMEDOUT', 'ENOTFOUND', 'CERT_HAS_EXPIRED'].map(broken),
    // Only failures of the server may be repeated for its Retry-After.
    refused(403, '1'),
    refused(302, '1'),
    new Error('no answer within 3000 ms'),
    failure(undefined),
  ]
  for (const error of lasting) {
    const { answer, at } = asked([error])
    await rejects(answer, error)
    deepStrictEqual(at, [0])
  }
})

test('Retry-After is waited for, unless it is longer than an answer may take', async () => {
  for (const code of [429, 500, 502, 503]) {
    const { clock, answer, at } = asked([refused(code, '2'), refused(code, '0')], { timeoutMs: 2000 })
    await clock.forward(longestQuestionMs)
    strictEqual(await answer, 'yes')
    deepStrictEqual(at, [0, 2000, 2750])
    const long = asked([refused(code, '3')], { timeoutMs: 2000 })
    await rejects(long.answer)
    deepStrictEqual(long.at, [0])
  }
})

test('all attempts end within a minute, and with the server', async () => {
  const slow = asked(always(refused(500)), { tookMs: 25_000 })
  await slow.clock.forward(3 * longestQuestionMs)
  await rejects(slow.answer)
  deepStrictEqual(slow.at, [0, 25_500, 51_250])
  deepStrictEqual(slow.limits, [30_000, 30_000, longestQuestionMs - 51_250])
  const ended = asked(always(refused(500)))
  await ended.clock.forward(100)
  ended.ending.abort()
  await rejects(ended.answer)
  strictEqual(ended.at.length, 1)
  strictEqual(ended.clock.pending, 0)
})

test('the codes and headers of a server over HTTPS are those that count', async (t: TestContext) => {
  const codes = [503, 500, 429]
  const { poster, asked: bodies } = await jsonServer<object>(t, () => {
    const code = codes.shift()
    return code ? { code, body: {}, headers: { 'retry-after': '1' } } : { body: { is: 'there' } }
  })
  const clock = new VirtualClock()
  const around = { clock, random: seededRandom(1), signal: new AbortController().signal }
  const answer = askPatiently(ms => poster.post({}, ms), 30_000, around)
  deepStrictEqual(await untilSettled(clock, answer), { is: 'there' })
  strictEqual(bodies.length, 4)
  ok(codes.length === 0)
})
