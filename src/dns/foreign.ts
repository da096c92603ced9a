// Reads answers of other resolvers, which may be anything: nothing in them is trusted. An answer counts when it is to
// the question that was asked; it is passed on as bytes, with a time to live of this server's choosing, and without the
// EDNS record, which is for one hop only.
// Source: RFC 5452, 9.1 (what to check); RFC 2308, 5 (how long there is nothing); CoreDNS plugin/cache.
import { fixedBytes, flags, headBytes, lowerCase, maxNameBytes, rcodes, readName, skipName, types } from './message.ts'
import type { Record } from './records.ts'

/** What was asked of a resolver. */
export interface Asked {
  readonly id: number
  /** In lower case, in the form in which it is sent. */
  readonly name: string
  readonly type: number
}

export interface Foreign {
  /** The whole answer without the EDNS record, if it is neither an error nor cut off. */
  readonly message: Buffer
  readonly rcode: number
  readonly truncated: boolean
  readonly answers: number
  /** How long it may be kept; 0 if it may not. */
  readonly ttl: number
  /** Where the times to live stand. */
  readonly ttlAt: readonly number[]
}

/** The longest time that an answer is kept, and passed on as time to live, as kubeadm sets CoreDNS up. */
const maxTtl = 30
const classIn = 1

/** Whether a message is a response with this id. */
const isResponse = (message: Buffer, id: number) =>
  message.length >= headBytes && message.readUInt16BE(0) === id && (message.readUInt16BE(2) & flags.response) !== 0

/** Reads an answer; undefined if it is none to this question, or is no whole message. */
export function readForeign(message: Buffer, asked: Asked): Foreign | undefined {
  if (!isResponse(message, asked.id)) return undefined
  const head = message.readUInt16BE(2)
  const rcode = head & flags.rcode
  const isError = rcode !== rcodes.NOERROR && rcode !== rcodes.NXDOMAIN
  const bare: Foreign = { message, rcode, truncated: false, answers: 0, ttl: 0, ttlAt: [] }
  // Some resolvers leave the question out of an error.
  if (isError && message.readUInt16BE(4) === 0) return bare
  const end = endOfQuestion(message, asked)
  if (head & flags.opcode || end === undefined) return undefined
  if (isError) return bare
  // The records of an answer that is cut off may end anywhere. Nothing of it is passed on but that it is cut off.
  if (head & flags.truncated) return { ...bare, truncated: true }
  const counts = [6, 8, 10].map(at => message.readUInt16BE(at)) as [number, number, number]
  const found = walk(message, end, counts)
  if (!found) return undefined
  const kept = Buffer.from(message.subarray(0, found.end))
  kept.writeUInt16BE(found.additionals, 10)
  const isNegative = rcode === rcodes.NXDOMAIN || counts[0] === 0
  const ttl = isNegative ? found.negativeTtl : found.ttl
  return { ...bare, message: kept, answers: counts[0], ttl: Math.min(ttl, maxTtl), ttlAt: found.ttlAt }
}

/** The position behind the question, if it is the one that was asked. */
function endOfQuestion(message: Buffer, { name, type }: Asked): number | undefined {
  const end = headBytes + name.length + 4
  if (message.readUInt16BE(4) !== 1 || message.length < end) return undefined
  if (lowerCase(message.toString('latin1', headBytes, headBytes + name.length)) !== name) return undefined
  return message.readUInt16BE(end - 4) === type && message.readUInt16BE(end - 2) === classIn ? end : undefined
}

interface Walked {
  /** Where the records end that are passed on. */
  end: number
  /** How many additional records are passed on. */
  additionals: number
  ttl: number
  negativeTtl: number
  ttlAt: number[]
}

/** Looks at every record once; undefined if the message is not whole. */
function walk(message: Buffer, from: number, counts: readonly [number, number, number]): Walked | undefined {
  const found: Walked = { end: from, additionals: 0, ttl: maxTtl, negativeTtl: 0, ttlAt: [] }
  let at = from
  for (const [section, count] of counts.entries())
    for (let i = 0; i < count; i++) {
      const fixed = skipName(message, at)
      if (fixed === undefined || fixed + fixedBytes > message.length) return undefined
      const end = fixed + fixedBytes + message.readUInt16BE(fixed + 8)
      if (end > message.length) return undefined
      const type = message.readUInt16BE(fixed)
      // Additional records behind the one for EDNS are left out with it: they are of use only.
      if (type === types.OPT) return section === 2 ? found : undefined
      // A time with the highest bit set counts as none. Source: RFC 2181, 8.
      const ttl = message.readInt32BE(fixed + 4)
      found.ttlAt.push(fixed + 4)
      found.ttl = Math.max(0, Math.min(found.ttl, ttl))
      if (section === 1 && type === types.SOA && end - 4 >= fixed + fixedBytes)
        found.negativeTtl = Math.max(0, Math.min(ttl, message.readInt32BE(end - 4)))
      if (section === 2) found.additionals++
      found.end = at = end
    }
  return found
}

/** Before the names in the data of these types, this many bytes; and how many names there are. */
const namesInData: Readonly<{ [type: number]: { readonly before: number; readonly names: number } }> = {
  [types.NS]: { before: 0, names: 1 },
  [types.CNAME]: { before: 0, names: 1 },
  [types.SOA]: { before: 0, names: 2 },
  [types.PTR]: { before: 0, names: 1 },
  [types.MX]: { before: 2, names: 1 },
  [types.SRV]: { before: 6, names: 1 },
}

/** The answers of a message that `readForeign` has found whole, each as bytes without pointers. */
export function recordsOf({ message, answers, ttl }: Foreign): Record[] {
  const records: Record[] = []
  let at = skipName(message, headBytes)! + 4
  for (let i = 0; i < answers; i++) {
    const owner = readName(message, at)
    const fixed = skipName(message, at)!
    const code = message.readUInt16BE(fixed)
    const end = fixed + fixedBytes + message.readUInt16BE(fixed + 8)
    const bytes = plainData(message, fixed + fixedBytes, end, code)
    if (owner && bytes) records.push({ type: 'bytes', code, bytes, ttl, owner: Buffer.concat([owner, zero]) })
    at = end
  }
  return records
}

const zero = Buffer.from([0])

/** The data of a record without pointers; undefined if the names in it are none. */
function plainData(message: Buffer, from: number, end: number, code: number): Buffer | undefined {
  const { before, names } = namesInData[code] ?? { before: 0, names: 0 }
  let at = from + before
  if (at > end) return undefined
  const parts = [message.subarray(from, at)]
  for (let i = 0; i < names; i++) {
    const name = readName(message, at)
    const behind = skipName(message, at)
    if (!name || name.length >= maxNameBytes || behind === undefined || behind > end) return undefined
    parts.push(name, zero)
    at = behind
  }
  return Buffer.concat([...parts, message.subarray(at, end)])
}

/** The labels of a name as text, for a name that other resolvers are asked for. */
export const wireOf = (name: string): string =>
  `${name
    .split('.')
    .map(label => String.fromCharCode(label.length) + label)
    .join('')}\0`
