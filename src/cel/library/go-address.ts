// What is wrong with the text of an address, in the words of Go's parser, which Kubernetes passes on.
// Source: Go's net/netip, ParseAddr.
import { goQuote } from '../../base/go-text.ts'

/** The message about a text that is no address; undefined for an address, also for one with a zone. */
export function addressFault(text: string): string | undefined {
  const first = /[.:%]/.exec(text)?.[0]
  const fault =
    first === '.' ? faultOfV4(text) : first === ':' ? faultOfV6(text) : { message: faultsOfNone[first ?? ''] }
  if (!fault) return undefined
  const { message, at } = fault
  return `ParseAddr(${goQuote(text)}): ${message}${at ? ` (at ${goQuote(at)})` : ''}`
}

interface Fault {
  readonly message: string | undefined
  /** What is left of the text at the fault. */
  readonly at?: string
}

const faultsOfNone: Readonly<Record<string, string>> = { '%': 'missing IPv6 address', '': 'unable to parse IP' }

function faultOfV4(text: string): Fault | undefined {
  let [field, dots] = ['', 0]
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!
    if (char === '.') {
      if (field === '' || i === text.length - 1)
        return { message: 'IPv4 field must have at least one digit', at: text.slice(i) }
      if (dots === 3) return { message: 'IPv4 address too long' }
      ;[field, dots] = ['', dots + 1]
    } else if (/\d/.test(char)) {
      if (field === '0') return { message: 'IPv4 field has octet with leading zero' }
      field += char
      if (Number(field) > 255) return { message: 'IPv4 field has value >255' }
    } else return { message: 'unexpected character', at: text.slice(i) }
  }
  return dots < 3 ? { message: 'IPv4 address too short' } : undefined
}

function faultOfV6(text: string): Fault | undefined {
  const [address = '', zone] = splitZone(text)
  if (zone === '') return { message: 'zone must be a non-empty string' }
  let rest = address
  let hasEllipsis = rest.startsWith('::')
  if (hasEllipsis) rest = rest.slice(2)
  if (hasEllipsis && rest === '') return undefined
  let fields = 0
  while (fields < 8) {
    const { fault, length, isLast } = readField(rest, fields, hasEllipsis)
    if (fault) return fault
    fields += isLast ? 2 : 1
    rest = isLast ? '' : rest.slice(length)
    if (rest === '') break
    if (!rest.startsWith(':')) return { message: 'unexpected character, want colon', at: rest }
    if (rest === ':') return { message: 'colon must be followed by more characters', at: rest }
    rest = rest.slice(1)
    if (!rest.startsWith(':')) continue
    if (hasEllipsis) return { message: 'multiple :: in address', at: rest }
    hasEllipsis = true
    rest = rest.slice(1)
    if (rest === '') break
  }
  if (rest !== '') return { message: 'trailing garbage after address', at: rest }
  if (fields < 8) return hasEllipsis ? undefined : { message: 'address string too short' }
  return hasEllipsis ? { message: 'the :: must expand to at least one field of zeros' } : undefined
}

function splitZone(text: string): [address: string, zone?: string] {
  const at = text.indexOf('%')
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

/** Looks at the digits that the text begins with, or at the IPv4 address that it ends with, which is two fields. */
function readField(
  text: string,
  fields: number,
  hasEllipsis: boolean,
): { fault?: Fault | undefined; length: number; isLast: boolean } {
  const digits = /^[\da-f]*/i.exec(text)![0]
  const { length } = digits
  const failed = (message: string) => ({ fault: { message, at: text }, length, isLast: false })
  if (length > 4) return failed('each group must have 4 or fewer digits')
  if (length === 0) return failed('each colon-separated field must have at least one digit')
  if (text[length] !== '.') return { length, isLast: false }
  if (!hasEllipsis && fields !== 6)
    return failed('embedded IPv4 address must replace the final 2 fields of the address')
  if (fields > 6) return failed('too many hex fields to fit an embedded IPv4 at the end of the address')
  return { fault: faultOfV4(text), length, isLast: true }
}
