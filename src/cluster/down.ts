// `kutter down`: stops every process of a cluster, removes everything its nodes made outside the data directory, and
// then checks that nothing is left. The data stays unless --purge is given.
import { existsSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { realClock } from '../base/clock.ts'
import { stderrLog, silentLog } from '../base/log.ts'
import { findCgroups, isRunning, realMounts, sendSignal } from '../linux/index.ts'
import { podRoutes, wireguardLink, wireguardProcesses } from '../network/index.ts'
import { type ClusterConfig, type ClusterPaths, clusterTag, packageDir, readConfig, releaseSlot } from './config.ts'
import { endEtcd } from './etcd-process.ts'
import { readIfThere } from './files.ts'
import { contextName, removeFromUserConfig } from './kubeconfig.ts'
import { ask, type SupervisorState } from './link.ts'
import { locked, reportBusy } from './lock.ts'
import { bridgeOf, cgroupOf } from './node-names.ts'
import { networkLeftovers } from './node-net.ts'
import { teardownMachine, teardownNode } from './node-teardown.ts'
import { endRoles, processesBelow, rolesOf } from './processes.ts'

interface DownOptions {
  paths: ClusterPaths
  name: string
  purge: boolean
  out: (text: string) => void
}

const stopMs = 30_000

/** Returns the exit code: 0 when nothing is left. */
export async function down(options: DownOptions): Promise<number> {
  const { paths, name, out } = options
  if (!existsSync(paths.root)) {
    out(`There is no cluster ${name} in ${paths.dataDir}.\n`)
    return 0
  }
  return locked(paths, reportBusy(name, out), () => stop(options))
}

async function stop({ paths, name, purge, out }: DownOptions): Promise<number> {
  const config = readConfig(paths)
  if (!config) {
    out(`There is no cluster ${name} in ${paths.dataDir}.\n`)
    return 0
  }
  await stopProcesses(paths, name)
  const tag = clusterTag(paths, name)
  const agents = join(paths.root, 'agents')
  const nodes = existsSync(agents) ? await readdir(agents) : []
  const log = process.env.KUTTER_LOG ? stderrLog() : silentLog
  await Promise.all(nodes.map(node => teardownNode({ dir: paths.node(node), tag, node, log, purge })))
  await teardownMachine(tag, config, nodes.map(paths.node))
  const left = await leftovers(paths, config, tag)
  if (purge) {
    releaseSlot(config.slot, paths.root)
    const ca = await readIfThere(join(paths.pki, 'ca.crt'))
    await removeFromUserConfig(contextName(name), ca)
    await rm(paths.root, { recursive: true, force: true })
    await removeDataDir(paths)
  }
  if (left.length) {
    out(`The cluster ${name} is stopped, but something is left: ${left.join(', ')}.\n`)
    return 1
  }
  out(
    `The cluster ${name} is stopped: no process, mount, interface, table, namespace or cgroup of it is left.${purge ? ' Its data is gone.' : ` Its data is in ${paths.root}.`}\n`,
  )
  return 0
}

/** Removes the data directory after its last cluster, with the packages that images were built from. */
async function removeDataDir({ dataDir }: ClusterPaths): Promise<void> {
  if (!existsSync(dataDir)) return
  const others = (await readdir(dataDir)).filter(name => name !== packageDir)
  if (others.length === 0) await rm(dataDir, { recursive: true, force: true })
}

/** Stops the supervisor, servers, agents and members of etcd. Containers keep running. */
export async function stopProcesses(paths: ClusterPaths, name: string): Promise<void> {
  const state = await ask(paths.socket, { command: 'stop' })
  if (state) await ended(state)
  // After a crash there may be processes that no supervisor has a life line to.
  await endRoles(paths, name, realClock)
  await endEtcd(paths, realClock)
}

async function ended(state: SupervisorState): Promise<void> {
  const pids = [state.supervisor, ...state.processes.map(p => p.pid)]
  const deadline = realClock.steady() + stopMs
  while (pids.some(isRunning) && realClock.steady() < deadline) await realClock.sleep(20)
  for (const pid of pids.filter(isRunning)) sendSignal(pid, 'SIGKILL')
}

/** Everything of a cluster that is still on the machine, as words for a message. */
async function leftovers(
  paths: ClusterPaths,
  { name, podCidrs = [] }: Partial<ClusterConfig>,
  tag: string,
): Promise<string[]> {
  const processes = [...(await rolesOf(paths, name ?? '')), ...(await processesBelow(paths.root))]
  const mounts = (await realMounts.list()).filter(mount => mount.point.startsWith(`${paths.root}/`))
  return [
    ...mounts.map(mount => `mount ${mount.point}`),
    ...(await networkLeftovers(tag)),
    ...(await podRoutes(podCidrs)).map(route => `route ${route.to}`),
    ...((await (await findCgroups()).exists(cgroupOf(tag))) ? [`cgroup ${cgroupOf(tag)}`] : []),
    ...processes.map(({ pid, line }) => `process ${pid} (${line.slice(0, 60)})`),
    ...(await wireguardProcesses(wireguardLink(bridgeOf(tag)))).map(({ pid }) => `process ${pid} (wireguard-go)`),
  ]
}
