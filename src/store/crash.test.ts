// kill -9 at any moment loses no acknowledged write. A writer process is killed again and again in the middle of its
// writes, and each time the store must open and hold what was acknowledged. (The kernel keeps what a dead process
// wrote. That fdatasync comes before the acknowledgement is the promise of SQLite.)
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { crashValue, readCount } from './crash-writer.ts'
import { openEmbeddedStore } from './index.ts'

const kills = Number(process.env.KUTTER_CRASH_KILLS ?? 120)
const scratch = mkdtempSync(join(tmpdir(), 'kutter-crash-'))
after(() => rmSync(scratch, { recursive: true }))

interface Acknowledged {
  count: number
  revision: number
  deleted: boolean
}

describe('a killed writer', { concurrency: true }, () => {
  for (const compacts of [false, true])
    test(`${kills / 2} kills ${compacts ? 'during compactions ' : ''}lose nothing`, async () => {
      const directory = join(scratch, `${compacts}`)
      const known = new Map<string, Acknowledged>()
      let revision = 0
      for (let kill = 0; kill < kills / 2; kill++) {
        await writeUntilKilled(directory, compacts, 20 + ((kill * 53) % 200), known)
        revision = await verify(directory, known, revision)
      }
      assert.ok(revision > kills, `only ${revision} writes were made`)
    })
})

/** Kills the writer soon after `lines` acknowledged writes. */
async function writeUntilKilled(directory: string, compacts: boolean, lines: number, known: Map<string, Acknowledged>) {
  const program = join(import.meta.dirname, 'crash-writer.ts')
  const counts = Object.fromEntries([...known].map(([key, { count }]) => [key, count]))
  const args = [program, directory, compacts ? 'compact' : 'keep', JSON.stringify(counts), `${lines}`]
  const file = `${directory}.acknowledged`
  const descriptor = openSync(file, 'w')
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit', descriptor],
    env: { ...process.env, NODE_COMPILE_CACHE: join(scratch, 'cache') },
  })
  closeSync(descriptor)
  child.stdout!.on('data', () => child.kill('SIGKILL'))
  const signal = await new Promise(resolve => child.on('close', (_code, by) => resolve(by)))
  assert.equal(signal, 'SIGKILL', 'the writer ended by itself')
  for (const line of readFileSync(file, 'utf8').split('\n').slice(0, -1)) {
    const [key, count, revision, deleted] = line.split(' ')
    known.set(key!, { count: Number(count), revision: Number(revision), deleted: deleted !== undefined })
  }
}

async function verify(directory: string, known: Map<string, Acknowledged>, before: number): Promise<number> {
  const store = await openEmbeddedStore(directory)
  try {
    const revision = await store.revision()
    assert.ok(revision >= before, `revision went back from ${before} to ${revision}`)
    for (const [key, acknowledged] of known) {
      const entry = await store.get(key)
      assert.ok(acknowledged.revision <= revision, `${key} was acknowledged at ${acknowledged.revision} of ${revision}`)
      if (!entry) {
        // The key may be absent by the acknowledged deletion, or by a later one that was durable and not yet
        // acknowledged.
        assert.ok(
          acknowledged.deleted || acknowledged.count % 10 === 9,
          `${key} is gone: ${JSON.stringify(acknowledged)}`,
        )
        continue
      }
      const count = readCount(entry.value)
      assert.ok(
        count === acknowledged.count || count === acknowledged.count + 1,
        `${key}: ${count}, ${acknowledged.count}`,
      )
      if (count === acknowledged.count) assert.equal(entry.revision, acknowledged.revision)
      assert.deepEqual(Buffer.from(entry.value), Buffer.from(crashValue(key, count)))
    }
    return revision
  } finally {
    await store.close()
  }
}
