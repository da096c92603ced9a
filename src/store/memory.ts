// The store in memory, for tests and simulated clusters. It keeps the whole contract except that nothing survives the
// process. It needs only promises to run, so on a virtual clock every write ends in its turn.
import { assert } from '../base/errors.ts'
import type { Log, Row } from './log.ts'
import { LogStore, type LogStoreOptions } from './log-store.ts'
import type { Revision, RowName, Store } from './store.ts'

export function openMemoryStore(options: LogStoreOptions = {}): Store {
  return new LogStore(new MemoryLog(), options)
}

class MemoryLog implements Log {
  #rows = new Map<Revision, Row>()
  #sizeBytes = 0

  load() {
    return { compacted: 0, rows: [] }
  }

  async append(rows: readonly Row[]): Promise<void> {
    for (const row of rows) {
      this.#rows.set(row.revision, row)
      this.#sizeBytes += sizeOf(row)
    }
  }

  read({ revision }: RowName): Row {
    const row = this.#rows.get(revision)
    assert(row, `revision ${revision} is in the log`)
    return row
  }

  readAll(rows: readonly RowName[]): Row[] {
    return rows.map(row => this.read(row))
  }

  *range(prefix: string, after: Revision, upTo: Revision): Iterable<Row> {
    for (let revision = after + 1; revision <= upTo; revision++) {
      const row = this.#rows.get(revision)
      if (row?.key.startsWith(prefix)) yield row
    }
  }

  async remove(revisions: readonly Revision[]): Promise<void> {
    for (const revision of revisions) {
      const row = this.#rows.get(revision)
      if (row) this.#sizeBytes -= sizeOf(row)
      this.#rows.delete(revision)
    }
  }

  turn(fn: () => void): void {
    queueMicrotask(fn)
  }

  sizeBytes(): number {
    return this.#sizeBytes
  }

  async close(): Promise<void> {
    this.#rows.clear()
  }
}

const sizeOf = (row: Row) => row.key.length + row.value.byteLength
