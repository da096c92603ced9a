// The wire format of protobuf (proto2, as written by Go's generated code): tags, varints, lengths. Messages and the
// numbers of their fields are the schema engine's. Source: protobuf.dev/programming-guides/encoding.

export class ProtoWriter {
  #buffer: Buffer
  #length = 0

  constructor(sizeHint = 256) {
    this.#buffer = Buffer.allocUnsafe(sizeHint)
  }

  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#buffer.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + size))
    this.#buffer.copy(grown, 0, 0, this.#length)
    this.#buffer = grown
  }

  #varint(value: number | bigint): void {
    this.#reserve(10)
    // Negative numbers are written as 64-bit two's complement, in ten bytes.
    if (typeof value === 'bigint' || value < 0 || value > Number.MAX_SAFE_INTEGER) {
      let rest = BigInt.asUintN(64, BigInt(value))
      while (rest > 127n) {
        this.#buffer[this.#length++] = Number(rest & 127n) | 128
        rest >>= 7n
      }
      this.#buffer[this.#length++] = Number(rest)
      return
    }
    let rest = value
    while (rest > 127) {
      this.#buffer[this.#length++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    this.#buffer[this.#length++] = rest
  }

  varint(field: number, value: number | bigint): void {
    this.#varint(field * 8)
    this.#varint(value)
  }

  double(field: number, value: number): void {
    this.#varint(field * 8 + 1)
    this.#reserve(8)
    this.#length = this.#buffer.writeDoubleLE(value, this.#length)
  }

  /** The beginning of a field of bytes, which somebody else writes after it. */
  lengthOf(field: number, length: number): void {
    this.#varint(field * 8 + 2)
    this.#varint(length)
  }

  bytes(field: number, value: Uint8Array): void {
    this.lengthOf(field, value.length)
    this.#reserve(value.length)
    this.#buffer.set(value, this.#length)
    this.#length += value.length
  }

  string(field: number, value: string): void {
    const size = Buffer.byteLength(value)
    this.#varint(field * 8 + 2)
    this.#varint(size)
    this.#reserve(size)
    this.#length += this.#buffer.write(value, this.#length)
  }
}

type ProtoValue = { wire: 0; value: bigint } | { wire: 1 | 2 | 5; value: Buffer }

/** Reads the fields of a message in the order in which they were written. Throws RangeError for damaged bytes. */
export function* readProto(message: Buffer): Generator<ProtoValue & { field: number }> {
  let at = 0
  const varint = (): bigint => {
    let result = 0n
    for (let shift = 0n; ; shift += 7n) {
      if (at >= message.length || shift > 63n) throw new RangeError('protobuf: damaged varint')
      const byte = message[at++]!
      result |= BigInt(byte & 127) << shift
      if (byte < 128) return BigInt.asUintN(64, result)
    }
  }
  const take = (size: number): Buffer => {
    if (at + size > message.length) throw new RangeError('protobuf: message is cut short')
    at += size
    return message.subarray(at - size, at)
  }
  while (at < message.length) {
    const tag = Number(varint())
    const field = Math.floor(tag / 8)
    const wire = tag % 8
    if (field === 0) throw new RangeError('protobuf: field number 0')
    if (wire === 0) yield { field, wire, value: varint() }
    else if (wire === 1) yield { field, wire, value: take(8) }
    else if (wire === 5) yield { field, wire, value: take(4) }
    else if (wire === 2) yield { field, wire, value: take(Number(varint())) }
    else throw new RangeError(`protobuf: wire type ${wire} is not supported`)
  }
}
