// A compiled expression: evaluate it, ask for its type and for what it may cost.
import type { Node } from './ast.ts'
import { Frame, type Code } from './frame.ts'
import type { Type } from './types.ts'
import { Failure, type Value } from './values.ts'
import { Cancelled, withAccount } from './work.ts'

/**
 * Thrown by a function whose answer is not there yet, such as that of an authorizer. The evaluation is repeated when
 * the promise is settled, and the function then has to have its answer.
 */
export class Pending {
  readonly answer: Promise<void>
  constructor(answer: Promise<void>) {
    this.answer = answer
  }
}

interface Evaluated {
  /** The value, or the failure. */
  readonly value: Value
  readonly cost: number
}

/** The values of variables. One that an expression does not use need not be there. */
type Variables = Readonly<Record<string, Value | undefined>>

/** Questions that one evaluation may ask of functions that have to wait. */
const maxQuestions = 1000

export class Program {
  readonly type: Type
  readonly node: Node
  readonly #code: Code

  constructor(node: Node, type: Type, code: Code) {
    this.node = node
    this.type = type
    this.#code = code
  }

  /**
   * Evaluates. A failure is a value too, and so is a cost beyond the limit. Throws `Pending` when a function has to
   * wait, which `evaluateAsync` does.
   */
  evaluate(variables: Variables, costLimit = defaultCostLimit): Evaluated {
    const frame = new Frame(variables, costLimit)
    try {
      const value = withAccount(() => this.#code(frame))
      return { value, cost: frame.cost }
    } catch (error) {
      if (error instanceof Cancelled) return { value: new Failure(error.message), cost: frame.cost }
      if (!(error instanceof RangeError)) throw error
      // Data may be nested deeper than the stack can follow.
      return { value: new Failure('operation cancelled: a value is nested too deeply'), cost: frame.cost }
    }
  }

  /** Evaluates as often as functions have to wait; what they were asked before they have remembered. */
  async evaluateAsync(variables: Variables, costLimit = defaultCostLimit): Promise<Evaluated> {
    for (let questions = 0; questions < maxQuestions; questions++)
      try {
        return this.evaluate(variables, costLimit)
      } catch (error) {
        if (!(error instanceof Pending)) throw error
        await error.answer
      }
    return { value: new Failure('operation cancelled: too many questions'), cost: costLimit }
  }
}

/** The limit of one evaluation in Kubernetes. Source: apiserver pkg/apis/cel/config.go, PerCallLimit. */
export const defaultCostLimit = 1_000_000
