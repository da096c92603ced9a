// The directory and the URL of static pods: what is read, when, and what is left out.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { realClock } from '../../base/clock.ts'
import { makeLog } from '../../base/log.ts'
import type { StaticDocument } from './read.ts'
import { directorySource, type StaticSource, urlSource } from './sources.ts'

function follow(t: TestContext, make: (o: Parameters<typeof directorySource>[1]) => StaticSource, everyMs = 60_000) {
  const problems: string[] = []
  const abort = new AbortController()
  t.after(() => abort.abort())
  const seen: (readonly StaticDocument[])[] = []
  let noticed = () => {}
  make({ everyMs, clock: realClock, log: makeLog(line => problems.push(line), 'warn') }).follow(documents => {
    seen.push(documents)
    noticed()
  }, abort.signal)
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise<void>(resolve => (noticed = resolve))
  }
  const texts = () =>
    seen
      .at(-1)
      ?.map(({ text }) => text)
      .join(' ')
  return { seen, problems, until, texts }
}

test('the files of a directory are read at once and after each change, without hidden ones and what is no file', async t => {
  const dir = await mkdtemp(join(tmpdir(), 'static-'))
  t.after(() => rm(dir, { recursive: true }))
  await writeFile(join(dir, 'b.yaml'), 'b')
  await writeFile(join(dir, 'a.yaml'), 'a')
  await writeFile(join(dir, '.hidden'), 'hidden')
  await mkdir(join(dir, 'directory'))
  await symlink('/nowhere', join(dir, 'dangling'))
  const { until, texts } = follow(t, o => directorySource(dir, o))
  await until(() => texts() === 'a b')
  await writeFile(join(dir, '.new'), 'c')
  await rename(join(dir, '.new'), join(dir, 'c.yaml'))
  await until(() => texts() === 'a b c')
  await rm(join(dir, 'a.yaml'))
  await until(() => texts() === 'b c')
})

test('a directory that does not exist is empty, and found when it is made', async t => {
  const dir = await mkdtemp(join(tmpdir(), 'static-'))
  t.after(() => rm(dir, { recursive: true }))
  const path = join(dir, 'later')
  const { until, texts } = follow(t, o => directorySource(path, o), 20)
  await until(() => texts() === '')
  await mkdir(path)
  await writeFile(join(path, 'a'), 'a')
  await until(() => texts() === 'a')
})

test('a URL is asked again and again, and while it fails nothing changes', async t => {
  let answer = { status: 200, text: 'one' }
  const asked: (string | undefined)[] = []
  const server = createServer((request, response) => {
    asked.push(request.headers['x-token']?.toString())
    response.writeHead(answer.status).end(answer.text)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const address = server.address()
  assert.ok(address && typeof address === 'object')
  const url = `http://127.0.0.1:${address.port}/`
  const { until, texts, seen, problems } = follow(t, o => urlSource(url, new Map([['x-token', ['secret']]]), o), 20)
  await until(() => texts() === 'one')
  assert.equal(asked[0], 'secret')
  answer = { status: 500, text: 'broken' }
  const before = asked.length
  while (asked.length < before + 3) await realClock.sleep(5)
  assert.ok(seen.every(documents => documents[0]?.text === 'one'))
  assert.ok(problems.some(line => line.includes('answers with 500')))
  answer = { status: 200, text: 'two' }
  await until(() => texts() === 'two')
})
