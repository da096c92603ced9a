// Three servers are restarted one after the other while clients write, read and watch: nothing is lost, and no request
// fails that a client would not try again. One is killed, and one hangs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realClock } from '../../src/base/clock.ts'
import { readKubeconfig } from '../../src/cluster/read-kubeconfig.ts'
import { noEtcd } from '../../src/store/etcd/testing.ts'
import { cannotRun, clusterForFile, eventually, run } from './cluster.ts'
import { lastName, readMoving, Record, type Steady, watch, write } from './steady-clients.ts'

const options = { skip: cannotRun || noEtcd }
const cluster = clusterForFile('rolling', [], ['--ha'])

interface Process {
  role: string
  node?: string
  pid: number
  ready: boolean
}

const processes = async () =>
  (JSON.parse((await cluster.kutter('status', '-o', 'json')).stdout) as { processes: Process[] }).processes
const machine = async () => (await cluster.kubectl('get nodes -o name')).match(/node\/(?!node-)(\S+)/)![1]!

async function serverOf(node: string): Promise<Process> {
  const first = await machine()
  const found = (await processes()).find(one => one.role === 'server' && (one.node ?? first) === node)
  if (!found) throw new Error(`${node} has no server`)
  return found
}

const leaseOf = (name: string) => cluster.kubectl(`get lease ${name} -n kube-system -o jsonpath={.spec.holderIdentity}`)
const leader = async () => (await leaseOf('kube-controller-manager')).split('_')[0]!

/** What of kubectl's words says that trying again is right. */
const passing = /refused|reset|EOF|connection lost|client connection|shutting down|i\/o timeout|TLS handshake|no route/

/** kubectl at the address that moves, again and again. */
async function kubectl({ record, signal }: Steady, failed: string[]): Promise<number> {
  let done = 0
  for (let i = 0; !signal.aborted; i++) {
    const words = i % 2 ? 'get configmaps -o name --chunk-size=50' : `create configmap typed-${i}`
    const { code, stderr } = await cluster.tryKubectl(`${words} --request-timeout=20s`)
    if (code === 0) done++
    else if (passing.test(stderr)) failed.push(stderr.trim())
    else record.failures.push(`kubectl ${words}: ${stderr}`)
  }
  return done
}

