import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ServerList } from './server-list.ts'

const scratch = mkdtempSync(join(tmpdir(), 'kutter-servers-'))
after(() => rmSync(scratch, { recursive: true }))

test('a node stays with a server until it is lost, and comes round to the first again', async () => {
  const list = new ServerList(join(scratch, 'a', 'servers'), ['https://one'])
  list.leave('https://one')
  assert.equal(list.current, 'https://one')
  await list.learn(['https://two', 'https://one', 'https://three'])
  assert.equal(list.current, 'https://one')
  const seen = [1, 2, 3].map(() => {
    list.leave(list.current)
    return list.current
  })
  assert.deepEqual(seen, ['https://three', 'https://two', 'https://one'])
  // A late report of one that was left already changes nothing.
  list.leave('https://two')
  assert.equal(list.current, 'https://one')
})

test('a single server is reached as it was given', async () => {
  const file = join(scratch, 'single')
  const list = new ServerList(file, ['https://one'])
  await list.learn(['https://inner', 'https://other'])
  await list.learn(['https://inner'])
  list.leave('https://one')
  assert.equal(list.current, 'https://one')
})

test('what was learned is there at the next start, and no news or a damaged file do no harm', async () => {
  const file = join(scratch, 'servers')
  const first = new ServerList(file, ['https://one'])
  await first.learn(['https://two', 'https://one'])
  await first.learn([])
  const second = new ServerList(file, ['https://one'])
  second.leave('https://one')
  assert.equal(second.current, 'https://two')
  for (const text of ['', '{', '{}', '[1, "http://x"]']) {
    writeFileSync(file, text)
    const damaged = new ServerList(file, ['https://one'])
    damaged.leave('https://one')
    assert.equal(damaged.current, 'https://one')
  }
})
