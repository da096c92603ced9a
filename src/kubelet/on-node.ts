// Questions about all pods of a node at once.
import type { Clock } from '../base/clock.ts'
import type { Pod } from '../kinds/core/pod.ts'
import { isTerminal } from '../kinds/core/pod-phase.ts'
import { uidOf } from './pod/spec.ts'

/** The pods on the node by uid, and whether they have ended. */
type OnNode = ReadonlyMap<string, { readonly pod: Pod; readonly over: boolean }>

/** The pods that have not ended, and so use resources of the node. */
export const livePods = (workers: OnNode): Pod[] =>
  [...workers.values()].filter(({ over }) => !over).map(({ pod }) => pod)

/** The uids of the pods that have not ended, whether they are in `workers` yet or not. */
export function liveUids(pods: readonly Pod[], workers: OnNode): Set<string> {
  const uids = new Set(livePods(workers).map(uidOf))
  for (const pod of pods) if (!workers.has(uidOf(pod)) && !isTerminal(pod)) uids.add(uidOf(pod))
  return uids
}

interface WaitOptions {
  clock: Clock
  /** The most time that it waits. */
  mostMs: number
  pauseMs: number
  signal: AbortSignal
}

/** Waits until pods have ended, or the time is over. Rejects only with the signal's reason. */
export async function untilEnded(
  pods: readonly Pod[],
  workers: OnNode,
  { clock, mostMs, pauseMs, signal }: WaitOptions,
): Promise<void> {
  const until = clock.steady() + mostMs
  while (pods.some(pod => workers.get(uidOf(pod))?.over === false) && clock.steady() < until)
    await clock.sleep(pauseMs, signal)
}
