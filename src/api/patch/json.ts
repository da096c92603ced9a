// JSON patch: a list of the operations add, remove, replace, move, copy and test. Where the library of kube-apiserver
// differs from the RFC, the library is followed: indexes may be negative, a missing key reads as null, the document
// itself cannot be replaced, and text before the first slash of a path is ignored.
// Source: RFC 6902; gopkg.in/evanphx/json-patch.v4; apiserver endpoints/handlers/patch.go for the limits.
import { own } from '../../base/own.ts'
import { StatusError } from '../../base/errors.ts'
import { sameJson } from '../equal.ts'
import type { Json, JsonObject } from '../schema/node.ts'
import { isObject, setKey } from './merge.ts'

const maxOperations = 10_000
/** Limit of the bytes that all copies of one patch add, since each may double the document. */
const maxCopiedBytes = 3 * 1024 * 1024

interface Operation {
  op?: unknown
  path?: unknown
  from?: unknown
  value?: Json
}

/**
 * Returns the patched value, without changing `target`. Throws BadRequest when the patch is not a list of objects,
 * Invalid when an operation cannot be carried out, RequestEntityTooLarge beyond the limits.
 */
export function jsonPatch(target: Json, patch: unknown): Json {
  const operations = checkShape(patch)
  const patcher = new Patcher(structuredClone(target))
  for (const operation of operations) if (!patcher.carryOut(operation)) throw notApplicable()
  return patcher.document
}

function checkShape(patch: unknown): Operation[] {
  const unexpected = (what: unknown, type: string) =>
    new StatusError(
      'BadRequest',
      `error decoding patch: json: cannot unmarshal ${goName(what)} into Go value of type ${type}`,
    )
  if (!Array.isArray(patch)) throw unexpected(patch, '[]handlers.jsonPatchOp')
  if (patch.length > maxOperations)
    throw new StatusError(
      'RequestEntityTooLarge',
      `The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`,
    )
  for (const operation of patch) if (!isObject(operation)) throw unexpected(operation, 'handlers.jsonPatchOp')
  return patch as Operation[]
}

const goName = (value: unknown) => (Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value)

/** Upstream's message does not name the operation that failed. */
const notApplicable = () =>
  new StatusError('Invalid', 'the server rejected our request due to an error in our request', { details: {} })

/** The place of an operation: an object or a list, and a key in it. */
interface Place {
  holder: JsonObject | Json[]
  key: string
}

class Patcher {
  readonly document: Json
  #copied = 0

  constructor(document: Json) {
    this.document = document
  }

  /** Carries out an operation. Returns false when that is not possible. */
  carryOut({ op, path, from, value = null }: Operation): boolean {
    const place = this.#find(path)
    if (!place) return false
    switch (op) {
      case 'add':
        return add(place, value)
      case 'remove':
        return remove(place)
      case 'replace':
        // A missing member is added, a missing element is not.
        return (get(place) !== undefined || !Array.isArray(place.holder)) && replace(place, value)
      case 'test':
        return sameJson(get(place) ?? null, value)
      case 'move': {
        const source = this.#find(from)
        const moved = source && get(source)
        if (!source || moved === undefined || !remove(source)) return false
        const target = this.#find(path)
        return target !== undefined && add(target, moved)
      }
      case 'copy': {
        const source = this.#find(from)
        const copied = source && (get(source) ?? (Array.isArray(source.holder) ? undefined : null))
        return copied !== undefined && add(place, this.#copy(copied))
      }
      default:
        return false
    }
  }

  #find(path: unknown): Place | undefined {
    if (typeof path !== 'string') return undefined
    const [, ...parts] = path.split('/').map(part => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    const key = parts.pop()
    if (key === undefined) return undefined
    let holder: Json | undefined = this.document
    for (const part of parts) {
      if (!isContainer(holder)) return undefined
      holder = get({ holder, key: part })
    }
    return isContainer(holder) ? { holder, key } : undefined
  }

  #copy(value: Json): Json {
    const text = JSON.stringify(value)
    this.#copied += Buffer.byteLength(text)
    if (this.#copied > maxCopiedBytes)
      throw new StatusError(
        'RequestEntityTooLarge',
        `Unable to complete the copy, the accumulated size increase of the copy is ${this.#copied}, exceeding the limit ${maxCopiedBytes}`,
      )
    return JSON.parse(text) as Json
  }
}

const isContainer = (value: Json | undefined): value is JsonObject | Json[] =>
  typeof value === 'object' && value !== null

/** The index that a key names in a list of `length` elements; a negative one counts from the end. */
function indexOf(key: string, length: number): number | undefined {
  if (!/^[+-]?\d+$/.test(key)) return undefined
  const index = Number(key)
  const place = index < 0 ? index + length : index
  return place >= 0 && place < length ? place : undefined
}

/** The value at a place; undefined when there is none. */
function get({ holder, key }: Place): Json | undefined {
  if (!Array.isArray(holder)) return own(holder, key)
  const index = indexOf(key, holder.length)
  return index === undefined ? undefined : holder[index]
}

function add({ holder, key }: Place, value: Json): boolean {
  if (!Array.isArray(holder)) {
    setKey(holder, key, value)
    return true
  }
  const index = key === '-' ? holder.length : indexOf(key, holder.length + 1)
  if (index === undefined) return false
  holder.splice(index, 0, value)
  return true
}

function replace({ holder, key }: Place, value: Json): boolean {
  if (Array.isArray(holder)) holder[indexOf(key, holder.length)!] = value
  else setKey(holder, key, value)
  return true
}

function remove({ holder, key }: Place): boolean {
  if (!Array.isArray(holder)) return Object.hasOwn(holder, key) && delete holder[key]
  const index = indexOf(key, holder.length)
  if (index === undefined) return false
  holder.splice(index, 1)
  return true
}
