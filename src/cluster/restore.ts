// Puts another state into the place of a cluster's store, while the cluster is stopped: that of a snapshot, that of
// another store, or what is whole of a damaged one. The store before stays beside it, until somebody removes it.
import { existsSync } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join, normalize } from 'node:path'
import { silentLog } from '../base/log.ts'
import {
  checkSnapshot,
  copyToEtcd,
  entriesAt,
  type Entry,
  fillEmbedded,
  salvage,
  snapshotParts,
  type Store,
} from '../store/index.ts'
import { type ClusterConfig, type ClusterPaths, claimSlot, nodeNameOf, readConfig, writeConfig } from './config.ts'
import { commandLine } from './hint.ts'
import { hasOwnEtcd } from './own-etcd.ts'
import { moveEtcdAside, nameBeside, withEtcd, withFreshEtcd, withoutEtcd } from './with-etcd.ts'
import { etcdPlace, openStore } from './store-location.ts'

/**
 * How far a restored store is ahead of what is known of the one before. Clients may have seen revisions that are lost
 * with it, and must never see the same ones again for something else.
 */
const revisionGap = 1_000_000_000

/** At which revision a store goes on, given those of the snapshot and of what is known of the store before. */
export const revisionAfterRestore = (snapshot: number, known: number): number => Math.max(snapshot, known) + revisionGap

interface Restored {
  revision: number
  keys: number
  /** Where the store before is now. */
  before?: string
}

/**
 * Restores a snapshot into a cluster, which is made of it if there is none of that name. Throws SnapshotError for a file
 * that is no whole snapshot; nothing is changed then.
 */
export async function restoreSnapshot(file: string, paths: ClusterPaths, name: string): Promise<Restored> {
  const info = await checkSnapshot(file)
  const former = readConfig(paths)
  const known = former ? await withEtcd(former, paths, () => newestOf(former, paths)) : 0
  const existing = former ?? (await clusterOf(file, paths, name))
  const revision = revisionAfterRestore(info.revision, known)
  // Members on other machines hold the lost state, so they are left behind, and join again.
  const config = withFreshEtcd(existing)
  const aside = hasOwnEtcd(config) ? await moveEtcdAside(paths) : undefined
  // First, so that no revision of the store that follows is given again, whatever happens to it.
  await writeConfig(paths, { ...config, restoredAt: revision })
  const restored = await withEtcd(config, paths, () => replaceStore(config, paths, entriesOf(file), revision))
  return { ...restored, ...(aside !== undefined && { before: aside }), revision }
}

/** Copies the store of a cluster to another place, and makes the cluster use that from its next start on. */
export async function migrateStore(
  config: ClusterConfig,
  paths: ClusterPaths,
  wanted: ClusterConfig,
): Promise<Restored> {
  const isOwn = hasOwnEtcd(wanted)
  const to = isOwn ? withFreshEtcd(wanted) : withoutEtcd(wanted)
  const aside = isOwn ? await moveEtcdAside(paths) : undefined
  return withEtcd(config, paths, async () => {
    const store = await open(config, paths)
    try {
      return await withEtcd(to, paths, async () => {
        const revision = await store.revision()
        const restored = await replaceStore(to, paths, entriesAt(store, revision), revision)
        await compareStores(store, revision, to, paths)
        await writeConfig(paths, isOwn ? { ...to, member: { hasRun: true } } : to)
        return { ...restored, ...(aside !== undefined && { before: aside }), revision }
      })
    } finally {
      await store.close()
    }
  })
}

/** Keeps what is whole of a damaged embedded store. Returns what is lost. */
export async function repairStore(config: ClusterConfig, paths: ClusterPaths) {
  const { entries, revision: newest, lost } = salvage(paths.store)
  if (!lost.length) return { lost, keys: entries.length }
  // The newest ones may be among what is lost.
  const revision = revisionAfterRestore(newest, mostOf(config))
  await writeConfig(paths, { ...config, restoredAt: revision })
  const restored = await replaceStore(config, paths, entries, revision)
  return { lost, ...restored }
}

