// The parts of timestamps, in UTC or in a time zone, and of durations.
// Source: cel-spec doc/langdef.md, "Timestamps and Durations"; cel-go common/types/timestamp.go, duration.go.
import { fn, member, type FunctionDecl, type Overload } from '../functions.ts'
import { timeParts, type TimeParts } from '../time.ts'
import * as t from '../types.ts'
import { Duration, Failure, Timestamp, noSuchOverload } from '../values.ts'

function part(id: string, withZone: string, read: (parts: TimeParts) => number): Overload[] {
  const run = (time: Timestamp, zone?: string) => {
    const parts = timeParts(time, zone)
    return parts instanceof Failure ? parts : BigInt(read(parts))
  }
  return [
    member(id, [t.timestamp], t.int, time => run(time as Timestamp)),
    member(withZone, [t.timestamp, t.string], t.int, (time, zone) => run(time as Timestamp, zone as string)),
  ]
}

const long = (name: string, read: (parts: TimeParts) => number) =>
  part(`timestamp_to_${name}`, `timestamp_to_${name}_with_tz`, read)
const short = (name: string, read: (parts: TimeParts) => number) =>
  part(`timestamp_to_${name}`, `timestamp_to_${name}_tz`, read)

/** The whole duration in a unit. */
const ofDuration = (name: string, unitNanos: bigint): Overload =>
  member(`duration_to_${name}`, [t.duration], t.int, value =>
    value instanceof Duration ? value.nanos / unitNanos : noSuchOverload(),
  )

const second = 1_000_000_000n

export const timeFunctions: readonly FunctionDecl[] = [
  fn('getFullYear', ...long('year', p => p.year)),
  fn('getMonth', ...long('month', p => p.month)),
  fn('getDayOfYear', ...long('day_of_year', p => p.dayOfYear)),
  fn('getDayOfMonth', ...long('day_of_month', p => p.date - 1)),
  fn('getDate', ...part('timestamp_to_day_of_month_1_based', 'timestamp_to_day_of_month_1_based_with_tz', p => p.date)),
  fn('getDayOfWeek', ...long('day_of_week', p => p.dayOfWeek)),
  fn('getHours', ...short('hours', p => p.hours), ofDuration('hours', 3600n * second)),
  fn('getMinutes', ...short('minutes', p => p.minutes), ofDuration('minutes', 60n * second)),
  fn('getSeconds', ...short('seconds', p => p.seconds), ofDuration('seconds', second)),
  // Of a duration all milliseconds, and not what is left of the last second, as the language has it.
  fn('getMilliseconds', ...short('milliseconds', p => p.milliseconds), ofDuration('milliseconds', 1_000_000n)),
]
