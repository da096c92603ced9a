// Conditions of Gateway API: each has the generation that it speaks of, and keeps its time while its status is the same.
import type { Condition } from '../../kinds/gateway/common.ts'

/** A condition before it is compared with the one that is there. */
export interface Verdict {
  type: string
  status: boolean
  reason: string
  message?: string
}

/** Conditions of other types stay as they are. */
export function conditionsOf(
  before: readonly Condition[] | undefined,
  verdicts: readonly Verdict[],
  observedGeneration: number,
  now: string,
): Condition[] {
  const types = new Set(verdicts.map(({ type }) => type))
  const others = (before ?? []).filter(({ type }) => !types.has(type))
  const ours = verdicts.map(({ type, status, reason, message = '' }): Condition => {
    const old = before?.find(one => one.type === type)
    const text = status ? 'True' : 'False'
    const lastTransitionTime = old?.status === text ? old.lastTransitionTime : now
    return { type, status: text, reason, message, observedGeneration, lastTransitionTime }
  })
  return [...ours, ...others]
}
