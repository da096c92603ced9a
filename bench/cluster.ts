// How long from an empty disk to a working cluster, what it costs when idle, how fast it answers, how fast pods run:
// the real command, the real kubelet, TLS and RBAC on, every write on disk. One line of JSON for each answer.
// Usage: tools/node bench/cluster.ts [--idle SECONDS]
import { readFileSync } from 'node:fs'
import { realClock } from '../src/base/clock.ts'
import type { Client } from '../src/client/index.ts'
import { ConfigMap } from '../src/kinds/core/configmap.ts'
import { Pod } from '../src/kinds/core/pod.ts'
import { clientOf, kutter, podNamed, runPods, type Status, status, tell, withCluster } from './real.ts'

const idleSeconds = Number(process.argv[process.argv.indexOf('--idle') + 1] || 300)

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

const run = (client: Client, names: readonly string[]) =>
  runPods(client, names, name => client.create(Pod, podNamed(name)))

await withCluster(startUp, async () => {
  const { server, processes } = await status()
  const { client, close } = clientOf(server)
  await idle(processes)
  await run(client, ['warm'])
  for (let i = 0; i < 5; i++) tell('pod-create-to-running', await run(client, [`one-${i}`]), 'ms', { round: i })
  const names = Array.from({ length: 50 }, (_, i) => `burst-${i}`)
  const burst = await run(client, names)
  tell('pods-50-at-once', burst, 'ms', { perSecond: Math.round((50 / burst) * 10_000) / 10 })
  await api(client)
  close()
})
process.exit(0)
