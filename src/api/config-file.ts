// Reads a configuration field by field. Every mistake is collected with the path of its field, unknown fields included,
// so that one run of the program reports all mistakes in a file.
import { StatusError } from '../base/errors.ts'
import { decode, DecodeError } from './schema/decode.ts'
import type { Struct } from './schema/node.ts'

/** The most mistakes that are collected; a list of more would not be read. */
const maxProblems = 50

/**
 * An object of a configuration. A field with a wrong value counts as one mistake, and reading goes on with the default.
 * `end` must be called last: it reports the fields that were not read as unknown.
 */
export class Fields {
  readonly path: string
  readonly #values: Readonly<Record<string, unknown>>
  readonly #asked = new Set<string>()
  readonly #problems: string[]

  constructor(value: unknown, path = '', problems: string[] = []) {
    this.path = path
    this.#problems = problems
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (!isObject && value !== undefined && value !== null) this.problem('', `must be an object, not ${show(value)}`)
    this.#values = isObject ? (value as Record<string, unknown>) : {}
  }

  /** Collects a mistake in a field. */
  problem(name: string, text: string): void {
    if (this.#problems.length < maxProblems) this.#problems.push(`${this.at(name) || 'the document'}: ${text}`)
  }

  at(name: string): string {
    return this.path && name ? `${this.path}.${name}` : this.path || name
  }

  /** The names of all fields, for an object whose names are data. */
  get names(): string[] {
    return Object.keys(this.#values)
  }

  has(name: string): boolean {
    return this.#values[name] !== undefined && this.#values[name] !== null
  }

  /** The value as it is in the document. Every method that reads a field goes through this one. */
  raw(name: string): unknown {
    this.#asked.add(name)
    return this.#values[name] ?? undefined
  }

  string(name: string): string | undefined
  string(name: string, otherwise: string): string
  string(name: string, otherwise?: string): string | undefined {
    const value = this.raw(name)
    if (value === undefined) return otherwise
    if (typeof value === 'string') return value
    this.problem(name, `must be a string, not ${show(value)}`)
    return otherwise
  }

  required(name: string): string {
    const value = this.string(name, '')
    if (value === '' && !this.has(name)) this.problem(name, 'is required')
    return value
  }

  boolean(name: string, otherwise: boolean): boolean {
    const value = this.raw(name)
    if (value === undefined || typeof value === 'boolean') return value ?? otherwise
    this.problem(name, `must be true or false, not ${show(value)}`)
    return otherwise
  }

  integer(name: string, range: { min: number; max: number }): number | undefined
  integer(name: string, range: { min: number; max: number }, otherwise: number): number
  integer(name: string, range: { min: number; max: number }, otherwise?: number): number | undefined {
    const value = this.raw(name)
    if (value === undefined) return otherwise
    if (Number.isInteger(value) && Number(value) >= range.min && Number(value) <= range.max) return Number(value)
    this.problem(name, `must be a whole number from ${range.min} to ${range.max}, not ${show(value)}`)
    return otherwise
  }

  oneOf<const T extends string>(name: string, allowed: readonly T[], otherwise: T): T {
    const value = this.string(name, otherwise)
    if ((allowed as readonly string[]).includes(value)) return value as T
    this.problem(name, `must be one of ${allowed.join(', ')}, not ${show(value)}`)
    return otherwise
  }

  strings(name: string): string[] {
    return this.#items(name).flatMap(([item, at]) => {
      if (typeof item === 'string') return [item]
      this.problem(at, `must be a string, not ${show(item)}`)
      return []
    })
  }

  object(name: string): Fields {
    return new Fields(this.raw(name), this.at(name), this.#problems)
  }

  objects(name: string): Fields[] {
    return this.#items(name).map(([item, at]) => new Fields(item, this.at(at), this.#problems))
  }

  /** A value of one of the API's types, such as a NodeAffinity. */
  typed<T>(name: string, schema: Struct<T>): T | undefined {
    const value = this.raw(name)
    return value === undefined ? undefined : this.#decode(name, schema, value)
  }

  typedList<T>(name: string, schema: Struct<T>): T[] {
    return this.#items(name).flatMap(([item, at]) => this.#decode(at, schema, item) ?? [])
  }

  end(): void {
    for (const name of Object.keys(this.#values)) if (!this.#asked.has(name)) this.problem(name, 'unknown field')
  }

  #decode<T>(at: string, schema: Struct<T>, value: unknown): T | undefined {
    try {
      return decode(schema, value, {
        defaults: true,
        onUnknown: path => this.problem(`${at}.${path}`, 'unknown field'),
      }) as T
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.problem(at, error.message)
      return undefined
    }
  }

  #items(name: string): [unknown, string][] {
    const value = this.raw(name)
    if (value === undefined) return []
    if (Array.isArray(value)) return value.map((item, i) => [item, `${name}[${i}]`])
    this.problem(name, `must be a list, not ${show(value)}`)
    return []
  }
}

/** Reads a whole document. Throws one StatusError with all mistakes, each with the file named by `source`. */
export function readFields<T>(value: unknown, source: string, read: (fields: Fields) => T): T {
  const problems: string[] = []
  const fields = new Fields(value, '', problems)
  const result = read(fields)
  if (problems.length) throw new StatusError('BadRequest', problems.map(text => `${source}: ${text}`).join('\n'))
  return result
}

const show = (value: unknown): string => {
  const text = JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
