// Keeps a node's share of the cluster's network up, for the range of pod addresses that the node has at the time. What
// fails is tried again: without a network no pod can start, and nothing else would set it up.
import { Chore } from '../base/chore.ts'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'

interface NodeNetworkOptions {
  /** Sets everything up for a range; what it starts has to end with the signal. */
  setUp(podCidr: string, signal: AbortSignal): Promise<void>
  clock: Clock
  log: Log
  signal: AbortSignal
}

const retry = { firstMs: 200, mostMs: 10_000 }

/** Returns what to call with the node's range, at first and whenever it may have changed. */
export function keepNodeNetwork({ setUp, clock, log, signal }: NodeNetworkOptions): (podCidr: string) => void {
  let wanted = ''
  let current: { podCidr: string; stop: AbortController } | undefined
  const failed = (error: unknown) =>
    log.error('cannot set up the pod network, trying again', { range: wanted, why: messageOf(error), error })
  const chore = new Chore({ signal, retry: { ...retry, clock, failed } }, async () => {
    const podCidr = wanted
    if (current?.podCidr === podCidr) return
    current?.stop.abort()
    const stop = new AbortController()
    // Also after a failure: what was begun must not be in the way of the next try.
    current = { podCidr: '', stop }
    await setUp(podCidr, AbortSignal.any([signal, stop.signal]))
    current.podCidr = podCidr
  })
  return podCidr => {
    wanted = podCidr
    chore.wake()
  }
}
