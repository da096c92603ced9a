// The words of DNS messages: types of records, response codes, flags, and names in the form in which they are sent.
// Source: RFC 1035, section 4; RFC 6891 (EDNS).

/** Bytes before the question: id, flags, and the numbers of records in each section. */
export const headBytes = 12
/** Bytes between the name and the data of a record: type, class, time to live and length of the data. */
export const fixedBytes = 10
/** The longest name as it is sent, its last zero included. */
export const maxNameBytes = 255
/** A pointer to the question's name, which always follows the head. */
export const questionPointer = 0xc000 | headBytes

export const types = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const

export const rcodes = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  /** Needs EDNS: only its low four bits are in the head. */
  BADVERS: 16,
} as const

export const flags = {
  response: 0x8000,
  opcode: 0x7800,
  authoritative: 0x0400,
  truncated: 0x0200,
  recursionDesired: 0x0100,
  recursionAvailable: 0x0080,
  authenticData: 0x0020,
  checkingDisabled: 0x0010,
  rcode: 0x000f,
} as const

/**
 * The labels of a name in the form in which it is sent, a length before each label and a zero at the end, as text with
 * one character for each byte. It must be a whole name without pointers.
 */
export function labelsOf(wire: string): string[] {
  const labels: string[] = []
  let at = 0
  for (let length = wire.charCodeAt(0); length > 0; length = wire.charCodeAt(at)) {
    labels.push(wire.slice(at + 1, at + 1 + length))
    at += 1 + length
  }
  return labels
}

/** Whether `labels` end with all of `zone`. */
export function endsWith(labels: readonly string[], zone: readonly string[]): boolean {
  const from = labels.length - zone.length
  return from >= 0 && zone.every((label, i) => labels[from + i] === label)
}

/** The text in lower case, where only the letters of ASCII have two cases. Source: RFC 4343. */
export const lowerCase = (text: string): string => text.replace(/[A-Z]+/g, letters => letters.toLowerCase())

/**
 * The position behind a name that may end with a pointer; undefined if it does not end within the message. What a
 * pointer leads to is not looked at.
 */
export function skipName(bytes: Buffer, from: number): number | undefined {
  let at = from
  while (at < bytes.length && at - from < maxNameBytes) {
    const length = bytes[at]!
    if (length === 0) return at + 1
    if (length >= 0xc0) return at + 2 <= bytes.length ? at + 2 : undefined
    if (length > 63) return undefined
    at += 1 + length
  }
  return undefined
}

/**
 * The name at a position without its pointers, with a length before each label, and without the last zero; undefined if
 * it is none. Each pointer must lead further to the front than the one before, so that no message can make this go on
 * for ever. Source: RFC 1035, section 4.1.4.
 */
export function readName(bytes: Buffer, from: number): Buffer | undefined {
  const parts: Buffer[] = []
  let total = 1
  let at = from
  let front = from
  while (at < bytes.length) {
    const length = bytes[at]!
    if (length === 0) return Buffer.concat(parts)
    if (length >= 0xc0) {
      if (at + 1 >= bytes.length) return undefined
      at = bytes.readUInt16BE(at) & 0x3fff
      if (at >= front) return undefined
      front = at
      continue
    }
    total += 1 + length
    if (length > 63 || at + 1 + length > bytes.length || total > maxNameBytes) return undefined
    parts.push(bytes.subarray(at, at + 1 + length))
    at += 1 + length
  }
  return undefined
}
