// Comprehensions as code: the loop that every macro becomes.
// Source: cel-go interpreter/interpretable.go, evalFold.
import type { Code } from './frame.ts'
import { Failure, List, Mapping, Opaque, failure, typeName, type Value } from './values.ts'
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
      return failure(`got '${goTypeName(over)}', expected iterable type`)
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

/** What upstream's own type for a value is called, which its message about ranges has. */
function goTypeName(value: Value): string {
  const name = typeName(value)
  if (name === 'type' || name === 'optional_type') return name === 'type' ? '*types.Type' : '*types.Optional'
  const last = name.replace('null_type', 'null').replace(/^.*\./, '')
  if (value instanceof Opaque)
    return name.startsWith('kubernetes.authorization.')
      ? `library.${last[0]!.toLowerCase()}${last.slice(1)}Val`
      : `cel.${last}`
  return `types.${last[0]!.toUpperCase()}${last.slice(1)}`
}
