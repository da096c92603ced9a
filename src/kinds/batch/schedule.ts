// Cron schedules: five fields, names, ranges, steps, and the @-words; in any time zone. When clocks jump forward a
// time that does not exist is skipped; when they are set back one that comes twice runs twice only if it recurs
// every hour. Source of the behaviour: github.com/robfig/cron v3.
export interface Schedule {
  minutes: ReadonlySet<number>
  hours: ReadonlySet<number>
  days: ReadonlySet<number>
  months: ReadonlySet<number>
  weekdays: ReadonlySet<number>
  /** Days of month and week both given: either is enough. */
  eitherDay: boolean
  everyMs?: number
}

const words: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
}
const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']

/** Throws an Error that says what is wrong with the text. */
export function parseSchedule(text: string): Schedule {
  const every = /^@every (.+)$/.exec(text)
  const fields = (words[text] ?? (every ? '* * * * *' : text)).trim().split(/\s+/)
  if (fields.length !== 5) throw new Error(`expected exactly 5 fields, found ${fields.length}: ${JSON.stringify(text)}`)
  const [minute, hour, day, month, weekday] = fields as [string, string, string, string, string]
  const isStar = (field: string) => field.startsWith('*') || field.startsWith('?')
  const week = parseField(weekday, 0, 7, weekdays, 0)
  return {
    minutes: parseField(minute, 0, 59),
    hours: parseField(hour, 0, 23),
    days: parseField(day, 1, 31),
    months: parseField(month, 1, 12, months, 1),
    weekdays: new Set([...week].map(value => value % 7)),
    eitherDay: !isStar(day) && !isStar(weekday),
    ...(every && { everyMs: parseEvery(every[1]!) }),
  }
}

function parseEvery(text: string): number {
  const units: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000 }
  const parts = [...text.matchAll(/(\d+)(h|m|s)/g)]
  if (!parts.length || parts.map(part => part[0]).join('') !== text)
    throw new Error(`failed to parse duration ${JSON.stringify(text)}`)
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * units[unit!]!, 0)
}

function parseField(field: string, low: number, high: number, names: readonly string[] = [], first = 0): Set<number> {
  const values = new Set<number>()
  const number = (text: string): number => {
    const named = names.indexOf(text.toLowerCase())
    const value = named >= 0 ? named + first : /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (Number.isNaN(value) || value < low || value > high)
      throw new Error(`${JSON.stringify(text)} is not between ${low} and ${high}`)
    return value
  }
  for (const part of field.split(',')) {
    const [range = '', step] = part.split('/')
    const by = step === undefined ? 1 : Number(step)
    if (!Number.isInteger(by) || by < 1) throw new Error(`step of ${JSON.stringify(part)} should be a positive number`)
    const [from, to] = range.split('-')
    const star = range === '*' || range === '?'
    const start = star ? low : number(from!)
    const end = star ? (high === 7 ? 6 : high) : to !== undefined ? number(to) : step === undefined ? start : high
    if (end < start) throw new Error(`beginning of range (${start}) is beyond its end (${end}): ${part}`)
    for (let value = start; value <= end; value += by) values.add(value)
  }
  return values
}

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs
const maxYears = 5

/** The first time after `after` (ms) that the schedule names in the time zone; undefined when there is none for years. */
export function nextTime(schedule: Schedule, after: number, timeZone = 'UTC'): number | undefined {
  if (schedule.everyMs) return Math.floor(after / 1000) * 1000 + schedule.everyMs
  const limit = after + maxYears * 366 * dayMs
  let at = (Math.floor(after / minuteMs) + 1) * minuteMs
  while (at < limit) {
    const local = localTime(at, timeZone)
    if (!matchesDay(schedule, local)) at = startOfNextDay(at, local, timeZone)
    else if (!schedule.hours.has(local.hour)) at += (60 - local.minute) * minuteMs
    else if (!schedule.minutes.has(local.minute)) at += minuteMs
    else return at
  }
  return undefined
}

interface Local {
  month: number
  day: number
  weekday: number
  hour: number
  minute: number
}

function matchesDay({ months: inMonths, days, weekdays: inWeek, eitherDay }: Schedule, local: Local): boolean {
  if (!inMonths.has(local.month)) return false
  const [byDay, byWeek] = [days.has(local.day), inWeek.has(local.weekday)]
  return eitherDay ? byDay || byWeek : byDay && byWeek
}

/** The next local midnight, or the first moment after where clocks skip midnight. */
function startOfNextDay(at: number, local: Local, timeZone: string): number {
  let next = at + ((24 - local.hour) * 60 - local.minute) * minuteMs
  const there = localTime(next, timeZone)
  // A change of the clocks in between puts it off by an hour or so.
  if (there.day === local.day) next += ((24 - there.hour) * 60 - there.minute) * minuteMs
  else if (there.hour < 12) next -= (there.hour * 60 + there.minute) * minuteMs
  return Math.max(next, at + minuteMs)
}

const formats = new Map<string, Intl.DateTimeFormat>()

function localTime(at: number, timeZone: string): Local {
  if (timeZone === 'UTC') {
    const date = new Date(at)
    return {
      month: date.getUTCMonth() + 1,
      day: date.getUTCDate(),
      weekday: date.getUTCDay(),
      hour: date.getUTCHours(),
      minute: date.getUTCMinutes(),
    }
  }
  let format = formats.get(timeZone)
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      month: 'numeric',
      day: 'numeric',
      weekday: 'short',
      hour: 'numeric',
      minute: 'numeric',
      hourCycle: 'h23',
    })
    formats.set(timeZone, format)
  }
  const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]))
  return {
    month: Number(parts.month),
    day: Number(parts.day),
    weekday: weekdays.indexOf(parts.weekday!.toLowerCase()),
    hour: Number(parts.hour),
    minute: Number(parts.minute),
  }
}

/** Whether this is a time zone of the IANA database, such as Europe/Berlin. */
export function isTimeZone(name: string): boolean {
  try {
    return Boolean(new Intl.DateTimeFormat('en-US', { timeZone: name }))
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

/** What is wrong with the text of a schedule; undefined for nothing. */
export function scheduleError(text: string): string | undefined {
  if (text.includes('TZ')) return 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'
  try {
    parseSchedule(text)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
