// Checks of single values that the rules of many kinds share. Each yields problems with the messages of Kubernetes.
// Source: apimachinery pkg/api/validation, pkg/apis/meta/v1/validation.
import { dnsLabelErrors, labelValueErrors, portErrors, portNameErrors, qualifiedNameErrors } from './names.ts'
import type { LabelSelector } from './meta.ts'
import type { Path, Problem } from './path.ts'
import { parseCidr, parseIP } from './ip.ts'

export type Problems = Iterable<Problem>

/** Yields each sentence of `errors` about a text as a problem of the field at `at`. */
export function* named(errors: (text: string) => string[], text: string, at: Path): Problems {
  for (const error of errors(text)) yield at.invalid(text, error)
}

/** Requires a text to be present and without `errors`. */
export function* requiredName(errors: (text: string) => string[], text: string | undefined, at: Path): Problems {
  if (!text) yield at.required()
  else yield* named(errors, text, at)
}

/** Requires a value that is neither absent, empty nor zero. */
export function* present(value: unknown, at: Path, detail = ''): Problems {
  const isEmpty = Array.isArray(value) ? value.length === 0 : !value
  if (isEmpty) yield at.required(detail)
}

/** Requires one of a few texts, which the problem lists in the given order. */
export function* supported(value: string | undefined, texts: readonly string[], at: Path): Problems {
  if (!texts.includes(value ?? '')) yield at.notSupported(value ?? '', texts)
}

/** Requires one of a few texts. An empty text is reported as missing. */
export function* oneOf(value: string | undefined, texts: readonly string[], at: Path, detail = ''): Problems {
  if (!value) yield at.required(detail)
  else yield* supported(value, texts, at)
}

const negative = 'must be greater than or equal to 0'

/** Refuses numbers below zero, each at the field of its name below `at`. */
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

/** Checks a label selector, which may be absent. */
export function* validateSelector(selector: LabelSelector | undefined, at: Path): Problems {
  yield* validateLabels(selector?.matchLabels, at.field('matchLabels'))
  for (const [i, requirement] of (selector?.matchExpressions ?? []).entries())
    yield* validateRequirement(requirement, at.field('matchExpressions').index(i))
}

/** Checks one requirement of a label selector. */
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

/** Checks a port, which is a number or a name. */
export function* validatePort(port: number | string, at: Path): Problems {
  const errors = typeof port === 'number' ? portErrors(port) : portNameErrors(port)
  for (const error of errors) yield at.invalid(port, error)
}

/** Checks an address of either family. Spellings that some programs read as another address are refused. */
export function* validateIP(text: string, at: Path): Problems {
  const ip = parseIP(withoutZeros(text))
  if (!ip) yield at.invalid(text, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')
  else if (!parseIP(text)) yield at.invalid(text, 'must not have leading 0s')
  else if (isMapped(ip)) yield at.invalid(text, 'must not be an IPv4-mapped IPv6 address')
}

/** Checks a range of addresses, which must be named by its first address. */
export function* validateCIDR(text: string, at: Path): Problems {
  const [address = '', bits = ''] = text.split('/')
  const [ip, range] = [parseIP(withoutZeros(address)), parseCidr(withoutZeros(text))]
  if (!ip || !range) yield at.invalid(text, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')
  else if (!parseIP(address) || /^0\d/.test(bits))
    yield at.invalid(text, 'must not have leading 0s in IP or prefix length')
  else if (isMapped(ip)) yield at.invalid(text, 'must not have an IPv4-mapped IPv6 address')
  else if (ip.value !== range.base) yield at.invalid(text, 'must not have bits set beyond the prefix length')
}

/** Some programs read numbers with leading zeros as octal. */
const withoutZeros = (text: string) => (text.includes(':') ? text : text.replace(/(^|\.)0+(?=\d)/g, '$1'))

const mappedPrefix = 0xffffn

const isMapped = (ip: { family: 4 | 6; value: bigint }) => ip.family === 6 && ip.value >> 32n === mappedPrefix

export const immutable = 'field is immutable'

/** The name of a namespace is a DNS label. */
export const namespaceErrors = dnsLabelErrors
