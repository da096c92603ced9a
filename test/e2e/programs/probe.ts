// One pod's part in the tests of network policies, as a program in the pod's network namespace. It answers with its name
// at ports of TCP and UDP and of both families, and tries others for whoever writes a line of JSON to its input:
//
//   {"id": 1, "tries": [{"key": "x/a tcp 80", "host": "10.0.0.5", "port": 80, "protocol": "tcp", "name": "x/a"}]}
//
// It writes {"id": 1, "reached": ["x/a tcp 80"], "received": []}. All tries of a line are made at once; what was received
// are the keys of packets of UDP that came in since the last line. It ends with its input.
import { createSocket, type Socket } from 'node:dgram'
import { connect, createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { realClock } from '../../../src/base/clock.ts'

export interface Try {
  key: string
  host: string
  port: number
  protocol: 'tcp' | 'udp'
  /** The name that must answer. */
  name: string
  /** How long the answer may take. What is dropped takes that long, and what is allowed next to nothing. */
  limitMs: number
  /** An address to send from. */
  from?: string
  /** The port to send from; any free one otherwise. Only for UDP. */
  fromPort?: number
}

const repeatMs = 150
const maxReceived = 1_000
const received = new Set<string>()

function serve(name: string, ports: readonly number[]): Promise<unknown> {
  return Promise.all(
    ports.map(
      port =>
        new Promise<void>((resolve, reject) => {
          const udp = createSocket('udp6')
          udp.on('message', (text, from) => {
            if (received.size < maxReceived) received.add(String(text))
            udp.send(name, from.port, from.address, () => {})
          })
          udp.on('error', reject)
          const tcp = createServer(socket => socket.on('error', () => {}).end(name))
          tcp.on('error', reject)
          udp.bind(port, () => tcp.listen(port, '::', 1024, resolve))
        }),
    ),
  )
}

const connects = ({ host, port, name, limitMs, from }: Try) =>
  new Promise<boolean>(resolve => {
    const socket = connect({ host, port, ...(from && { localAddress: from }) })
    let text = ''
    socket.on('data', chunk => (text += String(chunk)))
    socket.on('error', () => resolve(false))
    socket.on('close', () => resolve(text === name))
    realClock.after(limitMs, () => socket.destroy())
  })

const answers = ({ key, host, port, name, limitMs, from, fromPort }: Try) =>
  new Promise<boolean>(resolve => {
    const socket: Socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
    let isOver = false
    const end = (found: boolean) => {
      if (isOver) return
      isOver = true
      socket.close()
      resolve(found)
    }
    socket.on('message', text => end(String(text) === name))
    // A refusal comes as an error of the socket.
    socket.on('error', () => end(false))
    const send = () => {
      if (isOver) return
      socket.send(key, port, host, () => {})
      realClock.after(repeatMs, send)
    }
    if (from || fromPort) socket.bind(fromPort ?? 0, from, send)
    else send()
    realClock.after(limitMs, () => end(false))
  })

async function work({ id, tries }: { id: number; tries: readonly Try[] }): Promise<void> {
  const found = await Promise.all(tries.map(one => (one.protocol === 'tcp' ? connects(one) : answers(one))))
  const reached = tries.filter((_, i) => found[i]).map(({ key }) => key)
  process.stdout.write(`${JSON.stringify({ id, reached, received: [...received] })}\n`)
  received.clear()
}

if (process.argv[1]?.endsWith('probe.ts')) {
  const [name = '', ...ports] = process.argv.slice(2)
  await serve(name, ports.map(Number))
  process.stdout.write('{"id":0,"reached":[],"received":[]}\n')
  const lines = createInterface({ input: process.stdin })
  lines.on('line', line => void work(JSON.parse(line) as { id: number; tries: Try[] }))
  lines.on('close', () => process.exit(0))
}
