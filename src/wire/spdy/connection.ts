// A SPDY/3.1 connection over an upgraded socket, for either end. The peer may be another instance of this class, but is
// usually Go's moby/spdystream in kubectl and containerd. Three decisions follow from how that behaves:
//
// - It neither grants nor respects windows. So windows are used only with a peer that shows support for them, by
//   SETTINGS or WINDOW_UPDATE. With any other peer the whole socket is paused when data arrives faster than it is read.
// - It drops data that arrives before the answer to a new stream. So nothing is sent earlier.
// - It closes streams by resetting them after the last data. So a reset is an end, not an error.
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { FrameReader, FrameWriter, initialWindowSetting, resetStatus, type Frame } from './frames.ts'
import type { Headers } from './headers.ts'
import { SpdyStream, streamLimits, type StreamCarrier } from './stream.ts'

const connectionLimits = {
  /** How many streams a peer may have open at the same time. */
  streams: 2000,
  /** Bytes of control frames that may wait while the peer does not read. */
  pendingBytes: 4 << 20,
  pings: 16,
  /** Bytes that a peer with windows may have in transit over all streams. */
  sessionWindowBytes: 1 << 20,
} as const

/** The initial window of the connection and, unless SETTINGS has another, of each stream. */
const defaultWindow = 64 << 10
const windowLimit = 2 ** 31 - 1

interface SpdyOptions {
  role: 'client' | 'server'
  /** Bytes that arrived with the upgrade. */
  head?: Buffer
}

interface SpdyEvents {
  /** The peer opened a stream. It is answered when the listener returns, unless it has been destroyed. */
  stream: [stream: SpdyStream, headers: Headers]
  /** The peer neither opens nor accepts further streams. */
  goaway: []
  /** The last event, with the error that ended the connection, if any. */
  close: [error: Error | undefined]
}

export class SpdyConnection extends EventEmitter<SpdyEvents> {
  #socket: Duplex
  #role: 'client' | 'server'
  #reader = new FrameReader()
  #writer = new FrameWriter()
  #streams = new Map<number, SpdyStream>()
  #waiting = new Set<SpdyStream>()
  #clogged = new Set<SpdyStream>()
  #pings = new Map<number, { resolve(): void; reject(error: Error): void }>()
  #nextStream: number
  #nextPing: number
  #lastPeerStream = 0
  #heedsWindows = false
  #sessionWindow = defaultWindow
  #initialSendWindow = defaultWindow
  #sessionReceived = 0
  /** While it is closing, no streams are opened, and the last one to end takes the connection with it. */
  #state: 'open' | 'closing' | 'closed' = 'open'

