// What an Ingress costs: requests per second through the HAProxy that serves Ingresses, with one of them and with a
// thousand, beside an HAProxy with a configuration written by hand that does the same for one host (headers for servers,
// paths, a second try), and beside one that only passes requests on; and how long a change takes. The load is made by wrk (apt-get install wrk). One line of JSON for each figure. Needs root.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realClock } from '../src/base/clock.ts'
import { changeServers, planServers } from '../src/edge/ingress/changes.ts'
import { placeholderPem } from '../src/edge/ingress/certificates.ts'
import { ask, serversAt } from '../src/edge/ingress/cli.ts'
import { filesOf, placeholderFile } from '../src/edge/ingress/config.ts'
import { planIngress } from '../src/edge/ingress/plan.ts'
import { type Generation, Haproxy } from '../src/edge/ingress/process.ts'
import { around, ingressOf, worldOf } from '../src/edge/ingress/testing.ts'
import { run } from '../src/linux/index.ts'

const ports = { servers: [19_101, 19_102], bare: 19_103, http: 19_104, https: 19_105, hand: 19_106 }
const many = 1_000
const seconds = 3
const rounds = 7
const connections = 64
const threads = 2

const print = (bench: string, value: number, unit: string, more: object = {}) =>
  console.log(JSON.stringify({ bench, value: Math.round(value * 100) / 100, unit, ...more }))

const dir = mkdtempSync(join(tmpdir(), 'bench-ingress-'))
const { signal } = new AbortController()

const common = `global
  nbthread ${threads}
  fd-hard-limit 20000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
`

function startPlain(name: string, text: string): ChildProcess {
  const file = join(dir, name)
  writeFileSync(file, common + text)
  return spawn('haproxy', ['-db', '-q', '-f', file], { stdio: 'inherit' })
}

/** Requests per second. */
async function load(port: number, host: string): Promise<number> {
  const wrk = (duration: number) =>
    run('wrk', ['-t1', `-c${connections}`, `-d${duration}s`, '-H', `Host: ${host}`, `http://127.0.0.1:${port}/`])
  // A process that has just been started has no memory and no connections yet.
  await wrk(1)
  const { stdout } = await wrk(seconds)
  const failed = /Non-2xx or 3xx responses: \d+|Socket errors: .*/.exec(stdout)?.[0]
  if (failed) throw new Error(failed)
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1])
}

/** Of the rounds the one that other programs disturbed least. */
const best = (values: readonly number[]) => Math.max(...values)

const addresses = ports.servers.map(port => `127.0.0.1:${port}`)
const world = worldOf({ web: addresses, two: addresses }, [], ports.https)
const ingresses = (count: number) =>
  Array.from({ length: count }, (_, i) =>
    ingressOf({
      name: `i${i}`,
      annotations: { 'proxy-read-timeout': String(60 + i) },
      rules: [{ host: `h${i}.test`, paths: ['Prefix / web', 'Prefix /a/b two', 'Exact /c two'] }],
    }),
  )

const servers = addresses.map((address, i) => `  server s${i} ${address}\n`).join('')
const plain = [
  startPlain(
    'servers.cfg',
    `frontend servers\n${ports.servers.map(port => `  bind 127.0.0.1:${port}\n`).join('')}  http-request return status 200 content-type text/plain string hello\n`,
  ),
  startPlain(
    'bare.cfg',
    `frontend bare
  bind :${ports.bare}
  use_backend web if { req.hdr(host) -i h0.test }
backend web
${servers}`,
  ),
  startPlain(
    'hand.cfg',
    `frontend hand
  bind :${ports.hand}
  option http-restrict-req-hdr-names delete
  http-request disable-l7-retry if !METH_GET !METH_HEAD
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Port %[dst_port]
  http-request set-header X-Forwarded-Proto http
  http-request del-header Forwarded
  http-request del-header Proxy
  use_backend web if { req.hdr(host) -i h0.test } { path /c }
  use_backend web if { req.hdr(host) -i h0.test } { path_beg /a/b }
  use_backend web if { req.hdr(host) -i h0.test }
backend web
  option redispatch 1
  retry-on conn-failure empty-response
${servers}`,
  ),
]
const haproxy = new Haproxy(join(dir, 'h'), realClock)
try {
  await haproxy.prepare()
  await haproxy.writeCertificate(placeholderFile, await placeholderPem(realClock.now()))
  const surroundings = { ...around(join(dir, 'h'), ports.http, ports.https), threads }
  const start = async (count: number, before?: Generation) =>
    haproxy.start(filesOf(planIngress(ingresses(count), world), surroundings), before, signal)
  let running = await start(1)
  const found = { bare: [] as number[], hand: [] as number[], one: [] as number[], many: [] as number[] }
  // Rounds take turns, since the speed of a shared machine changes with time.
  for (let i = 0; i < rounds; i++) {
    found.bare.push(await load(ports.bare, 'h0.test'))
    found.hand.push(await load(ports.hand, 'h0.test'))
    running = await start(1, running)
    found.one.push(await load(ports.http, 'h0.test'))
    running = await start(many, running)
    found.many.push(await load(ports.http, `h${many - 1}.test`))
  }
  const base = best(found.hand)
  print('ingress, HAProxy that only passes on', best(found.bare), 'requests/s')
  print('ingress, HAProxy configured by hand', base, 'requests/s', { connections, threads })
  print('ingress, one Ingress', best(found.one), 'requests/s', {
    percent: Math.round((100 * best(found.one)) / base),
  })
  print(`ingress, ${many} Ingresses`, best(found.many), 'requests/s', {
    percent: Math.round((100 * best(found.many)) / base),
  })

  let began = performance.now()
  const plan = planIngress(ingresses(many), world)
  const files = filesOf(plan, surroundings)
  print(`ingress, plan of ${many}`, performance.now() - began, 'ms')
  began = performance.now()
  running = await haproxy.start(files, running, signal)
  print(`ingress, another process with ${many}`, performance.now() - began, 'ms')
  const has = await serversAt(running.socket)
  const moved = {
    ...plan,
    backends: plan.backends.map((one, i) => (i ? one : { ...one, servers: [{ ip: '127.0.0.3', port: 1 }] })),
  }
  began = performance.now()
  await changeServers(command => ask(running.socket, command), has, planServers(has, moved.backends))
  print(`ingress, endpoints of one among ${many} changed`, performance.now() - began, 'ms')
} finally {
  await haproxy.stop()
  for (const child of plain) child.kill()
  rmSync(dir, { recursive: true, force: true })
}
