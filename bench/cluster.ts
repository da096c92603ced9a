// How long from an empty disk to a working cluster, what it costs when idle, how fast it answers, how fast pods run:
// the real command, the real kubelet, TLS and RBAC on, every write on disk. One line of JSON for each answer.
// Usage: tools/node bench/cluster.ts [--idle SECONDS]
import { execFile } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { promisify } from 'node:util'
import { parse } from 'yaml'
import { realClock } from '../src/base/clock.ts'
import { silentLog } from '../src/base/log.ts'
import type { KubeObject } from '../src/api/kind.ts'
import { Client, httpsTransport } from '../src/client/index.ts'
import { ConfigMap } from '../src/kinds/core/configmap.ts'
import { Pod } from '../src/kinds/core/pod.ts'

const exec = promisify(execFile)
const root = new URL('..', import.meta.url).pathname
const dataDir = '/tmp/kutter-bench'
const idleSeconds = Number(process.argv[process.argv.indexOf('--idle') + 1] || 300)
const env = { ...process.env, KUBECONFIG: `${dataDir}.kubeconfig`, KUTTER_PACKAGE_CACHE: '/var/cache/kutter-test' }
const kutter = (...args: string[]) =>
  exec('./kutter', [...args, '--name', 'bench', '--data-dir', dataDir], { cwd: root, env, maxBuffer: 1 << 24 })
const tell = (bench: string, value: number, unit: string, more: object = {}) =>
  console.log(JSON.stringify({ bench, value: Math.round(value * 100) / 100, unit, ...more }))

interface Status {
  server: string
  processes: { role: string; pid: number }[]
}

const status = async () => JSON.parse((await kutter('status', '-o', 'json')).stdout) as Status

async function startUp(): Promise<void> {
  const { stdout } = await kutter('up', '--port', '16900')
  const at = (step: RegExp) => {
    const [, amount, unit] = new RegExp(`${step.source}.*?([\\d.]+) (ms|s)`).exec(stdout) ?? []
    return Number(amount) * (unit === 's' ? 1000 : 1)
  }
  const api = at(/certificates and kubeconfig/) + at(/API server answers/)
  const node = api + at(/is Ready/)
  tell('start-api-ready', api, 'ms')
  tell('start-node-ready', node, 'ms')
  tell('start-dns-answering', node + at(/DNS answers/), 'ms')
}

function clientOf(server: string): { client: Client; close(): void } {
  const config = parse(readFileSync(`${dataDir}/bench/kubeconfig`, 'utf8')) as {
    clusters: { cluster: Record<string, string> }[]
    users: { user: Record<string, string> }[]
  }
  const text = (value: string | undefined) => Buffer.from(value ?? '', 'base64').toString()
  const { cluster } = config.clusters[0]!
  const { user } = config.users[0]!
  const transport = httpsTransport(() => ({
    server,
    ca: text(cluster['certificate-authority-data']),
    cert: text(user['client-certificate-data']),
    key: text(user['client-key-data']),
  }))
  const client = new Client({
    serve: transport.serve,
    user: { name: '', groups: [] },
    userAgent: 'bench',
    clock: realClock,
    log: silentLog,
  })
  return { client, close: () => (client.close(), transport.close()) }
}

/** CPU seconds and resident bytes of a process. */
function usage(pid: number): { cpu: number; rss: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return { cpu: (Number(fields[11]) + Number(fields[12])) / 100, rss: Number(fields[21]) * 4096 }
}

async function idle(processes: Status['processes']): Promise<void> {
  const before = processes.map(p => usage(p.pid))
  await realClock.sleep(idleSeconds * 1000)
  let rss = 0
  let cpu = 0
  for (const [i, p] of processes.entries()) {
    const now = usage(p.pid)
    rss += now.rss
    cpu += now.cpu - before[i]!.cpu
    tell('idle-rss', now.rss / 2 ** 20, 'MiB', { role: p.role })
    tell('idle-cpu', ((now.cpu - before[i]!.cpu) / idleSeconds) * 100, '% of a core', {
      role: p.role,
      seconds: idleSeconds,
    })
  }
  tell('idle-rss-all', rss / 2 ** 20, 'MiB')
  tell('idle-cpu-all', (cpu / idleSeconds) * 100, '% of a core', { seconds: idleSeconds })
}

async function parallel(
  total: number,
  width: number,
  work: (i: number) => Promise<unknown>,
): Promise<{ perSecond: number; p99: number }> {
  const times: number[] = []
  const began = performance.now()
  let next = 0
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (next < total) {
        const i = next++
        const at = performance.now()
        await work(i)
        times.push(performance.now() - at)
      }
    }),
  )
  times.sort((a, b) => a - b)
  return { perSecond: (total / (performance.now() - began)) * 1000, p99: times[Math.floor(times.length * 0.99)]! }
}

async function api(client: Client): Promise<void> {
  const width = 32
  const total = 10_000
  const value = 'x'.repeat(1024)
  const creates = await parallel(total, width, i =>
    client.create(ConfigMap, { metadata: { name: `c-${i}`, namespace: 'default' }, data: { value } }),
  )
  tell('api-creates', creates.perSecond, '1/s', { width, bytes: 1024, p99: Math.round(creates.p99 * 10) / 10 })
  const gets = await parallel(total, width, i => client.get(ConfigMap, { namespace: 'default', name: `c-${i}` }))
  tell('api-gets', gets.perSecond, '1/s', { width, p99: Math.round(gets.p99 * 10) / 10 })
  for (let round = 0; round < 3; round++) {
    const began = performance.now()
    const { items } = await client.list(ConfigMap, { namespace: 'default' })
    tell('api-list-configmaps', performance.now() - began, 'ms', { items: items.length, round })
  }
}

const pod = (name: string) => ({
  metadata: { name, namespace: 'default' },
  spec: {
    terminationGracePeriodSeconds: 0,
    containers: [{ name: 'a', image: 'busybox', imagePullPolicy: 'IfNotPresent' as const, command: ['sleep', '3600'] }],
  },
})

/** Milliseconds from the first create until a watch has seen all of them Running. */
async function runPods(client: Client, names: readonly string[]): Promise<number> {
  const mirror = client.mirror(Pod, { namespace: 'default' })
  await client.synced([mirror] as never)
  const began = performance.now()
  const waiting = new Set(names)
  const done = new Promise<void>(resolve => {
    const stop = mirror.subscribe(changes => {
      for (const { item } of changes)
        if ((item.object as KubeObject & { status: { phase?: string } }).status.phase === 'Running')
          waiting.delete(item.object.metadata.name ?? '')
      if (waiting.size) return
      stop()
      resolve()
    })
  })
  await Promise.all(names.map(name => client.create(Pod, pod(name))))
  await done
  return performance.now() - began
}

try {
  await kutter('down', '--purge')
  await startUp()
  await kutter('image', 'build', 'examples/images/busybox')
  const { server, processes } = await status()
  const { client, close } = clientOf(server)
  await idle(processes)
  await runPods(client, ['warm'])
  for (let i = 0; i < 5; i++) tell('pod-create-to-running', await runPods(client, [`one-${i}`]), 'ms', { round: i })
  const burst = await runPods(
    client,
    Array.from({ length: 50 }, (_, i) => `burst-${i}`),
  )
  tell('pods-50-at-once', burst, 'ms', { perSecond: Math.round((50 / burst) * 10_000) / 10 })
  await api(client)
  close()
} finally {
  await kutter('down', '--purge')
  rmSync(env.KUBECONFIG, { force: true })
}
process.exit(0)
