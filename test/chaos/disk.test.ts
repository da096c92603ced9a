// The embedded store on a disk of its own, which becomes full, hangs, and is left and opened again, with clients that write
// and read meanwhile. Everything that clients have seen must be that of one log (history.ts), also after a last start.
// Rounds and seed are those of store.test.ts.
import { deepStrictEqual, ok } from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { realClock } from '../../src/base/clock.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { openEmbeddedStore } from '../../src/store/index.ts'
import type { Store } from '../../src/store/store.ts'
import { below, rounds, runClient, seed } from './clients.ts'
import { type Disk, makeDisk, noDisks } from './disk.ts'
import { type Operation, violations } from './history.ts'

const clients = 6

test('a disk that is full, hangs or is left loses nothing, and doubles nothing', { skip: noDisks }, async () => {
  const random = seededRandom(seed)
  const disk = makeDisk()
  const operations: Operation[] = []
  const faults: Record<string, number> = {}
  let store = await open(disk.path)
  try {
    for (let round = 0; round < rounds; round++) {
      const names = Array.from({ length: clients }, (_, client) => `${round}-${client}`)
      const work = names.map(name => runClient(() => store, name, random, operations))
      const [name, mend] = await fault(random, disk, store, async () => void (store = await open(disk.path)))
      faults[name] = (faults[name] ?? 0) + 1
      await realClock.sleep(below(random, 200))
      await mend()
      await Promise.all(work)
    }
    // What is there after a start counts.
    await store.close()
    store = await open(disk.path)
    const newest = await store.revision()
    const log = await store.changes('', { after: 0, upTo: newest, limit: newest })
    deepStrictEqual(violations(log, operations).slice(0, 10), [], `with seed ${seed}`)
    const outcomes = operations.filter(op => op.type === 'put').map(({ outcome }) => outcome)
    const writes = outcomes.filter(outcome => typeof outcome === 'number').length
    ok(writes > rounds * 5, `only ${writes} writes in ${rounds} rounds`)
    if (process.env.KUTTER_CHAOS_ROUNDS)
      console.log(JSON.stringify({ rounds, seed, operations: operations.length, writes, ...faults }))
  } finally {
    await disk.mend()
    await store.close()
    disk.remove()
  }
})

const open = (directory: string): Promise<Store> =>
  openEmbeddedStore(join(directory, 'store'), { historyRows: Number.MAX_SAFE_INTEGER, maxSizeBytes: 1 << 30 })

/** Makes one fault, and returns what ends it. */
async function fault(
  random: Random,
  disk: Disk,
  store: Store,
  reopen: () => Promise<void>,
): Promise<[string, () => Promise<void> | void]> {
  const faults: [string, () => (() => Promise<void> | void) | Promise<() => Promise<void> | void>][] = [
    ['none', () => () => {}],
    ['disk full', () => (disk.fill(), disk.mend)],
    ['disk hangs', () => (disk.hang(), disk.mend)],
    ['disk full and hangs', () => (disk.fill(), disk.hang(), disk.mend)],
    ['store left', async () => (await store.close(), reopen)],
  ]
  const [name, make] = faults[below(random, faults.length)]!
  return [name, await make()]
}
