// The life of a pod on its node: its states, and the only transitions between them. What is done in each state is
// decided in plan.ts.
//
//           deleted, evicted, refused, past its deadline
//   alive ─────────────────────────────────────────────▶ ending ─┐ ended again, with less time
//     │                                                  │   ▲   │
//     │ all containers ended for good,                   │   └───┘
//     │ sandbox stopped, volumes taken down              │ nothing runs, sandbox stopped, volumes taken down
//     │                                                  ▼
//     └────────────────────────────────────────────▶ settled ─┐ ended now, or its object is gone
//                                                     │   ▲   │
//                                                     │   └───┘
//                                                     ▼ its object was to be deleted, or is gone
//                                                    gone: nothing of it is left on the node
//
//   alive, ending, settled ──▶ closed: the kubelet ends, and what runs goes on running
import { assert } from '../../base/errors.ts'

/** Why a pod has to end, although its containers have not all ended by themselves. */
export type Cause =
  | { why: 'deleted' }
  /**
   * `failed`: the kubelet ends it. `rejected`: the node did not take it, and nothing was ever made for it. A disruption
   * is for the sake of the node or of other pods, and no fault of this one; it gets the condition DisruptionTarget.
   */
  | { why: 'failed' | 'rejected'; reason: string; message: string; isDisruption?: boolean }

export type Ending = Cause & {
  /** When the grace period of the containers began, in ms since the epoch. */
  sinceMs: number
  graceSeconds: number
  /** The object is no longer in the API: no status can be reported. */
  objectGone: boolean
}

/** A pod that still has something on the node, or will have. */
export type Living =
  /** `finishedAtMs`: when all containers had ended for good by themselves, and only sidecars were left to end. */
  | { is: 'alive'; finishedAtMs: number | undefined }
  | { is: 'ending'; ending: Ending }
  /** `ending` is undefined while nothing but its containers ended it. */
  | { is: 'settled'; ending: Ending | undefined }

export type Life = Living | { is: 'gone' } | { is: 'closed' }

/** The states that may follow each state. */
const next: Readonly<Record<Life['is'], readonly Life['is'][]>> = {
  alive: ['alive', 'ending', 'settled', 'closed'],
  ending: ['ending', 'settled', 'closed'],
  settled: ['settled', 'gone', 'closed'],
  gone: [],
  closed: [],
}

/** Returns `to`. Throws if `from` has no transition to it. */
export function advance<L extends Life>(from: Life, to: L): L {
  assert(next[from.is].includes(to.is), `a pod's life goes from ${from.is} to ${to.is}`)
  return to
}

export const isLiving = (life: Life): life is Living => life.is !== 'gone' && life.is !== 'closed'

export const endingOf = (life: Life): Ending | undefined =>
  life.is === 'ending' || life.is === 'settled' ? life.ending : undefined

/**
 * The life of a pod that now has another cause to end. The first cause stays, and the earlier end of the time counts.
 */
export function ended(life: Living, ending: Ending): Living {
  const joint = joined(endingOf(life), ending)
  return advance(life, { is: life.is === 'settled' ? 'settled' : 'ending', ending: joint })
}

function joined(before: Ending | undefined, ending: Ending): Ending {
  if (!before) return ending
  const { sinceMs, graceSeconds } = endMsOf(ending) < endMsOf(before) ? ending : before
  return { ...before, sinceMs, graceSeconds, objectGone: before.objectGone || ending.objectGone }
}

/** A life after the time has been set on by `ms`: what began before has lasted as long as it did. */
export function shifted(life: Living, ms: number): Living {
  if (life.is === 'alive') return { ...life, finishedAtMs: life.finishedAtMs && life.finishedAtMs + ms }
  return life.ending ? { ...life, ending: { ...life.ending, sinceMs: life.ending.sinceMs + ms } } : life
}

/** When the grace period is over, in ms since the epoch. */
export const endMsOf = ({ sinceMs, graceSeconds }: Pick<Ending, 'sinceMs' | 'graceSeconds'>): number =>
  sinceMs + graceSeconds * 1000

/** Whether the grace period ends earlier now than before. */
export function hasLessTime(now: Life, before: Life): boolean {
  const [left, had] = [endingOf(now), endingOf(before)]
  return left !== undefined && (!had || endMsOf(left) < endMsOf(had))
}

/**
 * The life of a pod whose containers have all ended by themselves. That of a pod with a cause to end does not change.
 */
export const finished = (life: Living, now: number): Living =>
  life.is === 'alive' ? advance(life, { is: 'alive', finishedAtMs: life.finishedAtMs ?? now }) : life

/** The life of a pod without running containers, whose sandboxes are stopped and whose volumes are unmounted. */
export function settled(life: Living): Living {
  const isPremature = life.is === 'alive' && life.finishedAtMs === undefined
  assert(!isPremature, 'a pod is settled while its containers are to run')
  return advance(life, { is: 'settled', ending: endingOf(life) })
}
