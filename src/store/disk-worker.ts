// The thread that writes the embedded store. It commits and syncs while the main thread goes on serving, so a slow disk
// delays writers only. A bundle needs this file as a second entry beside the main one.
//
// After an error of the disk it writes nothing more. The kernel reports a failed fsync(2) once, and a further one may
// succeed although what was written before never reached the disk. So the process ends, and the next one opens the store
// and moves what it finds to the disk again before anybody sees it (embedded.ts).
// Source: https://wiki.postgresql.org/wiki/Fsync_Errors.
import type { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { messageOf } from '../base/errors.ts'
import { checksum, fullCode, isFull, isUncertain, openSqlite } from './sqlite-file.ts'
import type { Row } from './log.ts'
import { type Lack, Space } from './space.ts'
import type { Revision } from './store.ts'

export interface WorkerData {
  file: string
  maxSizeBytes: number
}

export type Request =
  | { id: number; type: 'append'; rows: PackedRows }
  | { id: number; type: 'remove'; revisions: readonly Revision[]; compacted: Revision }
  | { id: number; type: 'defragment' }
  | { id: number; type: 'close' }

export interface Reply {
  id: number
  error?: { message: string; errcode?: number; lack?: Lack }
  /** Whether the thread writes nothing more, because nobody can say what of its last write is on the disk. */
  isLast?: boolean
}

/** Rows in transit between threads, with one buffer that is moved instead of copied. Revisions begin at `first`. */
interface PackedRows {
  first: Revision
  keys: string[]
  created: Revision[]
  /** -1 for a tombstone. */
  lengths: number[]
  values: Uint8Array<ArrayBuffer>
}

export function pack(rows: readonly Row[]): PackedRows {
  let sizeBytes = 0
  for (const row of rows) sizeBytes += row.value.byteLength
  const values = new Uint8Array(sizeBytes)
  const packed: PackedRows = { first: rows[0]!.revision, keys: [], created: [], lengths: [], values }
  let at = 0
  for (const { key, created, deleted, value } of rows) {
    packed.keys.push(key)
    packed.created.push(created)
    packed.lengths.push(deleted ? -1 : value.byteLength)
    values.set(value, at)
    at += value.byteLength
  }
  return packed
}

/** Rows are removed, and pages moved, in steps, so that appends get their turn in between. */
const removeRows = 1000
const vacuumPages = 256
/**
 * Free pages are kept for the next writes. Only those beyond this number, and beyond a quarter of the file, are freed.
 */
const keptFreePages = 4096

if (parentPort && (workerData as { kutterStore?: WorkerData } | null)?.kutterStore)
  serve(parentPort, (workerData as { kutterStore: WorkerData }).kutterStore)

function serve(port: NonNullable<typeof parentPort>, { file, maxSizeBytes }: WorkerData): void {
  const db = openSqlite(file, maxSizeBytes)
  const space = new Space(db, file, maxSizeBytes)
  const append = appender(db)
  const answer = async (request: Request) => {
    const reply: Reply = { id: request.id }
    try {
      if (request.type === 'append') {
        const deletesOnly = request.rows.lengths.every(length => length < 0)
        await inSpace(db, space, deletesOnly, () => append(request.rows))
      } else if (request.type === 'remove') {
        await inSpace(db, space, true, () => remove(db, request.revisions, request.compacted))
      } else if (request.type === 'defragment') {
        await inSpace(db, space, true, () => shrink(db, 0))
      } else db.close()
    } catch (error) {
      reply.error = {
        message: messageOf(error),
        errcode: (error as { errcode?: number }).errcode,
        ...(isFull(error) && { lack: space.lack() }),
      }
      if (isUncertain(error)) reply.isLast = true
    }
    port.postMessage(reply)
    if (request.type === 'close' || reply.isLast) port.close()
  }
  port.on('message', (request: Request) => void answer(request))
}

/** Writes what makes room with the help of the reserves, and everything else without. */
async function inSpace(
  db: DatabaseSync,
  space: Space,
  makesRoom: boolean,
  write: () => void | Promise<void>,
): Promise<void> {
  space.allow(makesRoom)
  if (!makesRoom && space.spent) throw Object.assign(new Error('database or disk is full'), { errcode: fullCode })
  // The log of SQLite grows with each write until it is copied into the file, for which the reserve is there.
  const helps = makesRoom ? [() => space.release(), () => db.exec('PRAGMA wal_checkpoint(TRUNCATE)')] : []
  for (let done = false; !done; ) {
    try {
      const waiting = write()
      if (waiting) await waiting
      done = true
    } catch (error) {
      const help = isFull(error) ? helps.shift() : undefined
      if (!help) throw error
      help()
    }
  }
  space.refill()
}

function appender(db: DatabaseSync): (rows: PackedRows) => void {
  const insert = db.prepare('INSERT INTO log (rev, k, created, deleted, crc, v) VALUES (?, ?, ?, ?, ?, ?)')
  return ({ first, keys, created, lengths, values }) =>
    transaction(db, () => {
      let at = 0
      for (let i = 0; i < keys.length; i++) {
        const length = Math.max(0, lengths[i]!)
        const value = values.subarray(at, at + length)
        const row = { revision: first + i, key: keys[i]!, deleted: lengths[i]! < 0, value }
        insert.run(row.revision, row.key, created[i]!, row.deleted ? 1 : 0, checksum(row), value)
        at += length
      }
    })
}

async function remove(db: DatabaseSync, revisions: readonly Revision[], compacted: Revision): Promise<void> {
  const note = db.prepare("UPDATE meta SET value = max(value, ?) WHERE name = 'compacted'")
  const drop = db.prepare('DELETE FROM log WHERE rev = ?')
  // The compaction point is stored before rows are removed, so a revision without its row is never readable.
  transaction(db, () => note.run(compacted))
  for (let at = 0; at < revisions.length; at += removeRows) {
    transaction(db, () => {
      for (const revision of revisions.slice(at, at + removeRows)) drop.run(revision)
    })
    await turn()
  }
  await shrink(db, keptFreePages)
}

/** Cuts free pages off the file until so many are left, or with those a quarter of all. */
async function shrink(db: DatabaseSync, keptPages: number): Promise<void> {
  const pragma = (name: string) => Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0] as number
  const most = () => (keptPages ? Math.max(keptPages, pragma('page_count') / 4) : 0)
  while (pragma('freelist_count') > most()) {
    db.exec(`PRAGMA incremental_vacuum(${vacuumPages})`)
    await turn()
  }
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
}

function transaction(db: DatabaseSync, body: () => void): void {
  db.exec('BEGIN IMMEDIATE')
  try {
    body()
    db.exec('COMMIT')
  } catch (error) {
    // After some errors, such as a full disk, SQLite has rolled back already.
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

const turn = () => new Promise<void>(resolve => setImmediate(resolve))
