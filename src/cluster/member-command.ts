// `kutter member list | remove NAME`: the members of the etcd that a cluster runs itself.
import { rm } from 'node:fs/promises'
import { realClock } from '../base/clock.ts'
import { type EtcdMembership, hostPort, type MemberState, quorumProblem, withMembers } from '../store/index.ts'
import { UsageError } from './args.ts'
import { type ClusterConfig, type ClusterPaths, writeConfig } from './config.ts'
import { memberDir, ownEndpoints } from './etcd-member.ts'
import { etcdKey } from './etcd-process.ts'
import { ownEtcdTls } from './etcd-pki.ts'
import { commandLine } from './hint.ts'
import { ask } from './link.ts'
import { whyNotRemove } from './member-join.ts'
import { hasOwnEtcd } from './own-etcd.ts'
import { logOf } from './process-files.ts'
import { sizeText, tableText } from './table.ts'

interface Context {
  paths: ClusterPaths
  config: ClusterConfig
  json: boolean
  out: (text: string) => void
}

const removeMs = 20_000
const pauseMs = 500

export async function memberCommand([action, name, ...more]: readonly string[], context: Context): Promise<number> {
  const { config, paths } = context
  if (!hasOwnEtcd(config))
    throw new UsageError(
      `the cluster ${config.name} runs no etcd of its own; its store is ${config.store ?? 'embedded'}`,
    )
  return withMembers(ownEtcdTls(paths), async membership => {
    if (action === 'list' && name === undefined) return list(membership, context)
    if (action === 'remove' && name !== undefined && !more.length) return remove(membership, name, context)
    throw new UsageError('kutter member requires one of: list, remove NAME')
  })
}

async function list(membership: EtcdMembership, { paths, config, json, out }: Context): Promise<number> {
  const states = await membership.states(ownEndpoints(config, paths))
  const problem = quorumProblem(states)
  out(json ? `${JSON.stringify({ members: states, ...(problem && { problem }) }, null, 2)}\n` : tableText(rows(states)))
  if (problem && !json) out(`${problem}\n`)
  return problem ? 1 : 0
}

const rows = (states: readonly MemberState[]) => [
  ['ID', 'NAME', 'PEER', 'CLIENT', 'LEARNER', 'LEADER', 'SIZE', 'HEALTH'],
  ...states.map(one => [
    one.id,
    one.name || '<not started>',
    one.peerUrls.map(hostPort).join(','),
    one.clientUrls.map(hostPort).join(','),
    one.isLearner ? 'yes' : 'no',
    one.isLeader ? 'yes' : 'no',
    one.answers ? sizeText(one.sizeBytes) : '',
    healthOf(one),
  ]),
]

const healthOf = ({ answers, hasLeader, problem }: MemberState) =>
  answers ? (problem ?? (hasLeader ? 'healthy' : 'has no leader')) : `does not answer: ${problem ?? ''}`

async function remove(membership: EtcdMembership, name: string, context: Context): Promise<number> {
  const { paths, config, out } = context
  const endpoints = ownEndpoints(config, paths)
  const states = await membership.states(endpoints)
  const refusal = whyNotRemove(states, name)
  if (refusal) throw new Error(refusal)
  if (name === config.nodeName && config.nodes.some(node => node.member))
    throw new UsageError(
      `${name} is this machine itself, which has further members in namespaces; remove those first, or stop the cluster with: ${commandLine('kutter', 'down', paths)}`,
    )
  // The others carry it out: a member that is being removed may end before it answers.
  const others = states.filter(one => one.name !== name).flatMap(({ clientUrls }) => clientUrls.map(hostPort))
  await repeatRemoval(membership, others, states.find(one => one.name === name)!.id)
  if (config.nodes.some(node => node.name === name && node.member)) await forget(name, context)
  out(`The server ${name} is removed. Its node stays; remove that with: kubectl delete node ${name}\n`)
  return 0
}

/** etcd refuses to remove a member in the first seconds after another one was added. */
async function repeatRemoval(membership: EtcdMembership, endpoints: readonly string[], id: string): Promise<void> {
  const deadline = realClock.steady() + removeMs
  for (;;) {
    try {
      return await membership.remove(endpoints, id)
    } catch (error) {
      if (realClock.steady() > deadline || !/unhealthy cluster|no leader|leader changed/.test(String(error)))
        throw error
      await realClock.sleep(pauseMs)
    }
  }
}

/** Ends server and member of a node in a namespace, which goes on as a node. */
async function forget(name: string, { paths, config }: Context): Promise<void> {
  const nodes = config.nodes.map(node => {
    if (node.name !== name) return node
    const { member: _, isServer: __, ...rest } = node
    return rest
  })
  await writeConfig(paths, { ...config, nodes })
  await ask(paths.socket, { command: 'reload' })
  await rm(memberDir(paths, name), { recursive: true, force: true })
  for (const key of [etcdKey(name), `server/${name}`]) await rm(logOf(paths, key), { force: true })
}
