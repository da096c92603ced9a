// Semantic versions: `semver('1.2.3').isLessThan(semver('2.0.0'))`.
// Source: apiserver pkg/cel/library/semverlib.go; https://semver.org.
import { fn, member, plain, type Implementation, type Library } from '../functions.ts'
import * as t from '../types.ts'
import { Opaque, failure, noSuchOverload, type Value } from '../values.ts'

class Semver extends Opaque {
  readonly numbers: readonly [bigint, bigint, bigint]
  readonly prerelease: readonly string[]

  constructor(numbers: readonly [bigint, bigint, bigint], prerelease: readonly string[]) {
    super('kubernetes.Semver')
    this.numbers = numbers
    this.prerelease = prerelease
  }

  equals(other: Opaque): boolean {
    return other instanceof Semver && compare(this, other) === 0
  }
}

export const semverType = new Semver([0n, 0n, 0n], []).type
const semver = semverType

const shape = /^(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/
const maxNumber = (1n << 64n) - 1n
const isNumber = (part: string) => /^\d+$/.test(part)

/** The version, or what is wrong with the text. */
function parse(text: string): Semver | string {
  if (text === '') return 'Version string empty'
  const parts = shape.exec(text)
  if (!parts) {
    if (text.split('.').length < 3) return 'No Major.Minor.Patch elements found'
    return `Invalid character(s) found in version "${text}"`
  }
  const [major, minor, patch] = parts.slice(1, 4) as [string, string, string]
  for (const [name, digits] of Object.entries({ Major: major, Minor: minor, Patch: patch })) {
    if (digits.length > 1 && digits.startsWith('0')) return `${name} number must not contain leading zeroes "${digits}"`
    if (digits.length > 20 || BigInt(digits) > maxNumber)
      return `strconv.ParseUint: parsing "${digits}": value out of range`
  }
  const prerelease = parts[4]?.split('.') ?? []
  const leading = prerelease.find(part => isNumber(part) && part.length > 1 && part.startsWith('0'))
  if (leading) return `Numeric PreRelease version must not contain leading zeroes "${leading}"`
  return new Semver([BigInt(major), BigInt(minor), BigInt(patch)], prerelease)
}

/** Takes away a leading `v` and zeros, and adds the numbers that are missing. */
function parseNormalized(text: string): Semver | string {
  const [major, minor, ...rest] = text.replace(/^v/, '').split('.')
  const parts = [major!, ...(minor === undefined ? [] : [minor]), ...(rest.length ? [rest.join('.')] : [])].map(
    part => {
      if (part.length < 2) return part
      const trimmed = part.replace(/^0+/, '')
      return /^\d/.test(trimmed) ? trimmed : `0${trimmed}`
    },
  )
  if (parts.length < 3 && /[+-]/.test(parts.at(-1)!)) return 'short version cannot contain PreRelease/Build meta data'
  while (parts.length < 3) parts.push('0')
  return parse(parts.join('.'))
}

/** Precedence by section 11 of the specification; what follows a plus sign has no part in it. */
function compare(a: Semver, b: Semver): number {
  for (const i of [0, 1, 2] as const) if (a.numbers[i] !== b.numbers[i]) return a.numbers[i] < b.numbers[i] ? -1 : 1
  // A version before a release is less than the release.
  if (!a.prerelease.length || !b.prerelease.length) return Math.sign(b.prerelease.length - a.prerelease.length)
  for (const [i, part] of a.prerelease.entries()) {
    const other = b.prerelease[i]
    if (other === undefined) return 1
    const order = comparePart(part, other)
    if (order) return order
  }
  return a.prerelease.length < b.prerelease.length ? -1 : 0
}

/** Numbers by their value and before all texts, texts by their characters, which are of ASCII. */
function comparePart(a: string, b: string): number {
  if (a === b) return 0
  if (isNumber(a) !== isNumber(b)) return isNumber(a) ? -1 : 1
  if (isNumber(a) && a.length !== b.length) return a.length - b.length < 0 ? -1 : 1
  return a < b ? -1 : 1
}

const parseAs = (text: Value, normalize: Value | undefined) => (normalize ? parseNormalized : parse)(text as string)

// The second argument, where there is one, asks for normalization: `semver('v1.0', true)`.
export function makeSemver(text: Value, normalize?: Value): Value {
  const version = parseAs(text, normalize)
  return typeof version === 'string' ? failure(version) : version
}
const isSemver: Implementation = (text, normalize) => typeof parseAs(text!, normalize) !== 'string'

/** A comparison, from which the others follow. */
const onTwo =
  (run: (order: number) => Value): Implementation =>
  (a, b) =>
    a instanceof Semver && b instanceof Semver ? run(compare(a, b)) : noSuchOverload()

const number = (name: string, index: 0 | 1 | 2) =>
  fn(
    name,
    member(`semver_${name}`, [semver], t.int, v =>
      v instanceof Semver ? BigInt.asIntN(64, v.numbers[index]) : noSuchOverload(),
    ),
  )

export const semvers: Library = {
  name: 'kubernetes.Semver',
  types: [semver],
  functions: [
    fn(
      'semver',
      plain('string_to_semver', [t.string], semver, makeSemver),
      plain('string_bool_to_semver', [t.string, t.bool], semver, makeSemver),
    ),
    fn(
      'isSemver',
      plain('is_semver_string', [t.string], t.bool, isSemver),
      plain('is_semver_string_bool', [t.string, t.bool], t.bool, isSemver),
    ),
    fn(
      'isGreaterThan',
      member(
        'semver_is_greater_than',
        [semver, semver],
        t.bool,
        onTwo(order => order > 0),
      ),
    ),
    fn(
      'isLessThan',
      member(
        'semver_is_less_than',
        [semver, semver],
        t.bool,
        onTwo(order => order < 0),
      ),
    ),
    fn(
      'compareTo',
      member(
        'semver_compare_to',
        [semver, semver],
        t.int,
        onTwo(order => BigInt(order)),
      ),
    ),
    number('major', 0),
    number('minor', 1),
    number('patch', 2),
  ],
}
