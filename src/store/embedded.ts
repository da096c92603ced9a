// The store of one machine: a log in SQLite, in a directory. A thread of its own writes it (disk-worker.ts), and this
// one reads it. The index by key is in memory, and filled at the start from a copy of all that the log has but values,
// which SQLite keeps at the side. A write is one append to each of the two.
import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import { StatusError, assert } from '../base/errors.ts'
import { pack, type Reply, type Request, type WorkerData } from './disk-worker.ts'
import type { Log, Row, RowHead } from './log.ts'
import { LogStore, type LogStoreOptions } from './log-store.ts'
import {
  OpenError,
  addHeads,
  damagedFile,
  fileName,
  hasHeads,
  headsName,
  isWhole,
  openError,
  openSqlite,
  primaryCode,
  readError,
  settleLog,
  toRow,
  writeError,
  type SqlRow,
} from './sqlite-file.ts'
import { type Lack, reserveName } from './space.ts'
import { StoreFull, type Revision, type RowName, type Store } from './store.ts'

export interface EmbeddedOptions extends LogStoreOptions {
  /** Limit of the file's size. Beyond it only deletions succeed until the store is compacted. Default 8 GiB. */
  maxSizeBytes?: number
  /** Called once when the thread that writes has ended by itself, or the disk has failed: reads go on, every write fails. */
  onFailure?: (error: StatusError) => void
}

/**
 * Opens the store in `directory`, and creates it with mode 0700, and files with mode 0600, if needed. Throws an Error
 * of one sentence when the directory holds something else, is damaged, or is open already, in this process or another.
 */
export async function openEmbeddedStore(directory: string, options: EmbeddedOptions = {}): Promise<Store> {
  const lock = prepare(directory)
  let log: EmbeddedLog | undefined
  try {
    log = new EmbeddedLog(join(directory, fileName), options, lock)
    return new LogStore(log, options)
  } catch (error) {
    // Its thread may have failed for the same reason, which must not hide it.
    if (log) await log.close().catch(() => {})
    else lock.close()
    throw error instanceof OpenError ? error : openError(join(directory, fileName), error)
  }
}

