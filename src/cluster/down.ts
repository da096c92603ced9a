// `kutter down`: stops every process and takes away everything a node made outside the data directory, then looks
// whether anything is left. The data stays unless --purge.
import { existsSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { realClock } from '../base/clock.ts'
import { stderrLog, silentLog } from '../base/log.ts'
import { makeIp, makeNft, realMounts } from '../linux/index.ts'
import { type ClusterPaths, clusterTag, packageDir, readConfig, releaseSlot } from './config.ts'
import { contextName, removeFromUserConfig } from './kubeconfig.ts'
import { ask } from './link.ts'
import { isAlive } from './supervisor.ts'
import { bridgeOf, teardownNode } from './node-teardown.ts'

export interface DownOptions {
  paths: ClusterPaths
  name: string
  purge: boolean
  out: (text: string) => void
}

const stopMs = 30_000

/** Returns the exit code: 0 when nothing is left. */
export async function down({ paths, name, purge, out }: DownOptions): Promise<number> {
  const config = readConfig(paths)
  if (!config) {
    out(`There is no cluster ${name} in ${paths.dataDir}.\n`)
    return 0
  }
  await stopProcesses(paths)
  const tag = clusterTag(paths, name)
  const agents = join(paths.root, 'agents')
  const nodes = existsSync(agents) ? await readdir(agents) : []
  const log = process.env.KUTTER_LOG ? stderrLog() : silentLog
  for (const node of nodes) await teardownNode({ dir: paths.node(node), tag, node, log, purge })
  const left = await leftovers(paths, tag)
  if (purge) {
    releaseSlot(config.slot, paths.root)
    await rm(paths.root, { recursive: true, force: true })
    await removeDataDir(paths)
    await removeFromUserConfig(contextName(name))
  }
  if (left.length) {
    out(`The cluster ${name} is stopped, but this is left: ${left.join(', ')}\n`)
    return 1
  }
  out(
    `The cluster ${name} is stopped: no process, mount, interface, table, namespace or cgroup of it is left.${purge ? ' Its data is gone.' : ` Its data is in ${paths.root}.`}\n`,
  )
  return 0
}

/** With its last cluster the data directory goes, too, and the packages that images were built from. */
async function removeDataDir({ dataDir }: ClusterPaths): Promise<void> {
  if (!existsSync(dataDir)) return
  const others = (await readdir(dataDir)).filter(name => name !== packageDir)
  if (others.length === 0) await rm(dataDir, { recursive: true, force: true })
}

/** Stops supervisor, server and agents; containers go on running. */
export async function stopProcesses(paths: ClusterPaths): Promise<void> {
  const state = await ask(paths.socket, { command: 'stop' })
  if (!state) return
  const pids = [state.supervisor, ...state.processes.map(p => p.pid)]
  const deadline = realClock.now() + stopMs
  while (pids.some(isAlive) && realClock.now() < deadline) await realClock.sleep(20)
  for (const pid of pids.filter(isAlive)) process.kill(pid, 'SIGKILL')
}

/** What is still there of a cluster. */
async function leftovers(paths: ClusterPaths, tag: string): Promise<string[]> {
  const left: string[] = []
  for (const mount of await realMounts.list())
    if (mount.point.startsWith(`${paths.root}/`)) left.push(`mount ${mount.point}`)
  for (const link of await makeIp().links()) if (link.name === bridgeOf(tag)) left.push(`interface ${link.name}`)
  for (const table of await makeNft().tables()) if (table === `ip kutter-${tag}`) left.push(`nft table ${table}`)
  for (const pid of (await readdir('/proc')).filter(name => /^\d+$/.test(name))) {
    const line = await commandLine(pid)
    if (line.includes(`${paths.root}/`) && Number(pid) !== process.pid)
      left.push(`process ${pid} (${line.slice(0, 60)})`)
  }
  return left
}

async function commandLine(pid: string): Promise<string> {
  const { readFile } = await import('node:fs/promises')
  return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ').trim()
}
