// Encodes the records of an answer, and puts them behind a question. A name, or the end of a name, that has been
// written before is replaced by a pointer to it. Records that do not fit the limit are left out, and the truncation
// flag is set. Encoded records depend on the length of the question's name only, and not on upper and lower case in it,
// so they can be kept (prepared.ts).
// Source: RFC 1035, sections 4.1.4 and 4.2.1; RFC 2181, section 9.
//
//   12 head │ question: name type class │ answers … │ authorities … │ additionals … │ EDNS
//                       ▲                 │
//                       └───── c0 0c ─────┘ "the name at byte 12"
import type { Random } from '../base/random.ts'
import { parseIP } from '../api/ip.ts'
import type { Reply } from './answer.ts'
import { flags, headBytes, questionPointer, types } from './message.ts'
import type { Query } from './query.ts'
import type { Record } from './records.ts'

/** Records in the form in which they are sent, behind a question. */
export interface Prepared {
  readonly rcode: number
  readonly body: Buffer
  /** Where each answer ends in the body. */
  readonly ends: readonly number[]
  readonly authorities: number
  readonly additionals: number
  /** Where the additional records begin. They are left out first. */
  readonly main: number
  /** The bytes of each answer when all are addresses, whose order changes from answer to answer; otherwise 0. */
  readonly shuffled: number
}

/** The highest position a pointer can name, since it has 14 bits. */
const maxPointer = 0x3fff
const classIn = 1
/** Bytes of an EDNS record without options. */
const ednsBytes = 11
/** Answers may have as many bytes as fit into a packet on most networks. Source: DNS Flag Day 2020. */
export const maxEdnsBytes = 1232
const addressTypes: readonly string[] = ['A', 'AAAA']

/** Encodes a reply for questions with this name, given as labels in lower case. */
export function prepare(reply: Reply, labels: readonly string[]): Prepared {
  const writer = new Writer(labels)
  const ends = reply.answers.map(record => writer.record(record))
  for (const record of reply.authorities) writer.record(record)
  const main = writer.length
  for (const record of reply.additionals) writer.record(record)
  const areAddresses = ends.length > 1 && reply.answers.every(r => addressTypes.includes(r.type) && !r.name)
  return {
    rcode: reply.rcode,
    body: writer.bytes(),
    ends,
    authorities: reply.authorities.length,
    additionals: reply.additionals.length,
    main,
    shuffled: areAddresses ? ends[0]! : 0,
  }
}

/** Writes the answer to a query in at most `limit` bytes. The question and the EDNS record are always in it. */
export function writeReply(query: Query, prepared: Prepared, limit: number, random: Random): Buffer {
  const { ends, body, main } = prepared
  const edns = query.edns ? ednsBytes : 0
  const room = limit - query.end - edns
  let { authorities, additionals } = prepared
  let answers = ends.length
  let used = body.length
  let head: number = flags.response | flags.authoritative | flags.recursionAvailable
  if (used > room) {
    additionals = 0
    used = main
    if (used > room) {
      authorities = 0
      while (answers > 0 && ends[answers - 1]! > room) answers--
      used = answers ? ends[answers - 1]! : 0
      head |= flags.truncated
    }
  }
  const out = Buffer.allocUnsafe(query.end + used + edns)
  query.bytes.copy(out, 0, 0, query.end)
  body.copy(out, query.end, 0, used)
  if (prepared.shuffled) shuffle(out, query.end, prepared, answers, random)
  writeHead(out, query, head | prepared.rcode)
  writeCounts(out, answers, authorities, additionals + (edns ? 1 : 0))
  if (edns) writeEdns(out, query, 0)
  return out
}

/** Writes an answer without records: an error, or that the answer is to be asked for over TCP. */
export function writeEmpty(query: Query, rcode: number, more = 0): Buffer {
  const out = Buffer.alloc(query.end + (query.edns ? ednsBytes : 0))
  query.bytes.copy(out, 0, 0, query.end)
  writeHead(out, query, flags.response | flags.recursionAvailable | more | (rcode & flags.rcode))
  writeCounts(out, 0, 0, query.edns ? 1 : 0)
  if (query.edns) writeEdns(out, query, rcode >> 4)
  return out
}

/** Writes an error for bytes whose question cannot be read. */
export function writeError(bytes: Buffer, rcode: number): Buffer {
  const out = Buffer.alloc(headBytes)
  bytes.copy(out, 0, 0, 2)
  const asked = bytes.readUInt16BE(2) & (flags.opcode | flags.recursionDesired)
  out.writeUInt16BE(flags.response | asked | rcode, 2)
  return out
}

/** What the client asked for, recursion and no checking of signatures, is sent back. */
function writeHead(out: Buffer, query: Query, head: number): void {
  const value = head | (query.flags & (flags.recursionDesired | flags.checkingDisabled))
  out[2] = value >> 8
  out[3] = value & 0xff
}

function writeCounts(out: Buffer, answers: number, authorities: number, additionals: number): void {
  out[6] = answers >> 8
  out[7] = answers & 0xff
  out[8] = 0
  out[9] = authorities
  out[10] = additionals >> 8
  out[11] = additionals & 0xff
}

