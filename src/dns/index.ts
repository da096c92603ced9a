// The cluster's DNS server, one on each node. It answers names of Services and pods from mirrors (records.ts), and
// forwards all other questions to the machine's resolvers (upstream.ts). It listens on the address of the node's
// bridge, to which the Service kube-dns leads.
//
// - Only the first question of a query is answered, as by all DNS servers. Bytes that are not a query get no answer
//   over UDP, and over TCP end the connection.
// - Names of the cluster are computed from the mirrors for each query, so an answer is as new as the mirrors. Clients
//   may keep it for 5 s. When the API server is away, the mirrors keep their last content and answers go on.
// - Answers of other resolvers are passed on as they are, and up to 10,000 whole ones are kept for 30 s. Resolvers are
//   asked over UDP only, so an answer that they cut off stays cut off.
// - A query never fails without an answer: an error is logged and answered as SERVFAIL. So is a name outside of the
//   cluster when no resolver answers.
// - Limits: a UDP answer has at most 512 bytes, or up to 1232 when the client offers more by EDNS; what does not fit is
//   cut off and marked, and the client asks again over TCP. There are at most 200 TCP connections, which end after 10 s
//   without traffic. A resolver has 2 s to answer before the next is asked.
// - When the signal aborts both sockets close, and queries under way get no answer.
import { createSocket, type Socket } from 'node:dgram'
import { createServer, type Server } from 'node:net'
import { type Answer, decode, type Packet, type Question } from 'dns-packet'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Client } from '../client/index.ts'
import { Namespace } from '../kinds/core/namespace.ts'
import { Service } from '../kinds/core/service.ts'
import { EndpointSlice } from '../kinds/discovery/endpointslice.ts'
import { answer, opcodeOf, replyTo } from './answer.ts'
import { encodeReply } from './encode.ts'
import type { Names } from './records.ts'
import { Upstream } from './upstream.ts'

interface DnsOptions {
  client: Client
  address: string
  port: number
  domain: string
  /** Path of a resolv.conf with the resolvers for names outside of the cluster. It is read for each such question. */
  resolvConf: string
  clock: Clock
  log: Log
  signal: AbortSignal
}

const maxUdpBytes = 512
const maxEdnsBytes = 1232
const maxTcpBytes = 65_535
const maxTcpConnections = 200
const tcpIdleMs = 10_000
/** How many queries of a connection are answered at the same time. Further ones are not read yet. */
const maxTcpQueries = 8

/**
 * Waits for the mirrors, then serves on UDP and TCP until the signal aborts. With port 0 both get the same free port.
 */
export async function startDns(options: DnsOptions): Promise<{ port: number }> {
  const { client, signal, domain, clock, resolvConf } = options
  const names: Names = {
    services: client.mirror(Service),
    slices: client.mirror(EndpointSlice),
    namespaces: client.mirror(Namespace),
    domain,
  }
  await client.synced([names.services, names.slices, names.namespaces], signal)
  const upstream = new Upstream(resolvConf, clock)
  const handle: Handle = (query, limit) => handleQuery(names, upstream, query, options.log, limit)
  const udp = await listenUdp(options, handle)
  const port = udp.address().port
  try {
    const tcp = await listenTcp({ ...options, port }, handle)
    signal.addEventListener('abort', () => (udp.close(), tcp.close()), { once: true })
  } catch (error) {
    // The next try needs the port again.
    udp.close()
    throw error
  }
  return { port }
}

/** The bytes that answer a query. Never rejects. */
async function handleQuery(
  names: Names,
  upstream: Pick<Upstream, 'resolve' | 'forward'>,
  query: Buffer,
  log: Log,
  limitBytes?: number,
): Promise<Buffer | undefined> {
  let packet: Packet
  try {
    packet = decode(query)
  } catch {
    return undefined
  }
  // A response gets none: two servers would answer each other for ever.
  if (packet.type === 'response') return undefined
  const limit = limitBytes === undefined ? maxTcpBytes : limitOf(packet)
  try {
    const reply = await replyFor(names, upstream, packet, query)
    return Buffer.isBuffer(reply) ? reply : encodeReply(reply, limit)
  } catch (error) {
    log.warn('cannot answer a DNS query', { name: packet.questions?.[0]?.name, why: messageOf(error) })
    return encodeReply(replyTo({ ...packet, questions: [] }, { rcode: 'SERVFAIL' }), limit)
  }
}

