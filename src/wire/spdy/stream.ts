// A stream of a SPDY connection, as a Duplex that can be half closed: `end()` ends this side, and the event 'end'
// reports that the peer has ended its own.
//
//   this side       opening ── the opening was answered ──▶ open ── the last frame was sent ──▶ ended
//                      └───────── the peer cut the stream, or it was destroyed ───────────────▶ ended
//   the peer's      open ── its last frame arrived ──▶ ended
//                      └── the peer gave up ─────────▶ cut
//
// When both sides have ended, the stream is gone from its connection.
import { Duplex } from 'node:stream'
import { resetStatus } from './frames.ts'
import type { Headers } from './headers.ts'

export const streamLimits = {
  /** Bytes that a peer with windows may send before they are read. */
  windowBytes: 256 << 10,
  /** Unread bytes beyond which the whole connection of a peer without windows is paused. */
  bufferBytes: 1 << 20,
  /** The largest data frame that is sent. */
  frameBytes: 32 << 10,
} as const

/** The part of the connection that a stream uses. */
export interface StreamCarrier {
  /** Whether the peer uses windows, so that they must be respected. */
  heedsWindows(): boolean
  /** How many bytes the window of the connection allows. */
  sessionWindow(): number
  congested(): boolean
  sendData(id: number, bytes: Buffer, fin: boolean): void
  sendReset(id: number, status: number): void
  sendWindowUpdate(id: number, delta: number): void
  /** Calls `pump` of the stream once the connection can take more. */
  waitForRoom(stream: SpdyStream): void
  /** Reports that the stream holds too many unread bytes, or no longer does. */
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
  /** The headers with which the stream was opened. */
  readonly headers: Headers
  /** The headers of the answer, once it has arrived. */
  replyHeaders: Headers | undefined
  #carrier: StreamCarrier
  /** While the stream is opening, nothing is sent: Go's spdystream drops data that arrives before the answer. */
  #local: 'opening' | 'open' | 'ended' = 'opening'
  #remote: 'open' | 'ended' | 'cut' = 'open'
  #outgoing: Outgoing | undefined
  #sendWindow: number
  /** Bytes that were received and not yet granted again, because the reader is behind. */
  #ungranted = 0

  /** For SpdyConnection. */
  constructor(carrier: StreamCarrier, id: number, headers: Headers, sendWindow: number) {
    super({ highWaterMark: 64 << 10 })
    this.#carrier = carrier
    this.id = id
    this.headers = headers
    this.#sendWindow = sendWindow
  }

  /** Whether the peer ended the stream or the connection without finishing, so that data may be missing. */
  get cut(): boolean {
    return this.#remote === 'cut'
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
    if (this.#local !== 'ended' || this.#remote === 'open')
      this.#carrier.sendReset(this.id, error ? resetStatus.internalError : resetStatus.cancel)
    this.#local = 'ended'
    if (this.#remote === 'open') this.#remote = 'ended'
    this.#carrier.gone(this)
    this.#outgoing = undefined
    done(error)
  }

  /** For SpdyConnection: sends as much as is allowed at present. */
  pump(): void {
    if (this.#local === 'opening') return
    while (this.#outgoing) {
      const { bytes, fin, done } = this.#outgoing
      if (this.#local === 'ended') {
        // The peer has given the stream up and would drop the bytes. The writer gets the event 'end'.
        this.#outgoing = undefined
        done()
        continue
      }
      if (this.#carrier.congested()) return this.#carrier.waitForRoom(this)
      // The window may be negative, since bytes that were sent before the peer showed support for windows count as
      // well.
      const size = Math.min(bytes.length, streamLimits.frameBytes, Math.max(0, this.#room()))
      // The next window update calls this again.
      if (size === 0 && bytes.length > 0) return
      const last = size === bytes.length
      this.#sendWindow -= size
      if (fin && last) this.#local = 'ended'
      this.#carrier.sendData(this.id, bytes.subarray(0, size), fin && last)
      this.#outgoing = last ? undefined : { bytes: bytes.subarray(size), fin, done }
      if (last) done()
    }
    this.#checkGone()
  }

  /** For SpdyConnection: data may be sent from now on. */
  begin(): void {
    if (this.#local === 'opening') this.#local = 'open'
    this.pump()
  }

  /** For SpdyConnection: the peer has answered the opening. */
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
    if (this.#remote !== 'open' || bytes.length === 0) return
    this.#ungranted += bytes.length
    if (this.push(bytes)) this.#grant()
    else if (this.readableLength > streamLimits.bufferBytes) this.#carrier.clogged(this, true)
  }

  /** For SpdyConnection: the peer has ended the stream, properly or not. */
  finished(how: { cut: boolean }): void {
    if (this.#remote === 'open') {
      this.#remote = how.cut ? 'cut' : 'ended'
      this.push(null)
    }
    if (how.cut && this.#local !== 'ended') {
      this.#local = 'ended'
      this.pump()
      this.end()
    }
    this.#checkGone()
  }

  /** Removes the stream once both sides have ended. Received data may still wait to be read. */
  #checkGone(): void {
    if (this.#local === 'ended' && this.#remote !== 'open') this.#carrier.gone(this)
  }

  #room(): number {
    return this.#carrier.heedsWindows() ? Math.min(this.#sendWindow, this.#carrier.sessionWindow()) : Infinity
  }

  #grant(): void {
    if (!this.#carrier.heedsWindows() || this.#remote !== 'open' || this.#ungranted < streamLimits.windowBytes / 2)
      return
    this.#carrier.sendWindowUpdate(this.id, this.#ungranted)
    this.#ungranted = 0
  }
}
