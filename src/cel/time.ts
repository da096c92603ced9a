// Timestamps and durations: RFC 3339 and Go's durations to values and back, and the parts of a time in a time zone.
// Source: cel-go common/types/timestamp.go, duration.go; Go's time.ParseDuration.
import { Duration, Failure, Timestamp, failure } from './values.ts'

const second = 1_000_000_000n
const minTimestamp = -62135596800n * second
const maxTimestamp = 253402300800n * second - 1n
export const minInt = -(1n << 63n)
export const maxInt = (1n << 63n) - 1n

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/

/** The time of an RFC 3339 text; undefined when it is none, or outside of the years 1 to 9999. */
export function parseTimestamp(text: string): Timestamp | undefined {
  const parts = rfc3339.exec(text)
  if (!parts) return undefined
  const [year, month, day, hour, minute, sec] = parts.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const [, , , , , , , fraction = '', zoneSign = '+', zoneHour = '0', zoneMinute = '0'] = parts
  if (hour > 23 || minute > 59 || sec > 59 || Number(zoneHour) > 24 || Number(zoneMinute) > 59) return undefined
  const days = daysOf(year, month, day)
  if (days === undefined) return undefined
  const offset = (zoneSign === '-' ? -60 : 60) * (Number(zoneHour) * 60 + Number(zoneMinute))
  const seconds = days * 86400 + hour * 3600 + minute * 60 + sec - offset
  const nanos = BigInt(seconds) * second + BigInt(fraction.slice(0, 9).padEnd(9, '0'))
  return nanos < minTimestamp || nanos > maxTimestamp ? undefined : new Timestamp(nanos, offset)
}

