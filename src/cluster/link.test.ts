// The supervisor's socket: who may listen, what is sent over it, and what a life line does when it breaks.
import assert from 'node:assert/strict'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { realClock } from '../base/clock.ts'
import { silentLog } from '../base/log.ts'
import { keepLifeline } from './lifeline.ts'
import { ask, listenExclusive, readLines, sendLine, tryConnect } from './link.ts'

async function socketPath(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kutter-link-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  return join(dir, 's.sock')
}

/** A supervisor's end: collects messages, and answers commands with `answer`. */
async function listening(t: TestContext, path: string, answer?: (message: unknown, socket: Socket) => void) {
  const server = (await listenExclusive(path))!
  const messages: unknown[] = []
  const sockets = new Set<Socket>()
  let arrived = () => {}
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    readLines(socket, message => {
      messages.push(message)
      answer?.(message, socket)
      arrived()
    })
  })
  const close = async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise<void>(resolve => server.close(() => resolve()))
  }
  t.after(close)
  const until = async (count: number) => {
    while (messages.length < count) await new Promise<void>(resolve => (arrived = resolve))
    return messages
  }
  return { messages, until, close }
}

test('one supervisor listens, and one that has died leaves its socket to the next', async t => {
  const path = await socketPath(t)
  const first = await listening(t, path)
  assert.equal(await listenExclusive(path), undefined)
  await first.close()
  // A process that was killed leaves the file, which leads to nobody.
  const killed = createServer()
  await new Promise<void>(resolve => killed.listen(`${path}.old`, resolve))
  await rename(`${path}.old`, path)
  await new Promise<void>(resolve => killed.close(() => resolve()))
  assert.equal(await tryConnect(path), undefined)
  const next = await listenExclusive(path)
  assert.ok(next)
  await new Promise<void>(resolve => next.close(() => resolve()))
})

test('a command is answered by a supervisor, and by nothing when there is none', async t => {
  const path = await socketPath(t)
  assert.equal(await ask(path, { command: 'status' }), undefined)
  assert.equal(await tryConnect(path), undefined)
  const state = { supervisor: 7, processes: [], failing: [] }
  const { messages } = await listening(t, path, (_, socket) => sendLine(socket, state))
  assert.deepEqual(await ask(path, { command: 'status' }), state)
  assert.deepEqual(await ask(path, { command: 'reload' }), state)
  assert.deepEqual(messages, [{ command: 'status' }, { command: 'reload' }])
})

test('a supervisor that dies before it answers leaves the command without an answer', async t => {
  const path = await socketPath(t)
  await listening(t, path, (_, socket) => socket.destroy())
  assert.equal(await ask(path, { command: 'stop' }), undefined)
})

test('what is no line of JSON, or too long a one, ends its connection and no other', async t => {
  const path = await socketPath(t)
  const { messages } = await listening(t, path, (message, socket) => sendLine(socket, message))
  const closed = async (text: string) => {
    const socket = (await tryConnect(path))!
    socket.on('error', () => {})
    const ended = new Promise<void>(resolve => socket.once('close', () => resolve()))
    socket.resume()
    socket.write(text)
    await ended
  }
  await closed('what?\n')
  await closed(`{"command":"status","more":"${'x'.repeat(70_000)}"}\n`)
  assert.deepEqual(messages, [])
  assert.deepEqual(await ask(path, { command: 'status' }), { command: 'status' })
})

test('several lines that arrive together, or one in parts, are messages of their own', async t => {
  const path = await socketPath(t)
  const { until } = await listening(t, path)
  const socket = (await tryConnect(path))!
  t.after(() => socket.destroy())
  socket.write('{"a":1}\n{"a":2}\n{"a"')
  await until(2)
  socket.write(':3}\n')
  assert.deepEqual(await until(3), [{ a: 1 }, { a: 2 }, { a: 3 }])
})

test('a life line reports each state, and begins again with the newest one after it broke', async t => {
  const path = await socketPath(t)
  const abort = new AbortController()
  t.after(() => abort.abort())
  const first = await listening(t, path)
  const line = keepLifeline({
    socket: path,
    hello: { role: 'agent', node: 'n1' },
    clock: realClock,
    log: silentLog,
    revive: () => {},
    signal: abort.signal,
  })
  const hello = { role: 'agent', node: 'n1', pid: process.pid, beats: true }
  assert.deepEqual(await first.until(1), [{ ...hello, ready: false }])
  line.report({ ready: true })
  assert.deepEqual((await first.until(2))[1], { ...hello, ready: true })
  await first.close()
  // What changes meanwhile is in the first report to the next supervisor.
  line.report({ ready: true, problem: 'slow disk' })
  const second = await listening(t, path)
  assert.deepEqual((await second.until(1)).at(-1), { ...hello, ready: true, problem: 'slow disk' })
})

test('a server starts another supervisor when none answers, sooner than an agent does', async t => {
  const path = await socketPath(t)
  const abort = new AbortController()
  t.after(() => abort.abort())
  const revived: string[] = []
  let both = () => {}
  const done = new Promise<void>(resolve => (both = resolve))
  for (const role of ['agent', 'server'] as const)
    keepLifeline({
      socket: path,
      hello: { role },
      clock: realClock,
      log: silentLog,
      revive() {
        revived.push(role)
        if (revived.includes('agent')) both()
      },
      signal: abort.signal,
    })
  await done
  assert.equal(revived[0], 'server')
  assert.ok(revived.filter(role => role === 'server').length > 5, revived.join())
})
