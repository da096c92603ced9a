// How fast the front of the API server is, over HTTPS on loopback with the memory store: lists of 5,000 pods in JSON
// and protobuf, by a label that nothing has, and in pages, gets of one, and the fan-out of changes to 100 watchers in each encoding.
// The client is another process. One line of JSON for each figure.
import { fork } from 'node:child_process'
import { Agent, request } from 'node:https'
import { ConfigMap } from '../src/kinds/core/configmap.ts'
import { Pod } from '../src/kinds/core/pod.ts'
import { ServiceAccount } from '../src/kinds/core/serviceaccount.ts'
import { serveHttps, type Where } from './https.ts'
import { openPlane } from './plane.ts'

const pods = 5_000
const rounds = 20
const watchers = 100
const pageSize = 500
const changes = 500
const pipelined = 20

type Accept = 'json' | 'protobuf'
const accepts = { json: 'application/json', protobuf: 'application/vnd.kubernetes.protobuf' }

const print = (bench: string, value: number, unit: string, more: object = {}) =>
  console.log(JSON.stringify({ bench, value: Math.round(value * 100) / 100, unit, ...more }))

async function serve(): Promise<void> {
  const plane = await openPlane()
  const admin = plane.client('bench', ['system:masters'])
  await admin.create(ServiceAccount, { metadata: { name: 'default', namespace: 'default' } })
  const resources = { requests: { cpu: '100m', memory: '128Mi' } }
  const containers = [{ name: 'a', image: 'registry/app:1', ports: [{ containerPort: 80 }], resources }]
  for (let i = 0; i < pods; i++)
    await admin.create(Pod, {
      metadata: { name: `p-${i}`, namespace: 'default', labels: { app: `web-${i % 50}`, tier: 'front' } },
      spec: { containers },
    })
  const where = await (await serveHttps(plane)).as('admin', ['system:masters'])
  const child = fork(new URL(import.meta.url), {
    execArgv: process.execArgv,
    env: { ...process.env, WHERE: JSON.stringify(where) },
  })
  const change = async (round: string) => {
    const began = performance.now()
    let next = 0
    const write = async () => {
      while (next < changes) await admin.create(ConfigMap, config(`m-${round}-${next++}`))
    }
    await Promise.all(Array.from({ length: pipelined }, write))
    child.send(`written ${performance.now() - began}`)
  }
  child.on('message', (message: string) => {
    const [what, round] = message.split(' ')
    if (what === 'change') void change(round!)
  })
  await new Promise(resolve => child.on('exit', resolve))
  print('resident memory at the end', process.memoryUsage().rss / 2 ** 20, 'MiB')
  process.exit()
}

const config = (name: string) => ({ metadata: { name, namespace: 'default' }, data: { text: 'x'.repeat(300) } })

async function ask(where: Where): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: Infinity, ...where })
  const get = (path: string, accept: Accept, onData: (chunk: Buffer) => void = () => {}): Promise<number> =>
    new Promise((resolve, reject) => {
      const asked = request({ ...where, agent, path, headers: { accept: accepts[accept] } }, response => {
        let bytes = 0
        response.on('data', (chunk: Buffer) => ((bytes += chunk.length), onData(chunk)))
        response.on('end', () => resolve(bytes))
        response.on('error', reject)
      })
      asked.on('error', reject)
      asked.end()
    })
  const time = async (bench: string, path: string, accept: Accept) => {
    let bytes = 0
    const all: number[] = []
    for (let i = 0; i < rounds; i++) {
      const began = performance.now()
      bytes = await get(path, accept)
      all.push(performance.now() - began)
    }
    const first = all[0]!
    all.sort((a, b) => a - b)
    print(bench, all[rounds / 2]!, 'ms', { first: Math.round(first), bytes })
  }
  const list = '/api/v1/namespaces/default/pods'
  await time('list of 5,000 pods, JSON', list, 'json')
  await time('list of 5,000 pods, protobuf', list, 'protobuf')
  await time('list by a label that nothing has', `${list}?labelSelector=app%3Dnone`, 'json')
  await time('list by a label that 100 have', `${list}?labelSelector=app%3Dweb-7`, 'json')
  await pages(list, get)
  await gets(name => get(`${list}/${name}`, 'json'))
  for (const accept of ['json', 'protobuf'] as const) await fanOut(get, accept)
  process.exit()
}

/** All pods in pages, as kubectl asks for them. */
async function pages(
  list: string,
  get: (path: string, accept: Accept, onData: (chunk: Buffer) => void) => Promise<number>,
) {
  let count = 0
  let token: string | undefined
  const began = performance.now()
  do {
    const chunks: Buffer[] = []
    const position: string = token ? `&continue=${token}` : ''
    await get(`${list}?limit=${pageSize}${position}`, 'json', chunk => chunks.push(chunk))
    const { metadata } = JSON.parse(Buffer.concat(chunks).toString()) as { metadata: { continue?: string } }
    token = metadata.continue
    count++
  } while (token)
  print(`list of 5,000 pods in pages of ${pageSize}, JSON`, performance.now() - began, 'ms', { pages: count })
}

/** The best of some rounds, since the client is on the same processors. */
async function gets(get: (name: string) => Promise<number>) {
  let best = 0
  for (let round = 0; round < 5; round++) {
    const began = performance.now()
    let next = 0
    const ask = async () => {
      while (next < pods) await get(`p-${next++}`)
    }
    await Promise.all(Array.from({ length: pipelined }, ask))
    best = Math.max(best, (pods / (performance.now() - began)) * 1000)
  }
  print('gets of a pod, JSON', best, 'requests/s', { connections: pipelined })
}

/** Each change is one message of one size: how many came is the bytes that came, divided. */
async function fanOut(
  get: (path: string, accept: Accept, onData: (chunk: Buffer) => void) => Promise<number>,
  accept: Accept,
) {
  let seen = 0
  const name = `m-${accept}-`
  for (let i = 0; i < watchers; i++)
    void get('/api/v1/namespaces/default/configmaps?watch=1&resourceVersion=0', accept, chunk => {
      for (let at = chunk.indexOf(name); at >= 0; at = chunk.indexOf(name, at + name.length)) seen++
    }).catch(() => {})
  await new Promise(resolve => setTimeout(resolve, 1500))
  const began = performance.now()
  process.send!(`change ${accept}`)
  const expected = watchers * changes
  while (seen < expected * 0.999) await new Promise(resolve => setTimeout(resolve, 5))
  print(`fan-out to ${watchers} watchers, ${accept}`, (expected / (performance.now() - began)) * 1000, 'events/s')
}

const where = process.env.WHERE
if (where) await ask(JSON.parse(where) as Where)
else await serve()
