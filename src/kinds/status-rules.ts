// What kinds share about writes through /status. Counts that controllers report: none is negative, and no part is
// larger than the whole.
// Source: apimachinery pkg/apis/meta/v1 (ResetObjectMetaForStatus), pkg/apis/apps/validation (Validate*Status), pkg/apis/core/validation (ValidateReplicationControllerStatus).
import { notNegative, type Problems } from '../api/checks.ts'
import type { Path } from '../api/path.ts'

/** Metadata that a write through /status leaves alone, for kinds where it writes nothing but the status. */
export const keptByStatus = ['deletionTimestamp', 'labels', 'annotations', 'finalizers', 'ownerReferences'] as const

/** How a kind's counts hang together. */
interface CountRules {
  /** All of them, in the order in which they are looked at. */
  counts: readonly string[]
  /** Those that cannot be more than `replicas`. */
  within?: readonly string[]
  /** What the number of ready pods is called where the available ones are more. */
  ready?: string
}

interface Reporting {
  readonly status: object
}

/** Problems of the status of an object that replaces `old`; `at` is the object. */
export const validateCounts =
  ({ counts, within = [], ready }: CountRules) =>
  (object: Reporting, old: Reporting, at: Path): Problems =>
    problems(object.status as Counts, old.status as Counts, { counts, within, ready: ready ?? '' }, at.field('status'))

type Counts = Readonly<Record<string, unknown>>

function* problems(next: Counts, old: Counts, { counts, within, ready }: Required<CountRules>, at: Path): Problems {
  const count = (name: string) => Number(next[name] ?? 0)
  yield* notNegative(Object.fromEntries(counts.map(name => [name, count(name)])), at)
  const collisions = count('collisionCount')
  yield* notNegative({ collisionCount: collisions }, at)
  for (const name of within)
    if (count(name) > count('replicas'))
      yield at.field(name).invalid(count(name), 'cannot be greater than status.replicas')
  if (ready && count('availableReplicas') > count('readyReplicas'))
    yield at.field('availableReplicas').invalid(count('availableReplicas'), `cannot be greater than ${ready}`)
  if (old.collisionCount === undefined) return
  if (next.collisionCount === undefined || collisions < Number(old.collisionCount))
    yield at.field('collisionCount').invalid(collisions, 'cannot be decremented')
}
