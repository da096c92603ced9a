// Randomness as an argument, for names, jitter and choices between equals. With a seed, a test repeats the same run.
import { randomBytes, randomUUID } from 'node:crypto'

export interface Random {
  /** A float in [0, 1). */
  float(): number
  /** A version 4 UUID. */
  uuid(): string
}

export const realRandom: Random = { float: () => Math.random(), uuid: () => randomUUID() }

/** A repeatable source for tests: mulberry32, with 32 bits of state. It must not be used for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const float = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const hex = (n: number) => Array.from({ length: n }, () => Math.floor(float() * 16).toString(16)).join('')
  return { float, uuid: () => `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}` }
}

// The alphabet of generated names in Kubernetes. Without vowels it forms no words, and without 0, 1 and 3 no characters
// look alike. Source: apimachinery util/rand.
const nameAlphabet = 'bcdfghjklmnpqrstvwxz2456789'

/** A random suffix of a generated name; it may end a DNS label. */
export function nameSuffix(random: Random, length = 5): string {
  return Array.from({ length }, () => nameAlphabet[Math.floor(random.float() * nameAlphabet.length)]).join('')
}

/** Maps each character of a string into the alphabet of generated names, as in pod-template hashes. */
export function safeEncode(text: string): string {
  return Array.from(text, c => nameAlphabet[c.charCodeAt(0) % nameAlphabet.length]).join('')
}

/** Cryptographically strong bytes, for keys and tokens. */
export const secretBytes = (length: number): Buffer => randomBytes(length)
