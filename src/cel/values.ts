// The values of CEL. Scalars are those of JavaScript where one fits: null, boolean, bigint for int, number for double,
// string, Uint8Array for bytes; the rest are the classes here.
//
// A value never changes. A failed evaluation is a value as well, `Failure`: `&&` and `||` may absorb it, everything
// else hands it on.
import { opaque, type Type } from './types.ts'

export type Value =
  | null
  | boolean
  | bigint
  | Uint
  | number
  | string
  | Uint8Array
  | Timestamp
  | Duration
  | List
  | Mapping
  | TypeValue
  | Optional
  | Opaque
  | Failure

/** What an expression has instead of a value when it failed, with the message of cel-go. */
export class Failure {
  readonly message: string
  constructor(message: string) {
    this.message = message
  }
}

/** An unsigned integer of 64 bits. */
export class Uint {
  readonly value: bigint
  constructor(value: bigint) {
    this.value = value
  }
}

/** A point in time, in nanoseconds since 1970 in UTC; from the year 1 to 9999. */
export class Timestamp {
  readonly nanos: bigint
  /** Seconds ahead of UTC where it was written. Its text has them; nothing else does. */
  readonly offset: number
  constructor(nanos: bigint, offset = 0) {
    this.nanos = nanos
    this.offset = offset
  }
}

/** A length of time in nanoseconds. */
export class Duration {
  readonly nanos: bigint
  constructor(nanos: bigint) {
    this.nanos = nanos
  }
}

/** A type as a value: what `type(x)` gives. */
export class TypeValue {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

/** A value that may be missing. */
export class Optional {
  readonly value: Value | undefined
  constructor(value?: Value) {
    this.value = value
  }
}

/** A value that only functions of a library can look into, such as an address or a quantity. */
export abstract class Opaque {
  readonly type: Type
  constructor(type: Type | string) {
    this.type = typeof type === 'string' ? opaque(type) : type
  }
  /** Whether the other value, which is opaque as well, is the same. */
  abstract equals(other: Opaque): boolean
  /** Its size as the costs count it: most have 1. */
  get size(): number {
    return 1
  }
}

/** A list. Elements may be computed only when they are asked for. */
export abstract class List {
  abstract readonly size: number
  /** The element; the index is within the list. */
  abstract at(index: number): Value
  /** Set for lists whose elements have no order, such as sets. */
  equals?(other: List): boolean
  /** Set for lists that merge rather than append. */
  merge?(other: List): List

  *[Symbol.iterator](): Generator<Value> {
    for (let i = 0; i < this.size; i++) yield this.at(i)
  }
}

export class ArrayList extends List {
  readonly #items: readonly Value[]
  readonly size: number

  /** The first `size` of the items, which may only be appended to from then on. */
  constructor(items: readonly Value[], size = items.length) {
    super()
    this.#items = items
    this.size = size
  }

  at(index: number): Value {
    return this.#items[index]!
  }

  /**
   * This list and more. A list that is the longest on its array lends it, so that a comprehension that appends one
   * element at a time is linear: the shorter list still ends where it did.
   */
  append(more: List): ArrayList {
    const isLongest = Array.isArray(this.#items) && this.#items.length === this.size && !Object.isFrozen(this.#items)
    const items: Value[] = isLongest ? (this.#items as Value[]) : this.#items.slice(0, this.size)
    // The other may be on the same array: its size is what it was before.
    const count = more.size
    for (let i = 0; i < count; i++) items.push(more.at(i))
    return new ArrayList(items)
  }
}

/** A map. Keys are bool, int, uint and string; numbers of all kinds that are equal are one key. */
export abstract class Mapping {
  abstract readonly size: number
  /** The value; undefined for a key that is not there. */
  abstract get(key: Value): Value | undefined
  abstract keys(): Iterable<Value>
  /** Set for maps that have more than can be seen of them. */
  equals?(other: Mapping): boolean
  /** Whether a key is in the map. Set for maps that have a value for keys that are not. */
  has?(key: Value): boolean
}

/** An object that a literal made, such as `JSONPatch{op: 'remove', path: '/x'}`. */
export class ObjectValue extends Mapping {
  readonly typeName: string
  readonly #fields: ReadonlyMap<string, Value>

  constructor(name: string, fields: ReadonlyMap<string, Value>) {
    super()
    this.typeName = name
    this.#fields = fields
  }

  get size(): number {
    return this.#fields.size
  }

  get(key: Value): Value | undefined {
    return typeof key === 'string' ? this.#fields.get(key) : undefined
  }

  keys(): Iterable<Value> {
    return this.#fields.keys()
  }
}

type Key = string | bigint | boolean

/** What keys that are equal have in common; undefined for what cannot be a key of any map. */
function keyOf(value: Value): Key | undefined {
  if (typeof value === 'string' || typeof value === 'bigint' || typeof value === 'boolean') return value
  if (value instanceof Uint) return value.value
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value)
  return undefined
}

/** A map that an expression made. */
export class EntryMap extends Mapping {
  readonly #entries = new Map<Key, { key: Value; value: Value }>()