/** The answer to a query about the cluster, or the bytes of another resolver's answer. */
export async function replyFor(
  names: Names,
  upstream: Pick<Upstream, 'resolve' | 'forward'>,
  packet: Packet,
  query: Buffer,
): Promise<Packet | Buffer> {
  // An update or a notification, for example.
  if (opcodeOf(packet) !== 0) return replyTo(packet, { rcode: 'NOTIMP' })
  const [question, ...more] = packet.questions ?? []
  // Source: RFC 9619, no query has several questions.
  if (!question || more.length) return replyTo(packet, { rcode: 'FORMERR' })
  const reply = await answer(names, question, (name, type) => upstream.resolve(name, type))
  if (reply) return replyTo(packet, reply)
  const raw = await upstream.forward(query)
  const short = isNoName(raw) ? await answer(names, inCluster(question, names.domain), async () => []) : undefined
  // The answer may be without records: the name exists, even if it has no address of this family.
  if (short?.rcode === 'NOERROR')
    return replyTo(packet, { ...short, answers: [aliasOf(question, names.domain), ...short.answers] })
  return raw ?? replyTo(packet, { rcode: 'SERVFAIL' })
}

// Some resolvers do not try their search domains on a name with a dot. So when no other resolver has such a name, it is
// looked up as SERVICE.NAMESPACE of the cluster.
const inCluster = (question: Question, domain: string): Question => ({
  ...question,
  name: clusterName(question, domain),
})
const clusterName = ({ name }: Question, domain: string) =>
  /^[a-z0-9-]+\.[a-z0-9-]+$/i.test(name) ? `${name}.svc.${domain}` : name
const aliasOf = (question: Question, domain: string): Answer => ({
  type: 'CNAME',
  name: question.name,
  ttl: 5,
  data: clusterName(question, domain),
})
const isNoName = (reply: Buffer | undefined) => reply === undefined || (reply.readUInt16BE(2) & 15) !== 0

/**
 * Answers a query in at most `limitBytes`. Resolves to undefined for bytes that are not a query. Never rejects.
 */
type Handle = (query: Buffer, limitBytes?: number) => Promise<Buffer | undefined>

function listenUdp({ address, port, log }: DnsOptions, handle: Handle): Promise<Socket> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  socket.on('message', (message, peer) => {
    void handle(message, maxUdpBytes).then(reply => reply && socket.send(reply, peer.port, peer.address))
  })
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(port, address, () => {
      socket.off('error', reject)
      socket.on('error', error => log.warn('DNS over UDP failed', { error }))
      resolve(socket)
    })
  })
}

/** How many bytes a UDP answer may have: 512, or what the client offers by EDNS. Source: RFC 6891. */
function limitOf(query: Packet): number {
  const edns = (query.additionals ?? []).find(a => a.type === 'OPT') as { udpPayloadSize?: number } | undefined
  return Math.min(Math.max(edns?.udpPayloadSize ?? maxUdpBytes, maxUdpBytes), maxEdnsBytes)
}

function listenTcp({ address, port, log }: DnsOptions, handle: Handle): Promise<Server> {
  const server = createServer(socket => {
    let buffer = Buffer.alloc(0)
    let pending = 0
    socket.setTimeout(tcpIdleMs, () => socket.destroy())
    socket.on('error', () => socket.destroy())
    const answer = async (query: Buffer) => {
      const reply = await handle(query)
      if (!reply || socket.destroyed) return void socket.destroy()
      const head = Buffer.alloc(2)
      head.writeUInt16BE(reply.length)
      if (socket.write(Buffer.concat([head, reply]))) return
      // The client reads more slowly than it asks.
      await new Promise<void>(resolve => {
        const done = () => (socket.off('drain', done), socket.off('close', done), resolve())
        socket.on('drain', done).on('close', done)
      })
    }
    const answerAll = () => {
      while (pending < maxTcpQueries && buffer.length >= 2 && buffer.length >= 2 + buffer.readUInt16BE(0)) {
        const length = buffer.readUInt16BE(0)
        const query = buffer.subarray(2, 2 + length)
        buffer = buffer.subarray(2 + length)
        pending++
        void answer(query).finally(() => {
          pending--
          answerAll()
        })
      }
      if (pending < maxTcpQueries) socket.resume()
      else socket.pause()
    }
    socket.on('data', chunk => {
      buffer = Buffer.concat([buffer, chunk as Buffer])
      answerAll()
    })
  })
  server.maxConnections = maxTcpConnections
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, address, () => {
      server.off('error', reject)
      server.on('error', error => log.warn('DNS over TCP failed', { error }))
      resolve(server)
    })
  })
}
