// What an evaluation carries: the values of variables, the slots of comprehensions, and the cost so far.
import type { Value } from './values.ts'
import { Cancelled } from './work.ts'

export class Frame {
  readonly variables: Readonly<Record<string, Value | undefined>>
  /** Values of the variables of comprehensions, by the slot that the compiler gave each. */
  readonly slots: Value[] = []
  readonly limit: number
  cost = 0

  constructor(variables: Readonly<Record<string, Value | undefined>>, limit: number) {
    this.variables = variables
    this.limit = limit
  }

  /** Adds to the cost; what goes beyond the limit ends the evaluation. */
  charge(cost: number): void {
    this.cost += cost
    if (this.cost > this.limit) throw new Cancelled('operation cancelled: actual cost limit exceeded')
  }
}

/** A part of a compiled expression. */
export type Code = (frame: Frame) => Value
