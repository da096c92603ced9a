// Randomness as an argument: names, jitter and tie-breaks come from here, so that a seed repeats a run.
import { randomBytes, randomUUID } from 'node:crypto'

export interface Random {
  /** A float in [0, 1). */
  float(): number
  /** A version 4 UUID. */
  uuid(): string
}

export const realRandom: Random = { float: () => Math.random(), uuid: () => randomUUID() }

/** A repeatable source (mulberry32: 32 bits of state, good enough for tests, useless for secrets). */
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

// The alphabet Kubernetes uses for generated names: no vowels (no words), no 0, 1, 3 (look-alikes).
const nameAlphabet = 'bcdfghjklmnpqrstvwxz2456789'

/** `length` characters that may end a DNS label, as in generateName suffixes. */
export function nameSuffix(random: Random, length = 5): string {
  return Array.from({ length }, () => nameAlphabet[Math.floor(random.float() * nameAlphabet.length)]).join('')
}

/** Spells any string in the alphabet of generated names, as pod-template hashes are written. */
export function safeEncode(text: string): string {
  return Array.from(text, c => nameAlphabet[c.charCodeAt(0) % nameAlphabet.length]).join('')
}

/** Cryptographically strong bytes, for keys and tokens. */
export const secretBytes = (length: number): Buffer => randomBytes(length)
