// The HTTPS server of a kubelet whose runtime is simulated: logs with all their options, lists of pods, statistics and
// metrics, and what is refused.
import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { timeText } from '../../src/api/time.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { startKubelet } from '../../src/kubelet/index.ts'
import type { ExecProcess } from '../../src/kubelet/runtime/runtime.ts'
import { dialWebSocket } from '../../src/wire/websocket.ts'
import { issue, makeAuthority } from '../../src/wire/x509.ts'
import { makeNode, namespace, one, withMethods } from './one-node.ts'

const validity = { now: Date.now(), validMs: 3_600_000 }
const authority = await makeAuthority({ commonName: 'ca', ...validity })
const serving = await issue(
  authority,
  { commonName: 'n1', ips: ['127.0.0.1'] },
  { usages: ['server auth'], ...validity },
)
const caller = (organizations: string[]) =>
  issue(authority, { commonName: 'caller', organizations }, { usages: ['client auth'], ...validity })
const admin = await caller(['system:masters'])
const nobody = await caller([])

interface Answer {
  status: number
  type: string | undefined
  body: string
}

/** A kubelet with a server, whose containers have logs in files of this machine: `logOf(name, attempt)`. */
async function served(t: TestContext, behave: Parameters<typeof makeNode>[1] = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'kutter-kubelet-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  const node = await makeNode(t, behave)
  await node.kubelet.close()
  const logOf = (name: string, attempt = 0) => join(dir, `${name}-${attempt}.log`)
  const { runtime } = node
  const [stdin, stdout] = [new PassThrough(), new PassThrough()]
  const whole = withMethods(runtime, {
    async exec(): Promise<ExecProcess> {
      const exited = new Promise<number>(resolve => stdin.once('end', () => resolve(0)))
      const quietly = async () => {}
      return { stdin, stdout, stderr: undefined, exited, closeStdin: quietly, resize: quietly, close: quietly }
    },
    async pod(uid) {
      const seen = await runtime.pod(uid)
      return { ...seen, containers: seen.containers.map(c => ({ ...c, logPath: logOf(c.name, c.attempt) })) }
    },
    async usage() {
      const pods = await runtime.outline()
      return pods.flatMap(({ uid, containers }) =>
        containers.map(({ id }, i) => ({
          id,
          name: 'main',
          podUid: uid,
          atMs: node.clock.now(),
          cpuNs: 5e9 + node.clock.now() * 1e5,
          cpuNanoCores: 0,
          workingSetBytes: 1000 * (i + 1),
          usageBytes: 2000,
          rssBytes: 500,
          pageFaults: 7,
          majorPageFaults: 1,
          writableBytes: 300,
          writableInodes: 3,
        })),
      )
    },
  })
  const server = { host: '127.0.0.1', port: 0, cert: serving.certPem, key: serving.keyPem, clientCA: authority.certPem }
  const kubelet = await startKubelet({ ...node.options, rootDir: dir, runtime: whole, server })
  t.after(() => kubelet.close())
  await node.clock.forward(1000)
  await kubelet.ready
  const ask = (
    path: string,
    { by = admin as typeof admin | null, method = 'GET', onData = (_text: string) => {} } = {},
  ) =>
    new Promise<Answer>((resolve, reject) => {
      const credentials = by && { cert: by.certPem, key: by.keyPem }
      const options = {
        host: '127.0.0.1',
        port: kubelet.port,
        path,
        method,
        ca: authority.certPem,
        agent: false,
        ...credentials,
      }
      const outgoing = request(options, response => {
        let body = ''
        response.on('data', chunk => onData((body += chunk)))
        response.on('end', () =>
          resolve({ status: response.statusCode!, type: response.headers['content-type'], body }),
        )
        response.on('error', reject)
      })
      outgoing.on('error', reject)
      outgoing.end()
    })
  /** A program in a container, whose input and output are in the test's hands. */
  const exec = async (name: string) => {
    const path = `/exec/${namespace}/${name}/main?command=sh&input=1&output=1`
    const credentials = { ca: authority.certPem, cert: admin.certPem, key: admin.keyPem }
    const url = `wss://127.0.0.1:${kubelet.port}${path}`
    const { ws } = await dialWebSocket(url, ['v5.channel.k8s.io'], credentials)
    return { ws, stdin, stdout }
  }
  return { ...node, ask, logOf, exec }
}

const line = (second: number, text: string, stream = 'stdout') =>
  `${timeText(Date.UTC(2026, 0, 1, 0, 0, second)).slice(0, -1)}.5Z ${stream} F ${text}\n`
const logs = (name: string, query = '') => `/containerLogs/${namespace}/${name}/main${query && `?${query}`}`

