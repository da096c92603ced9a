// A bound on the work of an evaluation that its cost does not see. Costs are upstream's and go by the sizes of
// arguments: a list that contains itself twice, forty times over, is small by them, and takes years to compare.
//
// Every loop of the engine over something that an expression can make large spends here, and every value that grows
// is measured here. One evaluation runs at a time, without pause, so the account is one for the module.
import { Failure } from './values.ts'

/** Steps of an evaluation: elements compared, characters copied in blocks of 16. Takes a second or two. */
const maxSteps = 20_000_000
/** Characters of a string, bytes of bytes, elements of a list. */
const maxSize = 16_000_000

let left = maxSteps

/** Thrown through everything when an evaluation has to stop; the program turns it into a failure. */
export class Cancelled extends Error {}

let depth = 0

/**
 * Runs an evaluation on an account of its own. One that happens within another, for a variable that is computed when
 * it is asked for, is on the account of the other.
 */
export function withAccount<T>(evaluate: () => T): T {
  if (depth++ === 0) left = maxSteps
  try {
    return evaluate()
  } finally {
    depth--
  }
}

export function spend(steps: number): void {
  left -= steps
  if (left < 0) throw new Cancelled('operation cancelled: evaluation takes too many steps')
}

/** Spends for a result of this size, before it is made; a failure when it may not be that large. */
export function grow(size: number): Failure | undefined {
  if (size > maxSize) return new Failure(`operation result exceeds the limit of ${maxSize} elements`)
  spend(size / 16)
  return undefined
}
