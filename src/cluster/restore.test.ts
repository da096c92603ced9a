// Which revision a cluster's store goes on with after it was restored or repaired: one that no client has seen, also where
// the store before cannot be read.
import { equal, ok } from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openEmbeddedStore, saveSnapshot } from '../store/index.ts'
import { pathsOf, readConfig } from './config.ts'
import { repairStore, restoreSnapshot } from './restore.ts'

const scratch = mkdtempSync(join(tmpdir(), 'kutter-restore-'))
after(() => rmSync(scratch, { recursive: true }))

test('a store that is restored or repaired again and again never gives a revision that it gave before', async () => {
  const name = 'web'
  const paths = pathsOf(scratch, name)
  mkdirSync(paths.root, { recursive: true })
  const made = { name, port: 6443, podCidrs: [], serviceCidrs: [], nodes: [], nodeCidrs: [], slot: 0 }
  writeFileSync(paths.config, JSON.stringify(made))
  const file = join(scratch, 'a.snapshot')
  let seen = 0
  /** Writes, as a server would, and returns the newest revision, which is new to everybody. */
  const goOn = async (what: string) => {
    const store = await openEmbeddedStore(paths.store)
    const begins = await store.revision()
    ok(begins > seen || seen === 0, `${what}: begins at ${begins}, and ${seen} was seen`)
    for (const key of ['/a', '/b', '/c']) {
      const { revision } = (await store.get(key)) ?? { revision: 'absent' as const }
      seen = await store.put(key, Buffer.from(`${what} `.repeat(2000)), { expect: revision })
    }
    return store
  }
  const store = await goOn('at first')
  await saveSnapshot(store, file, { name, createdAt: '2026-01-01T00:00:00Z' })
  await store.close()
  const restore = async (what: string) => {
    const { revision } = await restoreSnapshot(file, paths, name)
    equal(readConfig(paths)?.restoredAt, revision)
    await (await goOn(what)).close()
  }
  const log = join(paths.store, 'log.db')
  await restore('restored')
  await restore('restored again')
  writeFileSync(log, 'nothing of a store')
  await restore('restored over one that cannot be read')
  writeFileSync(log, 'nothing of a store')
  await restore('the same again')
  rmSync(paths.store, { recursive: true })
  await restore('restored where none is')
  const bytes = readFileSync(log)
  bytes[bytes.indexOf('none is') + 20]! ^= 1
  writeFileSync(log, bytes)
  const { lost } = await repairStore(readConfig(paths)!, paths)
  equal(lost.length, 1)
  await (await goOn('repaired')).close()
})
