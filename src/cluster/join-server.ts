// `kutter server --join URL --token TOKEN`: makes this machine a further server of a cluster whose objects are in an
// etcd. It verifies that the server belongs to the cluster of the token, gets configuration and keys from it, and then
// starts like any other cluster. A machine that fails to join has no configuration, so nothing starts on it by itself,
// and it never becomes a cluster of its own.
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { realClock } from '../base/clock.ts'
import { isReason } from '../base/errors.ts'
import { silentLog } from '../base/log.ts'
import { Client, httpsTransport } from '../client/index.ts'
import { serverUrl, UsageError } from './args.ts'
import { hostPort, withMembers } from '../store/index.ts'
import { addServer, type ClusterConfig, type ClusterPaths, readConfig, writeConfig } from './config.ts'
import { discover } from './discovery.ts'
import { etcdDir, etcdLogText, ownEndpoints, peerUrlOf, rememberMembers } from './etcd-member.ts'
import { ensureEtcdCertificates, ownEtcdTls } from './etcd-pki.ts'
import { endEtcd, etcdKey, spawnEtcd } from './etcd-process.ts'
import { commandLine } from './hint.ts'
import { readJoinToken } from './join-token.ts'
import { addMember } from './member-join.ts'
import { missingFiles } from './named-files.ts'
import { hasOwnEtcd } from './own-etcd.ts'
import { lastLine, logOf } from './process-files.ts'
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
    const shared = { ...keys.config, ...etcdFilesOf(keys.config, paths) }
    const missing = missingFiles(shared)
    if (missing.length)
      throw new Error(
        `the servers of the cluster read files that this machine does not have: ${missing.join(' ')}; copy them to the same paths first`,
      )
    const config = await addServer(paths, shared, options)
    if (hasOwnEtcd(config)) await joinEtcd(config, paths, keys.members ?? [])
    else {
      const store = await openStore(config, paths, { log: silentLog, onFailure() {} })
      await store.close()
      await writeConfig(paths, config)
    }
  } catch (error) {
    for (const left of [paths.pki, etcdDir(paths), paths.config, paths.logs, paths.run])
      await rm(left, { recursive: true, force: true })
    throw error
  } finally {
    client.close()
    transport.close()
  }
}

/** Starts a member of the cluster's own etcd here, which goes on running for the server that is started next. */
async function joinEtcd(config: ClusterConfig, paths: ClusterPaths, endpoints: readonly string[]): Promise<void> {
  const name = config.nodeName
  await rememberMembers(paths, endpoints)
  await ensureEtcdCertificates({ ...config, member: {} }, paths, realClock)
  for (const dir of [paths.run, paths.logs]) await mkdir(dir, { recursive: true, mode: 0o700 })
  let joined = config
  let child: ChildProcess | undefined
  await withMembers(ownEtcdTls(paths), membership =>
    addMember({
      membership,
      endpoints,
      name,
      peerUrl: peerUrlOf(config, name),
      async start(cluster) {
        joined = { ...config, member: { cluster, hasRun: true } }
        child = spawnEtcd(joined, paths, name)
        child.on('error', () => {})
        child.unref()
      },
      failed() {
        if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) return undefined
        return `it does not start: ${etcdLogText(lastLine(logOf(paths, etcdKey(name))))}`
      },
      undo: () => endEtcd(paths, realClock),
      clock: realClock,
    }),
  )
  await writeConfig(paths, joined)
}

/** Takes this machine out of the etcd again, when its server could not be started after it had joined. */
export async function leaveEtcd(config: ClusterConfig, paths: ClusterPaths): Promise<void> {
  if (!hasOwnEtcd(config)) return
  await withMembers(ownEtcdTls(paths), async membership => {
    const members = await membership.list(ownEndpoints(config, paths))
    const own = members.find(({ name }) => name === config.nodeName)
    const others = members.filter(one => one !== own).flatMap(({ clientUrls }) => clientUrls.map(hostPort))
    if (own) await membership.remove(others, own.id)
  })
}

/** Throws where a further server could not see the objects. */
export function mustShareStore(
  { store, name, nodes }: Pick<ClusterConfig, 'store' | 'name' | 'nodes'>,
  paths: ClusterPaths,
): void {
  const inNamespaces = nodes.flatMap(node => (node.member ? [node.name] : []))
  if (inNamespaces.length)
    throw new UsageError(
      `other machines cannot reach the members of etcd in network namespaces of this one, ${inNamespaces.join(' and ')}; remove them first with: ${commandLine('kutter', 'member remove NAME', paths)}`,
    )
  if (parseStore(store, name)) return
  throw new UsageError(
    `only this machine has the store of the cluster ${name}; copy it to an etcd first, its own or another, with: ${commandLine('kutter', 'store migrate --to etcd', paths)}`,
  )
}
