// Checks of single values that the rules of many kinds share: each yields what is wrong, worded as Kubernetes does.
// Source: apimachinery pkg/api/validation, pkg/apis/meta/v1/validation.
import { dnsLabelErrors, labelValueErrors, portErrors, portNameErrors, qualifiedNameErrors } from './names.ts'
import type { LabelSelector } from './meta.ts'
import type { Path, Problem } from './path.ts'
import { parseCidr, parseIP } from './ip.ts'

export type Problems = Iterable<Problem>

/** Each sentence that `errors` has about a text, at `at`. */
export function* named(errors: (text: string) => string[], text: string, at: Path): Problems {
  for (const error of errors(text)) yield at.invalid(text, error)
}

/** A text that must be there and that `errors` has nothing against. */
export function* requiredName(errors: (text: string) => string[], text: string | undefined, at: Path): Problems {
  if (!text) yield at.required()
  else yield* named(errors, text, at)
}

/** Something that must not be absent, empty or zero. */
export function* present(value: unknown, at: Path, detail = ''): Problems {
  const isEmpty = Array.isArray(value) ? value.length === 0 : !value
  if (isEmpty) yield at.required(detail)
}

/** One of a few texts. They are listed in the order given. */
export function* supported(value: string | undefined, texts: readonly string[], at: Path): Problems {
  if (!texts.includes(value ?? '')) yield at.notSupported(value ?? '', texts)
}

/** One of a few texts; the empty one counts as missing. */
export function* oneOf(value: string | undefined, texts: readonly string[], at: Path, detail = ''): Problems {
  if (!value) yield at.required(detail)
  else yield* supported(value, texts, at)
}

const negative = 'must be greater than or equal to 0'

/** Numbers below zero, each at its own name below `at`. */
export function* notNegative(counts: Readonly<Record<string, number | undefined>>, at: Path): Problems {
  for (const [field, count] of Object.entries(counts))
    if ((count ?? 0) < 0) yield at.field(field).invalid(count, negative)
}

export function* validateLabels(labels: Readonly<Record<string, string>> | undefined, at: Path): Problems {
  for (const [key, value] of Object.entries(labels ?? {})) {
    yield* named(qualifiedNameErrors, key, at)
    yield* named(labelValueErrors, value, at)
  }
}

const maxAnnotationBytes = 256 * 1024

export function* validateAnnotations(annotations: Readonly<Record<string, string>> | undefined, at: Path): Problems {
  let bytes = 0
  for (const [key, value] of Object.entries(annotations ?? {})) {
    for (const error of qualifiedNameErrors(key.toLowerCase())) yield at.invalid(key, error)
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value)
  }
  if (bytes > maxAnnotationBytes) yield at.tooLong(maxAnnotationBytes)
}

/** A selector of labels; none is fine. */
export function* validateSelector(selector: LabelSelector | undefined, at: Path): Problems {
  yield* validateLabels(selector?.matchLabels, at.field('matchLabels'))
  for (const [i, requirement] of (selector?.matchExpressions ?? []).entries())
    yield* validateRequirement(requirement, at.field('matchExpressions').index(i))
}

/** One requirement of a selector of labels. */
export function* validateRequirement(
  {
    key,
    operator,
    values = [],
  }: { readonly key: string; readonly operator: string; readonly values?: readonly string[] },
  at: Path,
): Problems {
  yield* validateOperator(operator, values, at)
  yield* named(qualifiedNameErrors, key, at.field('key'))
  for (const [j, value] of values.entries()) yield* named(labelValueErrors, value, at.field('values').index(j))
}

function* validateOperator(operator: string, values: readonly string[], at: Path): Problems {
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (!values.length) yield at.field('values').required("must be specified when `operator` is 'In' or 'NotIn'")
      return
    case 'Exists':
    case 'DoesNotExist':
      if (values.length)
        yield at.field('values').forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
      return
    default:
      yield at.field('operator').invalid(operator, 'not a valid selector operator')
  }
}

/** A port by number or by name. */
export function* validatePort(port: number | string, at: Path): Problems {
  const errors = typeof port === 'number' ? portErrors(port) : portNameErrors(port)
  for (const error of errors) yield at.invalid(port, error)
}

/** An address of either family, in a spelling that cannot be taken for another address. */
export function* validateIP(text: string, at: Path): Problems {
  const ip = parseIP(withoutZeros(text))
  if (!ip) yield at.invalid(text, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')
  else if (!parseIP(text)) yield at.invalid(text, 'must not have leading 0s')
  else if (isMapped(ip)) yield at.invalid(text, 'must not be an IPv4-mapped IPv6 address')
}

/** A range of addresses, named by its first one. */
export function* validateCIDR(text: string, at: Path): Problems {
  const [address = '', bits = ''] = text.split('/')
  const [ip, range] = [parseIP(withoutZeros(address)), parseCidr(withoutZeros(text))]
  if (!ip || !range) yield at.invalid(text, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')
  else if (!parseIP(address) || /^0\d/.test(bits))
    yield at.invalid(text, 'must not have leading 0s in IP or prefix length')
  else if (isMapped(ip)) yield at.invalid(text, 'must not have an IPv4-mapped IPv6 address')
  else if (ip.value !== range.base) yield at.invalid(text, 'must not have bits set beyond the prefix length')
}

/** Leading zeros once made a number octal for some. */
const withoutZeros = (text: string) => (text.includes(':') ? text : text.replace(/(^|\.)0+(?=\d)/g, '$1'))

const mappedPrefix = 0xffffn

const isMapped = (ip: { family: 4 | 6; value: bigint }) => ip.family === 6 && ip.value >> 32n === mappedPrefix

export const immutable = 'field is immutable'

/** Namespaces are named by DNS labels. */
export const namespaceErrors = dnsLabelErrors
