// Reads a query. Written for speed: nearly all queries are a head, one question and at most an EDNS record, and each is
// read once from front to back. Any bytes are read in bounded time, and what is not a query is refused or ignored.
// Source: RFC 1035, section 4.1; RFC 6891; RFC 9619 (one question); Kubernetes' DNS server refuses the same.
import { fixedBytes, flags, headBytes, lowerCase, maxNameBytes, rcodes, skipName, types } from './message.ts'

export interface Query {
  readonly bytes: Buffer
  readonly flags: number
  /** The name in lower case, in the form in which it is sent, one character for each byte. */
  readonly name: string
  readonly type: number
  /** The position behind the question. */
  readonly end: number
  readonly edns: Edns | undefined
}

interface Edns {
  /** How many bytes an answer over UDP may have. */
  readonly size: number
  /** Whether the client wants signatures (the bit DO). It is sent back; names of the cluster have none. */
  readonly dnssec: boolean
}

/**
 * What bytes are: a query, something that gets an error, with the question when it could be read, or something that
 * gets no answer.
 */
type Received =
  | { readonly kind: 'query'; readonly query: Query }
  | { readonly kind: 'error'; readonly rcode: number; readonly query?: Query }
  | { readonly kind: 'nothing' }

/** More records than a query has. Longer ones are not read to their end. */
const maxRecords = 4
const classIn = 1
const doBit = 0x8000

const nothing: Received = { kind: 'nothing' }
const malformed: Received = { kind: 'error', rcode: rcodes.FORMERR }
const notImplemented: Received = { kind: 'error', rcode: rcodes.NOTIMP }

export function readQuery(bytes: Buffer): Received {
  if (bytes.length < headBytes) return nothing
  const head = (bytes[2]! << 8) | bytes[3]!
  // A response gets no answer: two servers would answer each other for ever.
  if (head & flags.response) return nothing
  // An update or a notification, for example.
  if (head & flags.opcode) return notImplemented
  if (bytes[4] !== 0 || bytes[5] !== 1) return malformed
  const nameEnd = endOfName(bytes)
  if (nameEnd < 0) return malformed
  const end = nameEnd + 4
  if (end > bytes.length) return malformed
  const type = (bytes[nameEnd]! << 8) | bytes[nameEnd + 1]!
  const found = findEdns(bytes, end)
  if (found === malformed) return malformed
  const edns = found as FoundEdns | undefined
  const query: Query = { bytes, flags: head, name: nameOf(bytes, nameEnd), type, end, edns }
  if (edns && edns.version !== 0) return { kind: 'error', rcode: rcodes.BADVERS, query }
  if (((bytes[nameEnd + 2]! << 8) | bytes[nameEnd + 3]!) !== classIn)
    return { kind: 'error', rcode: rcodes.REFUSED, query }
  return { kind: 'query', query }
}

/** The position behind the question's name, or -1 if it does not end. A question has no pointers. */
function endOfName(bytes: Buffer): number {
  let at = headBytes
  while (at < bytes.length && at - headBytes < maxNameBytes) {
    const length = bytes[at]!
    if (length === 0) return at + 1
    if (length > 63) return -1
    at += 1 + length
  }
  return -1
}

function nameOf(bytes: Buffer, end: number): string {
  const name = bytes.toString('latin1', headBytes, end)
  for (let i = headBytes; i < end; i++) {
    const byte = bytes[i]!
    // No length of a label is a capital letter, for labels have at most 63 bytes.
    if (byte >= 65 && byte <= 90) return lowerCase(name)
  }
  return name
}

type FoundEdns = Edns & { readonly version: number }

/** Finds the EDNS record behind the question, of which there may be only one. */
function findEdns(bytes: Buffer, from: number): FoundEdns | undefined | typeof malformed {
  const records = bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10)
  if (records > maxRecords) return malformed
  let found: FoundEdns | undefined
  let at = from
  for (let i = 0; i < records; i++) {
    const fixed = skipName(bytes, at)
    if (fixed === undefined || fixed + fixedBytes > bytes.length) return malformed
    const end = fixed + fixedBytes + bytes.readUInt16BE(fixed + 8)
    if (end > bytes.length) return malformed
    if (bytes.readUInt16BE(fixed) === types.OPT) {
      // Its name is the root, which is a single zero.
      if (found || fixed !== at + 1) return malformed
      const dnssec = (bytes.readUInt16BE(fixed + 6) & doBit) !== 0
      found = { size: bytes.readUInt16BE(fixed + 2), version: bytes[fixed + 5]!, dnssec }
    }
    at = end
  }
  return found
}
