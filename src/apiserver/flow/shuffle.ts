// Shuffle sharding: each flow is dealt a hand of a few of the level's queues, by a hash of its name. A flow that fills
// its own queues leaves most others a queue that it does not share.
// Source: apiserver pkg/util/shufflesharding; KEP-1040.
import { createHash } from 'node:crypto'

/** The hash of a flow: 64 bits. */
function hashOf(schema: string, distinguisher: string): bigint {
  const hash = createHash('sha256').update(schema).update(Buffer.of(0)).update(distinguisher)
  return hash.digest().readBigUInt64LE(0)
}

/**
 * A hand of different numbers below `deck`, in the order in which they are dealt. Each next card is one of those that
 * are left, so it is moved up by one for each card dealt before that is not above it.
 */
function deal(hash: bigint, deck: number, size: number): number[] {
  const hand: number[] = []
  let rest = hash
  for (let i = 0; i < size; i++) {
    const left = BigInt(deck - i)
    let card = Number(rest % left)
    rest /= left
    for (const lower of hand.toSorted((a, b) => a - b)) if (card >= lower) card++
    hand.push(card)
  }
  return hand
}

/** Limit of hands that are kept. Flows are users or namespaces, of which clients can think up any number. */
const maxHands = 4_096

/** Deals hands, and keeps those of recent flows. */
export class Dealer {
  readonly #queues: number
  readonly #handSize: number
  readonly #hands = new Map<string, readonly number[]>()

  constructor(queues: number, handSize: number) {
    this.#queues = queues
    this.#handSize = Math.min(handSize, queues)
  }

  hand(schema: string, distinguisher: string): readonly number[] {
    const key = `${schema}\0${distinguisher}`
    let hand = this.#hands.get(key)
    if (!hand) {
      if (this.#hands.size >= maxHands) this.#hands.clear()
      this.#hands.set(key, (hand = deal(hashOf(schema, distinguisher), this.#queues, this.#handSize)))
    }
    return hand
  }
}