/** What no revision of a store that cannot be read has reached. */
const mostOf = ({ restoredAt = 0 }: ClusterConfig) => restoredAt + revisionGap

/** The newest revision of a cluster's store; of one that is gone or cannot be read, one that it has not reached. */
async function newestOf(config: ClusterConfig, paths: ClusterPaths): Promise<number> {
  if (!config.store && !existsSync(paths.store)) return mostOf(config)
  try {
    const store = await open(config, paths)
    try {
      return await store.revision()
    } finally {
      await store.close()
    }
  } catch {
    return mostOf(config)
  }
}

const open = (config: ClusterConfig, paths: ClusterPaths) =>
  openStore(config, paths, { log: silentLog, onFailure() {} })

async function replaceStore(
  config: ClusterConfig,
  paths: ClusterPaths,
  entries: AsyncIterable<Entry> | Iterable<Entry>,
  revision: number,
): Promise<Omit<Restored, 'revision'>> {
  const place = etcdPlace(config, paths)
  if (place) return { keys: await copyToEtcd(place, entries, revision) }
  const made = nameBeside(paths.store, 'new')
  const keys = await fillEmbedded(made, entries, revision)
  if (!existsSync(paths.store)) {
    await rename(made, paths.store)
    return { keys }
  }
  const before = nameBeside(paths.store, 'before')
  await rename(paths.store, before)
  await rename(made, paths.store)
  return { keys, before }
}

async function* entriesOf(file: string): AsyncGenerator<Entry> {
  for await (const part of snapshotParts(file)) if (part.type === 'entry') yield part.entry
}

/** Throws when the copy is not what the original is. */
async function compareStores(store: Store, revision: number, to: ClusterConfig, paths: ClusterPaths): Promise<void> {
  const copy = await open(to, paths)
  try {
    const there = entriesAt(copy, revision)
    for await (const entry of entriesAt(store, revision)) {
      const { value: other } = await there.next()
      if (
        !other ||
        other.key !== entry.key ||
        other.revision !== entry.revision ||
        !sameBytes(other.value, entry.value)
      )
        throw new Error(`the copy differs at ${entry.key}; the cluster stays with the store that it has`)
    }
    if (!(await there.next()).done)
      throw new Error('the copy has more keys; the cluster stays with the store that it has')
  } finally {
    await copy.close()
  }
}

const sameBytes = (one: Uint8Array, other: Uint8Array) => Buffer.compare(one, other) === 0

/** Makes the directory of a cluster from what a snapshot has of it: configuration and keys. */
async function clusterOf(file: string, paths: ClusterPaths, name: string): Promise<ClusterConfig> {
  let config: ClusterConfig | undefined
  const files: { path: string; mode: number; bytes: Buffer }[] = []
  for await (const part of snapshotParts(file)) {
    if (part.type !== 'file') break
    if (part.file.path === 'cluster.json') config = JSON.parse(part.file.bytes.toString()) as ClusterConfig
    else files.push(part.file)
  }
  if (!config)
    throw new Error(`${file} has no configuration of a cluster; make the cluster ${name} first with: kutter up`)
  if (!claimSlot(config.slot, paths.root))
    throw new Error(
      `another cluster of this machine has the address ranges of ${config.name}; remove it first, or restore with: ${commandLine('kutter', `snapshot restore ${file} --name ${config.name}`, paths)}`,
    )
  for (const { path, mode, bytes } of files) {
    const target = join(paths.root, normalize(path))
    if (!target.startsWith(`${paths.pki}/`)) throw new Error(`${file} has a file at ${path}, where none belongs`)
    await mkdir(dirname(target), { recursive: true, mode: 0o700 })
    await writeFile(target, bytes, { mode })
  }
  const made = { ...config, name, nodeName: nodeNameOf(hostname()) }
  await writeConfig(paths, made)
  return made
}
