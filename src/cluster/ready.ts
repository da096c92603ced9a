// Waits until a cluster has reached a state, and reports the reason when it does not.
import { realClock } from '../base/clock.ts'
import { isReason, messageOf } from '../base/errors.ts'
import type { Client } from '../client/index.ts'
import { Node } from '../kinds/core/node.ts'
import { Service } from '../kinds/core/service.ts'
import { isNodeReady } from '../kinds/core/node-ready.ts'
import type { ClusterPaths } from './config.ts'
import { ask, type SupervisorState } from './link.ts'

export const readyTimeoutMs = 120_000
const pollMs = 15
/** How many polls pass between two checks of the processes. */
const stateEvery = 20
/** After this many ends of one process the wait is given up: trying again does not help. */
const hopelessRestarts = 3

export const readyText = (names: readonly string[]): string =>
  names.length === 1 ? `node ${names[0]} is Ready` : `nodes ${names.join(', ')} are Ready`

/** Whether the server answers. It is asked only when it has reported that it listens. */
export async function serverAnswers(client: Client, paths: ClusterPaths): Promise<boolean> {
  const state = await ask(paths.socket, { command: 'status' })
  if (!state?.processes.some(({ role, ready }) => role === 'server' && ready)) return false
  return Boolean(await client.find(Service, { namespace: 'default', name: 'kubernetes' }))
}

/** Whether all of these nodes are Ready. The agents are asked too, since a Node stays Ready for a while without one. */
export async function nodesReady(client: Client, paths: ClusterPaths, names: readonly string[]): Promise<boolean> {
  const state = await ask(paths.socket, { command: 'status' })
  if (!names.every(name => state?.processes.some(p => p.role === 'agent' && p.node === name && p.ready))) return false
  const { items } = await client.list(Node)
  return names.every(name => items.some(node => node.metadata.name === name && isNodeReady(node)))
}

/**
 * Polls until `holds` resolves to true. While it rejects, the answer is no; only Unauthorized and Forbidden are passed
 * on at once. Throws at the deadline, or earlier when a process cannot start, with the problems of the processes.
 */
export async function waitUntil(deadline: number, paths: ClusterPaths, holds: () => Promise<boolean>): Promise<void> {
  let last: unknown
  let polls = 1
  // A process may have been started again before, for a good reason.
  const before = await ask(paths.socket, { command: 'status' })
  for (;;) {
    try {
      if (await holds()) return
      last = undefined
    } catch (error) {
      if (isReason(error, 'Forbidden', 'Unauthorized')) throw error
      last = error
    }
    if (realClock.steady() > deadline) break
    if (polls++ % stateEvery === 0) await throwIfFailing(paths, before)
    await realClock.sleep(pollMs)
  }
  const state = await ask(paths.socket, { command: 'status' })
  const problems = state?.processes.flatMap(p => (p.problem ? [`${p.role}: ${p.problem}`] : [])) ?? [
    'the supervisor is not running',
  ]
  throw new Error(
    `the cluster did not become ready within ${readyTimeoutMs / 1000} s (${[...problems, ...(last ? [messageOf(last)] : [])].join('; ') || 'no problem reported'}); see the logs in ${paths.logs}`,
  )
}

async function throwIfFailing(paths: ClusterPaths, before: SupervisorState | undefined): Promise<void> {
  const state = await ask(paths.socket, { command: 'status' })
  const hopeless = state?.failing.find(f => f.restarts - restartsOf(before, f.process) >= hopelessRestarts)
  if (hopeless) throw new Error(`the ${hopeless.process.replace('/', ' of ')} cannot start: ${hopeless.lastLogLine}`)
}

function restartsOf(state: SupervisorState | undefined, name: string): number {
  const runs = state?.processes.find(({ role, node }) => (role === 'server' ? role : `agent/${node}`) === name)
  return (runs ?? state?.failing.find(({ process }) => process === name))?.restarts ?? 0
}
