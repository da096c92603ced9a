// What mutating webhooks and policies of one request keep from the first round for the second one (see chain.ts): who
// has seen the object, and who is to see it again because it has changed since.
import { sameJson } from '../../api/equal.ts'
import type { Json } from '../../api/schema/node.ts'
import type { AdmissionRequest } from './request.ts'

interface Round<T extends object> {
  /** Those with `IfNeeded` that have seen the newest object. */
  readonly called: Set<T>
  /** Those that are to see it again. */
  readonly again: Set<T>
  /** The object at the end of the round, if somebody may have to see it again. */
  output?: Json
}

export type Rounds<T extends object> = WeakMap<AdmissionRequest, Round<T>>

export function roundOf<T extends object>(rounds: Rounds<T>, request: AdmissionRequest): Round<T> {
  let round = rounds.get(request)
  if (!round) rounds.set(request, (round = { called: new Set(), again: new Set() }))
  return round
}

/** Begins a round. If other plugins have changed the object since the first, all see it again. */
export function startRound<T extends object>(round: Round<T>, { object, reinvocation }: AdmissionRequest): void {
  if (reinvocation?.round === 1 && round.output !== undefined && !sameJson(round.output, object)) again(round)
}

export function endRound<T extends object>(round: Round<T>, { object }: AdmissionRequest): void {
  if (round.called.size && object) round.output = structuredClone(object) as Json
}

/** The object has changed: those that have seen it are to see it again, and a second round is wanted. */
export function callAgain<T extends object>(round: Round<T>, { reinvocation }: AdmissionRequest): void {
  again(round)
  if (reinvocation) reinvocation.wanted = true
}

function again<T extends object>({ called, again: waiting }: Round<T>): void {
  for (const one of called) waiting.add(one)
  called.clear()
}
