// The snapshots of a cluster under chaos: taken while it runs, as files, by the code that takes those of real clusters.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { revisionAfterRestore } from '../../src/cluster/restore.ts'
import { checkSnapshot, saveSnapshot, snapshotParts } from '../../src/store/index.ts'
import type { Entry, Revision, Store } from '../../src/store/store.ts'
import type { Restore } from './medium.ts'

interface Saved {
  file: string
  /** The era in which it was taken, by its index. */
  era: number
  revision: Revision
}

/** As many of the newest may be restored. */
const keeps = 3

export class SavedSnapshots {
  readonly #directory = mkdtempSync(join(tmpdir(), 'kutter-chaos-'))
  #saved: Saved[] = []
  #count = 0

  get count(): number {
    return this.#saved.length
  }

  /**
   * Takes one. Its revision is asked for first, by the cluster's clock; all that comes after takes no time of that clock,
   * as long as the caller lets none pass once `onRevision` was called, which may throw to end it. Returns its entries.
   */
  async take(store: Store, era: number, onRevision: () => void): Promise<{ revision: Revision; entries: Entry[] }> {
    const file = join(this.#directory, `${this.#count++}.snapshot`)
    const revision = async () => {
      const newest = await store.revision()
      onRevision()
      return newest
    }
    const asked = new Proxy(store, {
      get(target, name) {
        if (name === 'revision') return revision
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const info = await saveSnapshot(asked, file, { name: 'chaos', createdAt: '2026-01-01T00:00:00Z' })
    this.#saved.push({ file, era, revision: info.revision })
    for (const { file: old } of this.#saved.splice(0, this.#saved.length - keeps)) rmSync(old)
    return { revision: info.revision, entries: await entriesOf(file) }
  }

  /** What is to be restored of one of them, given by a number from 0 to 1, into a store whose newest revision is given. */
  async restore(choice: number, newest: Revision): Promise<{ entries: Entry[]; restore: Restore }> {
    const { file, era, revision } = this.#saved[Math.floor(choice * this.#saved.length)]!
    const info = await checkSnapshot(file)
    const restore = { from: era, kept: revision, begins: revisionAfterRestore(info.revision, newest) }
    return { entries: await entriesOf(file), restore }
  }

  close(): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

async function entriesOf(file: string): Promise<Entry[]> {
  const entries: Entry[] = []
  for await (const part of snapshotParts(file)) if (part.type === 'entry') entries.push(part.entry)
  return entries
}
