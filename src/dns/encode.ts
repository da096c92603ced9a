// Encodes an answer as bytes. A name, or the end of a name, that has been written before is replaced by a pointer to
// it. Records that do not fit the limit are left out, and the truncation flag is set.
// Source: RFC 1035, sections 4.1.4 and 4.2.1; RFC 2181, section 9.
//
//   12 header │ question: name type class │ answers … │ authorities … │ OPT
//                         ▲                   │
//                         └── c0 0c ──────────┘ "the name at byte 12"
import { type Answer, encode, type Packet } from 'dns-packet'

const headerBytes = 12
/** Bytes between the name and the data of a record: type, class, time to live and length of the data. */
const fixedBytes = 10
const truncatedFlag = 0x02
/** The highest position a pointer can name, since it has 14 bits. */
const maxPointer = 0x3fff

/**
 * The types of records whose data may contain pointers: how many bytes precede the names in it, and how many names
 * there are. In other types, SRV among them, names are written in full.
 */
const namesInData: Readonly<Record<number, { before: number; names: number }>> = {
  2: { before: 0, names: 1 },
  5: { before: 0, names: 1 },
  6: { before: 0, names: 2 },
  12: { before: 0, names: 1 },
  15: { before: 2, names: 1 },
}

/** Encodes a packet in at most `limit` bytes. The question and the additional records are always included. */
export function encodeReply(packet: Packet, limit: number): Buffer {
  const head = encode({ ...packet, answers: [], authorities: [], additionals: [] })
  const out = new Writer(head)
  const tail = (packet.additionals ?? []).map(plainRecord)
  const room = limit - tail.reduce((sum, record) => sum + record.length, 0)
  const answers = out.records(packet.answers ?? [], room)
  const authorities = answers.whole ? out.records(packet.authorities ?? [], room) : { count: 0, whole: true }
  const bytes = Buffer.concat([...out.parts, ...tail])
  if (!answers.whole) bytes[2]! |= truncatedFlag
  for (const [i, count] of [answers.count, authorities.count, tail.length].entries())
    bytes.writeUInt16BE(count, 6 + 2 * i)
  return bytes
}

class Writer {
  readonly parts: Buffer[]
  #length: number
  /** The position of each name, and of each end of a name, that has been written. */
  readonly #names = new Map<string, number>()

  constructor(head: Buffer) {
    this.parts = [head]
    this.#length = head.length
    if (head.length > headerBytes) this.#remember(labelsAt(head, headerBytes).labels, headerBytes)
  }

  /** Appends records while they fit into `room`. `whole` is false when some did not. */
  records(records: readonly Answer[], room: number): { count: number; whole: boolean } {
    let count = 0
    for (const record of records) {
      const written = this.#compress(plainRecord(record))
      if (this.#length + written.bytes.length > room) return { count, whole: false }
      for (const { labels, at } of written.names) this.#remember(labels, this.#length + at)
      this.parts.push(written.bytes)
      this.#length += written.bytes.length
      count++
    }
    return { count, whole: true }
  }

  #compress(record: Buffer): { bytes: Buffer; names: { labels: readonly string[]; at: number }[] } {
    const names: { labels: readonly string[]; at: number }[] = []
    const parts: Buffer[] = []
    let length = 0
    const push = (part: Buffer) => {
      parts.push(part)
      length += part.length
    }
    const pushName = (from: number): number => {
      const { labels, end } = labelsAt(record, from)
      names.push({ labels, at: length })
      push(this.#name(labels))
      return end
    }
    let at = pushName(0)
    const fixed = Buffer.from(record.subarray(at, at + fixedBytes))
    push(fixed)
    at += fixedBytes
    const { before, names: count } = namesInData[fixed.readUInt16BE(0)] ?? { before: 0, names: 0 }
    const dataFrom = length
    push(record.subarray(at, at + before))
    at += before
    for (let i = 0; i < count; i++) at = pushName(at)
    push(record.subarray(at))
    fixed.writeUInt16BE(length - dataFrom, fixedBytes - 2)
    return { bytes: Buffer.concat(parts), names }
  }

  /** Encodes a name: its labels up to an end that has been written already, and a pointer to that. */
  #name(labels: readonly string[]): Buffer {
    const parts: Buffer[] = []
    for (let i = 0; i < labels.length; i++) {
      const known = this.#names.get(labels.slice(i).join('.'))
      if (known !== undefined) return Buffer.concat([...parts, Buffer.from([0xc0 | (known >> 8), known & 0xff])])
      const label = Buffer.from(labels[i]!, 'latin1')
      parts.push(Buffer.from([label.length]), label)
    }
    return Buffer.concat([...parts, Buffer.from([0])])
  }

  #remember(labels: readonly string[], at: number): void {
    let from = at
    for (let i = 0; i < labels.length; i++) {
      const end = labels.slice(i).join('.')
      // This end, and all shorter ones, have been recorded before, or cannot be pointed at.
      if (this.#names.has(end) || from > maxPointer) return
      this.#names.set(end, from)
      from += 1 + labels[i]!.length
    }
  }
}

/** Encodes one record without pointers: its name, the fixed part, its data. */
const plainRecord = (record: Answer): Buffer =>
  encode({ type: 'response', id: 0, answers: [record] }).subarray(headerBytes)

/** Reads the labels of a name without pointers; `end` is the position after it. */
function labelsAt(bytes: Buffer, from: number): { labels: string[]; end: number } {
  const labels: string[] = []
  let at = from
  for (let length = bytes[at]!; length > 0; length = bytes[at]!) {
    labels.push(bytes.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { labels, end: at + 1 }
}
