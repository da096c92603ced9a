// Encodes and decodes the frames of SPDY/3.1. Control frames are small and decoded as a whole. Data frames are passed
// on in the pieces that the socket gives, so that a large one needs no buffer.
//
//   data      |0| stream id (31) | flags (8) | length (24) | bytes …
//   control   |1| version 3 (15) | type (16) | flags (8)   | length (24) | fields …
import { HeaderPacker, HeaderUnpacker, maxHeaderBytes, type Headers } from './headers.ts'

export type Frame =
  | { type: 'data'; id: number; bytes: Buffer; fin: boolean }
  | { type: 'syn-stream'; id: number; headers: Headers; fin: boolean; unidirectional: boolean }
  | { type: 'syn-reply'; id: number; headers: Headers; fin: boolean }
  | { type: 'rst-stream'; id: number; status: number }
  | { type: 'settings'; values: Map<number, number> }
  | { type: 'ping'; id: number }
  | { type: 'goaway'; last: number; status: number }
  | { type: 'headers'; id: number; headers: Headers; fin: boolean }
  | { type: 'window-update'; id: number; delta: number }
  | { type: 'unknown' }

/** The status codes of RST_STREAM. */
export const resetStatus = {
  protocolError: 1,
  invalidStream: 2,
  refusedStream: 3,
  cancel: 5,
  internalError: 6,
  flowControlError: 7,
} as const

/** The only setting that is used here. */
export const initialWindowSetting = 7

const version = 3
const types = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  headers: 8,
  windowUpdate: 9,
} as const
const finFlag = 1
const unidirectionalFlag = 2
const maxControlBytes = maxHeaderBytes + 16

export class FrameWriter {
  #packer = new HeaderPacker()

  /** The head of a data frame, which `length` bytes of data must follow. */
  data(id: number, length: number, fin: boolean): Buffer {
    const head = Buffer.allocUnsafe(8)
    head.writeUInt32BE(id)
    head.writeUInt32BE(((fin ? finFlag : 0) << 24) | length, 4)
    return head
  }

  synStream(id: number, headers: Headers): Buffer {
    // The fields between id and headers: no associated stream, the highest priority, no slot.
    return control(types.synStream, 0, [id, 0], Buffer.alloc(2), this.#packer.pack(headers))
  }

  synReply(id: number, headers: Headers): Buffer {
    return control(types.synReply, 0, [id], this.#packer.pack(headers))
  }

  rstStream(id: number, status: number): Buffer {
    return control(types.rstStream, 0, [id, status])
  }

  settings(initialWindow: number): Buffer {
    return control(types.settings, 0, [1, initialWindowSetting, initialWindow])
  }

  ping(id: number): Buffer {
    return control(types.ping, 0, [id])
  }

  goaway(last: number, status = 0): Buffer {
    return control(types.goaway, 0, [last, status])
  }

  windowUpdate(id: number, delta: number): Buffer {
    return control(types.windowUpdate, 0, [id, delta])
  }
}

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  #unpacker = new HeaderUnpacker()
  #held: Buffer = Buffer.alloc(0)
  /** The data frame that is being passed on. */
  #data: { id: number; left: number; fin: boolean } | undefined;

  /** Throws for bytes that are not SPDY/3. Nothing can be read after that. */
  *read(bytes: Buffer): Generator<Frame> {
    let rest = this.#held.length > 0 ? Buffer.concat([this.#held, bytes]) : bytes
    while (true) {
      if (this.#data) {
        const { id, left, fin } = this.#data
        if (rest.length === 0 && left > 0) break
        const part = rest.subarray(0, left)
        rest = rest.subarray(part.length)
        this.#data = part.length < left ? { id, left: left - part.length, fin } : undefined
        yield { type: 'data', id, bytes: part, fin: fin && !this.#data }
        continue
      }
      if (rest.length < 8) break
      const word = rest.readUInt32BE()
      const flags = rest[4]!
      const length = rest.readUIntBE(5, 3)
      if (word < 0x80000000) {
        this.#data = { id: word, left: length, fin: (flags & finFlag) !== 0 }
        rest = rest.subarray(8)
        continue
      }
      if (((word >>> 16) & 0x7fff) !== version) throw new Error('the peer does not speak SPDY/3')
      if (length > maxControlBytes)
        throw new Error(`a control frame has ${length} bytes, the limit is ${maxControlBytes}`)
      if (rest.length < 8 + length) break
      const frame = this.#control(word & 0xffff, flags, rest.subarray(8, 8 + length))
      rest = rest.subarray(8 + length)
      yield frame
    }
    this.#held = rest
  }

  #control(type: number, flags: number, body: Buffer): Frame {
    const number = (at: number) => {
      if (body.length < at + 4) throw new Error(`a control frame of type ${type} is cut short`)
      return body.readUInt32BE(at)
    }
    const id = type === types.settings ? 0 : number(0) & 0x7fffffff
    const fin = (flags & finFlag) !== 0
    const headers = (at: number) => this.#unpacker.unpack(body.subarray(at))
    switch (type) {
      case types.synStream:
        return { type: 'syn-stream', id, headers: headers(10), fin, unidirectional: (flags & unidirectionalFlag) !== 0 }
      case types.synReply:
        return { type: 'syn-reply', id, headers: headers(4), fin }
      case types.rstStream:
        return { type: 'rst-stream', id, status: number(4) }
      case types.settings: {
        const values = new Map<number, number>()
        for (let i = number(0), at = 4; i > 0; i--, at += 8) values.set(number(at) & 0xffffff, number(at + 4))
        return { type: 'settings', values }
      }
      case types.ping:
        return { type: 'ping', id: number(0) }
      case types.goaway:
        return { type: 'goaway', last: id, status: body.length >= 8 ? number(4) : 0 }
      case types.headers:
        return { type: 'headers', id, headers: headers(4), fin }
      case types.windowUpdate:
        return { type: 'window-update', id, delta: number(4) & 0x7fffffff }
      default:
        // Unknown frames are ignored. Source: SPDY protocol draft 3, section 2.2.1.
        return { type: 'unknown' }
    }
  }
}

function control(type: number, flags: number, numbers: readonly number[], ...more: Buffer[]): Buffer {
  const head = Buffer.alloc(8 + numbers.length * 4)
  head.writeUInt16BE(0x8000 | version)
  head.writeUInt16BE(type, 2)
  numbers.forEach((value, i) => head.writeUInt32BE(value, 8 + i * 4))
  const frame = Buffer.concat([head, ...more])
  frame.writeUInt32BE(((flags << 24) | (frame.length - 8)) >>> 0, 4)
  return frame
}
