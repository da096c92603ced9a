// Several nodes on one machine: real agents, each with its own containerd in a network namespace.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { cannotRun, clusterForFile, eventually, run } from './cluster.ts'

const options = { skip: cannotRun }
const upOptions = ['--nodes', '3', '--node-monitor-grace-period', '20s']
const cluster = clusterForFile('nodes', ['busybox'], upOptions)

interface NodeObject {
  metadata: { name: string }
  spec: { podCIDR: string; taints?: { key: string; effect: string }[] }
  status: { addresses: { type: string; address: string }[]; conditions: { type: string; status: string }[] }
}
interface Pod {
  metadata: { name: string; uid: string; deletionTimestamp?: string }
  spec: { nodeName: string }
  status: { podIP: string; containerStatuses?: { containerID: string; ready: boolean; restartCount: number }[] }
}

const list = async <T>(what: string) =>
  (JSON.parse(await cluster.kubectl(`get ${what} -o json`)) as { items: T[] }).items
const nodes = () => list<NodeObject>('nodes')
const addressOf = (node: NodeObject) => node.status.addresses.find(a => a.type === 'InternalIP')!.address
const isReady = (node: NodeObject) => node.status.conditions.some(c => c.type === 'Ready' && c.status === 'True')
const webs = async () => (await list<Pod>('pods -l app=web')).filter(pod => !pod.metadata.deletionTimestamp)
const readyWebs = async () => (await webs()).filter(pod => pod.status.containerStatuses?.[0]?.ready)
const agentOf = async (node: string) => {
  const { processes } = JSON.parse((await cluster.kutter('status', '-o', 'json')).stdout) as {
    processes: { role: string; node?: string; pid: number }[]
  }
  return processes.find(p => p.role === 'agent' && p.node === node)!.pid
}
const whole = () => eventually('the cluster is whole', async () => (await cluster.kutter('status')).code === 0)
const dirOf = (node: string) => `${cluster.dataDir}/nodes/agents/${node}`
const { tag } = cluster
const traces = () => cluster.traces()

const web = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec: {
    replicas: 6,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        automountServiceAccountToken: false,
        tolerations: ['unreachable', 'not-ready'].map(key => ({
          key: `node.kubernetes.io/${key}`,
          operator: 'Exists',
          effect: 'NoExecute',
          tolerationSeconds: 1,
        })),
        containers: [
          {
            name: 'main',
            image: 'busybox',
            imagePullPolicy: 'IfNotPresent',
            command: [
              'sh',
              '-c',
              `mkdir -p /w/cgi-bin; printf '#!/bin/sh\\necho; echo $(hostname) $REMOTE_ADDR\\n' > /w/cgi-bin/who; chmod +x /w/cgi-bin/who; echo started; httpd -p 80 -h /w; trap "exit 0" TERM; while :; do sleep 0.2; done`,
            ],
            readinessProbe: { tcpSocket: { port: 80 }, periodSeconds: 1 },
          },
        ],
      },
    },
  },
}
const service = (name: string, nodePort: number, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { type: 'NodePort', selector: { app: 'web' }, ports: [{ port: 80, nodePort }], ...more },
})

/** Requests each URL from inside a pod. An answer is `NAME ADDRESS`: the pod that answered, and the client it saw. */
async function ask(pod: Pod, targets: readonly string[]): Promise<string[]> {
  const script = targets
    .map(t => `timeout 5 wget -q -O - http://${t}/cgi-bin/who || echo "no answer from ${t}"`)
    .join('\n')
  const text = await cluster.kubectl(`exec -i ${pod.metadata.name} -- sh`, script)
  return text
    .trim()
    .replaceAll(/\[::ffff:([\d.]+)\]/g, '$1')
    .split('\n')
}
const curl = (target: string) => run('curl', ['-sS', '-m', '5', `http://${target}/cgi-bin/who`])

test(
  'three nodes are Ready with their own addresses and ranges, and the first has the machine’s address',
  options,
  async () => {
    const all = await nodes()
    assert.equal(all.length, 3)
    assert.ok(all.every(isReady))
    assert.equal(new Set(all.map(addressOf)).size, 3)
    assert.equal(new Set(all.map(n => n.spec.podCIDR)).size, 3)
    assert.deepEqual(
      all.flatMap(n => n.spec.taints ?? []),
      [],
    )
    const status = await cluster.kutter('status')
    assert.equal(status.code, 0, status.stdout)
    assert.equal(status.stdout.match(/^ {2}agent +\S+ +pid \d+ +ready/gm)?.length, 3)
  },
)

