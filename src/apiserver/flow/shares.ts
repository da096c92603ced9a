// How the seats of the server are divided between its priority levels: first by their shares, and then, every ten
// seconds, by what each needs, within what it may lend and borrow. Pure: the tests call it with literals.
// Source: apiserver pkg/util/flowcontrol (apf_controller.go, updateBorrowing; conc_alloc.go); KEP-1040.
import type { PriorityLevelConfigurationSpec } from '../../kinds/flowcontrol/level-types.ts'

/** How many seats a level has by its configuration, and between which limits that may be moved. */
export interface Limits {
  readonly nominal: number
  readonly min: number
  readonly max: number
}

type Shared = Pick<PriorityLevelConfigurationSpec, 'type' | 'limited' | 'exempt'>

/** The limits of each level by its shares of `seats`, which are all that the server has. */
export function planLimits(levels: ReadonlyMap<string, Shared>, seats: number): Map<string, Limits> {
  let sum = 0
  for (const level of levels.values()) sum += sharesOf(level)
  const limits = new Map<string, Limits>()
  for (const [name, level] of levels) {
    // Rounding up may make the sum a little larger than `seats`, so that no level with shares is left without a seat.
    const nominal = sum ? Math.ceil((seats * sharesOf(level)) / sum) : 0
    const lendable = Math.round((nominal * ((level.limited ?? level.exempt)?.lendablePercent ?? 0)) / 100)
    const percent = level.limited?.borrowingLimitPercent
    const borrowed = percent === undefined ? seats : Math.round((nominal * percent) / 100)
    limits.set(name, { nominal, min: nominal - lendable, max: nominal + borrowed })
  }
  return limits
}

const sharesOf = ({ limited, exempt }: Shared): number =>
  limited ? (limited.nominalConcurrencyShares ?? 30) : (exempt?.nominalConcurrencyShares ?? 0)

/** How many seats a level asked for in the last period: the most, and a mean that falls only slowly. */
export interface Demand {
  readonly highest: number
  readonly smoothed: number
}

/** What one level brings to the division. */
export interface Claim extends Limits, Demand {
  readonly exempt: boolean
}

/** The part of a smoothed demand that remains after a period in which it fell. */
const smoothing = 0.977

/** The demand after a period in which it had this mean, deviation and maximum. It rises at once. */
export function nextDemand(before: Demand, period: { mean: number; deviation: number; most: number }): Demand {
  const envelope = period.mean + period.deviation
  const smoothed = envelope >= before.smoothed ? envelope : smoothing * before.smoothed + (1 - smoothing) * envelope
  return { highest: Math.round(period.most), smoothed }
}

/**
 * The current limit of each level. What exempt levels use is not there for the others. Each of those gets at least what
 * it does not lend, then what it has used of its own, and the rest is divided in proportion to the demands.
 */
export function planBorrowing(claims: ReadonlyMap<string, Claim>): Map<string, number> {
  const current = new Map<string, number>()
  const limited: { name: string; min: number; low: number; high: number; target: number }[] = []
  let left = 0
  for (const [name, claim] of claims) {
    left += claim.nominal
    if (claim.exempt) {
      const used = Math.max(claim.min, claim.highest)
      current.set(name, used)
      left -= used
      continue
    }
    const low = Math.max(claim.min, Math.min(claim.nominal, claim.highest))
    limited.push({ name, min: claim.min, low, high: claim.max, target: Math.max(low, claim.smoothed) })
  }
  const minSum = limited.reduce((sum, { min }) => sum + min, 0)
  const lowSum = limited.reduce((sum, { low }) => sum + low, 0)
  if (left <= minSum) for (const { name, min } of limited) current.set(name, min)
  else if (left <= lowSum) {
    const part = (left - minSum) / (lowSum - minSum)
    for (const { name, min, low } of limited) current.set(name, Math.round(min + part * (low - min)))
  } else {
    const shares = divide(left, limited)
    for (const [i, { name }] of limited.entries()) current.set(name, Math.round(shares[i]!))
  }
  return current
}

interface Bounded {
  readonly low: number
  readonly high: number
  readonly target: number
}

/** Below this, a target counts as this much, so that every level can be given something. */
const leastTarget = 0.001
/** Halvings of the interval in which the factor is searched: more than the digits of a number. */
const halvings = 60

/** Divides `sum` in proportion to the targets, but within the bounds. The bounds must allow it. */
function divide(sum: number, items: readonly Bounded[]): number[] {
  const at = (factor: number) =>
    items.map(({ low, high, target }) => Math.min(high, Math.max(low, factor * Math.max(target, leastTarget))))
  const total = (factor: number) => at(factor).reduce((all, one) => all + one, 0)
  // The total grows with the factor, so the factor that gives the sum is found by halving.
  let [from, to] = [
    0,
    items.reduce((most, { high, target }) => Math.max(most, high / Math.max(target, leastTarget)), 0),
  ]
  for (let i = 0; i < halvings; i++) {
    const middle = (from + to) / 2
    if (total(middle) < sum) from = middle
    else to = middle
  }
  return at(to)
}
