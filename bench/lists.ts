// What lists of 200 MB cost the API server: 50 clients ask for all ConfigMaps at once over HTTPS on loopback, with the
// memory store. In one round every client reads as fast as it can, in another none reads anything after the headers.
// The clients are another process. One line of JSON for each round: the highest resident memory of the server, and
// the time that lists took. `tools/node bench/lists.ts json stopped` runs only the rounds that are named.
import { fork } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { createGunzip } from 'node:zlib'
import { ConfigMap } from '../src/kinds/core/configmap.ts'
import { serveHttps, type Where } from './https.ts'
import { openPlane } from './plane.ts'

const clients = 50
const objects = 20_000
const objectBytes = 10_000
const stoppedMs = 5_000

const table = 'application/json;as=Table;v=v1;g=meta.k8s.io'
const rounds: Readonly<Record<string, { headers: Record<string, string>; stops?: boolean }>> = {
  json: { headers: { accept: 'application/json' } },
  protobuf: { headers: { accept: 'application/vnd.kubernetes.protobuf' } },
  table: { headers: { accept: table } },
  gzip: { headers: { accept: 'application/json', 'accept-encoding': 'gzip' } },
  stopped: { headers: { accept: 'application/json' }, stops: true },
}
const asked = process.argv.slice(2)
const names = Object.keys(rounds).filter(name => asked.length === 0 || asked.includes(name))

interface Outcome {
  round: string
  ms: readonly number[]
  getMs: readonly number[]
  bytes: number
}

const mebibytes = (bytes: number) => Math.round(bytes / 2 ** 20)
const share = (sorted: readonly number[], part: number) =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0)

/** The highest resident memory since `forgetPeak`. Source: proc_pid_status(5), proc_pid_clear_refs(5). */
const peakBytes = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024
const forgetPeak = () => writeFileSync('/proc/self/clear_refs', '5')

async function serve(): Promise<void> {
  const plane = await openPlane()
  const admin = plane.client('bench', ['system:masters'])
  const text = 'x'.repeat(objectBytes)
  for (let i = 0; i < objects; i++)
    await admin.create(ConfigMap, { metadata: { name: `m-${i}`, namespace: 'default' }, data: { text } })
  const where = await (await serveHttps(plane)).as('admin', ['system:masters'])
  const child = fork(new URL(import.meta.url), names, {
    execArgv: process.execArgv,
    env: { ...process.env, WHERE: JSON.stringify(where) },
  })
  let idleBytes = 0
  child.on('message', (message: 'begin' | Outcome) => {
    if (message === 'begin') {
      forgetPeak()
      idleBytes = process.memoryUsage().rss
      return void child.send('go')
    }
    const { round, ms, getMs, bytes } = message
    console.log(
      JSON.stringify({
        bench: `${clients} lists of 200 MB at once, ${round}`,
        value: mebibytes(peakBytes()),
        unit: 'MiB at most',
        before: mebibytes(idleBytes),
        ms: { p50: share(ms, 0.5), p99: share(ms, 0.99) },
        otherGetsMs: { p50: share(getMs, 0.5), p99: share(getMs, 0.99) },
        bytes,
      }),
    )
    child.send('printed')
  })
  await new Promise(resolve => child.on('exit', resolve))
  process.exit()
}

const message = () => new Promise(resolve => process.once('message', resolve))
const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b)

async function ask(where: Where): Promise<void> {
  for (const round of names) {
    const { headers, stops = false } = rounds[round]!
    const go = message()
    process.send!('begin')
    await go
    const agent = new Agent({ keepAlive: false, maxSockets: Infinity, ...where })
    const other = new Agent({ keepAlive: true, maxSockets: 1, ...where })
    const getMs: number[] = []
    let open = true
    const gets = (async () => {
      while (open) getMs.push((await get(where, other, '/api/v1/namespaces/default/configmaps/m-1', {}, false)).ms)
    })()
    const path = '/api/v1/configmaps'
    const all = await Promise.all(Array.from({ length: clients }, () => get(where, agent, path, headers, stops)))
    open = false
    await gets
    const printed = message()
    const outcome: Outcome = { round, ms: sorted(all.map(({ ms }) => ms)), getMs: sorted(getMs), bytes: all[0]!.bytes }
    process.send!(outcome)
    await printed
    agent.destroy()
    other.destroy()
  }
  process.exit()
}

function get(
  where: Where,
  agent: Agent,
  path: string,
  headers: Record<string, string>,
  stops: boolean,
): Promise<{ ms: number; bytes: number }> {
  return new Promise((resolve, reject) => {
    const began = performance.now()
    const sent = request({ ...where, agent, path, headers }, response => {
      let bytes = 0
      const done = () => resolve({ ms: performance.now() - began, bytes })
      if (stops) return void setTimeout(() => (response.destroy(), done()), stoppedMs)
      // What is compressed is unpacked by one client of all, so that the clients are not what is measured.
      const reader = response.headers['content-encoding'] ? response.pipe(createGunzip()) : response
      reader.on('data', (chunk: Buffer) => (bytes += chunk.length))
      reader.on('end', done)
      response.on('error', reject)
    })
    sent.on('error', reject)
    sent.end()
  })
}

const where = process.env.WHERE
if (where) await ask(JSON.parse(where) as Where)
else await serve()
