// What differs between a recorded answer and another one, path by path.
import type { Json, JsonObject } from '../../src/api/schema/node.ts'
import { isExactNumber } from './corpus.ts'

export interface Difference {
  path: string
  expected: Json | '<absent>'
  actual: Json | '<absent>'
}

/** The items of an aggregated message, whose order does not matter. */
const bag = (message: string) =>
  message
    .split(/, |\[|\]/)
    .sort()
    .join('\n')

const ageless = (cell: string) => cell.replace(/\((\d+[smhdy])+ ago\)/g, '(<age> ago)')

const isObject = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !isExactNumber(value)

const isNothing = (value: Json | undefined) => value === undefined || (Array.isArray(value) && !value.length)

/** Everything that differs. */
export function differences(expected: Json, actual: Json, path = ''): Difference[] {
  if (Array.isArray(expected) && Array.isArray(actual)) {
    return Array.from({ length: Math.max(expected.length, actual.length) }, (_, i) =>
      one(expected[i], actual[i], `${path}[${i}]`),
    ).flat()
  }
  if (isObject(expected) && isObject(actual)) {
    const keys = new Set([...Object.keys(expected), ...Object.keys(actual)])
    return [...keys].flatMap(key =>
      one(expected[key], actual[key], /^[\w-]+$/.test(key) ? `${path}.${key}` : `${path}[${key}]`),
    )
  }
  if (JSON.stringify(expected) === JSON.stringify(actual)) return []
  // An age in the middle of a cell, as RESTARTS has one, differs from day to day.
  if (typeof expected === 'string' && typeof actual === 'string' && ageless(expected) === ageless(actual)) return []
  // Each client has a certificate of its own.
  if ([expected, actual].every(value => typeof value === 'string' && value.startsWith('X509SHA256='))) return []
  if (typeof expected === 'string' && typeof actual === 'string' && path.endsWith('.message'))
    if (bag(expected) === bag(actual)) return []
  return [{ path, expected, actual }]
}

function one(expected: Json | undefined, actual: Json | undefined, path: string): Difference[] {
  // Managers that write in the background do not count, and may have been the only ones.
  if (path.endsWith('.managedFields') && isNothing(expected) && isNothing(actual)) return []
  if (expected === undefined) return [{ path, expected: '<absent>', actual: actual! }]
  if (actual === undefined) return [{ path, expected, actual: '<absent>' }]
  return differences(expected, actual, path)
}
