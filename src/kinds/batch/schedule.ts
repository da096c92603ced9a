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
  if (!text) throw new Error('empty spec string')
  if (text.startsWith('@') && !every && !words[text]) throw new Error(`unrecognized descriptor: ${text}`)
  const fields = (words[text] ?? (every ? '* * * * *' : text)).trim().split(/\s+/)
  if (fields.length !== 5) throw new Error(`expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`)
  const [minute, hour, day, month, weekday] = fields as [string, string, string, string, string]
  const isStar = (field: string) => field.startsWith('*') || field.startsWith('?')
  return {
    minutes: parseField(minute, { min: 0, max: 59 }),
    hours: parseField(hour, { min: 0, max: 23 }),
    days: parseField(day, { min: 1, max: 31 }),
    months: parseField(month, { min: 1, max: 12, names: months }),
    weekdays: parseField(weekday, { min: 0, max: 6, names: weekdays }),
    eitherDay: !isStar(day) && !isStar(weekday),
    ...(every && { everyMs: parseEvery(every[1]!) }),
  }
}

function parseEvery(text: string): number {
  const units: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000 }
  const parts = [...text.matchAll(/(\d+)(h|m|s)/g)]
  if (!parts.length || parts.map(part => part[0]).join('') !== text)
    throw new Error(`failed to parse duration @every ${text}: time: invalid duration ${JSON.stringify(text)}`)
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * units[unit!]!, 0)
}

interface Bounds {
  min: number
  max: number
  /** Of `min` and what follows. */
  names?: readonly string[]
}

function parseField(field: string, bounds: Bounds): Set<number> {
  const values = new Set<number>()
  for (const part of field.split(',')) {
    const { start, end, step } = parseRange(part, bounds)
    for (let value = start; value <= end; value += step) values.add(value)
  }
  return values
}

function parseRange(part: string, bounds: Bounds): { start: number; end: number; step: number } {
  const { min, max } = bounds
  const [range = '', stepText, ...slashes] = part.split('/')
  const [from = '', to, ...hyphens] = range.split('-')
  if (hyphens.length) throw new Error(`too many hyphens: ${part}`)
  if (slashes.length) throw new Error(`too many slashes: ${part}`)
  const isStar = from === '*' || from === '?'
  const start = isStar ? min : numberOf(from, bounds)
  const step = stepText === undefined ? 1 : numberOf(stepText, { min, max })
  // One number with a step goes on to the end.
  const isOpen = isStar || (to === undefined && stepText !== undefined)
  const end = isOpen ? max : to === undefined ? start : numberOf(to, bounds)
  if (start < min) throw new Error(`beginning of range (${start}) below minimum (${min}): ${part}`)
  if (end > max) throw new Error(`end of range (${end}) above maximum (${max}): ${part}`)
  if (start > end) throw new Error(`beginning of range (${start}) beyond end of range (${end}): ${part}`)
  if (step === 0) throw new Error(`step of range should be a positive number: ${part}`)
  return { start, end, step }
}

function numberOf(text: string, { min, names = [] }: Bounds): number {
  const place = names.indexOf(text.toLowerCase())
  if (place >= 0) return place + min
  if (!/^[+-]?\d+$/.test(text))
    throw new Error(`failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`)
  const value = Number(text)
  if (value < 0) throw new Error(`negative number (${value}) not allowed: ${text}`)
  return value
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
    const known = new Intl.DateTimeFormat('en-US', { timeZone: name }).resolvedOptions().timeZone
    // Here case does not matter; in the files that Kubernetes reads it does.
    return known.toLowerCase() === name.toLowerCase() ? known === name : /^[A-Z]/.test(name)
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
