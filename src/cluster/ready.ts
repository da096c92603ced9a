// Waiting until a cluster is as it should be, with a reason when it does not get there.
import { realClock } from '../base/clock.ts'
import { isReason, messageOf } from '../base/errors.ts'
import type { Client } from '../client/index.ts'
import { Node } from '../kinds/core/node.ts'
import type { ClusterPaths } from './config.ts'
import { ask } from './link.ts'

export const readyTimeoutMs = 120_000
const pollMs = 15
/** Polls between two looks at the processes. */
const stateEvery = 20
/** A process that ended this often at the start will not come up by itself. */
const hopelessRestarts = 3

/** Whether all of these nodes are Ready, and not only said to be so by agents that have ended since. */
export async function nodesReady(client: Client, paths: ClusterPaths, names: readonly string[]): Promise<boolean> {
  const state = await ask(paths.socket, { command: 'status' })
  if (!names.every(name => state?.processes.some(p => p.role === 'agent' && p.node === name && p.ready))) return false
  const { items } = await client.list(Node)
  return names.every(name =>
    items
      .find(node => node.metadata.name === name)
      ?.status.conditions?.some(c => c.type === 'Ready' && c.status === 'True'),
  )
}

/** Tries until it holds; says why when it does not in time, from what the processes report. */
export async function until(deadline: number, paths: ClusterPaths, holds: () => Promise<boolean>): Promise<void> {
  let last: unknown
  let polls = 1
  for (;;) {
    try {
      if (await holds()) return
      last = undefined
    } catch (error) {
      if (isReason(error, 'Forbidden', 'Unauthorized')) throw error
      last = error
    }
    if (realClock.now() > deadline) break
    if (polls++ % stateEvery === 0) await throwIfFailing(paths)
    await realClock.sleep(pollMs)
  }
  const state = await ask(paths.socket, { command: 'status' })
  const problems = state?.processes.flatMap(p => (p.problem ? [`${p.role}: ${p.problem}`] : [])) ?? [
    'the supervisor is not running',
  ]
  throw new Error(
    `it did not get ready within ${readyTimeoutMs / 1000} s (${[...problems, ...(last ? [messageOf(last)] : [])].join('; ') || 'no problem reported'}); the logs are in ${paths.logs}`,
  )
}

async function throwIfFailing(paths: ClusterPaths): Promise<void> {
  const state = await ask(paths.socket, { command: 'status' })
  const hopeless = state?.failing.find(f => f.restarts >= hopelessRestarts)
  if (hopeless) throw new Error(`the ${hopeless.process.replace('/', ' of ')} cannot start: ${hopeless.lastWords}`)
}
