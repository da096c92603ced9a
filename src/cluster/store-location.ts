// Where a cluster keeps its objects: in a directory of this machine, or in an etcd that several servers share, which is
// the cluster's own or somebody else's.
import { readFileSync } from 'node:fs'
import { messageOf, type StatusError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { type EtcdClient, type EtcdPlace, openEmbeddedStore, openEtcdStore, type Store } from '../store/index.ts'
import { isQuantity, quantityValue } from '../api/quantity.ts'
import { type Parsed, UsageError } from './args.ts'
import type { ClusterConfig, ClusterPaths } from './config.ts'
import { ownEndpoints, ownPrefix } from './etcd-member.ts'
import { ownEtcdTls } from './etcd-pki.ts'
import { hasOwnEtcd, ownEtcd } from './own-etcd.ts'

/** Source: etcd's recommended limit (--quota-backend-bytes). */
export const defaultQuotaBytes = 8 * 1024 ** 3
/** The word that `--store` has for the store on this machine. */
const embedded = 'embedded'

interface EtcdLocation {
  /** `host:port` of each member. Those of the cluster's own are not in the setting, see `etcdPlace`. */
  endpoints: string[]
  /** Begins all keys, such as `/kutter/default`. */
  prefix: string
}

const defaultPort = 2379

/**
 * Reads `etcd`, the cluster's own, or `etcd://HOST[:PORT],HOST[:PORT]…[/PREFIX]`; undefined for the embedded store. Throws
 * UsageError for anything else.
 * @param name of the cluster, which makes the default prefix
 */
export function parseStore(text: string | undefined, name: string): EtcdLocation | undefined {
  if (text === undefined || text === '' || text === embedded) return undefined
  if (text === ownEtcd) return { endpoints: [], prefix: ownPrefix }
  const wrong = (why: string) =>
    new UsageError(
      `--store: ${JSON.stringify(text)} ${why}; it is ${embedded}, ${ownEtcd} for an etcd of the cluster's own, or etcd://HOST:PORT,HOST:PORT/PREFIX with the members of another one`,
    )
  const [, hosts = '', path = ''] = /^etcd:\/\/([^/]*)(\/.*)?$/.exec(text) ?? []
  if (!hosts) throw wrong('names no store')
  const endpoints = hosts.split(',').map(host => {
    const [, name = '', port] = /^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?$/.exec(host) ?? []
    const number = port === undefined ? defaultPort : Number(port)
    if (!name || number < 1 || number > 65535) throw wrong(`has no valid address in ${JSON.stringify(host)}`)
    return `${name}:${number}`
  })
  const prefix = path.replace(/\/+$/, '') || `/kutter/${name}`
  if (!/^(\/[A-Za-z0-9._-]+)+$/.test(prefix)) throw wrong(`has no valid prefix in ${JSON.stringify(path)}`)
  return { endpoints, prefix }
}

/** Whether two values of `--store` mean the same store. */
export function sameStore(one: string | undefined, other: string | undefined, name: string): boolean {
  const isOwn = (store: string | undefined) => hasOwnEtcd({ store })
  return isOwn(one) === isOwn(other) && parseStore(one, name)?.prefix === parseStore(other, name)?.prefix
}

type StoreConfig = Pick<ClusterConfig, 'name' | 'slot' | 'store' | 'etcdCa' | 'etcdCert' | 'etcdKey' | 'storeQuota'>

/** Less would not hold the objects of an empty cluster and their history. */
const minQuotaBytes = 32 * 1024 ** 2

/** Reads `--store-quota`. */
export function storeQuota({ options }: Parsed): Pick<ClusterConfig, 'storeQuota'> {
  const text = options['store-quota']
  if (text !== undefined && !(isQuantity(text) && quantityValue(text) >= minQuotaBytes))
    throw new UsageError(`option --store-quota must be a size of at least 32Mi, such as 8Gi, not ${text}`)
  return text ? { storeQuota: text } : {}
}

/** Reads the files of TLS for etcd. Throws an Error that names the option of a file that cannot be read. */
export function etcdTls({ etcdCa, etcdCert, etcdKey }: Pick<StoreConfig, 'etcdCa' | 'etcdCert' | 'etcdKey'>) {
  if (!etcdCa && !etcdCert && !etcdKey) return undefined
  if (Boolean(etcdCert) !== Boolean(etcdKey))
    throw new UsageError('--etcd-certfile and --etcd-keyfile are given together or not at all')
  const read = (option: string, file: string) => {
    try {
      return readFileSync(file)
    } catch (error) {
      throw new Error(`--${option}: ${messageOf(error)}`, { cause: error })
    }
  }
  return {
    ...(etcdCa && { ca: read('etcd-cafile', etcdCa) }),
    ...(etcdCert && { cert: read('etcd-certfile', etcdCert) }),
    ...(etcdKey && { key: read('etcd-keyfile', etcdKey) }),
  }
}

/** The members, the prefix and the credentials of a cluster whose objects are in an etcd; undefined for the embedded store. */
export function etcdPlace(config: StoreConfig, paths: Pick<ClusterPaths, 'root' | 'pki'>): EtcdPlace | undefined {
  const location = parseStore(config.store, config.name)
  if (!location) return undefined
  if (hasOwnEtcd(config)) return { ...location, endpoints: ownEndpoints(config, paths), tls: ownEtcdTls(paths) }
  const tls = etcdTls(config)
  return { ...location, ...(tls && { tls }) }
}

/** Opens the store of a cluster. `onFailure` is called once when it can no longer be written. */
export function openStore(
  config: StoreConfig,
  paths: Pick<ClusterPaths, 'store' | 'root' | 'pki'>,
  { log, ...events }: { log: Log; onFailure(error: StatusError): void; onClient?(client: EtcdClient): void },
): Promise<Store> {
  const place = etcdPlace(config, paths)
  if (!place) return openEmbeddedStore(paths.store, { ...events, maxSizeBytes: quotaBytes(config) })
  return openEtcdStore({ ...place, log: log.with({ part: 'store' }), ...events })
}

/** The size that the embedded store may have. */
export const quotaBytes = ({ storeQuota }: Pick<ClusterConfig, 'storeQuota'>): number =>
  storeQuota === undefined ? defaultQuotaBytes : quantityValue(storeQuota)
