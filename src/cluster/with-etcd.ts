// Runs the members of a cluster's own etcd on this machine while a command works on the store of a stopped cluster.
import { existsSync } from 'node:fs'
import { mkdir, rename } from 'node:fs/promises'
import { timeText } from '../api/time.ts'
import { realClock } from '../base/clock.ts'
import { type ClusterConfig, type ClusterPaths, clusterTag } from './config.ts'
import { etcdDir, membersHere } from './etcd-member.ts'
import { ensureEtcdCertificates } from './etcd-pki.ts'
import { endEtcd, etcdProcesses, spawnEtcd } from './etcd-process.ts'
import { ensureNodeNetwork, removeNodeNetwork } from './node-net.ts'
import { hasOwnEtcd } from './own-etcd.ts'

/** Calls `work` while the members run, and ends those that were started for it. Other stores need nothing. */
export async function withEtcd<T>(config: ClusterConfig, paths: ClusterPaths, work: () => Promise<T>): Promise<T> {
  if (!hasOwnEtcd(config) || (await etcdProcesses(paths)).length) return work()
  for (const dir of [paths.run, paths.logs]) await mkdir(dir, { recursive: true, mode: 0o700 })
  await ensureEtcdCertificates(config, paths, realClock)
  const tag = clusterTag(paths, config.name)
  await ensureNodeNetwork(tag, config)
  try {
    for (const { name } of membersHere(config)) spawnEtcd(config, paths, name).on('error', () => {})
    return await work()
  } finally {
    await endEtcd(paths, realClock)
    await removeNodeNetwork(tag)
  }
}

/** The configuration of a cluster whose etcd begins from scratch with one member. Further ones join it again. */
export function withFreshEtcd(config: ClusterConfig): ClusterConfig {
  if (!hasOwnEtcd(config)) return config
  const nodes = config.nodes.map(({ member: _, isServer: __, ...node }) => node)
  return { ...config, member: {}, nodes }
}

/** The same without any member. */
export function withoutEtcd({ member: _, ...config }: ClusterConfig): ClusterConfig {
  return { ...config, nodes: config.nodes.map(({ member: __, isServer: ___, ...node }) => node) }
}

/** Moves the data of former members aside, so that new ones cannot begin with it. Returns where it is. */
export async function moveEtcdAside(paths: Pick<ClusterPaths, 'root'>): Promise<string | undefined> {
  const dir = etcdDir(paths)
  if (!existsSync(dir)) return undefined
  const before = nameBeside(dir, 'before')
  await rename(dir, before)
  return before
}

/** A name that nothing has yet: of a directory beside another one, with the time in it. */
export function nameBeside(dir: string, what: 'new' | 'before'): string {
  const name = `${dir}.${what}-${timeText(realClock.now()).replaceAll(/[-:]/g, '')}`
  for (let i = 2, fresh = name; ; fresh = `${name}-${i++}`) if (!existsSync(fresh)) return fresh
}
