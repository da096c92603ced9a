// How many questions a second the DNS server of a node answers over UDP on loopback, for each sort of question that
// pods ask, and how much its memory grows by it. The server is a process of its own, with 1,000 Services and 100
// headless ones of 5 endpoints; the load is made by dnsperf (apt-get install dnsperf). One line of JSON for each figure.
import { fork } from 'node:child_process'
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
const seconds = 3
const rounds = 5

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
    address: '127.0.0.1',
    port: 0,
    metricsPort: 0,
    domain: 'cluster.local',
    resolvConf,
    clock: realClock,
    random: realRandom,
    log: silentLog,
    signal,
  })
  process.on('message', () => {
    globalThis.gc?.()
    process.send!({ rssMiB: process.memoryUsage.rss() / 2 ** 20 })
  })
  process.on('disconnect', () => {
    rmSync(dir, { recursive: true })
    process.exit()
  })
  process.send!({ port })
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

async function measure(): Promise<void> {
  const child = fork(process.argv[1]!, ['--serve'], { execArgv: ['--expose-gc', ...process.execArgv] })
  const next = <T>() => new Promise<T>(resolve => child.once('message', message => resolve(message as T)))
  const rssMiB = () => {
    const answer = next<{ rssMiB: number }>()
    child.send('memory')
    return answer.then(({ rssMiB }) => rssMiB)
  }
  const dir = mkdtempSync(join(tmpdir(), 'bench-dns-load-'))
  try {
    const { port } = await next<{ port: number }>()
    const before = await rssMiB()
    for (const [name, lines] of Object.entries(questions)) {
      const file = join(dir, 'questions')
      writeFileSync(file, `${lines.join('\n')}\n`)
      const found: number[] = []
      for (let i = 0; i < rounds; i++) {
        const { stdout } = await run('dnsperf', ['-p', `${port}`, '-d', file, '-l', `${seconds}`, '-e'])
        const lost = Number(/Queries lost: +(\d+)/.exec(stdout)?.[1])
        if (lost) throw new Error(`${lost} questions got no answer`)
        found.push(Number(/Queries per second: +([\d.]+)/.exec(stdout)?.[1]))
      }
      print(`dns, ${name}`, Math.max(...found), 'answers/s', { worst: Math.round(Math.min(...found)) })
    }
    print('dns, memory that the load adds', (await rssMiB()) - before, 'MiB', { before: Math.round(before) })
  } finally {
    child.kill()
    rmSync(dir, { recursive: true })
  }
}

await (process.argv.includes('--serve') ? serve() : measure())
