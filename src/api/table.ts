// Tables, which `kubectl get` prints. The server makes them from the columns of a kind. Source: meta/v1 Table.
import { shortAge, parseTime } from './time.ts'
import type { AnyKind, Column, KubeObject } from './kind.ts'
import { readAll } from './jsonpath.ts'
import type { Json, JsonObject } from './schema/node.ts'

export const nameColumn: Column = {
  name: 'Name',
  type: 'string',
  value: '.metadata.name',
  doc: 'The name of the object.',
}
const ageColumn: Column = {
  name: 'Age',
  type: 'date',
  value: '.metadata.creationTimestamp',
  doc: 'Time since the object was created.',
}

/** The columns of a kind: its own ones between name and age, unless it defines those itself. */
function columnsOf(kind: AnyKind): readonly Column[] {
  const own = kind.columns as readonly Column[]
  // Some kinds, such as Event, define the column of the name themselves.
  if (own.some(c => c.name === 'Name')) return own
  const hasAge = kind.age === false || own.some(c => c.name === 'Age' || c.name === 'Created At')
  if (hasAge) return [nameColumn, ...own]
  // Wide columns follow the age.
  return [nameColumn, ...own.filter(c => !c.wide), ageColumn, ...own.filter(c => c.wide)]
}

export function columnDefinitions(kind: AnyKind): JsonObject[] {
  return columnsOf(kind).map(({ name, type, wide, doc, value, format }) => ({
    name,
    // The value of an age is text.
    type: type === 'date' && typeof value === 'string' ? 'string' : type,
    format: format ?? (name === 'Name' && kind.plural ? 'name' : ''),
    description: doc ?? '',
    priority: wide ? 1 : 0,
  }))
}

/** The cells of an object's row. `now` is in milliseconds since the epoch. */
export function cellsOf(kind: AnyKind, object: KubeObject, now: number): Json[] {
  return columnsOf(kind).map(column => {
    if (typeof column.value === 'function') return column.value(object, now)
    const values = readAll(object, column.value).filter(v => v !== null)
    if (column.type === 'date') return values.length ? age(values[0] as string, now) : '<unknown>'
    if (values.length === 0) return column.type === 'integer' || column.type === 'number' ? 0 : '<none>'
    return values.length === 1 && typeof values[0] !== 'object' ? values[0]! : values.map(String).join(',')
  })
}

/** The age in the form of kubectl's column AGE. */
export function age(timestamp: string | null | undefined, now: number): string {
  const at = parseTime(timestamp)
  return at === undefined ? '<unknown>' : shortAge(now - at)
}