/** Writes the EDNS record at the end. The bit DO comes back as it was sent. Source: RFC 6891, 6.1; RFC 3225, 3. */
export function writeEdns(out: Buffer, query: Pick<Query, 'edns'>, extendedRcode: number): void {
  const at = out.length - ednsBytes
  out[at] = 0
  out[at + 1] = 0
  out[at + 2] = types.OPT
  out[at + 3] = maxEdnsBytes >> 8
  out[at + 4] = maxEdnsBytes & 0xff
  out[at + 5] = extendedRcode
  out[at + 6] = 0
  out[at + 7] = query.edns?.dnssec ? 0x80 : 0
  out[at + 8] = 0
  out[at + 9] = 0
  out[at + 10] = 0
}

/** The order of the addresses of the answer that is being written. */
let order = new Uint16Array(64)

/** Puts the addresses into a random order, from all of them also where only some fit. Source: CoreDNS, loadbalance. */
function shuffle(out: Buffer, from: number, { body, ends, shuffled }: Prepared, count: number, random: Random): void {
  const total = ends.length
  if (order.length < total) order = new Uint16Array(total)
  for (let i = 0; i < total; i++) order[i] = i
  let to = from
  for (let i = 0; i < count; i++) {
    const other = i + Math.floor(random.float() * (total - i))
    const chosen = order[other]!
    order[other] = order[i]!
    // Records are so short that a call would take longer than the copy.
    for (let at = chosen * shuffled, end = at + shuffled; at < end; at++) out[to++] = body[at]!
  }
}

class Writer {
  #bytes = Buffer.allocUnsafe(512)
  #length = 0
  /** The position of each name, and of each end of a name, in the message. */
  readonly #names = new Map<string, number>()
  /** The position of the first record in the message. */
  readonly #base: number

  constructor(question: readonly string[]) {
    let at = headBytes
    const starts = question.map(label => {
      const start = at
      at += 1 + label.length
      return start
    })
    // Type and class follow the zero at the end of the name.
    this.#base = at + 1 + 4
    // A label that contains a dot would look like two.
    for (let i = question.length - 1; i >= 0 && !question[i]!.includes('.'); i--)
      this.#names.set(question.slice(i).join('.'), starts[i]!)
  }

  get length(): number {
    return this.#length
  }

  bytes(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#length))
  }

  /** Appends a record; returns where it ends. */
  record(record: Record): number {
    if (record.type === 'bytes') this.#raw(record.owner)
    else if (record.name === undefined) this.#number(questionPointer, 2)
    else this.#name(record.name)
    this.#number(record.type === 'bytes' ? record.code : types[record.type], 2)
    this.#number(classIn, 2)
    this.#number(record.ttl, 4)
    const at = this.#length
    this.#number(0, 2)
    this.#data(record)
    this.#bytes.writeUInt16BE(this.#length - at - 2, at)
    return this.#length
  }

  #data(record: Record): void {
    switch (record.type) {
      case 'A':
      case 'AAAA':
        return this.#address(record.address)
      case 'SRV':
        for (const value of [record.priority, record.weight, record.port]) this.#number(value, 2)
        // Here no pointer may stand. Source: RFC 2782.
        return this.#plainName(record.target)
      case 'CNAME':
      case 'PTR':
      case 'NS':
        return this.#name(record.target)
      case 'TXT':
        return this.#text(record.text)
      case 'HINFO':
        this.#text(record.cpu)
        return this.#text(record.os)
      case 'SOA':
        this.#name(record.server)
        this.#name(record.mailbox)
        // Serial, refresh, retry, expire, and how long clients keep that there is nothing.
        for (const value of [1, 7_200, 1_800, 86_400, record.ttl]) this.#number(value, 4)
        return
      case 'bytes':
        return this.#raw(record.bytes)
    }
  }

  #address(text: string): void {
    const { family, value } = parseIP(text) ?? { family: 4, value: 0n }
    if (family === 4) return this.#number(Number(value), 4)
    for (let shift = 96n; shift >= 0n; shift -= 32n) this.#number(Number((value >> shift) & 0xffffffffn), 4)
  }

  #name(name: string): void {
    let rest = name
    while (rest) {
      const known = this.#names.get(rest)
      if (known !== undefined) return this.#number(0xc000 | known, 2)
      const at = this.#base + this.#length
      if (at <= maxPointer) this.#names.set(rest, at)
      const dot = rest.indexOf('.')
      this.#text(dot < 0 ? rest : rest.slice(0, dot))
      rest = dot < 0 ? '' : rest.slice(dot + 1)
    }
    this.#number(0, 1)
  }

  #plainName(name: string): void {
    for (const label of name.split('.')) this.#text(label)
    this.#number(0, 1)
  }

  #text(text: string): void {
    this.#number(text.length, 1)
    this.#raw(Buffer.from(text, 'latin1'))
  }

  #raw(bytes: Buffer): void {
    this.#grow(bytes.length)
    bytes.copy(this.#bytes, this.#length)
    this.#length += bytes.length
  }

  #number(value: number, bytes: 1 | 2 | 4): void {
    this.#grow(bytes)
    this.#length = this.#bytes.writeUIntBE(value, this.#length, bytes)
  }

  #grow(by: number): void {
    if (this.#length + by <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + by))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}

/** The code of an answer that has been written. */
export const rcodeOf = (reply: Buffer): number => reply[3]! & flags.rcode
