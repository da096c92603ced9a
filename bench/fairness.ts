// Whether one client can slow down the others: the time of a GET by one user while another keeps 200 connections busy
// with lists or writes, compared with the time on a quiet server, with priority and fairness and without. Each client is
// a process of its own. One line of JSON for each.
import { fork, type ChildProcess } from 'node:child_process'
import { Agent, request } from 'node:https'
import { FlowControl, FlowFront } from '../src/apiserver/index.ts'
import { ConfigMap } from '../src/kinds/core/configmap.ts'
import { ClusterRoleBinding } from '../src/kinds/rbac/clusterrolebinding.ts'
import { serveHttps, type Where } from './https.ts'
import { openPlane } from './plane.ts'

const objects = Number(process.env.OBJECTS ?? 300)
const connections = 200
const measuredMs = 5_000
const pauseMs = 5
const atOnce = 32
const namespace = 'default'
const path = `/api/v1/namespaces/${namespace}/configmaps`

interface Work extends Where {
  what: 'lists' | 'writes' | 'gets' | 'rate'
}

async function main(): Promise<void> {
  const plane = await openPlane()
  const admin = plane.client('bench', ['system:masters'])
  for (let i = 0; i < objects; i++)
    await admin.create(ConfigMap, { metadata: { name: `c-${i}`, namespace }, data: { text: 'x'.repeat(500) } })
  await admin.create(ClusterRoleBinding, {
    metadata: { name: 'bench' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: ['flood', 'calm'].map(name => ({ kind: 'User', name, apiGroup: 'rbac.authorization.k8s.io' })),
  })
  for (const isFair of [false, true]) {
    const control = isFair
      ? new FlowControl({ storage: plane.core.storage, clock: plane.core.clock, seats: 600, maxWaitMs: 15_000 })
      : undefined
    const http = await serveHttps(plane, control && { flow: new FlowFront(plane.core, control) })
    const [flood, calm] = await Promise.all([http.as('flood'), http.as('calm')])
    const start = (where: Where, what: Work['what']) =>
      fork(new URL(import.meta.url), {
        execArgv: process.execArgv,
        env: { ...process.env, WORK: JSON.stringify({ ...where, what } satisfies Work) },
      })
    const measure = async (during: string) => {
      const { p50, p99, count } = (await answerOf(start(calm, 'gets'))) as Record<'p50' | 'p99' | 'count', number>
      console.log(JSON.stringify({ bench: `GET ${during}`, fair: isFair, p50, p99, unit: 'ms', count }))
    }
    const used = process.cpuUsage()
    const perSecond = (await answerOf(start(calm, 'rate'))) as number
    const { user, system } = process.cpuUsage(used)
    const cpuMicros = Math.round((user + system) / ((perSecond * measuredMs) / 1000))
    console.log(
      JSON.stringify({ bench: `GETs, ${atOnce} at once`, fair: isFair, value: perSecond, unit: '1/s', cpuMicros }),
    )
    await measure('on a quiet server')
    for (const what of ['lists', 'writes'] as const) {
      const child = start(flood, what)
      await new Promise(resolve => setTimeout(resolve, 3_000))
      await measure(`while ${connections} connections send ${what}`)
      child.send('end')
      const answers = await answerOf(child)
      console.log(JSON.stringify({ bench: `flood of ${what}`, fair: isFair, answers }))
    }
    control?.close()
    await http.close()
  }
  await plane.close()
  process.exit()
}

const answerOf = (child: ChildProcess) => new Promise(resolve => child.once('message', resolve))

async function work({ what, ...tls }: Work): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: Infinity, ...tls })
  const send = (method: string, to: string, body?: object): Promise<number> =>
    new Promise((resolve, reject) => {
      const headers = body ? { 'content-type': 'application/json' } : {}
      const asked = request({ ...tls, agent, method, path: to, headers }, response => {
        response.resume()
        response.on('end', () => resolve(response.statusCode ?? 0))
        response.on('error', reject)
      })
      asked.on('error', reject)
      asked.end(body && JSON.stringify(body))
    })
  if (what === 'rate') {
    let done = 0
    const began = performance.now()
    const until = began + measuredMs
    const get = async () => {
      for (; performance.now() < until; done++) await send('GET', `${path}/c-1`)
    }
    await Promise.all(Array.from({ length: atOnce }, get))
    process.send!(Math.round((done / (performance.now() - began)) * 1000), () => process.exit())
    return
  }
  if (what === 'gets') {
    const times: number[] = []
    const until = performance.now() + measuredMs
    await send('GET', `${path}/c-1`)
    while (performance.now() < until) {
      const began = performance.now()
      await send('GET', `${path}/c-1`)
      times.push(performance.now() - began)
      await new Promise(resolve => setTimeout(resolve, pauseMs))
    }
    times.sort((a, b) => a - b)
    const at = (part: number) => Math.round(times[Math.floor(times.length * part)]! * 100) / 100
    process.send!({ p50: at(0.5), p99: at(0.99), count: times.length }, () => process.exit())
    return
  }
  const codes: Record<number, number> = {}
  let isOver = false
  process.on('message', () => (isOver = true))
  const flood = async (i: number) => {
    for (let n = 0; !isOver; n++) {
      const metadata = { name: `f-${process.pid}-${i}-${n}`, namespace: 'kube-public' }
      const code =
        what === 'lists'
          ? await send('GET', path)
          : await send('POST', path.replace(namespace, 'kube-public'), { metadata })
      codes[code] = (codes[code] ?? 0) + 1
    }
  }
  await Promise.all(Array.from({ length: connections }, (_, i) => flood(i)))
  process.send!(codes, () => process.exit())
}

if (process.env.WORK) await work(JSON.parse(process.env.WORK) as Work)
else await main()
