// Makes a store of entries that another one had: to restore a snapshot, to copy a store from one place to another, and
// to keep what is whole of a damaged one.
import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { checksum, fileName, isWhole, openSqlite, type SqlRow } from '../sqlite-file.ts'
import type { Entry, Revision } from '../store.ts'

const maxSizeBytes = 8 * 1024 ** 3
const batchRows = 1000

/**
 * Makes an embedded store in a new directory, whose newest revision is `revision` and which has no history. Throws when
 * the directory exists; nothing is left of it after a failure.
 */
export async function fillEmbedded(
  directory: string,
  entries: AsyncIterable<Entry> | Iterable<Entry>,
  revision: Revision,
): Promise<number> {
  if (existsSync(directory)) throw new Error(`${directory} exists already`)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  try {
    const db = openSqlite(join(directory, fileName), maxSizeBytes)
    try {
      const keys = await insert(db, entries)
      db.prepare("UPDATE meta SET value = ? WHERE name = 'compacted'").run(revision)
      db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
      return keys
    } finally {
      db.close()
    }
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    throw error
  }
}

async function insert(db: DatabaseSync, entries: AsyncIterable<Entry> | Iterable<Entry>): Promise<number> {
  const row = db.prepare('INSERT INTO log (rev, k, created, deleted, crc, v) VALUES (?, ?, ?, 0, ?, ?)')
  let keys = 0
  db.exec('BEGIN')
  for await (const { key, revision, created, value } of entries) {
    row.run(revision, key, created, checksum({ key, revision, deleted: false, value }), value)
    if (++keys % batchRows === 0) db.exec('COMMIT; BEGIN')
  }
  db.exec('COMMIT')
  return keys
}

export interface Salvage {
  revision: Revision
  entries: Entry[]
  /** What cannot be read: the key where it is known, and the revision. */
  lost: { key: string; revision: Revision }[]
}

/**
 * Reads what is whole of an embedded store that nobody has open: for each key its newest whole value. Where a newer one
 * is damaged the older one is kept, and the newer one is listed as lost.
 */
export function salvage(directory: string): Salvage {
  const db = openSqlite(join(directory, fileName), maxSizeBytes)
  try {
    const newest = new Map<string, Entry>()
    const lost: Salvage['lost'] = []
    let revision = (db.prepare("SELECT value FROM meta WHERE name = 'compacted'").get() as { value: number }).value
    for (const sql of rowsOf(db, lost)) {
      const row = { revision: sql.rev, key: sql.k, deleted: sql.deleted === 1, value: sql.v }
      revision = Math.max(revision, row.revision)
      if (!isWhole(row, sql.crc)) lost.push({ key: String(row.key), revision: row.revision })
      else if (row.deleted) newest.delete(row.key)
      else newest.set(row.key, { key: row.key, revision: row.revision, created: sql.created, value: row.value })
    }
    return { revision, entries: [...newest.values()], lost }
  } finally {
    db.close()
  }
}

/** All rows by revision. Pages of the file that cannot be read are skipped, and noted as lost. */
function* rowsOf(db: DatabaseSync, lost: Salvage['lost']): Generator<SqlRow> {
  const read = db.prepare('SELECT rev, k, created, deleted, crc, v FROM log NOT INDEXED WHERE rev >= ? ORDER BY rev')
  const next = db.prepare('SELECT min(rev) AS rev FROM log NOT INDEXED WHERE rev > ?')
  for (let from = 0, tries = 0; tries < maxSkips; tries++) {
    try {
      for (const row of read.iterate(from) as Iterable<SqlRow>) {
        from = row.rev + 1
        yield row
      }
      return
    } catch {
      lost.push({ key: '', revision: from })
      try {
        const found = next.get(from) as { rev: number | null }
        from = found.rev ?? from + 1
      } catch {
        from += 1
      }
    }
  }
}

/** So many places that cannot be read, and what follows is given up. */
const maxSkips = 100_000
