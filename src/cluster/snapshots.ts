// The snapshots of a cluster: the server takes one every six hours, and when `kutter snapshot save` asks it to. Each is
// a file in the directory `snapshots`, with the keys of the cluster and its configuration beside the objects. So it can
// be restored on an empty machine, and must be kept as secret as the machine itself.
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { PathHandler } from '../apiserver/index.ts'
import type { Clock } from '../base/clock.ts'
import { messageOf, StatusError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { counter, gauge } from '../base/metrics.ts'
import { timeText } from '../api/time.ts'
import { entriesAt, saveSnapshot, snapshotHead, type SnapshotFile, type Store } from '../store/index.ts'
import type { ClusterPaths } from './config.ts'

/** Scheduled snapshots are removed when there are more than are kept; those that somebody asked for stay. */
type SnapshotOrigin = 'scheduled' | 'on-demand'

/** As k3s and etcd's own guides advise for a small cluster: two days. */
export const defaultSnapshotsKept = 8
export const defaultSnapshotMs = 6 * 3600_000

const ending = '.snapshot'

const failures = counter('kutter_snapshot_failures_total', 'Snapshots of the store that could not be saved.')
const newest = gauge('kutter_snapshot_timestamp_seconds', 'When the newest snapshot was saved, in seconds since 1970.')

export interface SavedSnapshot {
  file: string
  origin: SnapshotOrigin
  /** RFC 3339. */
  createdAt: string
  revision: number
  sizeBytes: number
}

interface SnapshotsOptions {
  paths: ClusterPaths
  /** Of the cluster. */
  name: string
  store: Store
  clock: Clock
  log: Log
  /** How many scheduled ones are kept. */
  keep: number
}

export class Snapshots {
  readonly #o: SnapshotsOptions
  #saving: Promise<unknown> = Promise.resolve()
  #lastRevision = -1

  constructor(options: SnapshotsOptions) {
    this.#o = options
  }

  /** Saves one, after the one that is being saved. */
  save(origin: SnapshotOrigin): Promise<SavedSnapshot> {
    const saved = this.#saving.catch(() => {}).then(() => this.#save(origin))
    this.#saving = saved
    return saved
  }

  /** Saves one every so often until the signal aborts, unless nothing was written since the last one. */
  async keep(everyMs: number, signal: AbortSignal): Promise<void> {
    const { clock, log, store, paths } = this.#o
    // A server that starts often takes them as often as one that runs on.
    const last = (await listSnapshots(paths.snapshots)).findLast(({ origin }) => origin === 'scheduled')
    let waitMs = last ? Math.max(0, Date.parse(last.createdAt) + everyMs - clock.now()) : everyMs
    while (!signal.aborted) {
      await clock.sleep(Math.min(everyMs, waitMs), signal).catch(() => {})
      if (signal.aborted) return
      waitMs = everyMs
      try {
        if ((await store.revision()) === this.#lastRevision) continue
        const { file, revision } = await this.save('scheduled')
        log.info('saved a snapshot', { file, revision })
      } catch (error) {
        failures.add()
        log.error('no snapshot could be saved', { error: messageOf(error) })
      }
    }
  }

  async #save(origin: SnapshotOrigin): Promise<SavedSnapshot> {
    const { paths, name, store, clock, keep } = this.#o
    await mkdir(paths.snapshots, { recursive: true, mode: 0o700 })
    const createdAt = timeText(clock.now())
    const revision = await store.revision()
    const file = join(paths.snapshots, `${origin}-${createdAt.replaceAll(/[-:]/g, '')}-${revision}${ending}`)
    const saved = await saveSnapshot(store, file, { name, createdAt, files: await filesOf(paths) })
    this.#lastRevision = saved.revision
    newest.set(clock.now() / 1000)
    await pruneSnapshots(paths.snapshots, keep)
    return { file, origin, createdAt, revision: saved.revision, sizeBytes: (await stat(file)).size }
  }
}

/** Without these a store is of little use: what secrets are encrypted with, who signed the tokens and certificates. */
async function filesOf({ root, pki, config }: ClusterPaths): Promise<SnapshotFile[]> {
  const entries = (await readdir(pki, { withFileTypes: true, recursive: true })).filter(entry => entry.isFile())
  const all = [config, ...entries.map(({ name, parentPath }) => join(parentPath, name)).sort()]
  return Promise.all(
    all.map(async path => ({
      path: path.slice(root.length + 1),
      mode: (await stat(path)).mode & 0o777,
      bytes: await readFile(path),
    })),
  )
}

/** The snapshots of a directory, oldest first. Files that are none are left out. */
export async function listSnapshots(directory: string): Promise<SavedSnapshot[]> {
  const names = await readdir(directory).catch(() => [])
  const found = await Promise.all(
    names
      .filter(name => name.endsWith(ending))
      .map(async (name): Promise<SavedSnapshot[]> => {
        const file = join(directory, name)
        try {
          const { createdAt, revision } = await snapshotHead(file)
          const origin = name.startsWith('scheduled-') ? 'scheduled' : 'on-demand'
          return [{ file, origin, createdAt, revision, sizeBytes: (await stat(file)).size }]
        } catch {
          return []
        }
      }),
  )
  return found.flat().sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1))
}

/** Removes the oldest of those that the schedule made, so that `keep` are left. Returns the files that are gone. */
export async function pruneSnapshots(directory: string, keep: number): Promise<string[]> {
  const scheduled = (await listSnapshots(directory)).filter(({ origin }) => origin === 'scheduled')
  const old = scheduled.slice(0, Math.max(0, scheduled.length - keep)).map(({ file }) => file)
  for (const file of old) await rm(file, { force: true })
  return old
}

/** The path at which administrators ask the server for a snapshot, and for work on its store. */
export const storePaths = {
  snapshot: '/kutter/v1/snapshots',
  check: '/kutter/v1/store/check',
  compact: '/kutter/v1/store/compact',
  defragment: '/kutter/v1/store/defragment',
} as const

/** Answers PUT on `storePaths`. As for all such paths, RBAC must allow it, which it does for administrators. */
export function storeHandler(snapshots: Snapshots, store: Store): PathHandler {
  const work: Readonly<Record<string, () => Promise<unknown>>> = {
    [storePaths.snapshot]: () => snapshots.save('on-demand'),
    [storePaths.check]: () => readAll(store),
    [storePaths.compact]: async () => {
      await store.compact(await store.revision())
      return store.stats()
    },
    [storePaths.defragment]: async () => {
      const before = store.stats().sizeBytes
      await store.defragment()
      return { before, sizeBytes: store.stats().sizeBytes }
    },
  }
  return async ({ url, request, response }) => {
    if (!Object.hasOwn(work, url.pathname)) return false
    if (request.method !== 'PUT')
      throw new StatusError('MethodNotAllowed', 'the server does not allow this method on the requested resource')
    const body = Buffer.from(JSON.stringify(await work[url.pathname]!()))
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
    response.end(body)
    return true
  }
}

/** Reads every key, by which each checksum is looked at. Throws for the first that is damaged. */
async function readAll(store: Store): Promise<{ revision: number; keys: number; sizeBytes: number }> {
  const revision = await store.revision()
  let keys = 0
  for await (const entry of entriesAt(store, revision)) keys += entry.key ? 1 : 0
  return { revision, keys, sizeBytes: store.stats().sizeBytes }
}
