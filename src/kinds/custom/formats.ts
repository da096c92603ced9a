// The formats of strings in schemas. Unknown formats are ignored.
// Source: k8s.io/kube-openapi pkg/validation/strfmt; apiextensions-apiserver pkg/apiserver/validation/formats.go.
import { isIP, isIPv4, isIPv6 } from 'node:net'
import { dnsLabelErrors, dnsSubdomainErrors } from '../../api/names.ts'
import { parseCidr } from '../../api/ip.ts'
import { parseDuration } from '../../api/time.ts'
import { timeProblem } from '../../api/time-parse.ts'

const matching = (pattern: RegExp) => (text: string) => pattern.test(text)

const hostname = /^([a-zA-Z0-9¡-￿](?:-*[a-zA-Z0-9¡-￿])*)(?:\.[a-zA-Z0-9¡-￿](?:-*[a-zA-Z0-9¡-￿])*)*\.?$/u

const formats: Readonly<Record<string, (text: string) => boolean>> = {
  bsonobjectid: matching(/^[0-9a-f]{24}$/i),
  byte: text => /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text),
  cidr: text => parseCidr(text) !== undefined,
  creditcard: text => isCreditCard(text.replace(/[^0-9]/g, '')),
  date: text => /^\d{4}-\d{2}-\d{2}$/.test(text) && !timeProblem(`${text}T00:00:00Z`, 'time'),
  'date-time': text => !timeProblem(text.toUpperCase().replace(/(\d)[ ](\d)/, '$1T$2'), 'time'),
  datetime: text => !timeProblem(text.toUpperCase(), 'time'),
  duration: text => parseDuration(text) !== undefined || isLongDuration(text),
  email: matching(/^[^\s@<>(),;:\\"[\]]+@[^\s@]+$/),
  hexcolor: matching(/^#?(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})$/),
  hostname: text => text.length <= 255 && hostname.test(text) && text.split('.').every(label => label.length <= 63),
  ipv4: isIPv4,
  ipv6: text => isIPv6(text) || (isIP(text) !== 0 && text.includes(':')),
  isbn: text => isIsbn10(text) || isIsbn13(text),
  isbn10: text => isIsbn10(text),
  isbn13: text => isIsbn13(text),
  'k8s-long-name': text => dnsSubdomainErrors(text).length === 0,
  'k8s-short-name': text => dnsLabelErrors(text).length === 0,
  mac: matching(/^(?:[0-9a-f]{2}([:-]))(?:[0-9a-f]{2}\1){4,18}[0-9a-f]{2}$|^[0-9a-f]{4}(?:\.[0-9a-f]{4}){2,9}$/i),
  password: () => true,
  rgbcolor: matching(
    /^rgb\(\s*(?:\d{1,2}|1\d\d|2[0-4]\d|25[0-5])\s*(?:,\s*(?:\d{1,2}|1\d\d|2[0-4]\d|25[0-5])\s*){2}\)$/,
  ),
  ssn: matching(/^\d{3}[- ]?\d{2}[- ]?\d{4}$/),
  uri: isUri,
  uuid: matching(/^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i),
  uuid3: matching(/^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i),
  uuid4: matching(/^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i),
  uuid5: matching(/^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i),
}

/** Whether a text has a format. Dashes in the format's name do not matter. An unknown format fits every text. */
export function isOfFormat(format: string, text: string): boolean {
  const name = Object.hasOwn(formats, format) ? format : format.replaceAll('-', '')
  return Object.hasOwn(formats, name) ? formats[name]!(text) : true
}

/** As Go's url.ParseRequestURI: an absolute URI, or an absolute path. */
function isUri(text: string): boolean {
  if (!text || /[\p{Cc} ]/u.test(text)) return false
  if (text.startsWith('/')) return !/%(?![0-9a-fA-F]{2})/.test(text)
  return /^[a-zA-Z][a-zA-Z0-9+.-]*:./.test(text) && !/%(?![0-9a-fA-F]{2})/.test(text)
}

/** Durations in words, such as `2 days` or `1w`. */
function isLongDuration(text: string): boolean {
  const unit =
    '(?:n[sz]?|nano(?:second)?s?|u[sz]?|µs|micro(?:second)?s?|ms|milli(?:second)?s?|s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?|d(?:ays?)?|w(?:(?:ee)?ks?)?)'
  return new RegExp(`^(?:\\s*\\d+\\s*${unit})+\\s*$`, 'i').test(text)
}

function isCreditCard(digits: string): boolean {
  if (
    !/^(?:4\d{12}(?:\d{3})?|5[1-5]\d{14}|6(?:011|5\d\d)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|(?:2131|1800|35\d{3})\d{11})$/.test(
      digits,
    )
  )
    return false
  const sum = [...digits].reverse().reduce((total, digit, i) => {
    const value = Number(digit) * (i % 2 ? 2 : 1)
    return total + (value > 9 ? value - 9 : value)
  }, 0)
  return sum % 10 === 0
}

function isIsbn10(given: string): boolean {
  const text = given.replace(/[\s-]+/g, '')
  if (!/^\d{9}[\dX]$/.test(text)) return false
  const sum = [...text].reduce((total, digit, i) => total + (10 - i) * (digit === 'X' ? 10 : Number(digit)), 0)
  return sum % 11 === 0
}

function isIsbn13(given: string): boolean {
  const text = given.replace(/[\s-]+/g, '')
  if (!/^\d{13}$/.test(text)) return false
  return [...text].reduce((total, digit, i) => total + Number(digit) * (i % 2 ? 3 : 1), 0) % 10 === 0
}
