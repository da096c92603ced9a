// Restart back-off: a container that ends is started again at once, then after 10, 20, 40 … seconds, at most five
// minutes; ten minutes without a restart forget it. Source: kubernetes client-go util/flowcontrol/backoff.go.

import { containerHash, type ReadContainer } from './spec.ts'

export interface Backoff {
  delayMs: number
  /** When it was last made longer. */
  updatedAt: number
}

/** What a back-off belongs to: another image is another container, and starts at once. */
export const backoffKey = (container: ReadContainer): string => `${container.name} ${containerHash(container)}`

const restartBackoff = { firstMs: 10_000, mostMs: 300_000 }

/** The back-off after one more failure, which happened at `endedAt`. */
export function nextBackoff(now: number, before: Backoff | undefined, endedAt = now, limits = restartBackoff): Backoff {
  const fresh = !before || endedAt - before.updatedAt > 2 * limits.mostMs
  return { delayMs: fresh ? limits.firstMs : Math.min(before.delayMs * 2, limits.mostMs), updatedAt: now }
}

/** Until when something that ended at `endedAt` has to wait; undefined when it may go on. */
export function waitUntil(
  now: number,
  endedAt: number,
  backoff: Backoff | undefined,
  limits = restartBackoff,
): number | undefined {
  if (!backoff || endedAt - backoff.updatedAt > 2 * limits.mostMs) return undefined
  const until = endedAt + backoff.delayMs
  return now < until ? until : undefined
}
