// One stream of a SPDY connection, a Duplex that can be half closed: `end()` says that we are done, 'end'
// that the peer is.
import { Duplex } from 'node:stream'
import { resetStatus } from './frames.ts'
import type { Headers } from './headers.ts'

export const streamLimits = {
  /** What a peer that heeds windows may send before we have read. */
  windowBytes: 256 << 10,
  /** A peer that does not heed windows has its whole connection held up beyond this. */
  bufferBytes: 1 << 20,
  /** One data frame of ours. */
  frameBytes: 32 << 10,
} as const

/** What a stream needs of its connection. */
export interface StreamCarrier {
  /** The peer keeps to windows, so we must as well. */
  heedsWindows(): boolean
  /** What the connection's own window lets us send. */
  sessionWindow(): number
  congested(): boolean
  sendData(id: number, bytes: Buffer, fin: boolean): void
  sendReset(id: number, status: number): void
  sendWindowUpdate(id: number, delta: number): void
  /** Calls `pump` of the stream when the connection can take more. */
  waitForRoom(stream: SpdyStream): void
  /** The stream holds more than it should, or no longer does. */
  clogged(stream: SpdyStream, is: boolean): void
  gone(stream: SpdyStream): void
}

interface Outgoing {
  bytes: Buffer
  fin: boolean
  done: () => void
}

export class SpdyStream extends Duplex {
  readonly id: number
  /** Those the stream was opened with. */
  readonly headers: Headers
  /** Those of the answer, once there. */
  replyHeaders: Headers | undefined
  /** The peer ended the stream, or the connection, without finishing: what was read may not be all. */
  cut = false
  #carrier: StreamCarrier
  /** The answer to the opening of the stream is there, or sent. */
  #answered = false
  #outgoing: Outgoing | undefined
  #sendWindow: number
  /** Received but not granted again, because the reader is behind. */
  #ungranted = 0
  #localDone = false
  #remoteDone = false

  /** For SpdyConnection. */
  constructor(carrier: StreamCarrier, id: number, headers: Headers, sendWindow: number) {
    super({ highWaterMark: 64 << 10 })
    this.#carrier = carrier
    this.id = id
    this.headers = headers
    this.#sendWindow = sendWindow
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#outgoing = { bytes: chunk, fin: false, done }
    this.pump()
  }

  override _final(done: () => void): void {
    this.#outgoing = { bytes: Buffer.alloc(0), fin: true, done }
    this.pump()
  }

  override _read(): void {
    this.#carrier.clogged(this, false)
    this.#grant()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#localDone || !this.#remoteDone)
      this.#carrier.sendReset(this.id, error ? resetStatus.internalError : resetStatus.cancel)
    this.#localDone = true
    this.#remoteDone = true
    this.#carrier.gone(this)
    this.#outgoing = undefined
    done(error)
  }

  /** For SpdyConnection: sends what may be sent now. */
  pump(): void {
    // Go's spdystream drops data that overtakes the answer to the stream's opening.
    if (!this.#answered) return
    while (this.#outgoing) {
      const { bytes, fin, done } = this.#outgoing
      if (this.#localDone) {
        // The peer has given the stream up; it would drop the bytes too. 'end' has told, or tells, the writer.
        this.#outgoing = undefined
        done()
        continue
      }
      if (this.#carrier.congested()) return this.#carrier.waitForRoom(this)
      // The window may be below zero: what was sent before the peer showed that it knows windows counts too.
      const size = Math.min(bytes.length, streamLimits.frameBytes, Math.max(0, this.#room()))
      // A window update will call again.
      if (size === 0 && bytes.length > 0) return
      const last = size === bytes.length
      this.#sendWindow -= size
      this.#localDone = fin && last
      this.#carrier.sendData(this.id, bytes.subarray(0, size), fin && last)
      this.#outgoing = last ? undefined : { bytes: bytes.subarray(size), fin, done }
      if (last) done()
    }
    this.#checkGone()
  }

  /** For SpdyConnection: data may flow. */
  begin(): void {
    this.#answered = true
    this.pump()
  }

  /** For SpdyConnection: the peer's answer. */
  answered(headers: Headers): void {
    this.replyHeaders ??= headers
    this.emit('reply', headers)
    this.begin()
  }

  /** For SpdyConnection: the peer grants `delta` more bytes. */
  granted(delta: number): void {
    this.#sendWindow += delta
    this.pump()
  }

  /** For SpdyConnection. */
  received(bytes: Buffer): void {
    if (this.#remoteDone || bytes.length === 0) return
    this.#ungranted += bytes.length
    if (this.push(bytes)) this.#grant()
    else if (this.readableLength > streamLimits.bufferBytes) this.#carrier.clogged(this, true)
  }

  /** For SpdyConnection: the peer is done, properly or not. */
  finished(how: { cut: boolean }): void {
    if (!this.#remoteDone) {
      this.#remoteDone = true
      this.cut = how.cut
      this.push(null)
    }
    if (how.cut && !this.#localDone) {
      this.#localDone = true
      this.begin()
      this.end()
    }
    this.#checkGone()
  }

  /** Nothing will be sent or come any more; what has come may still wait to be read. */
  #checkGone(): void {
    if (this.#localDone && this.#remoteDone) this.#carrier.gone(this)
  }

  #room(): number {
    return this.#carrier.heedsWindows() ? Math.min(this.#sendWindow, this.#carrier.sessionWindow()) : Infinity
  }

  #grant(): void {
    if (!this.#carrier.heedsWindows() || this.#remoteDone || this.#ungranted < streamLimits.windowBytes / 2) return
    this.#carrier.sendWindowUpdate(this.id, this.#ungranted)
    this.#ungranted = 0
  }
}
