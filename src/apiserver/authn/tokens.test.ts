// Tokens that are not the cluster's own: of a file, and of a server that is asked.
import { deepStrictEqual, match, strictEqual, throws } from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { VirtualClock } from '../../base/clock.ts'
import { silentLog } from '../../base/log.ts'
import { seededRandom } from '../../base/random.ts'
import { type JsonAnswer, jsonServer, untilSettled } from '../post-json-testing.ts'
import { tokenFile } from './token-file.ts'
import { userOfToken } from './token-source.ts'
import { TokenWebhook } from './token-webhook.ts'

test('a file has tokens, names, uids and groups', async () => {
  const file = tokenFile('# people\nt1,jane,7\nt2,"joe, of ops",8,"dev, ops"\n t3 , ann , 9 , dev\n', 'file')
  deepStrictEqual(await file.userOf('t1'), { name: 'jane', uid: '7', groups: [] })
  deepStrictEqual(await file.userOf('t2'), { name: 'joe, of ops', uid: '8', groups: ['dev', 'ops'] })
  deepStrictEqual(await file.userOf('t3'), { name: 'ann', uid: '9', groups: ['dev'] })
  strictEqual(await file.userOf('t4'), undefined)
  strictEqual(await file.userOf(''), undefined)
})

test('a mistake is named by its line, and no token is repeated', () => {
  for (const text of ['good,a,1\nswordfish,b', 'good,a,1\nswordfish', 'good,a,1\n,b,2', 'good,a,1\nswordfish,"b,2'])
    throws(
      () => tokenFile(text, 'file'),
      (error: Error) => {
        match(error.message, /^file: line 2 must be/)
        return !error.message.includes('swordfish')
      },
    )
})

async function webhookOf(t: TestContext, answer: (token: string) => JsonAnswer) {
  const { poster, asked } = await jsonServer<{ spec: { token: string } }>(t, ({ spec }) => answer(spec.token))
  const clock = new VirtualClock()
  const around = { clock, random: seededRandom(1), log: silentLog, signal: new AbortController().signal }
  const options = { poster, audiences: ['kutter'], keptMs: 120_000, ...around }
  return { asked, clock, webhook: new TokenWebhook(options) }
}

test('a server names the user of a token, once for a while', async t => {
  const { webhook, asked, clock } = await webhookOf(t, token => ({
    body:
      token === 'good'
        ? {
            status: {
              authenticated: true,
              user: { username: 'jane', uid: '7', groups: ['dev', 1], extra: { a: ['b'] } },
            },
          }
        : { status: { authenticated: false, user: { username: 'jane' } } },
  }))
  const jane = { name: 'jane', uid: '7', groups: ['dev'], extra: { a: ['b'] } }
  deepStrictEqual(await Promise.all([webhook.userOf('good'), webhook.userOf('good')]), [jane, jane])
  deepStrictEqual(asked as unknown[], [
    {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      metadata: {},
      spec: { token: 'good', audiences: ['kutter'] },
    },
  ])
  strictEqual(await webhook.userOf('bad'), undefined)
  await clock.forward(11_000)
  await webhook.userOf('good')
  strictEqual(asked.length, 2)
  await webhook.userOf('bad')
  strictEqual(asked.length, 3)
  await clock.forward(120_000)
  await webhook.userOf('good')
  strictEqual(asked.length, 4)
  deepStrictEqual((await userOfToken([webhook], 'good'))?.groups, ['dev', 'system:authenticated'])
})

test('an answer is not trusted: other audiences, no name, no JSON, an error', async t => {
  const status = (more: object) => ({ body: { status: { authenticated: true, user: { username: 'jane' }, ...more } } })
  const answers: Record<string, { code?: number; body: unknown }> = {
    mine: status({ audiences: ['other', 'kutter'] }),
    other: status({ audiences: ['other'] }),
    nameless: status({ user: {} }),
    odd: { body: [1] },
    truthy: status({ authenticated: 'yes' }),
    failing: { code: 500, body: {} },
  }
  const { webhook, asked, clock } = await webhookOf(t, token => answers[token]!)
  strictEqual((await webhook.userOf('mine'))?.name, 'jane')
  for (const token of ['other', 'nameless', 'odd', 'truthy']) strictEqual(await webhook.userOf(token), undefined, token)
  // A failure is not kept, and leaves the decision to other sources.
  const first = webhook.userOf('failing')
  const [failed] = await untilSettled(clock, Promise.allSettled([first, webhook.userOf('failing')]))
  match(String(failed.status === 'rejected' && failed.reason), /status code 500/)
  strictEqual(asked.length, 10)
  const file = tokenFile('failing,joe,1', 'file')
  strictEqual((await untilSettled(clock, userOfToken([webhook, file], 'failing')))?.name, 'joe')
  strictEqual(asked.length, 15)
  // One that passes is not noticed.
  const later = untilSettled(clock, webhook.userOf('failing'))
  answers.failing = status({})
  strictEqual((await later)?.name, 'jane')
})