test('pods spread over the nodes and reach each other by their own addresses', options, async () => {
  await cluster.apply(web)
  await cluster.apply(service('web', 31180))
  await cluster.apply(service('close', 31181, { externalTrafficPolicy: 'Local' }))
  await cluster.kubectl('rollout status deploy/web --timeout=60s')
  const pods = await webs()
  const perNode = Map.groupBy(pods, pod => pod.spec.nodeName)
  assert.deepEqual(
    [...perNode.values()].map(p => p.length),
    [2, 2, 2],
  )
  for (const [from] of perNode.values()) {
    const seen = await ask(
      from!,
      pods.map(pod => pod.status.podIP),
    )
    assert.deepEqual(
      seen,
      pods.map(pod => `${pod.metadata.name} ${from!.status.podIP}`),
    )
  }
})

test('services answer from every node, every pod and the machine', options, async () => {
  const pods = await webs()
  const all = await nodes()
  const clusterIP = await cluster.kubectl("get service web -o jsonpath='{.spec.clusterIP}'")
  const known = (line: string) => pods.some(pod => line.startsWith(`${pod.metadata.name} `))
  for (const name of ['web', 'close']) await cluster.leadsTo(name, pods)
  const targets = [
    'web',
    'web.default.svc.cluster.local',
    clusterIP,
    ...all.flatMap(n => [`${addressOf(n)}:31180`, `${addressOf(n)}:31181`]),
  ]
  // Each target is requested twice, since endpoints are chosen at random.
  for (const [from] of Map.groupBy(pods, pod => pod.spec.nodeName).values())
    for (const line of await ask(from!, [...targets, ...targets])) assert.ok(known(line), line)
  for (const target of ['127.0.0.1:31180', `${clusterIP}:80`, ...all.map(n => `${addressOf(n)}:31180`)])
    for (let i = 0; i < 4; i++) {
      const { code, stdout, stderr } = await curl(target)
      assert.equal(code, 0, `${target}: ${stderr}`)
      assert.ok(known(stdout.trim()), stdout)
    }
  // From outside, Local uses only pods of the node that was asked, and they see the address of the client.
  for (const node of all.filter(n => n.metadata.name.startsWith('node-'))) {
    const { stdout } = await curl(`${addressOf(node)}:31181`)
    const answered = pods.find(pod => stdout.trim().startsWith(`${pod.metadata.name} `))
    assert.equal(answered?.spec.nodeName, node.metadata.name, stdout)
    assert.doesNotMatch(stdout, new RegExp(node.spec.podCIDR.replace('.0/24', '.1').replaceAll('.', '\\.')))
  }
})

test('every endpoint of a service is reached from every node, by every address', options, async () => {
  const pods = await webs()
  const targets = [
    `${await cluster.kubectl("get service web -o jsonpath='{.spec.clusterIP}'")}:80`,
    ...(await nodes()).map(node => `${addressOf(node)}:31180`),
  ]
  const names = pods.map(pod => pod.metadata.name).sort()
  for (const [from] of Map.groupBy(pods, pod => pod.spec.nodeName).values())
    for (const target of targets) {
      // Endpoints are chosen at random. The probability that a hundred requests do not reach all six is one in ten
      // million.
      const script = `for i in $(seq 100); do
          timeout 5 wget -q -O - http://${target}/cgi-bin/who | cut -d ' ' -f 1 >> /tmp/seen
          sort -u /tmp/seen > /tmp/names; [ $(wc -l < /tmp/names) -lt ${names.length} ] || break
        done; cat /tmp/names; rm /tmp/seen`
      const seen = await cluster.kubectl(`exec -i ${from!.metadata.name} -- sh`, script)
      assert.deepEqual(seen.trim().split('\n'), names, `${target} from ${from!.spec.nodeName}`)
    }
})

test('every pod resolves names, with the server of its own node', options, async () => {
  for (const [pod] of Map.groupBy(await webs(), p => p.spec.nodeName).values()) {
    const script = 'for i in 1 2 3 4 5; do nslookup web.default.svc.cluster.local || exit 1; done'
    assert.match(await cluster.kubectl(`exec -i ${pod!.metadata.name} -- sh`, script), /Name:\s+web\.default/)
  }
})

