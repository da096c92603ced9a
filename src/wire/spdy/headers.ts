// Blocks of headers, which are compressed as one endless zlib stream in each direction. Each block ends at a byte
// boundary, by a sync flush. So it can be packed and unpacked by itself, synchronously, if the last 32 KiB that the
// stream had before are given as the dictionary.
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import { dictionaryId, headerDictionary } from './dictionary.ts'

/** Headers by lower-case name. Several values of one name are joined by NUL characters. */
export type Headers = Record<string, string>

const windowBytes = 32 << 10
export const maxHeaderBytes = 64 << 10

export class HeaderPacker {
  #history: Buffer = headerDictionary
  #first = true

  pack(headers: Headers): Buffer {
    const plain = write(headers)
    const packed = deflateRawSync(plain, { dictionary: this.#history, finishFlush: constants.Z_SYNC_FLUSH })
    this.#history = remember(this.#history, plain)
    if (!this.#first) return packed
    this.#first = false
    const start = Buffer.alloc(6)
    // The head of a zlib stream: deflate with a window of 32 KiB and a preset dictionary (RFC 1950).
    start.writeUInt16BE(0x78bb)
    start.writeUInt32BE(dictionaryId, 2)
    return Buffer.concat([start, packed])
  }
}

export class HeaderUnpacker {
  #history: Buffer = headerDictionary
  #first = true

  /**
   * Unpacks a block. Throws when it is damaged or too large. The connection cannot be used then, without the history.
   */
  unpack(packed: Buffer): Headers {
    let body = packed
    if (this.#first) {
      this.#first = false
      const withDictionary = (packed[1]! & 0x20) !== 0
      if (packed.length < 6 || packed.readUInt16BE() % 31 !== 0 || (packed[0]! & 0x0f) !== 8)
        throw new Error('the header block is not a zlib stream')
      if (withDictionary && packed.readUInt32BE(2) !== dictionaryId)
        throw new Error('the header block has another dictionary')
      body = packed.subarray(withDictionary ? 6 : 2)
    }
    const plain = inflateRawSync(body, {
      dictionary: this.#history,
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: maxHeaderBytes,
    })
    this.#history = remember(this.#history, plain)
    return read(plain)
  }
}

function remember(history: Buffer, plain: Buffer): Buffer {
  const all = Buffer.concat([history, plain])
  return all.subarray(Math.max(0, all.length - windowBytes))
}

function write(headers: Headers): Buffer {
  const parts: Buffer[] = []
  const number = (value: number) => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(value)
    parts.push(bytes)
  }
  const entries = Object.entries(headers)
  number(entries.length)
  for (const entry of entries)
    for (const text of [entry[0].toLowerCase(), entry[1]]) {
      const bytes = Buffer.from(text)
      number(bytes.length)
      parts.push(bytes)
    }
  return Buffer.concat(parts)
}

function read(plain: Buffer): Headers {
  const headers: Headers = Object.create(null)
  let at = 0
  const number = () => {
    if (at + 4 > plain.length) throw new Error('the header block is cut short')
    at += 4
    return plain.readUInt32BE(at - 4)
  }
  const text = () => {
    const length = number()
    if (at + length > plain.length) throw new Error('the header block is cut short')
    at += length
    return plain.toString('utf8', at - length, at)
  }
  for (let left = number(); left > 0; left--) {
    const name = text()
    if (name === '' || name in headers) throw new Error(`the header ${JSON.stringify(name)} is empty or there twice`)
    headers[name] = text()
  }
  return headers
}
