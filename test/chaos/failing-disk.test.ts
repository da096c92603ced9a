// The embedded store on a disk that fails: writes that the kernel has taken do not reach it, and fsync(2) reports that
// once. Clients write and read meanwhile, and what they have seen must be that of one log (history.ts): on the disk as it
// would be after a loss of power at the end of a round, and after the store was opened again.
//
// A quarter of the rounds of store.test.ts, and its seed.
import { deepStrictEqual, ok, rejects } from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { realClock } from '../../src/base/clock.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { openEmbeddedStore } from '../../src/store/index.ts'
import type { Store } from '../../src/store/store.ts'
import { below, rounds as ofOthers, runClient, seed } from './clients.ts'
import { type Disk, makeDisk, noFailingDisks } from './disk.ts'
import { type Operation, violations } from './history.ts'

const clients = 6
const rounds = Math.ceil(ofOthers / 4)

test('a disk that fails loses nothing that was acknowledged or read', { skip: noFailingDisks }, async () => {
  const chaos = new FailingDisk(seededRandom(seed))
  try {
    await chaos.open()
    for (let round = 0; round < rounds; round++) {
      await chaos.round(round)
      deepStrictEqual((await chaos.found()).slice(0, 10), [], `with seed ${seed}, round ${round}`)
    }
    await chaos.reopen()
    deepStrictEqual((await chaos.found()).slice(0, 10), [], `with seed ${seed}, at the end`)
    ok(chaos.figures.writes > rounds, `only ${chaos.figures.writes} writes`)
    ok(rounds < 20 || chaos.figures.failures > 0, 'the store has never failed')
    if (process.env.KUTTER_CHAOS_ROUNDS) console.log(JSON.stringify({ rounds, seed, ...chaos.figures }))
  } finally {
    await chaos.close()
  }
})

test('after an error of the disk a store takes nothing more, and what it acknowledged is there when it is opened again', {
  skip: noFailingDisks,
}, async () => {
  const disk = makeDisk(true)
  let failed: unknown
  let store = await openStore(disk.path, error => (failed = error))
  try {
    const value = new Uint8Array(10_000)
    const acknowledged: string[] = []
    const put = async () => {
      const key = `/${acknowledged.length}`
      await store.put(key, value, { expect: 'absent' })
      acknowledged.push(key)
    }
    await put()
    disk.fail()
    await rejects(async () => {
      for (;;) await put()
    }, /cannot write to the store/)
    await disk.mend()
    // The disk is well again, but nobody can say what of the last write is on it.
    await rejects(put(), /the disk has failed .* must be opened again/)
    ok(failed, 'no failure was reported')
    deepStrictEqual((await store.get('/0'))?.value.byteLength, value.byteLength)
    await store.close()
    disk.remount()
    store = await openStore(disk.path)
    for (const key of acknowledged) deepStrictEqual((await store.get(key))?.value.byteLength, value.byteLength, key)
    await put()
  } finally {
    await disk.mend()
    await store.close().catch(() => {})
    disk.remove()
  }
})

class FailingDisk {
  readonly #random: Random
  readonly #disk: Disk = makeDisk(true)
  readonly #operations: Operation[] = []
  readonly #faults: Record<string, number> = {}
  #store: Store | undefined
  #hasFailed = false
  #failures = 0

  constructor(random: Random) {
    this.#random = random
    // The signal of a file that may not grow would end this process.
    process.on('SIGXFSZ', ignore)
  }

  async open(): Promise<void> {
    this.#hasFailed = false
    this.#store = await openStore(this.#disk.path, () => {
      this.#hasFailed = true
      this.#failures++
    })
  }

  /** As a supervisor does: until it opens. The kernel may have made the file system one that cannot be written. */
  async reopen(): Promise<void> {
    await this.#store?.close().catch(() => {})
    this.#store = undefined
    for (let tries = 0; !this.#store; tries++) {
      try {
        await this.open()
      } catch (error) {
        if (tries > 5) throw error
        await this.#disk.mend()
        if (tries > 1) this.#disk.remount()
      }
    }
  }

  async round(round: number): Promise<void> {
    const names = Array.from({ length: clients }, (_, client) => `${round}-${client}`)
    const store = this.#store!
    const work = names.map(name => runClient(() => store, name, this.#random, this.#operations))
    const faults: [string, () => void][] = [
      ['none', () => {}],
      ['disk fails', () => this.#disk.fail()],
      ['disk fails', () => this.#disk.fail()],
      ['writes are cut short', () => limitFiles(this.#walBytes + below(this.#random, 20_000))],
    ]
    const [name, make] = faults[below(this.#random, faults.length)]!
    this.#faults[name] = (this.#faults[name] ?? 0) + 1
    await realClock.sleep(below(this.#random, 10))
    make()
    await Promise.all(work)
    limitFiles('unlimited')
    // It is opened again while the disk still fails, or after that; its page cache may be lost with the machine.
    const [isMendedFirst, isRemounted] = [this.#random.float() < 0.5, this.#random.float() < 0.3]
    if (isMendedFirst) await this.#disk.mend()
    if (this.#hasFailed || this.#random.float() < 0.2) {
      if (isRemounted) {
        await this.#store?.close().catch(() => {})
        this.#store = undefined
        this.#disk.remount()
      }
      await this.reopen()
      // What was opened is read at once, as long as it may be only in the page cache.
      await Promise.all(names.map(name => runClient(() => this.#store!, `${name}-r`, this.#random, this.#operations)))
    }
    await this.#disk.mend()
    if (this.#hasFailed) await this.reopen()
  }

  get #walBytes(): number {
    return statSync(join(this.#disk.path, 'store', 'log.db-wal'), { throwIfNoEntry: false })?.size ?? 0
  }

  /** What is wrong on the disk as it is without this process and without the page cache. */
  found(): Promise<string[]> {
    return this.#disk.afterPowerLoss(async path => {
      const store = await openStore(path)
      try {
        const newest = await store.revision()
        return violations(await store.changes('', { after: 0, upTo: newest, limit: newest }), this.#operations)
      } finally {
        await store.close()
      }
    })
  }

  get figures() {
    const writes = this.#operations.filter(op => op.type === 'put' && typeof op.outcome === 'number').length
    return { operations: this.#operations.length, writes, failures: this.#failures, ...this.#faults }
  }

  async close(): Promise<void> {
    limitFiles('unlimited')
    await this.#disk.mend()
    await this.#store?.close().catch(() => {})
    this.#disk.remove()
    process.off('SIGXFSZ', ignore)
  }
}

const ignore = () => {}

const openStore = (directory: string, onFailure?: (error: unknown) => void): Promise<Store> =>
  openEmbeddedStore(join(directory, 'store'), {
    historyRows: Number.MAX_SAFE_INTEGER,
    maxSizeBytes: 1 << 30,
    ...(onFailure && { onFailure }),
  })

/** How large files may become by writes of this process: the last write up to there is short, the next one fails. */
const limitFiles = (bytes: number | 'unlimited') =>
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:unlimited`], { stdio: 'pipe' })
