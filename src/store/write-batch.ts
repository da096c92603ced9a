// Decides the outcome of a batch of queued writes: which rows are to be appended, and which writes conflict. It is
// pure: nothing is changed, and the outcome counts only once the log has the rows.
import { RequirementLost, StoreConflict, type Revision } from './store.ts'
import type { Row } from './log.ts'

/** A write that waits for its turn. Without a value it is a deletion. */
export interface Write {
  key: string
  value: Uint8Array | undefined
  expect: Revision | 'absent'
  requires: ReadonlyMap<string, Revision> | undefined
  resolve(revision: Revision): void
  reject(error: unknown): void
}

export interface Batch {
  rows: Row[]
  /** The write of each row. */
  winners: Write[]
  /** Writes that conflict with others of this batch. That they do is certain only when the rows are durable. */
  losers: Refused[]
  /** Writes that conflict with what is durable already. */
  stale: Refused[]
}

interface Refused {
  write: Write
  conflict: StoreConflict | RequirementLost
}

type Current = { revision: Revision; created: Revision } | undefined

/** Plans the batch. Each write sees those before it. */
export function planBatch(writes: readonly Write[], head: Revision, current: (key: string) => Current): Batch {
  const batch: Batch = { rows: [], winners: [], losers: [], stale: [] }
  const changed = new Map<string, Current>()
  const at = (key: string) => (changed.has(key) ? changed.get(key) : current(key))
  for (const write of writes) {
    const { key, value, expect } = write
    const lost = write.requires && [...write.requires].find(([other, revision]) => at(other)?.revision !== revision)
    if (lost) {
      const refused = { write, conflict: new RequirementLost(lost[0]) }
      ;(changed.has(lost[0]) ? batch.losers : batch.stale).push(refused)
      continue
    }
    const inBatch = changed.has(key)
    const now = at(key)
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
