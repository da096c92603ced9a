// The SQLite file of the embedded store: its schema, its settings, and error messages that say what to do. It is in WAL
// mode, where a commit is one append and one fdatasync, and readers see only synced commits.
import { closeSync, fsyncSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { crc32 } from 'node:zlib'
import { StatusError, messageOf } from '../base/errors.ts'
import type { Row } from './log.ts'

export const fileName = 'log.db'

/** The letters KUTT, which distinguish a store from other SQLite files. */
const applicationId = 0x4b555454
const formatVersion = 1
export const pageBytes = 4096

export type SqlRow = { rev: number; k: string; created: number; deleted: number; crc: number; v: Uint8Array }

/**
 * Opens the file, and creates or checks its schema. Throws an Error of one sentence when it is no store, or damaged.
 */
export function openSqlite(file: string, maxSizeBytes: number): DatabaseSync {
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(file, { timeout: 10_000 })
    const { tables } = db.prepare('SELECT count(*) AS tables FROM sqlite_schema').get() as { tables: number }
    if (tables === 0) create(db, file)
    else check(db, file)
    // With FULL a commit returns after fdatasync of the WAL. The size limit shrinks a WAL that grew once.
    db.exec(`PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = ${64 << 20}`)
    db.exec(`PRAGMA max_page_count = ${Math.ceil(maxSizeBytes / pageBytes)}; PRAGMA cache_size = -4096`)
    return db
  } catch (error) {
    db?.close()
    throw error instanceof OpenError ? error : openError(file, error)
  }
}

type Checked = Pick<Row, 'revision' | 'key' | 'deleted' | 'value'>

/**
 * The checksum of a row, by which damage is found when it is read. It covers whether the row is a deletion: one that
 * became a value again would bring a deleted object back.
 */
export function checksum({ revision, key, deleted, value }: Checked): number {
  return crc32(value, crc32(`${revision} ${key}${deleted ? '\0' : ''}`))
}

export function isWhole(row: Checked, crc: number): boolean {
  // A damaged row may have a value of another type, and a deletion has none.
  if (!(row.value instanceof Uint8Array) || (row.deleted && row.value.byteLength > 0)) return false
  // Stores of Kutter 0.1 have deletions whose checksum does not cover that they are ones.
  return checksum(row) === crc || (row.deleted && checksum({ ...row, deleted: false }) === crc)
}

/** The row that SQLite has given. Throws InternalError when it is damaged, and when it is not the value of `key`. */
export function toRow(sql: SqlRow, file: string, key?: string): Row {
  const row = { revision: sql.rev, key: sql.k, created: sql.created, deleted: sql.deleted === 1, value: sql.v }
  if (isWhole(row, sql.crc) && (key === undefined || (key === row.key && !row.deleted))) return row
  const where = `the value of ${key ?? row.key} at revision ${row.revision} in ${file}`
  throw new StatusError(
    'InternalError',
    `${where} is damaged: its checksum does not match; restore the file from a backup`,
  )
}

/** The error for the caller of a failed write, which may try again. The store itself stays usable. */
export function writeError(file: string, error: unknown): StatusError {
  return new StatusError('ServiceUnavailable', `cannot write to the store ${file}: ${messageOf(error)}`, {
    cause: error,
    details: { retryAfterSeconds: 1 },
  })
}

/** The code of SQLite for a write that finds no space. Source: sqlite.org/rescode.html (SQLITE_FULL). */
export const fullCode = 13
export const isFull = (error: unknown): boolean => primaryCode(error) === fullCode

const ioCode = 10
/** Errors of the index that is in shared memory, which is not part of what is durable: SHMOPEN, SHMSIZE, SHMLOCK, SHMMAP. */
const ofIndex: ReadonlySet<number> = new Set([18, 19, 20, 21].map(detail => ioCode | (detail << 8)))

/** Whether the disk has failed under a write. Source: sqlite.org/rescode.html (SQLITE_IOERR). */
export const isUncertain = (error: unknown): boolean =>
  primaryCode(error) === ioCode && !ofIndex.has((error as { errcode: number }).errcode)