  get size(): number {
    return this.#entries.size
  }

  get(key: Value): Value | undefined {
    const found = keyOf(key)
    return found === undefined ? undefined : this.#entries.get(found)?.value
  }

  *keys(): Generator<Value> {
    for (const { key } of this.#entries.values()) yield key
  }

  /** While the map is being built. False when the key cannot be one, or is there already. */
  add(key: Value, value: Value): boolean {
    const found = keyOf(key)
    if (found === undefined || typeof key === 'number' || this.#entries.has(found)) return false
    this.#entries.set(found, { key, value })
    return true
  }
}

/**
 * A map of names to values that are computed when they are asked for, and once: the variables of a policy, for
 * instance. A name that has no value has the fallback, if there is one.
 */
export class LazyMap extends Mapping {
  readonly #names: readonly string[]
  readonly #read: (name: string) => Value
  readonly #fallback: Value | undefined
  readonly #known = new Map<string, Value>()

  constructor(names: readonly string[], read: (name: string) => Value, fallback?: Value) {
    super()
    this.#names = names
    this.#read = read
    this.#fallback = fallback
  }

  get size(): number {
    return this.#names.length
  }

  get(key: Value): Value | undefined {
    if (typeof key !== 'string' || !this.#names.includes(key)) return this.#fallback
    let value = this.#known.get(key)
    if (value === undefined) {
      value = this.#read(key)
      this.#known.set(key, value)
    }
    return value
  }

  override has(key: Value): boolean {
    return typeof key === 'string' && this.#names.includes(key)
  }

  keys(): Iterable<Value> {
    return this.#names
  }
}

/** The name of a value's type. */
export function typeName(value: Value): string {
  switch (typeof value) {
    case 'boolean':
      return 'bool'
    case 'bigint':
      return 'int'
    case 'number':
      return 'double'
    case 'string':
      return 'string'
  }
  if (value === null) return 'null_type'
  if (value instanceof Uint) return 'uint'
  if (value instanceof Uint8Array) return 'bytes'
  if (value instanceof Timestamp) return 'google.protobuf.Timestamp'
  if (value instanceof Duration) return 'google.protobuf.Duration'
  if (value instanceof List) return 'list'
  if (value instanceof ObjectValue) return value.typeName
  if (value instanceof Mapping) return 'map'
  if (value instanceof TypeValue) return 'type'
  if (value instanceof Optional) return 'optional_type'
  return value instanceof Opaque ? value.type.name : 'error'
}

export const failure = (message: string): Failure => new Failure(message)
export const noSuchOverload = (): Failure => new Failure('no such overload')
export const noSuchKey = (key: Value): Failure => new Failure(`no such key: ${keyText(key)}`)

const keyText = (key: Value): string =>
  key instanceof Uint ? String(key.value) : typeof key === 'object' ? typeName(key) : String(key)

/** The length of a string in code points, which is its size in CEL. */
export function stringSize(text: string): number {
  let size = text.length
  for (let i = 0; i < text.length - 1; i++)
    if ((text.charCodeAt(i) & 0xfc00) === 0xd800 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      size--
      i++
    }
  return size
}