test('a log is served with the lines and bytes that were asked for', async t => {
  const { ask, clock, run, logOf } = await served(t)
  await run('a', one())
  await clock.forward(1000)
  // The node's clock began at the first second of the year.
  writeFileSync(logOf('main'), line(0, 'one') + line(1, 'two', 'stderr') + line(2, 'three'))
  await clock.forward(Date.UTC(2026, 0, 1, 0, 0, 4) - clock.now())
  const table: [query: string, body: string][] = [
    ['', 'one\ntwo\nthree\n'],
    ['tailLines=2', 'two\nthree\n'],
    ['tailLines=0', ''],
    ['tailLines=', 'one\ntwo\nthree\n'],
    ['limitBytes=5', 'one\nt'],
    ['limitBytes=5&tailLines=1', 'three'],
    ['sinceSeconds=2', 'three\n'],
    ['sinceTime=2026-01-01T00:00:01Z', 'two\nthree\n'],
    ['timestamps=true&tailLines=1', '2026-01-01T00:00:02.5Z three\n'],
    ['timestamps=1&tailLines=1', '2026-01-01T00:00:02.5Z three\n'],
    ['timestamps=false&tailLines=1', 'three\n'],
    ['stream=Stderr', 'two\n'],
    ['stream=Stdout', 'one\nthree\n'],
    ['stream=All', 'one\ntwo\nthree\n'],
  ]
  for (const [query, body] of table)
    assert.deepEqual(await ask(logs('a', query)), { status: 200, type: 'text/plain', body }, query)
  for (const query of ['tailLines=-1', 'tailLines=some', 'limitBytes=1.5', 'sinceSeconds=1h'])
    assert.deepEqual((await ask(logs('a', query))).status, 400, query)
})

test('a log is followed until its container ends', async t => {
  const { ask, client, clock, run, logOf } = await served(t)
  await run('a', one(), { main: { stopMs: 500 } })
  await clock.forward(1000)
  writeFileSync(logOf('main'), line(0, 'one'))
  let read = ''
  let more = () => {}
  const following = ask(logs('a', 'follow=true'), {
    onData(text) {
      read = text
      more()
    },
  })
  const until = async (text: string) => {
    while (read !== text) await new Promise<void>(resolve => (more = resolve))
  }
  await until('one\n')
  appendFileSync(logOf('main'), line(1, 'two'))
  await until('one\ntwo\n')
  await client.delete(Pod, { namespace, name: 'a' })
  await clock.forward(5000)
  assert.equal((await following).body, 'one\ntwo\n')
})

test('the log before a restart is the previous one', async t => {
  const { ask, clock, run, logOf } = await served(t)
  await run('a', one(), { main: { exitAfterMs: 3000, exitCode: 1 } })
  await clock.forward(1000)
  writeFileSync(logOf('main', 0), line(0, 'first'))
  assert.deepEqual(await ask(logs('a', 'previous=true')), {
    status: 400,
    type: 'text/plain; charset=utf-8',
    body: 'previous terminated container "main" in pod "a" not found',
  })
  await clock.forward(4000)
  writeFileSync(logOf('main', 1), line(5, 'second'))
  assert.equal((await ask(logs('a'))).body, 'second\n')
  assert.equal((await ask(logs('a', 'previous=true'))).body, 'first\n')
  // While it backs off, its last log is both the present and the previous one.
  await clock.forward(3000)
  assert.equal((await ask(logs('a'))).body, 'second\n')
})

test('a container without a log says what it waits for', async t => {
  const behave = ({ image }: { image: string }) =>
    image.includes('missing') ? { pullError: 'no such image' } : image.includes('slow') ? { pullMs: 60_000 } : {}
  const { ask, clock, run } = await served(t, { behave })
  await run('missing', one({ image: 'missing:1' }))
  await run('later', { ...one(), initContainers: [{ name: 'first', image: 'x:1' }] }, { first: { exitAfterMs: 1e9 } })
  await clock.forward(2000)
  const body = async (name: string) => {
    const { status, body } = await ask(logs(name))
    return `${status} ${body}`
  }
  assert.equal(
    await body('missing'),
    `400 container "main" in pod "missing" is waiting to start: image can't be pulled`,
  )
  await clock.forward(4000)
  assert.equal(
    await body('missing'),
    '400 container "main" in pod "missing" is waiting to start: trying and failing to pull image',
  )
  assert.equal(await body('later'), '400 container "main" in pod "later" is waiting to start: PodInitializing')
  assert.equal(await body('none'), '404 pod does not exist: none_default')
  assert.equal(
    (await ask(`/containerLogs/${namespace}/later/other`)).body,
    'container "other" not found in pod "later"',
  )
})

test('callers are asked for who they are, and need permission', async t => {
  const { ask } = await served(t)
  assert.deepEqual([(await ask('/healthz')).body, (await ask('/healthz')).status], ['ok', 200])
  assert.equal((await ask('/pods', { by: null })).status, 401)
  const refused = await ask('/metrics', { by: nobody })
  assert.equal(refused.status, 403)
  assert.equal(refused.body, 'Forbidden (user=caller, verb=get, resource=nodes, subresource(s)=[metrics])')
})

test('what there is not, and streams without an upgrade, are errors that say so', async t => {
  const { ask, clock, run } = await served(t)
  await run('a', one())
  await clock.forward(1000)
  assert.deepEqual([(await ask('/nothing')).status, (await ask('/nothing')).body], [404, '404 page not found'])
  for (const path of [
    `/exec/${namespace}/a/main?command=sh`,
    `/attach/${namespace}/a/main`,
    `/portForward/${namespace}/a`,
  ]) {
    const answer = await ask(path, { method: 'POST' })
    assert.equal(answer.status, 400, path)
    assert.match(answer.body, /^you must request an upgrade of the connection/)
  }
})

