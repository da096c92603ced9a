// The recorded conversations: what was asked of a real API server, step by step, and what it answered.
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { Json, JsonObject } from '../../src/api/schema/node.ts'

/** One request of a conversation. Strings may name variables as `${ns}`. */
export interface Step {
  method?: string
  path: string
  query?: string | Record<string, Json>
  headers?: Record<string, string | null>
  /** A JSON value, or a fixture with changes: see `build`. */
  body?: Json
  /** A body as it is. */
  raw?: string
  b64?: string
  /** Without the client certificate. */
  anonymous?: boolean
  /** Variables taken from the answer, by their path in it. */
  capture?: Record<string, string>
  /** The answer was not recorded. */
  quiet?: boolean
  /** Of a success only the status was recorded. */
  brief?: boolean
  watch?: boolean
  pick?: string[]
  drop?: string[]
  sort?: string[]
  keep?: string[]
  lines?: boolean
  tries?: number
  until?: number
  /** Seconds to wait after the step. */
  sleep?: number
}

export interface Case {
  name: string
  group: string
  steps: Step[]
  /** What was made stays. */
  leave?: boolean
}

/** What one step was answered, with everything that changes from run to run replaced by placeholders. */
export interface RecordedAnswer {
  /** Status code. */
  s: number
  /** Content type. */
  ct?: string
  /** Warning headers. */
  w?: string[]
  /** Other headers that count. */
  h?: Record<string, string>
  /** The body, if it is JSON or YAML. */
  b?: Json
  /** The body, if it is anything else. */
  t?: string
}

export interface Corpus {
  cases: Case[]
  fixtures: JsonObject
  expected: Map<string, RecordedAnswer[]>
}

const groups = [
  'apply',
  'create-defaults',
  'http',
  'options',
  'patch',
  'rbac',
  'subresources',
  'validation',
  'watch',
] as const

/** Reads all conversations whose name one of `globs` matches; all without any. */
export function readCorpus(globs: readonly string[] = []): Corpus {
  const fits = matcher(globs)
  const cases: Case[] = []
  const expected = new Map<string, RecordedAnswer[]>()
  for (const group of groups) {
    for (const line of lines(`cases/${group}.jsonl`)) {
      const one = exactJson(line) as unknown as Case
      if (fits(one.name)) cases.push({ ...one, group })
    }
    for (const line of lines(`expected/${group}.jsonl`)) {
      const { name, answers } = exactJson(line) as unknown as { name: string; answers: RecordedAnswer[] }
      if (fits(name)) expected.set(name, answers)
    }
  }
  return {
    cases: cases.filter(one => expected.has(one.name)),
    expected,
    fixtures: exactJson(read('cases/fixtures.json')) as JsonObject,
  }
}

/** Whether a name matches any of the globs, in which `*` stands for any text. */
export function matcher(globs: readonly string[]): (name: string) => boolean {
  if (!globs.length) return () => true
  const patterns = globs.map(
    glob => new RegExp(`^${glob.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`, 's'),
  )
  return name => patterns.some(pattern => pattern.test(name))
}

const read = (file: string) => gunzipSync(readFileSync(new URL(`recorded/${file}.gz`, import.meta.url))).toString()

const lines = (file: string) => read(file).split('\n').filter(Boolean)

interface Raw {
  rawJSON: string
}
const { rawJSON, isRawJSON } = JSON as unknown as {
  rawJSON(text: string): Raw
  isRawJSON(value: unknown): value is Raw
}

/** JSON whose integers beyond 2^53 keep their digits, as values that `JSON.stringify` writes as they were. */
export function exactJson(text: string): Json {
  const revive = (_key: string, value: unknown, context: { source?: string }) =>
    typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER ? rawJSON(context.source ?? '0') : value
  return JSON.parse(text, revive as Parameters<typeof JSON.parse>[1]) as Json
}

/** Whether a value is an integer kept by its digits. */
export const isExactNumber = (value: unknown): value is Raw => isRawJSON(value)

/**
 * The body of a step. `{"$f": fixture, "$set": {pointer: value}, "$del": [pointer], "$dup": [pointer]}` builds on a
 * fixture; anything else is itself.
 */
export function build(body: Json, fixtures: JsonObject): Json {
  if (!isPlain(body) || typeof body.$f !== 'string') return body
  const out = structured(fixtures[body.$f] ?? null)
  for (const [pointer, value] of Object.entries((body.$set ?? {}) as JsonObject)) {
    const [holder, key] = walk(out, pointer, true)
    if (!Array.isArray(holder)) (holder as JsonObject)[key] = value
    else if (key === '-') holder.push(value)
    else holder[Number(key)] = value
  }
  for (const pointer of (body.$del ?? []) as string[]) {
    const [holder, key] = walk(out, pointer, false)
    if (Array.isArray(holder)) holder.splice(Number(key), 1)
    else delete (holder as JsonObject)[key]
  }
  for (const pointer of (body.$dup ?? []) as string[]) {
    const [holder, key] = walk(out, pointer, false)
    const list = (Array.isArray(holder) ? holder[Number(key)] : (holder as JsonObject)[key]) as Json[]
    list.push(structured(list[0] ?? null))
  }
  return out
}

const structured = (value: Json) => exactJson(JSON.stringify(value))

const isPlain = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !isExactNumber(value)

/** The holder of what a JSON pointer names, and its last part. */
function walk(value: Json, pointer: string, make: boolean): [Json, string] {
  const parts = pointer
    .split('/')
    .slice(1)
    .map(part => part.replaceAll('~1', '/').replaceAll('~0', '~'))
  let at = value
  for (const part of parts.slice(0, -1)) {
    if (Array.isArray(at)) at = at[Number(part)]!
    else {
      const holder = at as JsonObject
      if (make && (holder[part] ?? null) === null) holder[part] = {}
      at = holder[part]!
    }
  }
  return [at, parts.at(-1) ?? '']
}

/** Puts the variables of a conversation into its texts; `{"$rep": [text, times]}` is a long one. */
export function fill(value: Json, variables: Readonly<Record<string, string>>): Json {
  if (typeof value === 'string') return value.replace(/\$\{(\w+)\}/g, (all, name: string) => variables[name] ?? all)
  if (Array.isArray(value)) return value.map(element => fill(element, variables))
  if (!isPlain(value)) return value
  if (value.$rep) {
    const [text, times] = value.$rep as [string, number]
    return text.repeat(times)
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [fill(key, variables) as string, fill(inner, variables)]),
  )
}