/** What a former process has left in the log of SQLite is on the disk before anybody reads it. */
function openSettled(file: string, maxSizeBytes: number): DatabaseSync {
  const db = openSqlite(file, maxSizeBytes)
  try {
    settleLog(db)
    addHeads(db)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

const defaultMaxSizeBytes = 8 * 1024 ** 3
/** Rows that one statement reads. */
const rowsAtOnce = 1000
const headsAtOnce = 8192

class EmbeddedLog implements Log {
  #file: string
  readonly #maxSizeBytes: number
  #lock: DatabaseSync
  #db: DatabaseSync
  #worker: Worker
  #read
  #range
  #readMany
  #nextId = 1
  #waiting = new Map<number, { resolve(): void; reject(error: unknown): void }>()
  /** Why the thread has ended. Nothing can be written any more. */
  #dead: StatusError | undefined
  #closing = false
  readonly #onFailure: (error: StatusError) => void

  constructor(file: string, { maxSizeBytes = defaultMaxSizeBytes, onFailure }: EmbeddedOptions, lock: DatabaseSync) {
    this.#file = file
    this.#maxSizeBytes = maxSizeBytes
    this.#onFailure = onFailure ?? (() => {})
    this.#lock = lock
    this.#db = openSettled(file, maxSizeBytes)
    this.#read = this.#db.prepare('SELECT rev, k, created, deleted, crc, v FROM log NOT INDEXED WHERE rev = ?')
    this.#range = this.#db.prepare(
      'SELECT rev, k, created, deleted, crc, v FROM log NOT INDEXED WHERE rev > ? AND rev <= ? AND substr(k, 1, ?) = ? ORDER BY rev',
    )
    this.#readMany = this.#db.prepare(
      'SELECT rev, k, created, deleted, crc, v FROM json_each(?) AS wanted CROSS JOIN log NOT INDEXED ON rev = wanted.value',
    )
    this.#readMany.setReturnArrays(true)
    const data: WorkerData = { file, maxSizeBytes }
    // In a bundle, the program of the thread is a file beside the bundle.
    const suffix = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    this.#worker = new Worker(new URL(`./disk-worker.${suffix}`, import.meta.url), {
      workerData: { kutterStore: data },
    })
    this.#worker.on('message', reply => this.#answer(reply as Reply))
    this.#worker.on('error', error => this.#ended(error))
    this.#worker.on('exit', () => this.#ended(new Error('it has ended')))
  }

  load() {
    const { value } = this.#db.prepare("SELECT value FROM meta WHERE name = 'compacted'").get() as { value: number }
    return { compacted: value, rows: heads(this.#db, this.#file, value) }
  }

  append(rows: readonly Row[]): Promise<void> {
    const packed = pack(rows)
    return this.#ask({ id: this.#nextId++, type: 'append', rows: packed }, [packed.values.buffer])
  }

  read({ key, revision }: RowName): Row {
    const sql = this.#reading(`revision ${revision}`, () => this.#read.get(revision)) as SqlRow | undefined
    assert(sql, `revision ${revision} is in ${this.#file}`)
    return toRow(sql, this.#file, key)
  }

  /** Translates errors of SQLite, which name neither the file nor what to do. */
  #reading<T>(what: string, fn: () => T): T {
    try {
      return fn()
    } catch (error) {
      throw readError(this.#file, what, error)
    }
  }

  readAll(names: readonly RowName[]): Row[] {
    // In the order in which they are on the disk, and in one transaction, so that SQLite need not lock for each statement.
    const order = Array.from(names.keys()).sort((a, b) => names[a]!.revision - names[b]!.revision)
    const rows = new Array<Row>(names.length)
    this.#db.exec('BEGIN')
    try {
      for (let from = 0; from < order.length; from += rowsAtOnce)
        this.#readSome(order.slice(from, from + rowsAtOnce), names, rows)
    } finally {
      // After some errors, SQLite has ended it already.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
    }
    return rows
  }

  /** Reads the rows at some places of `names` by one statement. */
  #readSome(places: readonly number[], names: readonly RowName[], into: Row[]): void {
    const wanted = places.map(place => names[place]!.revision)
    const what = `revisions ${wanted[0]!} to ${wanted.at(-1)!}`
    const found = this.#reading(what, () => this.#readMany.all(JSON.stringify(wanted)))
    for (const [i, place] of places.entries()) {
      const columns = found[i]
      assert(columns && columns[0] === wanted[i], `revision ${wanted[i]!} is in ${this.#file}`)
      const [k, v] = [String(columns[1]), columns[5]]
      const [created, deleted, crc] = [Number(columns[2]), Number(columns[3]), Number(columns[4])]
      // A damaged row may have a value of another type, which then does not match its checksum.
      const sql = { rev: wanted[i]!, k, created, deleted, crc, v: v instanceof Uint8Array ? v : noValue }
      into[place] = toRow(sql, this.#file, names[place]!.key)
    }
  }

  *range(prefix: string, after: Revision, upTo: Revision): Iterable<Row> {
    // SQLite counts characters rather than UTF-16 units.
    const length = Array.from(prefix).length
    const rows = this.#range.iterate(after, upTo, length, prefix)
    for (;;) {
      const { done, value } = this.#reading(`revisions after ${after}`, () => rows.next())
      if (done) return
      yield toRow(value as SqlRow, this.#file)
    }
  }

  defragment(): Promise<void> {
    return this.#ask({ id: this.#nextId++, type: 'defragment' })
  }

  remove(revisions: readonly Revision[], compacted: Revision): Promise<void> {
    return this.#ask({ id: this.#nextId++, type: 'remove', revisions, compacted })
  }

  turn(fn: () => void): void {
    setImmediate(fn)
  }

  sizeBytes(): number {
    const size = (suffix: string) => statSync(this.#file + suffix, { throwIfNoEntry: false })?.size ?? 0
    return size('') + size('-wal')
  }

  async close(): Promise<void> {
    this.#closing = true
    try {
      this.#db.close()
      if (!this.#dead) await this.#ask({ id: this.#nextId++, type: 'close' })
    } finally {
      await this.#worker.terminate()
      this.#lock.close()
    }
  }

  #ask(request: Request, transfer: ArrayBuffer[] = []): Promise<void> {
    if (this.#dead) return Promise.reject(this.#dead)
    return new Promise((resolve, reject) => {
      this.#waiting.set(request.id, { resolve, reject })
      this.#worker.postMessage(request, transfer)
    })
  }

  #answer({ id, error, isLast = false }: Reply): void {
    const waiting = this.#waiting.get(id)!
    this.#waiting.delete(id)
    if (!error) return waiting.resolve()
    const cause = Object.assign(new Error(error.message), { errcode: error.errcode })
    waiting.reject(error.lack ? this.#full(error.lack, cause) : writeError(this.#file, cause))
    if (isLast) this.#ended(new Error(`the disk has failed (${error.message}); the store must be opened again`))
  }

  #full(lack: Lack, cause: Error): StoreFull {
    const what =
      lack === 'disk'
        ? 'there is no space left; free some on this file system'
        : `database space exceeded; delete objects, or give it more than ${Math.round(this.#maxSizeBytes / 2 ** 20)} MiB by --store-quota`
    return new StoreFull(`cannot write to the store ${this.#file}: ${what}`, cause)
  }

  #ended(cause: Error): void {
    const message = `the thread that writes ${this.#file} failed: ${cause.message}`
    this.refuse(new StatusError('InternalError', message, { cause }))
  }

  refuse(error: StatusError): void {
    if (!this.#dead) {
      this.#dead = error
      if (!this.#closing) this.#onFailure(this.#dead)
    }
    for (const { reject } of this.#waiting.values()) reject(this.#dead)
    this.#waiting.clear()
  }
}

/**
 * All rows without their values, whose checksums are looked at when they are read. A tombstone is never read again, so
 * its own is looked at here: with a damaged one, an object that was deleted would come back. Of rows after the
 * compaction point none may be missing, and the newest must be that of the log itself.
 */
function* heads(db: DatabaseSync, file: string, compacted: Revision): Generator<RowHead> {
  const index = hasHeads(db, file) ? `INDEXED BY ${headsName}` : ''
  const statement = db.prepare(
    `SELECT rev, k, created, deleted, crc, length(v) FROM log ${index} WHERE rev > ? ORDER BY rev LIMIT ${headsAtOnce}`,
  )
  statement.setReturnArrays(true)
  let before = 0
  // Many rows at once, as arrays, are read twice as fast as one after the other.
  for (;;) {
    const rows = statement.all(before)
    for (const row of rows) {
      const [revision, key, created] = [Number(row[0]), row[1], Number(row[2])]
      const [deleted, crc, sizeBytes] = [Number(row[3]), Number(row[4]), Number(row[5])]
      if (typeof key !== 'string') throw damagedFile(file, `revision ${revision} has no key`)
      if (revision > Math.max(before, compacted) + 1) throw damagedFile(file, `revision ${revision} follows ${before}`)
      const head = { revision, key, created, deleted: deleted === 1, sizeBytes }
      // What has no value can be checked without it.
      if (sizeBytes > 0 ? head.deleted : !isWhole({ ...head, value: noValue }, crc)) {
        const what = head.deleted ? `the deletion of ${key}` : key
        throw damagedFile(file, `${what} at revision ${revision} does not match its checksum`)
      }
      before = revision
      yield head
    }
    if (rows.length < headsAtOnce) break
  }
  const { newest } = db.prepare('SELECT max(rev) AS newest FROM log NOT INDEXED').get() as { newest: number | null }
  if (newest !== null && newest !== before) throw damagedFile(file, `revision ${newest} follows ${before}`)
}

const noValue = new Uint8Array(0)

/** Files beside that of the store. */
const own = new Set(['lock', reserveName])

/** Creates or checks the directory, and locks it. The kernel releases the lock when this process ends in any way. */
function prepare(directory: string): DatabaseSync {
  const file = join(directory, fileName)
  const lockFile = join(directory, 'lock')
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const names = readdirSync(directory)
    if (!names.includes(fileName) && names.some(name => !own.has(name)))
      throw new OpenError(
        `cannot create a store in ${directory}: it holds other files (${names.find(name => !own.has(name))}); choose an empty directory`,
      )
    chmodSync(directory, 0o700)
    const lock = takeLock(directory, lockFile)
    try {
      touch(file)
      return lock
    } catch (error) {
      lock.close()
      throw error
    }
  } catch (error) {
    throw error instanceof OpenError ? error : openError(file, error)
  }
}

function takeLock(directory: string, lockFile: string): DatabaseSync {
  // Only SQLite may open this file: closing another descriptor of it would release the lock. Source: fcntl(2).
  touchNew(lockFile)
  const lock = new DatabaseSync(lockFile, { timeout: 0 })
  try {
    lock.exec('BEGIN EXCLUSIVE')
    return lock
  } catch (error) {
    lock.close()
    if (primaryCode(error) !== 5) throw error
    throw new OpenError(
      `the store ${directory} is open already; stop the other server or choose another data directory`,
      {
        cause: error,
      },
    )
  }
}

/** Creates the file with mode 0600, which SQLite then uses for the files beside it, too. */
function touch(file: string): void {
  closeSync(openSync(file, 'a', 0o600))
  chmodSync(file, 0o600)
}

function touchNew(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}
