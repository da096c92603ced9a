// JSON merge patch: objects are merged by key, null removes a key, and any other value replaces. Source: RFC 7396.
import type { Json, JsonObject } from '../schema/node.ts'

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Returns the patched value, without changing the arguments. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch
  const out: JsonObject = isObject(target) ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete out[key]
    else setKey(out, key, mergePatch(out[key], value))
  }
  return out
}

/** Sets a key, also `__proto__`, for which an assignment would change the prototype instead. */
export function setKey(target: JsonObject, key: string, value: Json): void {
  if (key === '__proto__')
    Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true })
  else target[key] = value
}
