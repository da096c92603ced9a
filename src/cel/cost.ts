// Ranges of costs and sizes, and their arithmetic: unsigned, of 64 bits, and full where it would overflow.
// Source: cel-go checker/cost.go.

export interface Range {
  readonly min: bigint
  readonly max: bigint
}

export const maxCost = (1n << 64n) - 1n
export const fixed = (value: number | bigint): Range => ({ min: BigInt(value), max: BigInt(value) })
export const nothing = fixed(0)
export const one = fixed(1)
export const unknown: Range = { min: 0n, max: maxCost }

/** The cost of a character that is read, and of a character of a regular expression. */
export const stringFactor = 0.1
export const patternFactor = 0.25

const full = (value: bigint) => (value > maxCost ? maxCost : value)

export const plus = (...ranges: readonly Range[]): Range =>
  ranges.reduce((a, b) => ({ min: full(a.min + b.min), max: full(a.max + b.max) }), nothing)

export const times = (a: Range, b: Range): Range => ({ min: full(a.min * b.min), max: full(a.max * b.max) })

/** Multiplied, and rounded up. */
export const scale = (range: Range, factor: number): Range => ({
  min: scaled(range.min, factor),
  max: scaled(range.max, factor),
})

function scaled(value: bigint, factor: number): bigint {
  const product = Math.ceil(Number(value) * factor)
  return product >= 2 ** 64 ? maxCost : BigInt(product)
}

export const union = (a: Range, b: Range): Range => ({
  min: a.min < b.min ? a.min : b.min,
  max: a.max > b.max ? a.max : b.max,
})
