// Reads a whole store at one revision, page by page, so that no more than a page is held.
import type { Entry, Revision, Store } from './store.ts'

const pageEntries = 500

/** Every entry of a revision, sorted by key. Throws like `list`. */
export async function* entriesAt(store: Store, revision: Revision): AsyncGenerator<Entry> {
  for (let after: string | undefined, isMore = true; isMore; isMore = after !== undefined) {
    const page = await store.list('', {
      limit: pageEntries,
      at: revision,
      uncounted: true,
      ...(after !== undefined && { after }),
    })
    yield* page.entries
    after = page.next
  }
}