test('logs, exec, port-forward and the proxy work on every node', options, async () => {
  let port = 17100
  for (const [pod] of Map.groupBy(await webs(), p => p.spec.nodeName).values()) {
    const { name } = pod!.metadata
    assert.equal(await cluster.kubectl(`logs ${name}`), 'started\n')
    assert.equal((await cluster.kubectl(`exec ${name} -- hostname`)).trim(), name)
    const forwarded = await cluster.shell(
      `kubectl port-forward pod/${name} ${++port}:80 >/dev/null & forward=$!
       for i in $(seq 50); do curl -sf -m 5 127.0.0.1:${port}/cgi-bin/who && break; sleep 0.1; done; kill $forward`,
    )
    assert.match(forwarded.stdout, new RegExp(`^${name} `), forwarded.stderr)
    assert.equal(await cluster.kubectl(`get --raw /api/v1/nodes/${pod!.spec.nodeName}/proxy/healthz`), 'ok')
  }
})

test('when agents and a containerd are killed, containers live on and services go on answering', options, async () => {
  const ids = async () => (await webs()).map(pod => pod.status.containerStatuses![0]!.containerID).sort()
  const before = await ids()
  const second = addressOf((await nodes()).find(n => n.metadata.name === 'node-2')!)
  const silences: string[] = []
  let restarting = true
  const asking = (async () => {
    while (restarting) {
      const { code, stderr } = await curl(`${second}:31180`)
      if (code !== 0) silences.push(stderr)
    }
  })()
  for (const node of ['node-2', 'node-3']) process.kill(await agentOf(node), 'SIGKILL')
  process.kill(Number(readFileSync(`${dirOf('node-2')}/c/containerd.pid`, 'utf8')), 'SIGKILL')
  await whole().finally(() => (restarting = false))
  await asking
  assert.deepEqual(silences, [])
  assert.deepEqual(await ids(), before)
  assert.ok((await nodes()).every(isReady))
  assert.equal(
    (
      await ask(
        (
          await webs()
        )[0]!,
        (await webs()).map(p => p.status.podIP),
      )
    ).length,
    6,
  )
})

test('when supervisor, server and first agent are killed at once, the others bring them back', options, async () => {
  const pidFile = `${cluster.dataDir}/nodes/run/supervisor.pid`
  const { processes } = JSON.parse((await cluster.kutter('status', '-o', 'json')).stdout) as {
    processes: { role: string; node?: string; pid: number }[]
  }
  const first = processes.filter(p => p.role !== 'agent' || !p.node?.startsWith('node-')).map(p => p.pid)
  assert.equal(first.length, 3)
  for (const pid of first) process.kill(pid, 'SIGKILL')
  await whole()
  const { stdout } = await run('bash', [
    '-c',
    `readlink /proc/self/ns/net /proc/$(cat ${pidFile})/ns/net | uniq | wc -l`,
  ])
  assert.equal(stdout.trim(), '1')
  assert.equal((await run('pgrep', ['-fc', `supervisor-main.js nodes ${cluster.dataDir}$`])).stdout.trim(), '1')
})

test('an added node is Ready with all images, and a removed one is gone with its pods', options, async () => {
  const add = await cluster.kutter('node', 'add', 'blue')
  assert.equal(add.code, 0, add.stderr)
  assert.match(add.stdout, /✓ node blue is Ready/)
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'on-blue' },
    spec: {
      nodeName: 'blue',
      containers: [{ name: 'main', image: 'busybox', imagePullPolicy: 'Never', command: ['sleep', '3600'] }],
    },
  })
  await cluster.kubectl('wait pod/on-blue --for=condition=Ready --timeout=30s')
  assert.equal((await ask({ metadata: { name: 'on-blue' } } as Pod, ['web'])).length, 1)
  const range = (await nodes()).find(n => n.metadata.name === 'blue')!.spec.podCIDR
  assert.ok((await traces()).includes(range))
  const again = await cluster.kutter('node', 'add', 'blue')
  assert.equal(again.code, 2)
  assert.match(again.stderr, /has a node blue already/)
  const remove = await cluster.kutter('node', 'remove', 'blue')
  assert.equal(remove.code, 0, remove.stderr)
  assert.equal((await cluster.tryKubectl('get node blue')).code, 1)
  assert.equal(existsSync(dirOf('blue')), false)
  assert.doesNotMatch(await traces(), /blue/)
  await eventually('the route to it is gone', async () => !(await traces()).includes(range))
  const first = (await nodes()).find(n => !n.metadata.name.startsWith('node-'))!.metadata.name
  assert.match((await cluster.kutter('node', 'remove', first)).stderr, /stop it with the whole cluster: kutter down/)
  assert.match((await cluster.kutter('up', '--nodes', '2')).stdout, /has 3 nodes and keeps them/)
})

