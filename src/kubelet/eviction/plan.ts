// Decides from what was measured which conditions the node reports, and for which threshold it must reclaim. Pure: the
// state of one round is an input of the next, and so is the time.
//
//   available
//   ──────────────────╮                      ╭───────────────
//   value + minReclaim│- - - - - - - - - - -╭╯- resolved
//   value             ╰╮- met              ╭╯
//                      ╰──────────────────╯
//   soft: reclaim ─────────▶ after graceMs
//   condition          True ───────────────────▶ for transitionMs after the threshold was met last
//
// Source: kubernetes pkg/kubelet/eviction/eviction_manager.go (synchronize), helpers.go.
import { amountIn, type Condition, meanings, type Observations, type Threshold } from './signals.ts'

export interface PressureState {
  /** Since when each threshold has been met without a break, in ms of the steady clock. */
  metSince: ReadonlyMap<Threshold, number>
  /** When each condition was last seen to hold. */
  seenAt: ReadonlyMap<Condition, number>
  /** Thresholds that drove evictions, and are not resolved. */
  unresolved: readonly Threshold[]
}

export const noPressure: PressureState = { metSince: new Map(), seenAt: new Map(), unresolved: [] }

export interface PressurePlan {
  state: PressureState
  conditions: readonly Condition[]
  /** The thresholds to reclaim for, the most urgent first. */
  urgent: readonly Threshold[]
}

/** Whether less is available than the threshold demands. */
export function isMet({ signal, value, minReclaim }: Threshold, observed: Observations, withReclaim: boolean): boolean {
  const seen = observed.get(signal)
  if (!seen) return false
  const more = withReclaim && minReclaim ? amountIn(minReclaim, seen.capacity) : 0
  return seen.available < amountIn(value, seen.capacity) + more
}

/** @param transitionMs how long a condition stays after its thresholds are resolved */
export function planPressure(
  thresholds: readonly Threshold[],
  observed: Observations,
  before: PressureState,
  now: number,
  transitionMs: number,
): PressurePlan {
  const met = thresholds.filter(
    threshold =>
      isMet(threshold, observed, false) || (before.unresolved.includes(threshold) && isMet(threshold, observed, true)),
  )
  const metSince = new Map(met.map(threshold => [threshold, before.metSince.get(threshold) ?? now]))
  const seenAt = new Map(before.seenAt)
  for (const { signal } of met) seenAt.set(meanings[signal].condition, now)
  for (const [condition, at] of seenAt) if (now - at >= transitionMs && at !== now) seenAt.delete(condition)
  const unresolved = met.filter(threshold => now - metSince.get(threshold)! >= threshold.graceMs)
  return {
    state: { metSince, seenAt, unresolved },
    conditions: [...seenAt.keys()].sort(),
    urgent: [...unresolved].sort((a, b) => Number(isMemory(b)) - Number(isMemory(a))),
  }
}

/** Memory is reclaimed first: a want of it kills processes. */
const isMemory = ({ signal }: Threshold): boolean => signal === 'memory.available'
