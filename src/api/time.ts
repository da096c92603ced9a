// Parses and formats times and durations in the forms of the API. Source: meta/v1 time.go, micro_time.go; Go's
// time.Duration.

/** Formats a time like metav1.Time: RFC 3339 in UTC with whole seconds. */
export function timeText(ms: number): string {
  const second = Math.floor(ms / 1000)
  // Most times that are written are in the present second, so the last text is kept.
  if (second !== last.second) last = { second, text: `${new Date(second * 1000).toISOString().slice(0, 19)}Z` }
  return last.text
}

let last = { second: Number.NaN, text: '' }

/** Formats a time like metav1.MicroTime: RFC 3339 in UTC with microseconds. */
export const microTimeText = (ms: number): string => `${new Date(ms).toISOString().slice(0, 23)}000Z`

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/

/** Parses RFC 3339 into milliseconds since the epoch; undefined for any other text. */
export function parseTime(text: string | null | undefined): number | undefined {
  if (!text || !rfc3339.test(text)) return undefined
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? undefined : ms
}

/** The canonical spelling of a time; undefined for any other text. */
export function canonicalTime(text: string): string | undefined {
  const ms = parseTime(text)
  // Fast path: nearly every time has this spelling already.
  if (text.length === 20 && text.endsWith('Z')) return ms === undefined ? undefined : text
  return ms === undefined ? undefined : timeText(ms)
}

/** The canonical spelling of a time with microseconds, which always has six digits. */
export function canonicalMicroTime(text: string): string | undefined {
  const ms = parseTime(text)
  if (ms === undefined) return undefined
  const fraction = (/\.(\d+)/.exec(text)?.[1] ?? '').padEnd(6, '0').slice(0, 6)
  return `${timeText(ms).slice(0, 19)}.${fraction}Z`
}

const unitNanos: Record<string, number> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 }

/** Parses a Go duration such as `1h2m3.5s` into nanoseconds; undefined for any other text. */
export function parseDuration(text: string): number | undefined {
  const match = /^([+-]?)((?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/.exec(text)
  if (!match) return text === '0' ? 0 : undefined
  let total = 0
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/g))
    total += Number(amount) * unitNanos[unit!]!
  return match[1] === '-' ? -total : total
}

/** Formats a duration like Go: `1h0m0s`, `250ms`. */
export function durationText(nanos: number): string {
  if (nanos === 0) return '0s'
  const sign = nanos < 0 ? '-' : ''
  const n = Math.abs(nanos)
  if (n < 1e3) return `${sign}${n}ns`
  if (n < 1e6) return `${sign}${n / 1e3}µs`
  if (n < 1e9) return `${sign}${n / 1e6}ms`
  const seconds = n / 1e9
  const [h, m] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60]
  const rest = Number((seconds % 60).toFixed(9))
  return `${sign}${h ? `${h}h` : ''}${h || m ? `${m}m` : ''}${rest}s`
}

/** Formats an age like kubectl's column AGE: `5s`, `3m20s`, `2d4h`. Source: apimachinery util/duration. */
export function shortAge(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  if (seconds < -1) return '<invalid>'
  if (seconds < 0) return '0s'
  if (seconds < 120) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 10) return seconds % 60 ? `${minutes}m${seconds % 60}s` : `${minutes}m`
  if (minutes < 180) return `${minutes}m`
  const hours = Math.floor(minutes / 60)
  if (hours < 8) return minutes % 60 ? `${hours}h${minutes % 60}m` : `${hours}h`
  if (hours < 48) return `${hours}h`
  const days = Math.floor(hours / 24)
  if (hours < 192) return hours % 24 ? `${days}d${hours % 24}h` : `${days}d`
  if (hours < 24 * 365 * 2) return `${days}d`
  const years = Math.floor(days / 365)
  if (hours < 24 * 365 * 8) return days % 365 ? `${years}y${days % 365}d` : `${years}y`
  return `${years}y`
}
