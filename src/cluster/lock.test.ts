// Only one command at a time changes a cluster, and of a cluster that was not created nothing stays.
import { deepStrictEqual, ok, rejects, strictEqual } from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { realClock } from '../base/clock.ts'
import { pathsOf } from './config.ts'
import { locked } from './lock.ts'

async function place(t: TestContext) {
  const dataDir = await mkdtemp(join(tmpdir(), 'kutter-lock-'))
  t.after(() => rm(dataDir, { recursive: true, force: true }))
  return pathsOf(dataDir, 'one')
}

test('the second command waits until the first has ended, and reports it', async t => {
  const paths = await place(t)
  const said: string[] = []
  const begun = Promise.withResolvers<void>()
  const waits = Promise.withResolvers<void>()
  const work = (name: string, until: Promise<void>) => async () => {
    begun.resolve()
    await until
    said.push(`${name} ends`)
    await writeFile(paths.config, '{}')
  }
  const first = locked(paths, () => said.push('first waits'), work('first', waits.promise))
  await begun.promise
  const waiting = () => {
    said.push('second waits')
    waits.resolve()
  }
  await Promise.all([first, locked(paths, waiting, work('second', Promise.resolve()))])
  deepStrictEqual(said, ['second waits', 'first ends', 'second ends'])
})

test('a lock in a directory that was removed meanwhile is no lock', async t => {
  const paths = await place(t)
  let inside = 0
  const work = async () => {
    strictEqual(++inside, 1)
    await realClock.sleep(50)
    await rm(paths.root, { recursive: true, force: true })
    inside--
  }
  await Promise.all(Array.from({ length: 4 }, () => locked(paths, () => {}, work)))
})

test('a lock that can never be opened is an error, and not tried for ever', async t => {
  const paths = await place(t)
  await mkdir(join(paths.root, 'command.lock'), { recursive: true })
  await rejects(
    locked(
      paths,
      () => {},
      async () => {},
    ),
    /command\.lock cannot be opened/,
  )
})

test('nothing stays of a cluster that was not created', async t => {
  const paths = await place(t)
  await rejects(
    locked(
      paths,
      () => {},
      async () => {
        ok(existsSync(paths.root))
        throw new Error('no')
      },
    ),
    /no/,
  )
  strictEqual(existsSync(paths.root), false)
})
