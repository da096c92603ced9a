// A store whose calls are counted and timed. The names are those of upstream for requests to etcd, which here are those
// to whichever store there is. Times are those from the call to the answer, with the wait for a group commit.
// Source: apiserver pkg/storage/etcd3/metrics.
import type { Clock } from '../base/clock.ts'
import { counter, histogram, measure } from '../base/metrics.ts'
import { isTraced, traced } from '../base/trace.ts'
import { type Store, StoreConflict } from '../store/index.ts'
import type { Catalog } from './catalog.ts'
import type { Storage } from './storage.ts'

const seconds = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60]
const durations = histogram('etcd_request_duration_seconds', 'Time of requests to the store.', seconds)
const requests = counter('etcd_requests_total', 'Requests to the store.')
const errors = counter('etcd_request_errors_total', 'Requests to the store that failed.')
const received = counter('apiserver_storage_events_received_total', 'Changes that the store has reported.')

interface Series {
  readonly duration: (seconds: number) => void
  readonly request: () => void
  readonly error: () => void
}
interface Resource {
  readonly operations: Map<string, Series>
  readonly event: () => void
}

/** Resources by the prefixes of their keys. Only those of kinds are asked for, which the server has checked. */
class Resources {
  readonly #all = new Map<string, Resource>()

  of(key: string): Resource {
    const [, group, resource] = boundaries(key)
    const prefix = `${group}/${resource}`
    let found = this.#all.get(prefix)
    if (!found) {
      const labels = { group: group === 'core' ? '' : (group ?? ''), resource: resource ?? '' }
      this.#all.set(prefix, (found = { operations: new Map(), event: received.with(labels) }))
      for (const operation of ['get', 'list', 'create', 'update', 'delete']) {
        const all = { operation, ...labels }
        found.operations.set(operation, {
          duration: durations.with(all),
          request: requests.with(all),
          error: errors.with(all),
        })
      }
    }
    return found
  }
}

/** The first three parts of a key: `/registry/GROUP/PLURAL/…` */
const boundaries = (key: string): readonly string[] => key.split('/', 4).slice(1)

/** The store with its calls counted. */
export function measuredStore(store: Store, clock: Clock): Store {
  const resources = new Resources()
  const timed = <T>(operation: string, key: string, call: () => Promise<T>): Promise<T> =>
    isTraced()
      ? traced(`Store ${operation}`, { key }, () => measured(operation, key, call()))
      : measured(operation, key, call())
  const measured = async <T>(operation: string, key: string, call: Promise<T>): Promise<T> => {
    const series = resources.of(key).operations.get(operation)!
    const from = clock.steady()
    series.request()
    try {
      return await call
    } catch (error) {
      if (!(error instanceof StoreConflict)) series.error()
      throw error
    } finally {
      series.duration((clock.steady() - from) / 1000)
    }
  }
  async function* counted(changes: ReturnType<Store['watch']>): ReturnType<Store['watch']> {
    for await (const batch of changes) {
      for (const { key } of batch) resources.of(key).event()
      yield batch
    }
  }
  return {
    isShared: store.isShared,
    revision: () => store.revision(),
    get: (key, at) => timed('get', key, () => store.get(key, at)),
    list: (prefix, options) => timed('list', prefix, () => store.list(prefix, options)),
    heads: prefix => timed('list', prefix, () => store.heads(prefix)),
    values: revisions => store.values(revisions),
    put: (key, value, options) =>
      timed(options.expect === 'absent' ? 'create' : 'update', key, () => store.put(key, value, options)),
    delete: (key, options) => timed('delete', key, () => store.delete(key, options)),
    watch: (prefix, options) => counted(store.watch(prefix, options)),
    changes: (prefix, options) => timed('list', prefix, () => store.changes(prefix, options)),
    compact: upTo => store.compact(upTo),
    defragment: () => store.defragment(),
    stats: () => store.stats(),
    close: () => store.close(),
  }
}

/** Shows how many objects there are, and how large the store is. Returns what ends that. */
export function showStored(storage: Storage, catalog: Catalog): () => void {
  const counts = () => catalog.all.filter(kind => storage.has(kind))
  const size = (kind: ReturnType<typeof counts>[number]) => storage.of(kind).mirror.size
  const stops = [
    measure('apiserver_storage_objects', 'Stored objects by resource.', 'gauge', () =>
      counts().map(kind => ({
        labels: { resource: kind.group ? `${kind.plural}.${kind.group}` : kind.plural },
        value: size(kind),
      })),
    ),
    measure('apiserver_resource_objects', 'Stored objects by group and resource.', 'gauge', () =>
      counts().map(kind => ({ labels: { group: kind.group, resource: kind.plural }, value: size(kind) })),
    ),
    measure('apiserver_storage_size_bytes', 'Size of the store.', 'gauge', () => [
      { labels: { storage_cluster_id: 'etcd-0' }, value: storage.store.stats().sizeBytes },
    ]),
  ]
  return () => stops.forEach(stop => stop())
}