test('a node that is cut off loses its pods to the others, and ends its own when it is back', options, async () => {
  const lost = (await webs()).filter(pod => pod.spec.nodeName === 'node-3')
  const cable = `kt${tag}-3`
  await run('ip', ['link', 'set', cable, 'down'])
  try {
    const node = await eventually(
      'node-3 is unreachable',
      async () => (await nodes()).find(n => n.metadata.name === 'node-3' && !isReady(n) && n.spec.taints?.length === 2),
      50_000,
    )
    assert.deepEqual(
      node.spec.taints!.map(t => `${t.key}:${t.effect}`).sort(),
      ['NoExecute', 'NoSchedule'].map(effect => `node.kubernetes.io/unreachable:${effect}`),
    )
    const pods = await eventually('six pods elsewhere', async () => {
      const ready = await readyWebs()
      return ready.length === 6 && ready.every(pod => pod.spec.nodeName !== 'node-3') && ready
    })
    // The service does not use the lost pods any more.
    const answers = await ask(
      pods[0]!,
      Array.from({ length: 8 }, () => 'web'),
    )
    for (const line of answers)
      assert.ok(
        pods.some(pod => line.startsWith(pod.metadata.name)),
        line,
      )
  } finally {
    await run('ip', ['link', 'set', cable, 'up'])
  }
  await eventually('node-3 is back', async () => {
    const node = (await nodes()).find(n => n.metadata.name === 'node-3')!
    return isReady(node) && !node.spec.taints?.length
  })
  await eventually('the lost pods are gone', async () => {
    const names = (await list<Pod>('pods -l app=web')).map(pod => pod.metadata.name)
    return lost.every(pod => !names.includes(pod.metadata.name))
  })
  await eventually('nothing of them is left on the node', async () =>
    lost.every(pod => !existsSync(`${dirOf('node-3')}/pods/${pod.metadata.uid}`)),
  )
  await cluster.kubectl('scale deploy web --replicas=9')
  await eventually('the node is used again', async () => (await readyWebs()).some(p => p.spec.nodeName === 'node-3'))
})

test('the pods of a removed node are collected', options, async () => {
  // The pod garbage collector waits 40 seconds for a node to return. Other tests ran in the meantime.
  await eventually('on-blue is gone', async () => (await cluster.tryKubectl('get pod on-blue')).code === 1, 60_000)
})

test('down removes everything, also what has no process any more, and up brings all nodes back', options, async () => {
  const { processes } = JSON.parse((await cluster.kutter('status', '-o', 'json')).stdout) as {
    processes: { pid: number }[]
  }
  // The supervisor and one agent are killed first.
  for (const { pid } of [processes[0]!, processes.at(-1)!]) process.kill(pid, 'SIGKILL')
  const down = await cluster.kutter('down')
  assert.equal(down.code, 0, down.stdout)
  assert.equal(await traces(), '')
  await cluster.up()
  assert.ok((await nodes()).every(isReady))
  await eventually('all pods run again', async () => (await readyWebs()).length === 9)
  // These pods do not tolerate a node that is unreachable: some may have been evicted while the cluster was down.
  await cluster.kubectl('rollout restart deploy/web')
  await cluster.kubectl('rollout status deploy/web --timeout=100s')
  await eventually('only new pods', async () => (await readyWebs()).length === 9 && (await webs()).length === 9)
  const pods = await webs()
  assert.equal(new Set(pods.map(p => p.spec.nodeName)).size, 3)
  assert.equal(
    (
      await ask(
        pods[0]!,
        pods.map(p => p.status.podIP),
      )
    ).filter(line => line.includes('no answer')).length,
    0,
  )
})