/**
 * Copies what is only in the write-ahead log into the file, and syncs it. Of a write that failed, the log may have what
 * the page cache has and the disk does not; after this it is on the disk, or an error is thrown. Without space it stays
 * where it is.
 */
export function settleLog(db: DatabaseSync): void {
  try {
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  } catch (error) {
    if (!isFull(error)) throw error
  }
}

/** The error for the caller of a read that SQLite cannot answer. */
export function readError(file: string, what: string, error: unknown): StatusError {
  const message = `cannot read ${what} from the store ${file}: ${reasonOf(error)}`
  return new StatusError('InternalError', message, { cause: error })
}

/** An error whose message is complete and is not wrapped again. */
export class OpenError extends Error {}

export function openError(file: string, error: unknown): OpenError {
  return new OpenError(`cannot open the store ${file}: ${reasonOf(error)}`, { cause: error })
}

/** The error for a file whose rows cannot be what was written. */
export function damagedFile(file: string, what: string): OpenError {
  return new OpenError(`cannot open the store ${file}: ${damaged(what)}`)
}

const damaged = (what: string) => `it is damaged (${what}); restore it from a backup, or move it away to start empty`

/** The primary result code of an error of SQLite. Source: sqlite.org/rescode.html. */
export function primaryCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | null)?.errcode
  return typeof code === 'number' ? code & 0xff : undefined
}

function reasonOf(error: unknown): string {
  switch (primaryCode(error)) {
    case 26:
      return 'it is not a store of Kutter; move it away or choose another data directory'
    case 11:
      return damaged(messageOf(error))
    case fullCode:
      return 'there is no space left on the disk'
    case 3:
    case 8:
    case 14:
      return `it cannot be opened for writing (${messageOf(error)}); check that it is a file and who owns it`
    default:
      return messageOf(error)
  }
}

/**
 * A copy of all columns but values, by which a server starts without reading the pages that those fill. SQLite keeps it,
 * also under an older Kutter, which does not use it.
 */
export const headsName = 'heads'
const heads = `${headsName} ON log (rev, k, created, deleted, crc, length(v))`
const makeHeads = `CREATE INDEX IF NOT EXISTS ${heads}`

/** Whether the file has the copy. Throws when it has another one of this name: the thread that writes would fail. */
export function hasHeads(db: DatabaseSync, file: string): boolean {
  const found = db.prepare("SELECT sql FROM sqlite_schema WHERE type = 'index' AND name = ?").get(headsName)
  if (found && found.sql !== `CREATE INDEX ${heads}`) throw damagedFile(file, `its index is ${String(found.sql)}`)
  return found !== undefined
}

/** Makes the copy in a file of before. Without space for it, the file is used as it is. */
export function addHeads(db: DatabaseSync): void {
  try {
    db.exec(makeHeads)
  } catch (error) {
    if (!isFull(error)) throw error
  }
}

function create(db: DatabaseSync, file: string): void {
  db.exec(`PRAGMA page_size = ${pageBytes}; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL`)
  db.exec(`
    BEGIN;
    PRAGMA application_id = ${applicationId};
    PRAGMA user_version = ${formatVersion};
    CREATE TABLE log (
      rev INTEGER PRIMARY KEY, k TEXT NOT NULL, created INTEGER NOT NULL, deleted INTEGER NOT NULL,
      crc INTEGER NOT NULL, v BLOB NOT NULL) STRICT;
    CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
    ${makeHeads};
    INSERT INTO meta VALUES ('compacted', 0);
    COMMIT`)
  // The entry in the directory must be as durable as the content of the file.
  const directory = openSync(dirname(file), 'r')
  fsyncSync(directory)
  closeSync(directory)
}

function check(db: DatabaseSync, file: string): void {
  const pragma = (name: string) => Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]
  if (pragma('application_id') !== applicationId)
    throw new OpenError(
      `cannot open the store ${file}: it is a database of another program; move it away or choose another data directory`,
    )
  const version = pragma('user_version')
  if (version !== formatVersion)
    throw new OpenError(
      `cannot open the store ${file}: it has format ${version}, and this Kutter reads format ${formatVersion}; use the Kutter that wrote it`,
    )
}
