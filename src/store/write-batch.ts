// Decides what a batch of queued writes comes to: which rows to append, and which writers lose. Pure: the
// log has not been touched yet, and nothing counts until it has taken the rows.
import { StoreConflict, type Revision } from './store.ts'
import type { Row } from './log.ts'

/** A write waiting for its turn. Without a value it is a delete. */
export interface Write {
  key: string
  value: Uint8Array | undefined
  expect: Revision | 'absent'
  resolve(revision: Revision): void
  reject(error: unknown): void
}

export interface Batch {
  rows: Row[]
  /** The writer of each row. */
  winners: Write[]
  /** Losers to other writes of this batch: whether they really lost is known when the rows are durable. */
  losers: { write: Write; conflict: StoreConflict }[]
  /** Losers to what is durable already. */
  stale: { write: Write; conflict: StoreConflict }[]
}

type Current = { revision: Revision; created: Revision } | undefined

/** Writes are taken in order; each sees those before it. */
export function planBatch(writes: readonly Write[], head: Revision, current: (key: string) => Current): Batch {
  const batch: Batch = { rows: [], winners: [], losers: [], stale: [] }
  const changed = new Map<string, Current>()
  for (const write of writes) {
    const { key, value, expect } = write
    const inBatch = changed.has(key)
    const now = inBatch ? changed.get(key) : current(key)
    const actual = now?.revision ?? 'absent'
    if (actual !== expect) {
      const loser = { write, conflict: new StoreConflict(key, expect, actual) }
      ;(inBatch ? batch.losers : batch.stale).push(loser)
      continue
    }
    const revision = head + batch.rows.length + 1
    const created = now?.created ?? revision
    batch.rows.push({ revision, key, created, deleted: value === undefined, value: value ?? empty })
    batch.winners.push(write)
    changed.set(key, value === undefined ? undefined : { revision, created })
  }
  return batch
}

const empty = new Uint8Array(0)
