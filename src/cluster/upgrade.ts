// `kutter upgrade [--back]`: another release of Kutter for a cluster that is there. It is run from the directory of the
// new release:
//
//   snapshot by the release that runs ──► its processes end ──► `up` of this release ──► ready
//                                                                  └── not ready: back, by itself
//
// Containers run on meanwhile. What has been left is written down in cluster.json, so that `--back` of either release
// returns to it: it starts the other one, and where that cannot read the store any more, restores the snapshot first.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { realClock } from '../base/clock.ts'
import { isReason, messageOf } from '../base/errors.ts'
import { silentLog } from '../base/log.ts'
import { timeText } from '../api/time.ts'
import { commandLines, run } from '../linux/index.ts'
import { withAdmin } from './admin.ts'
import { UsageError } from './args.ts'
import { type ClusterConfig, type ClusterPaths, type Release, readConfig, writeConfig } from './config.ts'
import { stopProcesses } from './down.ts'
import { commandLine } from './hint.ts'
import { ask } from './link.ts'
import { releaseIn } from './release.ts'
import { type SavedSnapshot, Snapshots, storePaths } from './snapshots.ts'
import { openStore, parseStore } from './store-location.ts'

export interface UpgradeOptions {
  paths: ClusterPaths
  name: string
  config: ClusterConfig
  /** The directory of this program's files. */
  directory: string
  /** Starts the cluster with this release. Rejects when it does not get ready; what it started is stopped then. */
  start(): Promise<number>
  /** Runs while no other command changes the cluster. */
  alone<T>(run: () => Promise<T>): Promise<T>
  out: (text: string) => void
}

/** A release may take as long as this to start a cluster, with all that it installs. */
const startMs = 900_000

/** Returns the exit code. Throws an Error whose message states what is wrong, and how the cluster runs now. */
export async function upgrade(options: UpgradeOptions): Promise<number> {
  const { paths, config, directory, out } = options
  const own = releaseIn(directory)
  const present = (await running(paths)) ?? config.release
  if (!present)
    throw new UsageError(
      `nothing shows which release the cluster ${config.name} had; start it with that release first, or with this one by: ${commandLine('kutter', 'up', paths)}`,
    )
  if (present.directory === own.directory)
    throw new UsageError(
      `the cluster ${config.name} has this release already, ${own.version} in ${own.directory}; run the command of the other one`,
    )
  const before = await options.alone(async () => {
    const snapshot = await saveState(options)
    out(`The state before is in ${snapshot}.\n`)
    await stopProcesses(paths, config.name)
    const left = { ...present, snapshot, at: timeText(realClock.now()) }
    await writeConfig(paths, { ...config, before: left })
    return left
  })
  try {
    const code = await options.start()
    out(
      `The cluster has release ${own.version} now. Return to ${present.version} with: ${commandLine('kutter', 'upgrade --back', paths)}\n`,
    )
    return code
  } catch (error) {
    out(`Release ${own.version} cannot run the cluster: ${messageOf(error)}\n`)
    await goBack(options, before)
    throw new Error(`the cluster has release ${present.version} as before`, { cause: error })
  }
}

/** Returns to the release before. Returns the exit code. */
export async function upgradeBack(options: UpgradeOptions): Promise<number> {
  const { paths, config } = options
  const { before } = config
  if (!before) throw new UsageError(`the cluster ${config.name} was not upgraded, so there is nothing to return to`)
  if (!existsSync(join(before.directory, 'kutter')))
    throw new UsageError(`release ${before.version} is not in ${before.directory} any more; put it there again`)
  await options.alone(() => stopProcesses(paths, config.name))
  await goBack(options, before)
  return 0
}

async function goBack(
  { paths, name, out }: UpgradeOptions,
  before: NonNullable<ClusterConfig['before']>,
): Promise<void> {
  const program = join(before.directory, 'kutter')
  const place = ['--name', name, '--data-dir', paths.dataDir]
  const kutter = (...words: string[]) =>
    run(program, [...words, ...place], { timeoutMs: startMs, maxOutputBytes: 16 << 20 })
  const { before: _left, ...config } = readConfig(paths)!
  await writeConfig(paths, config)
  try {
    await kutter('up')
  } catch (error) {
    if (!/this Kutter reads format/.test(messageOf(error))) throw error
    await kutter('snapshot', 'restore', before.snapshot)
    out(`Its store is that of ${before.at} again: release ${before.version} cannot read what was written since.\n`)
    await kutter('up')
  }
  out(`The cluster has release ${before.version} in ${before.directory}.\n`)
}

/** The release whose supervisor runs the cluster; undefined when none does. */
async function running(paths: ClusterPaths): Promise<Release | undefined> {
  const state = await ask(paths.socket, { command: 'status' })
  if (!state) return undefined
  const supervisor = (await commandLines()).find(({ pid }) => pid === state.supervisor)
  const program = supervisor?.words.find(word => /supervisor-main\.(js|ts)$/.test(word))
  return program === undefined ? undefined : releaseIn(dirname(program))
}

/** Saves the state of the cluster: by the release that runs, or when it is stopped by this one. Returns the file. */
async function saveState({ paths, config }: UpgradeOptions): Promise<string> {
  if (await ask(paths.socket, { command: 'status' })) {
    try {
      const saved = await withAdmin(paths, config, admin => admin.fetch(storePaths.snapshot, undefined, 'PUT'))
      return (JSON.parse(saved) as SavedSnapshot).file
    } catch (error) {
      // The release is older than snapshots.
      if (!isReason(error, 'NotFound')) throw error
    }
    if (parseStore(config.store, config.name))
      throw new UsageError('the release that runs cannot save a snapshot of an etcd; save one with the tools of etcd')
    await stopProcesses(paths, config.name)
  }
  const store = await openStore(config, paths, { log: silentLog, onFailure() {} })
  try {
    const around = { paths, name: config.name, store, clock: realClock, log: silentLog, keep: Number.MAX_SAFE_INTEGER }
    return (await new Snapshots(around).save('on-demand')).file
  } finally {
    await store.close()
  }
}
