// Join tokens: how they are written, what is refused, and that the API server takes what is created.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../base/log.ts'
import { openTestServer } from '../apiserver/testing.ts'
import { Client } from '../client/index.ts'
import { readBootstrapToken } from '../kinds/core/bootstrap-token.ts'
import { Namespace } from '../kinds/core/namespace.ts'
import { Secret } from '../kinds/core/secret.ts'
import { UsageError } from './args.ts'
import { createBootstrapToken, joinTokenText, randomText, readJoinToken } from './join-token.ts'

const authority = `sha256:${'0a'.repeat(32)}`

test('a token that was written is read as it was, with the blanks around it that a terminal adds', () => {
  const token = { id: 'abcdef', secret: '0123456789abcdef', authority }
  assert.equal(joinTokenText(token), `abcdef.0123456789abcdef@${authority}`)
  assert.deepEqual(readJoinToken(joinTokenText(token)), token)
  assert.deepEqual(readJoinToken(`  ${joinTokenText(token)}\n`), token)
})

test('a token without its secret is no token, and one without the hash of the authority is not trusted', () => {
  const form = /^a join token has the form abcdef\.0123456789abcdef@sha256:…; create one with: kutter token create$/
  const hash = /^the join token has no hash of the cluster's authority after @sha256:/
  const table: [text: string, message: RegExp][] = [
    ['', form],
    ['abcdef', form],
    [`abcdef@${authority}`, form],
    [`ABCDEF.0123456789abcdef@${authority}`, form],
    [`abcdef.0123456789abcde@${authority}`, form],
    [`abcdef.0123456789abcdef0@${authority}`, form],
    [`abcdef.0123456789abcdef.x@${authority}`, form],
    ['abcdef.0123456789abcdef', hash],
    ['abcdef.0123456789abcdef@', hash],
    ['abcdef.0123456789abcdef@sha256:', hash],
    ['abcdef.0123456789abcdef@sha1:00', hash],
    [`abcdef.0123456789abcdef@${authority}00`, hash],
    [`abcdef.0123456789abcdef@${authority.toUpperCase()}`, hash],
  ]
  for (const [text, message] of table)
    assert.throws(
      () => readJoinToken(text),
      (error: unknown) => error instanceof UsageError && message.test(error.message),
      text,
    )
})

test('random text has letters and digits alone, each about as often as the others', () => {
  const counts = new Map<string, number>()
  for (const sign of randomText(36_000)) counts.set(sign, (counts.get(sign) ?? 0) + 1)
  assert.match([...counts.keys()].sort().join(''), /^0123456789abcdefghijklmnopqrstuvwxyz$/)
  // Each has 1,000 on average, with a deviation of about 31: eight times as much does not happen by chance.
  for (const [sign, count] of counts) assert.ok(Math.abs(count - 1000) < 250, `${sign} ${count} times`)
  assert.equal(randomText(0), '')
})

test('a created token is a Secret that the API server reads as a token to join with', async t => {
  const { admin, serve, clock } = await openTestServer(t)
  await admin.create(Namespace, { metadata: { name: 'kube-system' } })
  const client = new Client({ serve, user: admin.user, userAgent: 'test', clock, log: silentLog })
  t.after(() => client.close())
  const expiresAt = clock.now() + 3_600_000
  const { id, secret } = await createBootstrapToken(client, { description: 'for a test', expiresAt })
  const stored = await admin.get(Secret, `kube-system/bootstrap-token-${id}`)
  const token = readBootstrapToken(stored)!
  assert.deepEqual([token.id, token.secret, token.expiresAt], [id, secret, expiresAt])
  assert.deepEqual([...token.usages].sort(), ['authentication', 'signing'])
  const lasting = await createBootstrapToken(client, { description: 'for ever' })
  assert.notEqual(lasting.id, id)
  const other = await admin.get(Secret, `kube-system/bootstrap-token-${lasting.id}`)
  assert.equal(readBootstrapToken(other)!.expiresAt, undefined)
})
