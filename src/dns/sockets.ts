// The sockets on which queries arrive. Over TCP a connection takes several queries, each behind its length, and those
// that are under way at the same time may be answered in any order. Source: RFC 1035, 4.2; RFC 7766.
import { createSocket } from 'node:dgram'
import { createServer, type Server, type Socket as Connection } from 'node:net'
import type { Log } from '../base/log.ts'
import { headBytes } from './message.ts'

interface Place {
  readonly address: string
  readonly port: number
  readonly log: Log
}

/** Answers a query; undefined for what gets no answer. Never throws or rejects. */
type Answer = (query: Buffer) => Buffer | undefined | Promise<Buffer | undefined>

const maxConnections = 200
const idleMs = 10_000
/** How many queries of a connection are answered at the same time. Further ones are not read yet. */
const maxPending = 8
/** The longest query that is read; a question and an EDNS record are far shorter. */
const maxQueryBytes = 4_096
/** What the kernel keeps of queries while the process does other work. */
const receiveBytes = 2 * 2 ** 20

interface Listening {
  readonly port: number
  close(): void
}

export function listenUdp({ address, port, log }: Place, answer: Answer): Promise<Listening> {
  const family = address.includes(':') ? 6 : 4
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    // The peer is an address already. Node.js' own lookup would take another turn of the event loop for each answer.
    lookup: (peer, _, callback) => callback(null, peer, family),
  })
  let open = true
  const close = () => {
    open = false
    socket.close()
  }
  socket.on('message', (message, peer) => {
    const reply = answer(message)
    // Other resolvers may answer after the socket has closed.
    const send = (bytes: Buffer | undefined) => bytes && open && socket.send(bytes, peer.port, peer.address)
    if (reply instanceof Promise) void reply.then(send)
    else send(reply)
  })
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(port, address, () => {
      socket.off('error', reject)
      let last: string | undefined
      // An answer that cannot be sent is lost, as any packet may be: the client asks again. A callback for each would
      // cost more than it is worth; so all failures come here, and those that are alike are logged once.
      socket.on('error', ({ message, code }: NodeJS.ErrnoException) => {
        if (code !== last) log.warn('DNS over UDP failed', { why: message })
        last = code
      })
      socket.setRecvBufferSize(receiveBytes)
      resolve({ port: socket.address().port, close })
    })
  })
}

export function listenTcp({ address, port, log }: Place, answer: Answer): Promise<Server> {
  const server = createServer(connection => serve(connection, answer))
  server.maxConnections = maxConnections
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, address, () => {
      server.off('error', reject)
      server.on('error', error => log.warn('DNS over TCP failed', { error }))
      resolve(server)
    })
  })
}

function serve(connection: Connection, answer: Answer): void {
  let buffer = Buffer.alloc(0)
  let pending = 0
  connection.setTimeout(idleMs, () => connection.destroy())
  connection.on('error', () => connection.destroy())
  const answerOne = async (query: Buffer) => {
    const reply = await answer(query)
    if (!reply || connection.destroyed) return void connection.destroy()
    const head = Buffer.alloc(2)
    head.writeUInt16BE(reply.length)
    if (connection.write(Buffer.concat([head, reply]))) return
    // The client reads more slowly than it asks.
    await new Promise<void>(resolve => {
      const done = () => (connection.off('drain', done), connection.off('close', done), resolve())
      connection.on('drain', done).on('close', done)
    })
  }
  const answerAll = () => {
    while (pending < maxPending && buffer.length >= 2) {
      const length = buffer.readUInt16BE(0)
      if (length < headBytes || length > maxQueryBytes) return void connection.destroy()
      if (buffer.length < 2 + length) break
      const query = buffer.subarray(2, 2 + length)
      buffer = buffer.subarray(2 + length)
      pending++
      void answerOne(query).finally(() => {
        pending--
        answerAll()
      })
    }
    if (pending < maxPending) connection.resume()
    else connection.pause()
  }
  connection.on('data', chunk => {
    buffer = Buffer.concat([buffer, chunk as Buffer])
    answerAll()
  })
}
