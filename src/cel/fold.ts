// Comprehensions as code: the loop that every macro becomes.
// Source: cel-go interpreter/interpretable.go, evalFold.
import type { Code } from './frame.ts'
import { Failure, List, Mapping, failure, typeName, type Value } from './values.ts'
import { spend } from './work.ts'

/** Which slot of the frame each name that is in scope has. */
export interface Scope {
  readonly names: ReadonlyMap<string, number>
  readonly size: number
}

/** The code of each part of the loop; see `Comprehension` in ast.ts. */
interface Parts {
  readonly range: Code
  readonly init: Code
  readonly condition: Code
  readonly step: Code
  readonly result: Code
}

/** Where the loop keeps its accumulator and its variables. */
interface Slots {
  readonly accumulator: number
  readonly first: number
  readonly second: number | undefined
}

export function compileFold({ range, init, condition, step, result }: Parts, slots: Slots): Code {
  return frame => {
    const over = range(frame)
    if (over instanceof Failure) return over
    const entries = entriesOf(over, slots.second !== undefined)
    if (!entries) {
      const message = `expression of type '${typeName(over)}' cannot be range of a comprehension (must be list, map, or dynamic)`
      return failure(message)
    }
    frame.slots[slots.accumulator] = init(frame)
    for (const [first, second] of entries) {
      // There are turns that cost nothing.
      spend(1)
      frame.slots[slots.first] = first
      if (slots.second !== undefined) frame.slots[slots.second] = second
      if (condition(frame) === false) break
      frame.slots[slots.accumulator] = step(frame)
    }
    return result(frame)
  }
}

/** The values of one or two variables for each turn. */
function entriesOf(over: Value, withKeys: boolean): Iterable<[Value, Value]> | undefined {
  if (over instanceof List) return listEntries(over, withKeys)
  return over instanceof Mapping ? mapEntries(over, withKeys) : undefined
}

function* listEntries(list: List, withKeys: boolean): Iterable<[Value, Value]> {
  for (let i = 0; i < list.size; i++) {
    const element = list.at(i)
    yield withKeys ? [BigInt(i), element] : [element, null]
  }
}

function* mapEntries(map: Mapping, withKeys: boolean): Iterable<[Value, Value]> {
  for (const key of map.keys()) yield [key, withKeys ? (map.get(key) ?? null) : null]
}