/** Ends a server, waits until another process serves in its place, and returns when it has ended and served again. */
async function restart(node: string, signal: NodeJS.Signals): Promise<{ endedMs: number; readyMs: number }> {
  const { pid } = await serverOf(node)
  const began = realClock.now()
  process.kill(pid, signal)
  await eventually(`the server of ${node} has ended`, async () => !isRunning(pid))
  const endedMs = realClock.now() - began
  await eventually(`the server of ${node} is back`, async () => {
    const now = await serverOf(node)
    return now.ready && now.pid !== pid
  })
  return { endedMs, readyMs: realClock.now() - began }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function load() {
  const file = (await cluster.kutter('kubeconfig')).stdout.trim()
  const { server, ...tls } = readKubeconfig(file)
  const addresses = await eventually('all servers are endpoints', async () => {
    const found = (await cluster.kubectl("get endpoints kubernetes -o jsonpath='{.subsets[*].addresses[*].ip}'")).split(
      ' ',
    )
    return found.length === 3 && found
  })
  const servers = addresses.map(address => `https://${address}:${server.split(':').at(-1)}`)
  const from = await cluster.kubectl("get configmaps -o jsonpath='{.metadata.resourceVersion}'")
  const stop = new AbortController()
  const record = new Record()
  const steady = { record, servers, tls, signal: stop.signal }
  const refused: string[] = []
  const watched = new AbortController()
  const watches = servers.map((_, i) => watch({ ...steady, signal: watched.signal }, i, from))
  const writes = [write(steady, 0), write(steady, 1), readMoving(steady, server)]
  const typed = kubectl(steady, refused)
  return { record, refused, stop, watches, watched, writes, typed }
}

test('servers are restarted one after the other under load, and clients lose nothing', options, async t => {
  const { record, refused, stop, watches, watched, writes, typed } = await load()
  t.after(() => watched.abort())
  const order = [...new Set(['node-2', 'node-3', await machine()])]
  try {
    for (const node of order) {
      const wasLeader = (await leader()) === node
      const before = { ...record.retries, kubectl: refused.length }
      const { endedMs, readyMs } = await restart(node, 'SIGTERM')
      const after = { ...record.retries, kubectl: refused.length }
      t.diagnostic(`${node}${wasLeader ? ', the leader,' : ''} ended in ${endedMs} ms, back after ${readyMs} ms`)
      t.diagnostic(`tried again: ${JSON.stringify(difference(before, after))}`)
      if (wasLeader) assert.notEqual(await leader(), node)
    }
    t.diagnostic(`after SIGTERM: ${JSON.stringify(record.retries)}, of kubectl: ${refused.join('; ')}`)
    const { stdout: late } = await run('grep', [
      '-rh',
      'does not end in order',
      `${cluster.dataDir}/${cluster.name}/logs`,
    ])
    t.diagnostic(`what did not end in order: ${late}`)
    assert.deepEqual(refused, [], 'no kubectl has failed while servers ended in order')
    const { readyMs } = await restart(await leader(), 'SIGKILL')
    t.diagnostic(`the leader was killed, and is back after ${readyMs} ms`)
  } finally {
    stop.abort()
    await Promise.all(writes)
  }
  const typedCount = await typed
  // Each watch ends with this one.
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: lastName, namespace: 'default', labels: { steady: '' } },
  })
  const seenBy = await Promise.race([
    Promise.all(watches),
    realClock.sleep(30_000).then(() => {
      throw new Error('a watch does not come to the end')
    }),
  ]).finally(() => watched.abort())
  assert.deepEqual(record.failures.slice(0, 5), [])
  const { acknowledged } = record
  t.diagnostic(
    `${record.requests} requests, ${acknowledged.size} writes, ${typedCount} of kubectl, ${JSON.stringify(record.retries)}`,
  )
  assert.ok(acknowledged.size > 50, `${acknowledged.size} writes`)
  const listed = await cluster.kubectl("get configmaps -l steady -o jsonpath='{range .items[*]}{.metadata.name} {end}'")
  const stored = new Set(listed.trim().split(' '))
  assert.deepEqual(
    [...acknowledged.keys()].filter(name => !stored.has(name)),
    [],
    'acknowledged, and not there',
  )
  for (const seen of seenBy) {
    const revisions = seen.map(({ revision }) => revision)
    assert.deepEqual(
      revisions,
      [...new Set(revisions)].sort((a, b) => a - b),
      'in order, each once',
    )
    const names = new Set(seen.map(({ name }) => name))
    assert.deepEqual(
      [...acknowledged.keys()].filter(name => !names.has(name)),
      [],
      'written, and not watched',
    )
  }
})

test('a leader that hangs is replaced', options, async t => {
  await eventually(
    'all serve',
    async () => (await processes()).filter(one => one.role === 'server' && one.ready).length === 3,
  )
  const before = await leader()
  const { pid } = await serverOf(before)
  const others = ['node-2', 'node-3', await machine()].filter(node => node !== before)
  const at = await addressOf(others[0]!)
  process.kill(pid, 'SIGSTOP')
  const began = realClock.now()
  try {
    await eventually('another leads', async () => {
      const { stdout } = await cluster.tryKubectl(
        `${at} --request-timeout=2s get lease kube-controller-manager -n kube-system -o jsonpath={.spec.holderIdentity}`,
      )
      return stdout !== '' && stdout.split('_')[0] !== before
    })
    t.diagnostic(`another leads ${realClock.now() - began} ms after the leader hung`)
  } finally {
    process.kill(pid, 'SIGCONT')
  }
  await eventually(
    'it leads no more, and serves',
    async () => (await serverOf(before)).ready && (await leader()) !== before,
  )
})

async function addressOf(node: string): Promise<string> {
  const ip = await cluster.kubectl(`get node ${node} -o jsonpath='{.status.addresses[0].address}'`)
  const server = await cluster.kubectl("config view --minify -o jsonpath='{.clusters[0].cluster.server}'")
  return `--server https://${ip}:${server.split(':').at(-1)}`
}

function difference(before: { [key: string]: number }, after: { [key: string]: number }) {
  return Object.fromEntries(
    Object.entries(after).flatMap(([key, n]) => (n === (before[key] ?? 0) ? [] : [[key, n - (before[key] ?? 0)]])),
  )
}
