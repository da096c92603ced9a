// Restart back-off: a container that ends is started again at once, then after 10, 20, 40 … seconds, at most after five
// minutes. After ten minutes without a restart it begins from the start.
// Source: kubernetes client-go util/flowcontrol/backoff.go.

import { containerHash, type ReadContainer } from './spec.ts'

export interface Backoff {
  delayMs: number
  /** When the delay was last increased, by the clock of the caller, in ms. */
  updatedAt: number
}

/** The key of a container's back-off. Another image gives another key, so that the container starts at once. */
export const backoffKey = (container: ReadContainer): string => `${container.name} ${containerHash(container)}`

const restartBackoff = { firstMs: 10_000, maxMs: 300_000 }

/** The back-off after a further failure, which happened at `endedAt`. */
export function nextBackoff(now: number, before: Backoff | undefined, endedAt = now, limits = restartBackoff): Backoff {
  const isFirst = !before || endedAt - before.updatedAt > 2 * limits.maxMs
  return { delayMs: isFirst ? limits.firstMs : Math.min(before.delayMs * 2, limits.maxMs), updatedAt: now }
}

/** Until when a container that ended at `endedAt` must wait, by the clock of the caller. Undefined when the wait is over. */
export function waitUntil(
  now: number,
  endedAt: number,
  backoff: Backoff | undefined,
  limits = restartBackoff,
): number | undefined {
  if (!backoff || endedAt - backoff.updatedAt > 2 * limits.maxMs) return undefined
  // The time has been set back since.
  if (now < endedAt) return undefined
  const until = endedAt + backoff.delayMs
  return now < until ? until : undefined
}
