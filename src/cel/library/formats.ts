// Named formats: `format.dns1123Label().validate('my-name')` gives what is wrong with a text, or none.
// Source: apiserver pkg/cel/library/format.go; kube-openapi pkg/validation/strfmt/default.go.
import {
  dns1035Errors,
  dnsLabelErrors,
  dnsSubdomainErrors,
  labelValueErrors,
  qualifiedNameErrors,
} from '../../api/names.ts'
import { fn, member, plain, type Library } from '../functions.ts'
import { daysOf } from '../time.ts'
import * as t from '../types.ts'
import { ArrayList, Opaque, Optional, noSuchOverload } from '../values.ts'
import { spend } from '../work.ts'
import { parseGoUrl } from './go-url.ts'

export class Format extends Opaque {
  readonly name: string
  readonly check: (text: string) => string[]
  /** The size of the regular expression that checks it, which its cost goes by. */
  readonly patternSize: number

  constructor(name: string, patternSize: number, check: (text: string) => string[]) {
    super('kubernetes.NamedFormat')
    this.name = name
    this.patternSize = patternSize
    this.check = check
  }

  equals(other: Opaque): boolean {
    return other instanceof Format && other.name === this.name
  }
}

/** A generated name is its prefix and more: a dash at the end of the prefix is fine. */
const asPrefix = (check: (text: string) => string[]) => (text: string) =>
  check(text.length > 1 && text.endsWith('-') ? `${text.slice(0, -2)}a` : text)

const byPattern = (test: (text: string) => boolean, message: string) => (text: string) => (test(text) ? [] : [message])

const uuid = '(?i)^[0-9A-F]{8}-?[0-9A-F]{4}-?[0-9A-F]{4}-?[0-9A-F]{4}-?[0-9A-F]{12}$'
const base64 = '^(?:[A-Za-z0-9+\\/]{4})*(?:[A-Za-z0-9+\\/]{2}==|[A-Za-z0-9+\\/]{3}=|[A-Za-z0-9+\\/]{4})$'
const time = '^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$'
/** The size of the pattern for URLs, which is not used: Go's parser checks them. */
const urlPatternSize = 1788

const uuidPattern = new RegExp(uuid.slice('(?i)'.length), 'i')
const base64Pattern = new RegExp(base64)
const timePattern = new RegExp(time)

/** A day that there is, as year, month and day. */
function isDate(text: string): boolean {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text)
  return parts !== null && daysOf(Number(parts[1]), Number(parts[2]), Number(parts[3])) !== undefined
}

function isDateTime(text: string): boolean {
  const [date, rest] = text.toLowerCase().split('t') as [string, string?]
  const parts = timePattern.exec(rest ?? '')
  return isDate(date) && parts !== null && parts[1]! <= '23' && parts[2]! <= '59' && parts[3]! <= '59'
}

/** An absolute URI or an absolute path. */
function uriErrors(text: string): string[] {
  const parsed = parseGoUrl(text, true)
  return typeof parsed === 'string' ? [parsed] : []
}

/** By the names that expressions use. */
const formats = new Map<string, Format>(
  Object.entries({
    dns1123Label: new Format('DNS1123Label', 30, dnsLabelErrors),
    dns1123Subdomain: new Format('DNS1123Subdomain', 60, text => dnsSubdomainErrors(text)),
    dns1035Label: new Format('DNS1035Label', 30, dns1035Errors),
    qualifiedName: new Format('QualifiedName', 60, qualifiedNameErrors),
    dns1123LabelPrefix: new Format('DNS1123LabelPrefix', 30, asPrefix(dnsLabelErrors)),
    dns1123SubdomainPrefix: new Format(
      'DNS1123SubdomainPrefix',
      60,
      asPrefix(text => dnsSubdomainErrors(text)),
    ),
    dns1035LabelPrefix: new Format('DNS1035LabelPrefix', 30, asPrefix(dns1035Errors)),
    labelValue: new Format('LabelValue', 40, labelValueErrors),
    uri: new Format('URI', urlPatternSize, uriErrors),
    uuid: new Format(
      'uuid',
      uuid.length,
      byPattern(text => uuidPattern.test(text), 'does not match the UUID format'),
    ),
    byte: new Format(
      'byte',
      base64.length,
      byPattern(text => base64Pattern.test(text), 'invalid base64'),
    ),
    date: new Format('date', time.length, byPattern(isDate, 'invalid date')),
    datetime: new Format('datetime', time.length, byPattern(isDateTime, 'invalid datetime')),
  }),
)

const formatType = formats.get('uri')!.type

export const namedFormats: Library = {
  name: 'format',
  types: [formatType],
  functions: [
    ...[...formats].map(([name, format]) =>
      fn(
        `format.${name}`,
        plain(`format.${name}`, [], formatType, () => format),
      ),
    ),
    fn(
      'format.named',
      plain('format-named', [t.string], t.optional(formatType), name => new Optional(formats.get(name as string))),
    ),
    fn(
      'validate',
      member('format-validate', [formatType, t.string], t.optional(t.list(t.string)), (format, text) => {
        if (!(format instanceof Format)) return noSuchOverload()
        spend((text as string).length)
        const errors = format.check(text as string)
        return new Optional(errors.length ? new ArrayList(errors) : undefined)
      }),
    ),
  ],
}
