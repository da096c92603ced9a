// One question to one resolver, over UDP or TCP. Each has a socket, and so a port, of its own and a random id, so that
// who does not see the question cannot guess what an answer to it would be. The socket is connected: the kernel drops
// what comes from elsewhere. What comes from there and does not fit is passed over.
// Source: RFC 5452, 9.2; RFC 7766.
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import type { Clock } from '../base/clock.ts'
import { secretBytes } from '../base/random.ts'
import { type Asked, type Foreign, readForeign } from './foreign.ts'
import { flags, headBytes, types } from './message.ts'
import { maxEdnsBytes } from './encode.ts'

export interface Resolver {
  readonly address: string
  readonly port: number
}

/** A question for a resolver. */
export interface Question {
  readonly name: string
  readonly type: number
  /** Of the query of a client: whether it has EDNS, wants signatures, and wants no checks of them. */
  readonly edns: boolean
  readonly dnssec: boolean
  readonly unchecked: boolean
}

/** How many messages that do not fit are passed over before an exchange is given up. */
const maxStrays = 50
const maxTcpBytes = 65_535

/**
 * Asks a resolver. Resolves to undefined if it does not answer in time, or not with an answer. Never rejects.
 */
export function exchange(
  resolver: Resolver,
  question: Question,
  over: 'udp' | 'tcp',
  clock: Clock,
  limitMs: number,
): Promise<Foreign | undefined> {
  const id = secretBytes(2).readUInt16BE()
  const asked: Asked = { id, name: question.name, type: question.type }
  const message = messageOf(question, id)
  return new Promise(resolve => {
    let end = () => {}
    const finish = (answer?: Foreign) => {
      cancel()
      end()
      resolve(answer)
    }
    const cancel = clock.after(limitMs, () => finish())
    end = (over === 'udp' ? overUdp : overTcp)(resolver, message, asked, finish)
  })
}

type Finish = (answer?: Foreign) => void

function overUdp({ address, port }: Resolver, message: Buffer, asked: Asked, finish: Finish): () => void {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  let strays = 0
  let open = true
  const end = () => {
    if (open) socket.close()
    open = false
  }
  socket.on('error', () => open && finish())
  socket.on('message', bytes => {
    const answer = readForeign(bytes, asked)
    if (answer || ++strays > maxStrays) finish(answer)
  })
  socket.connect(port, address, () => open && socket.send(message))
  return end
}

function overTcp({ address, port }: Resolver, message: Buffer, asked: Asked, finish: Finish): () => void {
  const socket = connect(port, address)
  const head = Buffer.alloc(2)
  head.writeUInt16BE(message.length)
  socket.write(Buffer.concat([head, message]))
  const buffer = Buffer.allocUnsafe(maxTcpBytes + 2)
  let length = 0
  socket.on('error', () => finish())
  socket.on('close', () => finish())
  socket.on('data', chunk => {
    length += (chunk as Buffer).copy(buffer, length)
    const end = length >= 2 ? 2 + buffer.readUInt16BE(0) : Infinity
    if (length >= end) finish(readForeign(buffer.subarray(2, end), asked))
  })
  return () => void socket.destroy()
}

function messageOf({ name, type, edns, dnssec, unchecked }: Question, id: number): Buffer {
  const record = edns ? [0, 0, types.OPT, maxEdnsBytes >> 8, maxEdnsBytes & 0xff, 0, 0, dnssec ? 0x80 : 0, 0, 0, 0] : []
  const head = Buffer.alloc(headBytes)
  head.writeUInt16BE(id, 0)
  head.writeUInt16BE(flags.recursionDesired | (unchecked ? flags.checkingDisabled : 0), 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(edns ? 1 : 0, 10)
  const question = Buffer.from([type >> 8, type & 0xff, 0, 1])
  return Buffer.concat([head, Buffer.from(name, 'latin1'), question, Buffer.from(record)])
}
