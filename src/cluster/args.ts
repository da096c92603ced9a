// Parses a command line into words, options with values, and switches. An unknown option is an error that names it.
import { cidrContains, formatIP, parseCidr } from '../api/ip.ts'
import { parseDuration } from '../api/time.ts'
import { own } from '../base/own.ts'

export interface OptionSpec {
  /** Whether the option takes a value; otherwise it is a switch. */
  value?: boolean
  help: string
}

export interface Parsed {
  words: string[]
  options: Record<string, string>
  flags: Set<string>
}

/** The origin of the URL of an API server, which an option names. Without a scheme it is HTTPS. */
export function serverUrl(option: string, text: string): string {
  const url = URL.parse(text.includes('://') ? text : `https://${text}`)
  if (url?.protocol !== 'https:' || url.pathname !== '/')
    throw new UsageError(`--${option} must be https://HOST:PORT, not ${JSON.stringify(text)}`)
  return url.origin
}

/** A mistake on the command line; printed without a stack. */
export class UsageError extends Error {}

/**
 * Reads `--name value`, `--name=value`, `--switch` and `-o value`; everything else is a word. Options and words may
 * come in any order, and the last of several values counts. Throws UsageError for an option that is not in `specs`, or
 * one without its value, and for a switch with one.
 */
export function parseArgs(args: readonly string[], specs: Readonly<Record<string, OptionSpec>>): Parsed {
  const parsed: Parsed = { words: [], options: {}, flags: new Set() }
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!
    const match = /^--?([a-z][a-z-]*)(?:=(.*))?$/s.exec(arg)
    if (!match) {
      parsed.words.push(arg)
      continue
    }
    const [, name = '', inline] = match
    const spec = own(specs, name)
    if (!spec)
      throw new UsageError(
        `unknown option --${name}; the options are ${Object.keys(specs)
          .map(n => `--${n}`)
          .join(', ')}`,
      )
    if (!spec.value) {
      // `--purge=false` must not purge.
      if (inline !== undefined) throw new UsageError(`option --${name} takes no value`)
      parsed.flags.add(name)
    } else {
      const value = inline ?? args[++i]
      if (value === undefined) throw new UsageError(`option --${name} requires a value`)
      parsed.options[name] = value
    }
  }
  return parsed
}

export function integerOption(parsed: Parsed, name: string, min: number, max: number): number | undefined {
  const text = parsed.options[name]
  if (text === undefined) return undefined
  const value = /^\d+$/.test(text) ? Number(text) : NaN
  if (Number.isNaN(value) || value < min || value > max)
    throw new UsageError(`option --${name} must be a whole number from ${min} to ${max}, not ${text}`)
  return value
}

/** The first and last port of a range such as `30000-32767`; undefined when the option was not given. */
export function portRangeOption(parsed: Parsed, name: string): [number, number] | undefined {
  const text = parsed.options[name]
  if (text === undefined) return undefined
  const [, first, last] = /^(\d{1,5})-(\d{1,5})$/.exec(text) ?? []
  const range: [number, number] = [Number(first), Number(last)]
  if (!first || !last || range[0] < 1 || range[1] > 65535 || range[0] > range[1])
    throw new UsageError(`option --${name} must be a range of ports such as 30000-32767, not ${text}`)
  return range
}

const maxRanges = 100

/**
 * Ranges of addresses, separated by commas, without those that are within others; undefined when the option was not
 * given.
 */
export function rangesOption(parsed: Parsed, name: string): string[] | undefined {
  const text = parsed.options[name]
  if (text === undefined) return undefined
  const parts = text.split(',').filter(Boolean)
  if (parts.length > maxRanges) throw new UsageError(`option --${name} must have at most ${maxRanges} ranges`)
  const ranges = parts.map(part => {
    const cidr = parseCidr(part.trim())
    if (!cidr)
      throw new UsageError(
        `option --${name} must have ranges of addresses such as 192.0.2.0/24,2001:db8::/64, and ${JSON.stringify(part)} is none`,
      )
    return { cidr, first: formatIP(cidr.family, cidr.base) }
  })
  const kept: typeof ranges = []
  for (const one of ranges.toSorted((a, b) => a.cidr.bits - b.cidr.bits))
    if (!kept.some(({ cidr }) => cidrContains(cidr, one.first))) kept.push(one)
  return kept.map(({ cidr, first }) => `${first}/${cidr.bits}`)
}

/** A duration in Go's notation, such as `40s` or `1m30s`; undefined when the option was not given. */
export function durationOption(parsed: Parsed, name: string): { text: string; ms: number } | undefined {
  const text = parsed.options[name]
  if (text === undefined) return undefined
  const nanos = parseDuration(text)
  if (nanos === undefined || nanos <= 0)
    throw new UsageError(`option --${name} must be a duration such as 40s or 1m30s, not ${text}`)
  return { text, ms: nanos / 1e6 }
}
