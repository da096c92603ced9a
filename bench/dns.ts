// How many questions a second the DNS server of a node answers over UDP on loopback, for each sort of question that
// pods ask, beside a socket of Node.js that only sends back what it receives; and how much its memory grows by it. The
// server is a process of its own with the flags of an agent, with 1,000 Services and 100 headless ones of 5 endpoints;
// the load is made by dnsperf (apt-get install dnsperf). One line of JSON for each figure.
import { fork } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realClock } from '../src/base/clock.ts'
import { silentLog } from '../src/base/log.ts'
import { realRandom } from '../src/base/random.ts'
import { startDns } from '../src/dns/index.ts'
import { Service } from '../src/kinds/core/service.ts'
import { EndpointSlice } from '../src/kinds/discovery/endpointslice.ts'
import { run } from '../src/linux/index.ts'
import { openPlane } from './plane.ts'

const services = 1_000
const headless = 100
const endpoints = 5
const seconds = 2
const rounds = 4

const print = (bench: string, value: number, unit: string, more: object = {}) =>
  console.log(JSON.stringify({ bench, value: Math.round(value * 100) / 100, unit, ...more }))

async function serve(): Promise<void> {
  const plane = await openPlane()
  const admin = plane.client('bench', ['system:masters'])
  const metadata = (name: string) => ({ name, namespace: 'default' })
  const ports = [{ name: 'http', port: 80 }]
  for (let i = 0; i < services; i++) {
    const clusterIP = `10.96.${1 + (i >> 8)}.${i & 255}`
    await admin.create(Service, { metadata: metadata(`svc-${i}`), spec: { clusterIP, ports } })
  }
  for (let i = 0; i < headless; i++) {
    await admin.create(Service, { metadata: metadata(`db-${i}`), spec: { clusterIP: 'None', ports } })
    await admin.create(EndpointSlice, {
      metadata: { ...metadata(`db-${i}`), labels: { 'kubernetes.io/service-name': `db-${i}` } },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
      endpoints: Array.from({ length: endpoints }, (_, n) => ({
        addresses: [`10.244.${i}.${n + 1}`],
        hostname: `db-${n}`,
        conditions: { ready: true },
      })),
    })
  }
  const dir = mkdtempSync(join(tmpdir(), 'bench-dns-'))
  const resolvConf = join(dir, 'resolv.conf')
  writeFileSync(resolvConf, '# no resolvers\n')
  const { signal } = new AbortController()
  const { port } = await startDns({
    client: plane.client('dns', ['system:masters']),
    nodeName: 'bench',
    addresses: ['127.0.0.1'],
    port: 0,
    metricsPort: 0,
    domain: 'cluster.local',
    resolvConf,
    clock: realClock,
    random: realRandom,
    log: silentLog,
    signal,
  })
  const echo = createSocket({ type: 'udp4', lookup: (peer, _, done) => done(null, peer, 4) })
  echo.on('message', (message, peer) => {
    // Marked as a response.
    message[2]! |= 0x80
    echo.send(message, peer.port, peer.address)
  })
  await new Promise<void>(resolve => echo.bind(0, '127.0.0.1', resolve))
  process.on('message', () => {
    globalThis.gc?.()
    const { user, system } = process.cpuUsage()
    process.send!({ rssMiB: process.memoryUsage.rss() / 2 ** 20, cpuUs: user + system })
  })
  process.on('disconnect', () => {
    rmSync(dir, { recursive: true })
    process.exit()
  })
  process.send!({ port, echo: echo.address().port })
}

const numbered = (count: number, line: (i: number) => string) => Array.from({ length: count }, (_, i) => line(i))
const inside = 'default.svc.cluster.local'
const clusterAddresses = numbered(services, i => `svc-${i}.${inside} A`)
const otherFamily = numbered(services, i => `svc-${i}.${inside} AAAA`)
/** What a resolver with search domains asks before the name itself. */
const searched = numbered(500, i => `www-${i}.example.com.${inside} A`)
const questions: Readonly<Record<string, readonly string[]>> = {
  'cluster addresses': clusterAddresses,
  'the family without addresses': otherFamily,
  'headless, 5 addresses': numbered(headless, i => `db-${i}.${inside} A`),
  'SRV of headless': numbered(headless, i => `_http._tcp.db-${i}.${inside} SRV`),
  'no such name': searched,
  mixed: clusterAddresses.flatMap((line, i) => [line, otherFamily[i]!, searched[i % searched.length]!]),
}

/** Answers a second. */
async function load(port: number, file: string): Promise<number> {
  const { stdout } = await run('dnsperf', ['-p', `${port}`, '-d', file, '-l', `${seconds}`, '-e'])
  const lost = Number(/Queries lost: +(\d+)/.exec(stdout)?.[1])
  if (lost) throw new Error(`${lost} questions got no answer`)
  return Number(/Queries per second: +([\d.]+)/.exec(stdout)?.[1])
}

async function measure(): Promise<void> {
  const child = fork(process.argv[1]!, ['--serve'], {
    execArgv: ['--expose-gc', '--max-semi-space-size=2', ...process.execArgv],
  })
  const next = <T>() => new Promise<T>(resolve => child.once('message', message => resolve(message as T)))
  const usage = () => {
    const answer = next<{ rssMiB: number; cpuUs: number }>()
    child.send('usage')
    return answer
  }
  const dir = mkdtempSync(join(tmpdir(), 'bench-dns-load-'))
  try {
    const { port, echo } = await next<{ port: number; echo: number }>()
    const before = await usage()
    for (const [name, lines] of Object.entries(questions)) {
      const file = join(dir, 'questions')
      writeFileSync(file, `${lines.join('\n')}\n`)
      const found = { dns: [] as number[], echo: [] as number[], cpuUs: [] as number[], echoUs: [] as number[] }
      // They take turns, since the speed of a shared machine changes with time.
      for (let i = 0; i < rounds; i++) {
        const start = await usage()
        found.echo.push(await load(echo, file))
        const between = await usage()
        found.dns.push(await load(port, file))
        const end = await usage()
        found.echoUs.push((between.cpuUs - start.cpuUs) / (found.echo.at(-1)! * seconds))
        found.cpuUs.push((end.cpuUs - between.cpuUs) / (found.dns.at(-1)! * seconds))
      }
      const [best, bare] = [Math.max(...found.dns), Math.max(...found.echo)]
      print(`dns, ${name}`, best, 'answers/s', {
        worst: Math.round(Math.min(...found.dns)),
        echo: Math.round(bare),
        percent: Math.round((100 * best) / bare),
        cpuUs: Math.round(Math.min(...found.cpuUs)),
        echoUs: Math.round(Math.min(...found.echoUs)),
      })
    }
    print('dns, memory that the load adds', (await usage()).rssMiB - before.rssMiB, 'MiB', {
      before: Math.round(before.rssMiB),
    })
  } finally {
    child.kill()
    rmSync(dir, { recursive: true })
  }
}

await (process.argv.includes('--serve') ? serve() : measure())
