// A store in etcd, for several servers: the contract of store.ts over a log that all of them append to. layout.ts says
// how the keys look, etcd-log.ts how the servers agree on one order.
import { randomUUID } from 'node:crypto'
import type { Log } from '../../base/log.ts'
import { LogStore, type LogStoreOptions } from '../log-store.ts'
import type { Entry, Revision, Store } from '../store.ts'
import { EtcdClient, type EtcdTls } from './client.ts'
import { openEtcdLog } from './etcd-log.ts'
import { fillEtcd } from './fill.ts'
import { Layout } from './layout.ts'

export interface EtcdPlace {
  /** `host:port` of each member. */
  endpoints: readonly string[]
  /** Begins all keys of the store in etcd, such as `/kutter`. */
  prefix: string
  tls?: EtcdTls
}

export interface EtcdOptions extends EtcdPlace, LogStoreOptions {
  log: Log
  /** Called with the client before it is used, for a caller that has news of the members later. The store closes it. */
  onClient?(client: EtcdClient): void
}

/** Replaces the store by entries of another one, see `fillEtcd`. No server may have it open. */
export async function copyToEtcd(
  { endpoints, prefix, tls }: EtcdPlace,
  entries: AsyncIterable<Entry> | Iterable<Entry>,
  revision: Revision,
): Promise<number> {
  const client = new EtcdClient(endpoints, tls)
  try {
    return await fillEtcd(client, new Layout(prefix), entries, revision)
  } finally {
    client.close()
  }
}

/** Opens the store. Throws ServiceUnavailable when no member answers. */
export async function openEtcdStore(options: EtcdOptions): Promise<Store> {
  const client = new EtcdClient(options.endpoints, options.tls)
  options.onClient?.(client)
  try {
    const log = await openEtcdLog(client, new Layout(options.prefix), { log: options.log, newId: randomUUID })
    return new LogStore(log, options)
  } catch (error) {
    client.close()
    throw error
  }
}