test('the pods of the node are listed, those that run apart from those that do not', async t => {
  const { ask, clock, run } = await served(t)
  await run('runs', one())
  await run('ended', { ...one(), restartPolicy: 'Never' }, { main: { exitAfterMs: 100 } })
  await clock.forward(3000)
  const names = async (path: string) => {
    const { kind, items } = JSON.parse((await ask(path)).body) as { kind: string; items: Pod[] }
    assert.equal(kind, 'PodList')
    return items.map(pod => pod.metadata.name).sort()
  }
  assert.deepEqual(await names('/pods'), ['ended', 'runs'])
  assert.deepEqual(await names('/runningpods/'), ['runs'])
})

test('statistics are those of the runtime, and rates follow from two looks', async t => {
  const { ask, clock, run } = await served(t)
  await run('a', one())
  await clock.forward(1000)
  interface Summary {
    node: { nodeName: string; cpu: object; memory: { availableBytes: number } }
    pods: {
      podRef: object
      containers: { name: string; cpu: { usageNanoCores?: number }; memory: object }[]
      cpu: { usageNanoCores?: number }
    }[]
  }
  const summary = async () => JSON.parse((await ask('/stats/summary')).body) as Summary
  const first = await summary()
  assert.equal(first.node.nodeName, 'n1')
  assert.ok(first.node.memory.availableBytes > 0)
  const [pod] = first.pods
  const { metadata } = await (async () => JSON.parse((await ask('/pods')).body).items[0] as Pod)()
  assert.deepEqual(pod!.podRef, { name: 'a', namespace, uid: metadata.uid })
  assert.equal(pod!.containers[0]!.name, 'main')
  assert.equal('usageNanoCores' in pod!.cpu, false)
  const { time, ...memory } = pod!.containers[0]!.memory as { time: string }
  assert.equal(time, timeText(clock.now()))
  assert.deepEqual(memory, {
    usageBytes: 2000,
    workingSetBytes: 1000,
    rssBytes: 500,
    pageFaults: 7,
    majorPageFaults: 1,
  })
  // A tenth of a CPU: 1e5 nanoseconds in each millisecond.
  await clock.forward(10_000)
  const second = await summary()
  assert.equal(second.pods[0]!.containers[0]!.cpu.usageNanoCores, 1e8)
  assert.equal(second.pods[0]!.cpu.usageNanoCores, 1e8)
})

test('metrics are text for Prometheus, of the kubelet, of containers, and of what autoscalers read', async t => {
  const { ask, clock, run } = await served(t)
  await run('a', one())
  await clock.forward(1000)
  const own = await ask('/metrics')
  assert.equal(own.type, 'text/plain; version=0.0.4')
  assert.match(own.body, /^kubelet_node_name\{node="n1"\} 1$/m)
  assert.match(own.body, /^kubelet_running_pods 1$/m)
  assert.match(own.body, /^kubelet_running_containers\{container_state="running"\} 1$/m)
  const labels = `container="main",namespace="${namespace}",pod="a"`
  const resource = (await ask('/metrics/resource')).body
  assert.match(resource, new RegExp(`^container_memory_working_set_bytes\\{${labels}\\} 1000 ${clock.now()}$`, 'm'))
  assert.match(resource, /^node_cpu_usage_seconds_total \d+(\.\d+)? \d+$/m)
  assert.match(resource, /^scrape_error 0$/m)
  const cadvisor = (await ask('/metrics/cadvisor')).body
  assert.match(
    cadvisor,
    new RegExp(
      `^container_memory_rss\\{container="main",id="/\\w+",image="busybox:1",name="\\w+",namespace="${namespace}",pod="a"\\} 500 \\d+$`,
      'm',
    ),
  )
})

test('an exec is ended when nothing has gone through it for four hours, and not before', async t => {
  const { exec, clock, run } = await served(t)
  await run('a', one())
  await clock.forward(1000)
  const { ws, stdin, stdout } = await exec('a')
  let ended = false
  ws.on('close', () => (ended = true))
  const received: string[] = []
  ws.on('message', (data: Buffer) => received.push(data.subarray(1).toString()))
  const hours = (count: number) => clock.forward(count * 3_600_000)
  const output = async (text: string) => {
    stdout.write(text)
    while (!received.includes(text)) await new Promise(resolve => ws.once('message', resolve))
  }
  await output('begin')
  for (let i = 0; i < 3; i++) {
    await hours(3.5)
    assert.equal(ended, false)
    await output(`more ${i}`)
  }
  const read = new Promise(resolve => stdin.once('data', resolve))
  ws.send(Buffer.from('\0input'))
  await read
  await hours(3.5)
  assert.equal(ended, false)
  const closed = new Promise(resolve => ws.once('close', resolve))
  await hours(2)
  await closed
})