  constructor(socket: Duplex, { role, head }: SpdyOptions) {
    super()
    this.#socket = socket
    this.#role = role
    this.#nextStream = role === 'client' ? 1 : 2
    this.#nextPing = this.#nextStream
    // Without this, Nagle's algorithm would delay small frames until earlier ones are acknowledged.
    if ('setNoDelay' in socket) (socket as Socket).setNoDelay(true)
    socket.on('data', (bytes: Buffer) => this.#receive(bytes))
    socket.on('drain', () => this.#drain())
    socket.on('end', () => this.#end(undefined))
    socket.on('error', error => this.#end(error))
    socket.on('close', () => this.#end(undefined))
    this.#send(this.#writer.settings(streamLimits.windowBytes))
    // Deferred, so that the caller can add its listeners first.
    if (head && head.length > 0) process.nextTick(() => this.#receive(head))
  }

  get closed(): boolean {
    return this.#state === 'closed'
  }

  /** The number of open streams. */
  get streams(): number {
    return this.#streams.size
  }

  /** Opens a stream. It can be written to at once, and bytes are sent after the peer's answer, the event 'reply'. */
  openStream(headers: Headers): SpdyStream {
    if (this.#state !== 'open') throw new Error('the SPDY connection is closing')
    const id = this.#nextStream
    if (id > windowLimit) throw new Error('the SPDY connection has no stream ids left')
    this.#nextStream += 2
    const stream = new SpdyStream(this.#carrier, id, headers, this.#initialSendWindow)
    this.#streams.set(id, stream)
    this.#send(this.#writer.synStream(id, headers))
    return stream
  }

  /** Sends a ping, and resolves when the peer answers. */
  ping(): Promise<void> {
    if (this.#state === 'closed') return Promise.reject(new Error('the SPDY connection is closed'))
    if (this.#pings.size >= connectionLimits.pings)
      return Promise.reject(new Error('too many pings wait for an answer'))
    const id = this.#nextPing
    this.#nextPing = (this.#nextPing + 2) % windowLimit || this.#nextPing % 2
    return new Promise((resolve, reject) => {
      this.#pings.set(id, { resolve, reject })
      this.#send(this.#writer.ping(id))
    })
  }

  /** Refuses new streams, and closes the socket when those that are open have ended. */
  close(): void {
    if (this.#state !== 'open') return
    this.#state = 'closing'
    this.#send(this.#writer.goaway(this.#lastPeerStream))
    if (this.#streams.size === 0) this.#socket.end()
  }

  /** Ends the connection and all streams at once. */
  destroy(error?: Error): void {
    this.#end(error)
  }

  /** The interface of the connection for its streams. */
  #carrier: StreamCarrier = {
    heedsWindows: () => this.#heedsWindows,
    sessionWindow: () => this.#sessionWindow,
    congested: () => this.#socket.writableNeedDrain,
    sendData: (id, bytes, fin) => this.#sendData(id, bytes, fin),
    sendReset: (id, status) => this.#send(this.#writer.rstStream(id, status)),
    sendWindowUpdate: (id, delta) => this.#send(this.#writer.windowUpdate(id, delta)),
    waitForRoom: stream => void this.#waiting.add(stream),
    clogged: (stream, is) => this.#clog(stream, is),
    gone: stream => this.#forget(stream),
  }

  #receive(bytes: Buffer): void {
    if (this.closed) return
    try {
      for (const frame of this.#reader.read(bytes)) {
        this.#handle(frame)
        if (this.closed) return
      }
    } catch (error) {
      this.#end(error as Error)
    }
  }

  #handle(frame: Frame): void {
    switch (frame.type) {
      case 'data':
        return this.#onData(frame.id, frame.bytes, frame.fin)
      case 'syn-stream':
        return this.#onOpen(frame.id, frame.headers, frame.fin)
      case 'syn-reply':
        this.#streams.get(frame.id)?.answered(frame.headers)
        if (frame.fin) this.#streams.get(frame.id)?.finished({ cut: false })
        return
      case 'rst-stream':
        return this.#onReset(frame.id, frame.status)
      case 'settings':
        return this.#onSettings(frame.values.get(initialWindowSetting))
      case 'ping':
        return this.#onPing(frame.id)
      case 'goaway':
        if (this.#state === 'open') this.#state = 'closing'
        this.emit('goaway')
        if (this.#streams.size === 0) this.#socket.end()
        return
      case 'headers':
        if (frame.fin) this.#streams.get(frame.id)?.finished({ cut: false })
        return
      case 'window-update':
        return this.#onWindowUpdate(frame.id, frame.delta)
      case 'unknown':
        return
    }
  }

  #onOpen(id: number, headers: Headers, fin: boolean): void {
    const peerParity = this.#role === 'client' ? 0 : 1
    if (id % 2 !== peerParity || id <= this.#lastPeerStream) throw new Error(`the peer may not open the stream ${id}`)
    this.#lastPeerStream = id
    // While this end is closing, the peer may not yet have received that, so its stream is refused rather than an
    // error.
    if (this.#state !== 'open' || this.#streams.size >= connectionLimits.streams)
      return this.#send(this.#writer.rstStream(id, resetStatus.refusedStream))
    const stream = new SpdyStream(this.#carrier, id, headers, this.#initialSendWindow)
    this.#streams.set(id, stream)
    const taken = this.emit('stream', stream, headers)
    if (!taken) stream.destroy()
    if (stream.destroyed) return
    // Data that the listener wrote follows the answer.
    this.#send(this.#writer.synReply(id, {}))
    stream.begin()
    if (fin) stream.finished({ cut: false })
  }

  #onData(id: number, bytes: Buffer, fin: boolean): void {
    this.#sessionReceived += bytes.length
    if (this.#heedsWindows && this.#sessionReceived >= connectionLimits.sessionWindowBytes / 2) {
      this.#send(this.#writer.windowUpdate(0, this.#sessionReceived))
      this.#sessionReceived = 0
    }
    // Data in transit may still arrive for a stream that has been given up.
    const stream = this.#streams.get(id)
    stream?.received(bytes)
    if (fin) stream?.finished({ cut: false })
  }

  #onReset(id: number, status: number): void {
    const stream = this.#streams.get(id)
    if (!stream) return
    const refused = id % 2 === this.#nextStream % 2 && !stream.replyHeaders
    stream.finished({ cut: true })
    if (refused) stream.destroy(new Error(`the peer refused the stream (SPDY status ${status})`))
  }

  #onSettings(initialWindow: number | undefined): void {
    if (initialWindow === undefined) return
    const delta = initialWindow - this.#initialSendWindow
    this.#heed()
    this.#initialSendWindow = initialWindow
    for (const stream of this.#streams.values()) stream.granted(delta)
  }

  #onWindowUpdate(id: number, delta: number): void {
    this.#heed()
    if (id !== 0) return this.#streams.get(id)?.granted(delta)
    this.#sessionWindow += delta
    for (const stream of this.#streams.values()) stream.pump()
  }

  #heed(): void {
    if (this.#heedsWindows) return
    this.#heedsWindows = true
    this.#send(this.#writer.windowUpdate(0, connectionLimits.sessionWindowBytes - defaultWindow))
  }

  #onPing(id: number): void {
    const ours = this.#role === 'client' ? 1 : 0
    if (id % 2 !== ours) return this.#send(this.#writer.ping(id))
    this.#pings.get(id)?.resolve()
    this.#pings.delete(id)
  }

  #send(frame: Buffer): void {
    if (this.closed || !this.#socket.writable) return
    if (this.#socket.writableLength > connectionLimits.pendingBytes)
      return this.#end(new Error('the SPDY peer sends but does not read'))
    this.#socket.write(frame)
  }

  #sendData(id: number, bytes: Buffer, fin: boolean): void {
    if (this.closed || !this.#socket.writable) return
    this.#sessionWindow -= bytes.length
    this.#socket.cork()
    this.#socket.write(this.#writer.data(id, bytes.length, fin))
    if (bytes.length > 0) this.#socket.write(bytes)
    this.#socket.uncork()
  }

  #drain(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const stream of waiting) stream.pump()
  }

  #clog(stream: SpdyStream, is: boolean): void {
    if (is) this.#clogged.add(stream)
    else if (!this.#clogged.delete(stream)) return
    if (this.#clogged.size > 0) this.#socket.pause()
    else this.#socket.resume()
  }

  #forget(stream: SpdyStream): void {
    this.#streams.delete(stream.id)
    this.#waiting.delete(stream)
    this.#clog(stream, false)
    if (this.#state === 'closing' && this.#streams.size === 0) this.#socket.end()
  }

  #end(error: Error | undefined): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    const gone = error ?? new Error('the SPDY connection is closed')
    for (const { reject } of this.#pings.values()) reject(gone)
    this.#pings.clear()
    for (const stream of this.#streams.values()) {
      if (error) stream.destroy(error)
      else stream.finished({ cut: true })
    }
    // Without an error the last frames are still sent.
    if (error || !this.#socket.writable) this.#socket.destroy()
    else this.#socket.end(() => this.#socket.destroy())
    this.emit('close', error)
  }
}
