// Keeps the pod network of a node up for its present range of pod addresses. A failure is tried again, since nothing
// else would set the network up, and without it no pod can start.
import { joined } from '../base/waiters.ts'
import { Chore } from '../base/chore.ts'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'

interface NodeNetworkOptions {
  /** Sets the network up for ranges. Whatever it starts must end when the signal aborts. */
  setUp(podCidrs: readonly string[], signal: AbortSignal): Promise<void>
  clock: Clock
  log: Log
  signal: AbortSignal
}

const retry = { firstMs: 200, maxMs: 10_000 }

/** Returns a function to be called with the node's ranges at first and whenever they may have changed. */
export function keepNodeNetwork({
  setUp,
  clock,
  log,
  signal,
}: NodeNetworkOptions): (podCidrs: readonly string[]) => void {
  let wanted: readonly string[] = []
  let current: { ranges: string; stop: AbortController } | undefined
  const failed = (error: unknown) =>
    log.error('cannot set up the pod network, trying again', { ranges: wanted, why: messageOf(error), error })
  const chore = new Chore({ signal, retry: { ...retry, clock, failed } }, async () => {
    const podCidrs = wanted
    const ranges = podCidrs.join()
    if (current?.ranges === ranges) return
    current?.stop.abort()
    const stop = new AbortController()
    // Set before the attempt: a failed one is stopped too, so that it cannot get in the way of the next.
    current = { ranges: '', stop }
    await setUp(podCidrs, joined(signal, stop.signal).signal)
    current.ranges = ranges
  })
  return podCidrs => {
    wanted = podCidrs
    chore.wake()
  }
}
