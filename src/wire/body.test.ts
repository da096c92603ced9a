import assert from 'node:assert/strict'
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { bodyOf } from './body.ts'

async function answerOf(t: TestContext, write: (response: ServerResponse) => void): Promise<IncomingMessage> {
  const server = createServer((_, response) => write(response))
  t.after(() => (server.closeAllConnections(), server.close()))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return new Promise((resolve, reject) => {
    const asked = get({ host: '127.0.0.1', port, agent: false }, resolve)
    asked.on('error', reject)
  })
}

test('an answer is read as a whole, up to its limit', async t => {
  const answer = await answerOf(t, response => {
    response.write('abc')
    setTimeout(() => response.end('def'), 20)
  })
  assert.equal((await bodyOf(answer, 6)).toString(), 'abcdef')
})

test('one that is larger ends with its connection, also when it never ends by itself', async t => {
  const answer = await answerOf(t, response => void response.write('abcdefg'))
  await assert.rejects(bodyOf(answer, 6), /^Error: the answer is too long$/)
  assert.ok(answer.destroyed)
})

test('one that breaks off is an error', async t => {
  const answer = await answerOf(t, response => {
    response.writeHead(200, { 'content-length': 10 })
    response.write('abc', () => response.destroy())
  })
  await assert.rejects(bodyOf(answer, 100))
})
