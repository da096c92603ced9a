// Starts, finds and ends the processes of etcd's members on this machine. They are found by their command lines, so that
// one that an earlier supervisor started, or none did, is found, too.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { basename } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { commandLines, isRunning, sendSignal } from '../linux/index.ts'
import { type ClusterConfig, type ClusterPaths, clusterTag } from './config.ts'
import { etcdArgs, etcdDir, etcdEnvironment, memberDir, membersHere, trustEnvironment } from './etcd-member.ts'
import { namespaceOf } from './node-names.ts'
import { lockOf, logOf } from './process-files.ts'

/** The key of a member's task. */
export const etcdKey = (name: string): string => `etcd/${name}`

/** Starts the member of a node unless its lock is held. The process outlives this one. */
export function spawnEtcd(config: ClusterConfig, paths: ClusterPaths, name: string): ChildProcess {
  const member = membersHere(config).find(one => one.name === name)
  if (!member) throw new Error(`${name} has no member of etcd`)
  mkdirSync(memberDir(paths, name), { recursive: true, mode: 0o700 })
  const key = etcdKey(name)
  const words = [...lockOf(paths, key), 'etcd', ...etcdArgs(config, paths, member)]
  const inNamespace =
    name === config.nodeName
      ? []
      : ['nsenter', `--net=/run/netns/${namespaceOf(clusterTag(paths, config.name), name)}`, '--']
  const [program = '', ...args] = [...inNamespace, ...words]
  const file = openSync(logOf(paths, key), 'a', 0o600)
  try {
    return spawn(program, args, {
      detached: true,
      cwd: '/',
      stdio: ['ignore', file, file],
      env: { ...etcdEnvironment(process.env), ...trustEnvironment(paths) },
    })
  } finally {
    closeSync(file)
  }
}

/** The process ids of members of a cluster on this machine; with a name, only those of that one. */
export const etcdProcesses = async (paths: Pick<ClusterPaths, 'root'>, name?: string): Promise<number[]> =>
  (await etcdCommands(paths, name)).map(({ pid }) => pid)

/** At which URL the member of a node on this machine listens for the others; undefined if it does not run. */
export async function listensAt(paths: Pick<ClusterPaths, 'root'>, name: string): Promise<string | undefined> {
  const [command] = await etcdCommands(paths, name)
  return command?.words.find(word => word.startsWith(peerOption))?.slice(peerOption.length)
}

const peerOption = '--listen-peer-urls='

async function etcdCommands(paths: Pick<ClusterPaths, 'root'>, name?: string) {
  const directory = `--data-dir=${name === undefined ? etcdDir(paths) : memberDir(paths, name)}/`
  return (await commandLines()).filter(
    ({ words }) => basename(words[0] ?? '') === 'etcd' && words.some(word => word.startsWith(directory)),
  )
}

const stopMs = 10_000
const lookMs = 20

/** Ends members, with SIGTERM and after 10 s with SIGKILL. */
export async function endEtcd(paths: Pick<ClusterPaths, 'root'>, clock: Clock, name?: string): Promise<void> {
  const pids = await etcdProcesses(paths, name)
  for (const pid of pids) sendSignal(pid, 'SIGTERM')
  const deadline = clock.steady() + stopMs
  while (pids.some(isRunning) && clock.steady() < deadline) await clock.sleep(lookMs)
  for (const pid of pids.filter(isRunning)) sendSignal(pid, 'SIGKILL')
  while (pids.some(isRunning) && clock.steady() < deadline + stopMs) await clock.sleep(lookMs)
}
