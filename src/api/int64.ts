// Parses integers of 64 bits like Go. Source: strconv.ParseInt with base 10.

export const minInt64: bigint = -(2n ** 63n)
export const maxInt64: bigint = 2n ** 63n - 1n

/** The integer as a bigint, since a number is exact only up to 2^53; undefined for any other text. */
export function parseInt64(text: string | undefined): bigint | undefined {
  if (text === undefined || text.length > 64 || !/^[+-]?\d+$/.test(text)) return undefined
  const value = BigInt(text.replace('+', ''))
  return value >= minInt64 && value <= maxInt64 ? value : undefined
}

/** Whether both texts are integers and the first is less (`<`) or more (`>`) than the second. */
export function holdsForIntegers(a: string | undefined, operator: '<' | '>', b: string | undefined): boolean {
  const [x, y] = [parseInt64(a), parseInt64(b)]
  return x !== undefined && y !== undefined && (operator === '<' ? x < y : x > y)
}

/** An integer as objects hold it: a number, or a bigint where a number is not exact. The codecs carry both. */
export const int64Of = (value: bigint): number =>
  (Number.isSafeInteger(Number(value)) ? Number(value) : value) as number
