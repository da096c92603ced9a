// Lists that Go writes as null when they are empty. To every reader they are empty lists; only their JSON is null.
import type { Json, JsonObject, Node, Struct } from './node.ts'

/** An empty list whose JSON is null. */
export function nilList(): Json[] {
  return Object.defineProperty([], 'toJSON', { value: nullWhenEmpty, configurable: true, writable: true })
}

// Somebody may put elements in later.
function nullWhenEmpty(this: Json[]): Json[] | null {
  return this.length ? [...this] : null
}

/** Puts empty lists where JSON that was written by `JSON.stringify` has null for a list. Changes the value in place. */
export function fillNilLists(schema: Struct, value: JsonObject): void {
  fillerOf(schema)?.(value)
}

type Filler = (value: JsonObject) => void

const fillers = new WeakMap<Struct, Filler | null>()

/** Undefined for a struct that has no such list at any depth. */
function fillerOf(schema: Struct): Filler | undefined {
  const known = fillers.get(schema)
  if (known !== undefined) return known ?? undefined
  // For as long as it is being made, a struct that contains itself finds this one.
  const parts: [name: string, fill: (holder: JsonObject, name: string) => void][] = []
  const filler: Filler = value => {
    for (const [name, fill] of parts) if (name in value) fill(value, name)
  }
  fillers.set(schema, filler)
  for (const [name, node] of Object.entries(schema.fields)) {
    const fill = fillField(node)
    if (fill) parts.push([name, fill])
  }
  if (parts.length) return filler
  fillers.set(schema, null)
  return undefined
}

function fillField(node: Node): ((holder: JsonObject, name: string) => void) | undefined {
  const inner = fillValue(node)
  if (!node.always || node.type !== 'list')
    return inner && ((holder, name) => holder[name] !== undefined && holder[name] !== null && inner(holder[name]))
  return (holder, name) => {
    if (holder[name] === null) holder[name] = nilList()
    else inner?.(holder[name]!)
  }
}

function fillValue(node: Node): ((value: Json) => void) | undefined {
  switch (node.type) {
    case 'struct': {
      const fill = fillerOf(node.struct!())
      return fill && (value => fill(value as JsonObject))
    }
    case 'list':
    case 'map': {
      const fill = fillValue(node.item!)
      return fill && (value => Object.values(value as JsonObject).forEach(fill))
    }
    default:
      return undefined
  }
}

/** Whether a value is a list that was not there. */
export const isNilList = (value: unknown): boolean =>
  Array.isArray(value) && value.length === 0 && Object.hasOwn(value, 'toJSON')
