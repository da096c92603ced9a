// `kutter server --join URL --token TOKEN`: makes this machine a further server of a cluster whose objects are in an
// etcd. It verifies that the server belongs to the cluster of the token, gets configuration and keys from it, and then
// starts like any other cluster. A machine that fails to join has no configuration, so nothing starts on it by itself,
// and it never becomes a cluster of its own.
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { realClock } from '../base/clock.ts'
import { isReason } from '../base/errors.ts'
import { silentLog } from '../base/log.ts'
import { Client, httpsTransport } from '../client/index.ts'
import { serverUrl, UsageError } from './args.ts'
import { addServer, type ClusterPaths, readConfig, writeConfig } from './config.ts'
import { discover } from './discovery.ts'
import { commandLine } from './hint.ts'
import { readJoinToken } from './join-token.ts'
import { openStore, parseStore } from './store-location.ts'
import { etcdFilesOf, readServerKeys, writeServerKeys } from './server-keys.ts'

interface JoinServerOptions {
  paths: ClusterPaths
  name: string
  server: string
  token: string
  nodeName?: string
  port?: number
}

/** Writes keys and configuration. Throws an Error whose message states why the machine cannot join; nothing is left then. */
export async function joinServer(options: JoinServerOptions): Promise<void> {
  const { paths, name } = options
  if (readConfig(paths))
    throw new UsageError(
      `there is a cluster ${name} in ${paths.dataDir} already; start it with: ${commandLine('kutter', 'up', paths)}, or choose another --name`,
    )
  if (existsSync(paths.pki)) throw new UsageError(`${paths.pki} holds keys of another cluster; remove it first`)
  const server = serverUrl('join', options.server)
  const [first = '', word] = options.token.trim().split('+') as [string?, string?]
  if (!word)
    throw new UsageError('this is no token for a server; create one on a server with: kutter token create --for-server')
  const token = readJoinToken(first)
  const { ca } = await discover(server, token, realClock)
  const transport = httpsTransport(() => ({ server, ca, token: () => `${token.id}.${token.secret}` }))
  const user = { name: '', groups: [] }
  const client = new Client({ serve: transport.serve, user, userAgent: 'kutter', clock: realClock, log: silentLog })
  try {
    const keys = await readServerKeys(client, token.id, word).catch((error: unknown) => {
      if (!isReason(error, 'Unauthorized', 'Forbidden', 'NotFound')) throw error
      throw new Error(
        `${server} does not accept the token ${token.id} for a server: it has expired, or is for a node`,
        {
          cause: error,
        },
      )
    })
    await writeServerKeys(keys, paths)
    const config = await addServer(paths, { ...keys.config, ...etcdFilesOf(keys.config, paths) }, options)
    const store = await openStore(config, paths, { log: silentLog, onFailure() {} })
    await store.close()
    await writeConfig(paths, config)
  } catch (error) {
    await rm(paths.pki, { recursive: true, force: true })
    throw error
  } finally {
    client.close()
    transport.close()
  }
}

/** Throws where a further server could not see the objects. */
export function mustShareStore({ store, name }: { store?: string; name: string }, paths: ClusterPaths): void {
  if (parseStore(store, name)) return
  throw new UsageError(
    `only this machine has the store of the cluster ${name}; copy it to an etcd first with: ${commandLine('kutter', 'store migrate --to etcd://HOST:PORT', paths)}`,
  )
}
