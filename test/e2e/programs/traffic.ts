// Traffic of the tests of Services, as a program that can run in any network namespace:
//
//   traffic.ts echo NAME PORT              answers each UDP packet with NAME
//   traffic.ts flow ADDRESS PORT           sends UDP from one socket, and prints `ADDRESS NAME` for each answer
//   traffic.ts requests COUNT AT_ONCE URL  sends requests, each with a connection of its own, and prints the failures
import { createSocket } from 'node:dgram'
import { get as getHttp } from 'node:http'
import { get as getHttps } from 'node:https'
import { realClock } from '../../../src/base/clock.ts'

const [mode, ...args] = process.argv.slice(2)
const pauseMs = 50
const limitMs = 10_000

function echo(name: string, port: number): void {
  const socket = createSocket('udp6')
  socket.on('message', (_, from) => socket.send(name, from.port, from.address))
  socket.bind(port, () => process.stdout.write('listening\n'))
}

async function flow(address: string, port: number): Promise<void> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  socket.on('message', (text, from) => process.stdout.write(`${from.address} ${String(text)}\n`))
  // A refusal comes as an error of the socket; the flow goes on.
  socket.on('error', () => {})
  for (;;) {
    socket.send('hello', port, address, () => {})
    await realClock.sleep(pauseMs)
  }
}

/** Why a request failed, or nothing. */
const request = (url: string) =>
  new Promise<string | undefined>(resolve => {
    const get = url.startsWith('https:') ? getHttps : getHttp
    const sent = get(url, { agent: false, timeout: limitMs, rejectUnauthorized: false }, answer => {
      answer.on('error', error => resolve(String(error)))
      answer.on('end', () => resolve(answer.statusCode === 200 ? undefined : `status ${answer.statusCode}`))
      answer.resume()
    })
    sent.on('timeout', () => sent.destroy(new Error('no answer in time')))
    sent.on('error', error => resolve(String(error)))
  })

async function requests(count: number, atOnce: number, url: string): Promise<void> {
  const failures: string[] = []
  let left = count
  const one = async () => {
    while (left-- > 0) {
      const why = await request(url)
      if (why) failures.push(why)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, one))
  process.stdout.write(JSON.stringify(failures))
}

switch (mode) {
  case 'echo':
    echo(args[0]!, Number(args[1]))
    break
  case 'flow':
    await flow(args[0]!, Number(args[1]))
    break
  case 'requests':
    await requests(Number(args[0]), Number(args[1]), args[2]!)
    break
  default:
    throw new Error(`there is no traffic of the kind ${mode}`)
}
