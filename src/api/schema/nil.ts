// Lists that Go writes as null when they are empty. Their readers see empty lists, and only their JSON is null.
import type { Json, JsonObject, Node, Struct } from './node.ts'

/** An empty list whose JSON is null. */
export function nilList(): Json[] {
  return Object.defineProperty([], 'toJSON', { value: nullWhenEmpty, configurable: true, writable: true })
}

// The list may get elements later.
function nullWhenEmpty(this: Json[]): Json[] | null {
  return this.length ? [...this] : null
}

/** Replaces null by such lists, in place, in a value that was parsed from its own JSON. */
export function fillNilLists(schema: Struct, value: JsonObject): void {
  fillerOf(schema)?.(value)
}

type Filler = (value: JsonObject) => void

const fillers = new WeakMap<Struct, Filler | null>()

/** The function that does so for a struct; undefined for one without such lists at any depth. */
function fillerOf(schema: Struct): Filler | undefined {
  const kept = fillers.get(schema)
  if (kept !== undefined) return kept ?? undefined
  // It is registered before it is complete, for structs that contain themselves.
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

/** Whether a value is an empty list whose JSON is null. */
export const isNilList = (value: unknown): boolean =>
  Array.isArray(value) && value.length === 0 && Object.hasOwn(value, 'toJSON')
