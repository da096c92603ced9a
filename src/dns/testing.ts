// What the tests of this room share: mirrors of literal objects, queries as bytes, and other resolvers.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import type { TestContext } from 'node:test'
import { type Answer, decode, encode, type Packet, type Question } from 'dns-packet'
import type { KubeObject } from '../api/kind.ts'
import { Item, Mirror } from '../api/mirror.ts'
import type { Resolver } from './exchange.ts'
import type { Names } from './records.ts'

/** A mirror of objects that have only what the test needs. */
function mirrorOf<T extends KubeObject>(...objects: readonly object[]): Mirror<T> {
  const mirror = new Mirror<T>()
  mirror.reset(
    objects.map(object => new Item(object as T, 1)),
    1,
  )
  return mirror
}

export const service = (name: string, spec: object) => ({
  metadata: { name, namespace: 'shop' },
  spec: { ports: [{ name: 'http', port: 80, protocol: 'TCP' }], ...spec },
})

export const slice = (of: string, endpoints: readonly object[], more: object = {}) => ({
  metadata: { name: `${of}-1`, namespace: 'shop', labels: { 'kubernetes.io/service-name': of } },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 5432, protocol: 'TCP' }],
  endpoints: endpoints.map(endpoint => ({ conditions: { ready: true }, ...endpoint })),
  ...more,
})

export const namesOf = (services: readonly object[], slices: readonly object[]): Names => ({
  domain: 'cluster.local',
  domainLabels: ['cluster', 'local'],
  namespaces: mirrorOf({ metadata: { name: 'shop' } }, { metadata: { name: 'kube-system' } }),
  services: mirrorOf(...services),
  slices: mirrorOf(...slices),
})

export const query = (name: string, type: Question['type'] | 'ANY' = 'A', more: Partial<Packet> = {}): Buffer =>
  encode({ type: 'query', id: 7, flags: 1 << 8, questions: [{ name, type: type as Question['type'] }], ...more })

export const edns = (udpPayloadSize: number, more: object = {}) => ({
  additionals: [
    {
      type: 'OPT' as const,
      name: '.' as const,
      udpPayloadSize,
      extendedRcode: 0,
      ednsVersion: 0,
      flags: 0,
      flag_do: false,
      options: [],
      ...more,
    },
  ],
})

type Play = (asked: Packet, over: 'udp' | 'tcp') => Partial<Packet>

/** A resolver on a free port of the loopback, with the questions that it got, but for those that look for loops. */
export class FakeResolver implements Resolver {
  readonly address = '127.0.0.1'
  readonly asked: string[] = []
  readonly #udp: Socket
  readonly #tcp: Server
  play: Play

  private constructor(udp: Socket, tcp: Server, play: Play) {
    this.#udp = udp
    this.#tcp = tcp
    this.play = play
  }

  get port(): number {
    return this.#udp.address().port
  }

  static start(t: TestContext, play: Play): Promise<FakeResolver> {
    // The port that is free for UDP may be taken for TCP.
    return FakeResolver.#start(t, play).catch(() => FakeResolver.#start(t, play))
  }

  static async #start(t: TestContext, play: Play): Promise<FakeResolver> {
    const udp = createSocket('udp4')
    udp.bind(0, '127.0.0.1')
    await once(udp, 'listening')
    const tcp = createServer(socket => {
      socket.on('error', () => {})
      socket.once('data', chunk => {
        const reply = fake.#answer((chunk as Buffer).subarray(2), 'tcp')
        if (!reply) return void socket.destroy()
        const head = Buffer.alloc(2)
        head.writeUInt16BE(reply.length)
        // In pieces, as a network delivers it.
        socket.write(Buffer.concat([head, reply]).subarray(0, 5))
        socket.write(Buffer.concat([head, reply]).subarray(5))
      })
    })
    const fake: FakeResolver = new FakeResolver(udp, tcp, play)
    t.after(() => fake.stop())
    tcp.listen(fake.port, '127.0.0.1')
    await once(tcp, 'listening')
    udp.on('message', (message, peer) => {
      const reply = fake.#answer(message, 'udp')
      if (reply) udp.send(reply, peer.port, peer.address)
    })
    return fake
  }

  stop(): void {
    this.#tcp.close()
    try {
      this.#udp.close()
    } catch {
      // It was stopped by the test.
    }
  }

  #answer(message: Buffer, over: 'udp' | 'tcp'): Buffer | undefined {
    const packet = decode(message)
    const [question] = packet.questions ?? []
    const { id = 0, questions = [] } = packet
    // The question that looks for loops: there is no such name.
    if (question?.type === 'HINFO') return encode({ type: 'response', id, questions, flags: 3 })
    this.asked.push(`${over} ${question?.name}`)
    const reply = this.play(packet, over)
    return encode({ type: 'response', id, questions, ...reply })
  }
}

export const address = (name: string, data = '192.0.2.1', ttl = 60): Answer => ({ type: 'A', name, ttl, data })
/** Answers every question with an address. */
export const works: Play = ({ questions }) => ({ answers: [address(questions![0]!.name)] })
