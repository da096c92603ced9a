// A length of time in a configuration, such as `5s`.
import type { Fields } from '../api/config-file.ts'
import { parseDuration } from '../api/time.ts'

/** The field in ms, or `otherwiseMs`. Something else than a duration is reported as a mistake. */
export function durationField(fields: Fields, name: string, otherwiseMs: number): number {
  const text = fields.string(name)
  if (text === undefined) return otherwiseMs
  const nanoseconds = parseDuration(text)
  if (nanoseconds !== undefined) return Number(nanoseconds) / 1e6
  fields.problem(name, `must be a duration such as 5s or 300ms, not ${JSON.stringify(text)}`)
  return otherwiseMs
}