/** Days since 1970; undefined for a day that there is not. */
export function daysOf(year: number, month: number, day: number): number | undefined {
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  if (date.getUTCFullYear() !== year || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined
  return Math.floor(date.getTime() / 86_400_000)
}

const floorDivide = (a: bigint, b: bigint) => (a >= 0n ? a / b : -((-a + b - 1n) / b))

/** RFC 3339 at the offset that the time was written with, with as many digits of the second as it needs. */
export function formatTimestamp({ nanos, offset }: Timestamp): string {
  const seconds = floorDivide(nanos, second)
  const fraction = String(nanos - seconds * second)
    .padStart(9, '0')
    .replace(/0+$/, '')
  // At an offset the year may be 10000, for which ISO 8601 and not Go has a sign.
  const date = new Date((Number(seconds) + offset) * 1000)
    .toISOString()
    .replace(/\.000Z$/, '')
    .replace(/^\+0/, '')
  return `${date}${fraction && `.${fraction}`}${formatOffset(offset / 60)}`
}

function formatOffset(minutes: number): string {
  const size = Math.abs(minutes)
  const digits = (n: number) => String(n).padStart(2, '0')
  return minutes === 0 ? 'Z' : `${minutes < 0 ? '-' : '+'}${digits(Math.floor(size / 60))}:${digits(size % 60)}`
}

const units: Readonly<Record<string, bigint>> = {
  h: 3600n * second,
  m: 60n * second,
  s: second,
  ms: 1_000_000n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ns: 1n,
}

/** The nanoseconds of a text such as `1h30m` or `-1.5s`; undefined when it is none or too long. */
function parseDurationNanos(text: string): bigint | undefined {
  const parts = /^([+-]?)((?:(?:\d+(?:\.\d*)?|\.\d+)(?:h|ms|m|s|us|µs|μs|ns))+|0)$/.exec(text)
  if (!parts || text.length > 200) return undefined
  let nanos = 0n
  for (const [, whole = '', fraction = '', unit] of parts[2]!.matchAll(/(\d*)(?:\.(\d*))?(h|ms|m|s|us|µs|μs|ns)/g)) {
    const size = units[unit!]!
    nanos += BigInt(whole || '0') * size
    if (fraction) nanos += (BigInt(fraction) * size) / 10n ** BigInt(fraction.length)
  }
  if (parts[1] === '-') nanos = -nanos
  return nanos < minInt || nanos > maxInt ? undefined : nanos
}

export function parseDuration(text: string): Duration | undefined {
  const nanos = parseDurationNanos(text)
  return nanos === undefined ? undefined : new Duration(nanos)
}

/** Seconds with a fraction: `1.5s`. */
export function formatDuration({ nanos }: Duration): string {
  const size = nanos < 0n ? -nanos : nanos
  const fraction = String(size % second)
    .padStart(9, '0')
    .replace(/0+$/, '')
  return `${nanos < 0n ? '-' : ''}${size / second}${fraction && `.${fraction}`}s`
}

export function makeDuration(nanos: bigint): Duration | Failure {
  return nanos < minInt || nanos > maxInt ? failure('duration overflow') : new Duration(nanos)
}

export function makeTimestamp(nanos: bigint, offset = 0): Timestamp | Failure {
  return nanos < minTimestamp || nanos > maxTimestamp ? failure('timestamp overflow') : new Timestamp(nanos, offset)
}

/** The parts of a time that the functions of timestamps give. */
export interface TimeParts {
  year: number
  /** From 0. */
  month: number
  /** From 0. */
  dayOfYear: number
  /** From 1. */
  date: number
  /** Sunday is 0. */
  dayOfWeek: number
  hours: number
  minutes: number
  seconds: number
  milliseconds: number
}

/** The parts in UTC, or in a zone of the database of time zones, or at an offset such as `+01:00`. */
export function timeParts({ nanos }: Timestamp, zone?: string): TimeParts | Failure {
  const seconds = floorDivide(nanos, second)
  const offset = zone === undefined ? 0 : zoneOffset(zone, Number(seconds) * 1000)
  if (offset === undefined) return failure(`unknown time zone ${zone}`)
  const date = new Date((Number(seconds) + offset) * 1000)
  const year = date.getUTCFullYear()
  const newYear = new Date(0)
  newYear.setUTCFullYear(year, 0, 1)
  return {
    year,
    month: date.getUTCMonth(),
    dayOfYear: Math.floor((date.getTime() - newYear.getTime()) / 86_400_000),
    date: date.getUTCDate(),
    dayOfWeek: date.getUTCDay(),
    hours: date.getUTCHours(),
    minutes: date.getUTCMinutes(),
    seconds: date.getUTCSeconds(),
    milliseconds: Number((nanos - seconds * second) / 1_000_000n),
  }
}

/** Formats in a zone, which are expensive to make. */
const formats = new Map<string, Intl.DateTimeFormat | undefined>()
const maxFormats = 100

/** Seconds that a zone is ahead of UTC at a moment; undefined for a zone that there is not. */
function zoneOffset(zone: string, atMs: number): number | undefined {
  const fixed = /^([+-]?)(\d\d):(\d\d)$/.exec(zone)
  if (fixed) return (fixed[1] === '-' ? -60 : 60) * (Number(fixed[2]) * 60 + Number(fixed[3]))
  if (zone === '' || zone === 'UTC') return 0
  if (!formats.has(zone)) {
    if (formats.size >= maxFormats) formats.clear()
    formats.set(zone, formatFor(zone))
  }
  const format = formats.get(zone)
  if (!format) return undefined
  const part = Object.fromEntries(format.formatToParts(atMs).map(({ type, value }) => [type, value]))
  const local = new Date(0)
  const year = part['era'] === 'BC' ? 1 - Number(part['year']) : Number(part['year'])
  local.setUTCFullYear(year, Number(part['month']) - 1, Number(part['day']))
  local.setUTCHours(Number(part['hour']), Number(part['minute']), Number(part['second']))
  return (local.getTime() - Math.floor(atMs / 1000) * 1000) / 1000
}

function formatFor(zone: string): Intl.DateTimeFormat | undefined {
  // Offsets of other forms are taken by Intl and not by Go.
  if (!/^[A-Za-z]/.test(zone)) return undefined
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  } catch {
    return undefined
  }
}
