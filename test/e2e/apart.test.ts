// Nodes apart: three machines of which one is behind a router that has no way to pods. VXLAN leads through it, large
// packets fit, Services work, and a connection that was cut works again without a restart. In bad networks, too: the router
// loses packets of VXLAN or changes their order, and a relay delays, stalls and cuts what a node and a client send to the API server.
//
//   the server's machine ── 198.51.100.1 ─┬─ 198.51.100.2 near
//                                         └─ 198.51.100.3 router 203.0.113.1 ── 203.0.113.2 behind
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { realClock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import { Client, httpsTransport } from '../../src/client/index.ts'
import { readKubeconfig } from '../../src/cluster/read-kubeconfig.ts'
import { ConfigMap } from '../../src/kinds/core/configmap.ts'
import { cannotRun, clusterForFile, eventually, run } from './cluster.ts'
import { LossyRelay } from './lossy.ts'
import { Machine } from './machine.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('apart', ['busybox'])
const [near, behind] = [new Machine(cluster, 'near'), new Machine(cluster, 'behind')]
const router = 'kutter-test-router'
const bridge = 'kutter-apart'
const removeNetwork = () =>
  run('bash', ['-c', `ip netns delete ${router}; ip link delete ${bridge}; ip route delete 203.0.113.0/24; true`])

let first = ''
/** Where the API server is reached. */
let server = { host: '', port: 0 }
/** What the relays do follows from it. */
const seed = Number(process.env.KUTTER_SEED ?? 20_261)

async function makeNetwork(): Promise<void> {
  await near.remove()
  await behind.remove()
  await removeNetwork()
  const cable = (namespace: string, link: string, address: string) => `
     ip link add ${bridge}-${link} type veth peer name ${link} netns ${namespace}
     ip link set ${bridge}-${link} master ${bridge} up
     ip -n ${namespace} address add ${address}/24 dev ${link}
     ip -n ${namespace} link set ${link} up`
  const made = await run('bash', [
    '-ec',
    `ip link add ${bridge} type bridge
     ip address add 198.51.100.1/24 dev ${bridge}
     ip link set ${bridge} up
     for name in ${near.namespace} ${behind.namespace} ${router}; do ip netns add $name; ip -n $name link set lo up; done
     ${cable(near.namespace, 'e0', '198.51.100.2')}
     ${cable(router, 'e1', '198.51.100.3')}
     ip -n ${near.namespace} route add default via 198.51.100.1
     ip -n ${near.namespace} route add 203.0.113.0/24 via 198.51.100.3
     ip -n ${router} link add e2 type veth peer name e3 netns ${behind.namespace}
     ip -n ${router} address add 203.0.113.1/24 dev e2
     ip -n ${router} link set e2 up
     ip -n ${router} route add default via 198.51.100.1
     ip netns exec ${router} sysctl -qw net.ipv4.ip_forward=1
     ip -n ${behind.namespace} address add 203.0.113.2/24 dev e3
     ip -n ${behind.namespace} link set e3 up
     ip -n ${behind.namespace} route add default via 203.0.113.1
     ip route add 203.0.113.0/24 via 198.51.100.3`,
  ])
  assert.equal(made.code, 0, made.stderr)
}

after(async () => {
  if (cannotRun) return
  await near.remove()
  await behind.remove()
  await removeNetwork()
})

const web = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'web' },
  spec: {
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        tolerations: [{ operator: 'Exists' }],
        containers: [
          {
            name: 'main',
            image: 'busybox',
            imagePullPolicy: 'Never',
            command: [
              'sh',
              '-c',
              'mkdir /w; echo $NODE >/w/name; dd if=/dev/zero of=/w/large bs=1024 count=4096 2>/dev/null; httpd -p 80 -h /w; trap "exit 0" TERM; while :; do sleep 0.2; done',
            ],
            env: [{ name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }],
            readinessProbe: { httpGet: { path: '/name', port: 80 }, periodSeconds: 1 },
          },
        ],
      },
    },
  },
}

interface Place {
  pod: string
  node: string
  ip: string
}
let places: Place[] = []
const fetchFrom = async ({ pod }: Place, host: string, path = '/name', limitSeconds = 5) =>
  (await cluster.tryKubectl(`exec ${pod} -- timeout ${limitSeconds} wget -qO- http://${host}${path}`)).stdout

/** Fails with the pairs of nodes whose pods do not reach each other. */
async function allReach(): Promise<true> {
  const bad: string[] = []
  for (const from of places)
    for (const to of places)
      if ((await fetchFrom(from, to.ip)).trim() !== to.node) bad.push(`${from.node} to ${to.node}`)
  if (bad.length) throw new Error(`${bad.join(', ')}; ${near.printed.slice(-500)} ${behind.printed.slice(-500)}`)
  return true
}

test('machines in two segments join, and pods on all of them reach each other', options, async () => {
  await makeNetwork()
  const { port, nodeName } = JSON.parse(readFileSync(`${cluster.dataDir}/apart/cluster.json`, 'utf8')) as {
    port: number
    nodeName: string
  }
  first = nodeName
  const address = await cluster.kubectl(
    `get nodes -o jsonpath='{.items[0].status.addresses[?(@.type=="InternalIP")].address}'`,
  )
  server = { host: address, port }
  const token = (await cluster.kutter('token', 'create')).stdout.trim()
  for (const machine of [near, behind]) machine.join(`https://${address}:${port}`, token)
  for (const machine of [near, behind])
    await eventually(`${machine.name} is Ready`, async () => {
      if (/ Ready /.test((await cluster.tryKubectl(`get node ${machine.name} --no-headers`)).stdout)) return true
      throw new Error(machine.printed)
    })
  for (const machine of [near, behind]) {
    const built = await machine.kutter('image', 'build', 'examples/images/busybox')
    assert.equal(built.code, 0, built.stderr)
  }
  await cluster.apply(web)
  await cluster.kubectl('rollout status daemonset web --timeout=120s')
  const { items } = JSON.parse(await cluster.kubectl('get pods -l app=web -o json')) as {
    items: { metadata: { name: string }; spec: { nodeName: string }; status: { podIP: string } }[]
  }
  places = items.map(({ metadata, spec, status }) => ({ pod: metadata.name, node: spec.nodeName, ip: status.podIP }))
  assert.deepEqual(places.map(({ node }) => node).sort(), [first, 'near', 'behind'].sort())
  await eventually('all pods reach each other', allReach)
})

test('a route goes through VXLAN where a router is between, and what is large fits', options, async () => {
  const routes = (await behind.run('ip', 'route')).stdout
  assert.equal(routes.match(/10\.\d+\.\d+\.0\/24 via 10\.\S+ dev kt\w+v4 .*onlink/g)?.length, 2, routes)
  for (const from of places)
    for (const to of places) {
      const size = (await fetchFrom(from, to.ip, '/large', 20)).length
      assert.equal(size, 4096 * 1024, `from ${from.node} to ${to.node}`)
    }
  // The machine itself reaches pods behind the router, too.
  const { ip } = places.find(({ node }) => node === 'behind')!
  assert.equal((await run('curl', ['-sf', '-m', '5', `http://${ip}/name`])).stdout.trim(), 'behind')
})

test('Services, their names and NodePorts work between the segments', options, async () => {
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web' },
    spec: { type: 'NodePort', selector: { app: 'web' }, ports: [{ port: 80 }] },
  })
  for (const from of places)
    await eventually(`${from.node} reaches all by the name`, async () => {
      const names = new Set<string>()
      for (let i = 0; i < 15; i++) names.add((await fetchFrom(from, 'web.default.svc.cluster.local')).trim())
      names.delete('')
      return names.size === places.length
    })
  const port = await cluster.kubectl("get service web -o jsonpath='{.spec.ports[0].nodePort}'")
  for (const address of ['198.51.100.2', '203.0.113.2'])
    for (let i = 0; i < 6; i++) {
      const { stdout } = await run('curl', ['-sf', '-m', '5', `http://${address}:${port}/name`])
      assert.ok(
        places.some(({ node }) => node === stdout.trim()),
        `${address}: ${stdout}`,
      )
    }
})

test('a connection between the segments that was cut works again without a restart', options, async () => {
  const [from, to] = [places.find(({ node }) => node === first)!, places.find(({ node }) => node === 'behind')!]
  await run('ip', ['-n', router, 'link', 'set', 'e2', 'down'])
  await eventually('it is cut', async () => !(await fetchFrom(from, to.ip, '/name', 2)))
  await run('ip', ['-n', router, 'link', 'set', 'e2', 'up'])
  await eventually('it works again', allReach, 120_000)
})

test('TCP goes on between pods while the router loses packets of VXLAN', options, async t => {
  const [from, to] = [places.find(({ node }) => node === first)!, places.find(({ node }) => node === 'behind')!]
  const into = [`--net=/run/netns/${router}`, '--', 'nft']
  const rules = `
    add table ip lossy
    add chain ip lossy loss { type filter hook forward priority 0 ; }
    add rule ip lossy loss udp dport 8472 numgen inc mod 29 0 counter drop`
  const made = await run('nsenter', [...into, '-f', '-'], { stdin: rules })
  assert.equal(made.code, 0, made.stderr)
  try {
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const)
      for (let i = 0; i < 3; i++)
        assert.equal((await fetchFrom(one, other.ip, '/large', 50)).length, 4096 * 1024, `from ${one.node}`)
    const { stdout } = await run('nsenter', [...into, 'list', 'table', 'ip', 'lossy'])
    const lost = Number(/counter packets (\d+)/.exec(stdout)?.[1])
    assert.ok(lost > 10, stdout)
    t.diagnostic(`${lost} packets lost`)
  } finally {
    await run('nsenter', [...into, 'delete', 'table', 'ip', 'lossy'])
  }
})

test('TCP goes on between pods while a relay changes the order of packets of VXLAN', options, async t => {
  const [from, to] = [places.find(({ node }) => node === first)!, places.find(({ node }) => node === 'behind')!]
  const into = [`--net=/run/netns/${router}`, '--']
  const ways = [server.host, '203.0.113.2'].map((address, i) => ({ address, port: 18_472 + i }))
  const relay = spawn(
    'nsenter',
    [
      ...into,
      process.execPath,
      `${import.meta.dirname}/programs/reorder.ts`,
      String(seed),
      ...ways.flatMap(({ address, port }) => [String(port), `${address}:8472`]),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let printed = ''
  relay.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()))
  const rules = `
    add table ip lossy
    add chain ip lossy in { type nat hook prerouting priority -150 ; }
    ${ways.map(({ address, port }) => `add rule ip lossy in ip daddr ${address} udp dport 8472 redirect to :${port}`).join('\n    ')}`
  try {
    await eventually('the relay runs', () => Promise.resolve(printed !== ''))
    const made = await run('nsenter', [...into, 'nft', '-f', '-'], { stdin: rules })
    assert.equal(made.code, 0, made.stderr)
    // Packets of the size of the way, rather than large ones that a network card would divide.
    const segments = "ip -o link | grep -oE 'kt[0-9a-f]{6}v4' | xargs -I{} ip link set dev {} gso_max_segs 1"
    await run('bash', ['-c', segments])
    await run('nsenter', [`--net=/run/netns/${behind.namespace}`, '--', 'bash', '-c', segments])
    // Connections of the kernel's tracking from before would lead past the relay.
    await run('nsenter', [...into, 'conntrack', '-D', '-p', 'udp', '--dport', '8472'])
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const)
      for (let i = 0; i < 3; i++)
        assert.equal((await fetchFrom(one, other.ip, '/large', 50)).length, 4096 * 1024, `from ${one.node}`)
    const before = printed
    await eventually('the relay counts', () => Promise.resolve(printed !== before))
    const held = Number(printed.trim().split('\n').at(-1))
    assert.ok(held > 100, `${held} packets held back`)
    t.diagnostic(`${held} packets came late`)
  } finally {
    await run('nsenter', [...into, 'nft', 'delete', 'table', 'ip', 'lossy'])
    await run('nsenter', [...into, 'conntrack', '-D', '-p', 'udp', '--dport', '8472'])
    relay.kill('SIGKILL')
  }
})

const isReady = async (node: string) =>
  (await cluster.kubectl(`get node ${node} -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}'`)) === 'True'

test(
  'a node whose connection to the API server stalls and is cut stays Ready, and runs what it is given',
  options,
  async t => {
    const harm = { delayMs: 30, stalls: 0.01, stallMs: 1_000, cuts: 0.01 }
    const relay = await LossyRelay.start(seed, harm, server, '198.51.100.1')
    const rules = `
    add table ip lossy
    add chain ip lossy out { type nat hook output priority -150 ; }
    add rule ip lossy out tcp dport ${server.port} dnat to 198.51.100.1:${relay.port}
    add chain ip lossy direct { type filter hook output priority 0 ; }
    add rule ip lossy direct tcp dport ${server.port} reject with tcp reset`
    try {
      const into = [`--net=/run/netns/${near.namespace}`, '--']
      const made = await run('nsenter', [...into, 'nft', '-f', '-'], { stdin: rules })
      assert.equal(made.code, 0, made.stderr)
      // What is open ends with its next packet. To make conntrack forget it would not do: where the server sends first, the
      // connection counts as the server's, and no rule of NAT sees it.
      await eventually('the node comes by the relay', async () => relay.counts.connections > 0)
      for (let i = 0; i < 4; i++) {
        const name = `given-${i}`
        await cluster.apply({
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name, labels: { given: 'yes' } },
          spec: {
            nodeName: 'near',
            terminationGracePeriodSeconds: 1,
            containers: [{ name: 'main', image: 'busybox', imagePullPolicy: 'Never', command: ['sleep', '1000'] }],
          },
        })
        await cluster.kubectl(`wait pod/${name} --for=condition=Ready --timeout=60s`)
        if (i === 1) relay.cutAll()
        assert.ok(await isReady('near'), `seed ${seed}: the node is not Ready`)
      }
      await cluster.kubectl('delete pods -l given=yes --timeout=60s')
      assert.ok(await isReady('near'), `seed ${seed}: the node is not Ready`)
      assert.ok(relay.counts.cuts > 0, JSON.stringify(relay.counts))
      t.diagnostic(JSON.stringify(relay.counts))
    } finally {
      await near.run('nft', 'delete', 'table', 'ip', 'lossy')
      relay.stop()
    }
    await eventually('the node is Ready without the relay', () => isReady('near'))
  },
)

test('a watch through a relay that cuts and stalls misses nothing', options, async t => {
  const credentials = readKubeconfig(`${cluster.dataDir}/${cluster.name}/kubeconfig`)
  const relay = await LossyRelay.start(
    seed,
    { delayMs: 5, stalls: 0.02, stallMs: 300, cuts: 0.03 },
    server,
    '127.0.0.1',
  )
  const clientBy = (url: string) => {
    const transport = httpsTransport(() => ({ ...credentials, server: url }))
    const around = { userAgent: 'lossy-test', clock: realClock, log: silentLog }
    const client = new Client({ serve: transport.serve, user: { name: '', groups: [] }, ...around })
    return { client, close: () => (client.close(), transport.close()) }
  }
  const [bad, good] = [clientBy(`https://127.0.0.1:${relay.port}`), clientBy(credentials.server)]
  const [objects, rounds] = [5, 60]
  try {
    const seen = bad.client.mirror(ConfigMap)
    await bad.client.synced([seen], AbortSignal.timeout(30_000))
    const versions = new Map<string, number[]>()
    const stop = seen.follow(({ type, item: { object } }) => {
      const { name = '' } = object.metadata
      if (!name.startsWith('watched-') || type === 'DELETED') return
      versions.set(name, [...(versions.get(name) ?? []), Number(object.data?.round)])
    }, 'test')
    const metadata = (i: number) => ({ namespace: 'default', name: `watched-${i}` })
    for (let round = 0; round < rounds; round++)
      for (let i = 0; i < objects; i++)
        if (round === 0) await good.client.create(ConfigMap, { metadata: metadata(i), data: { round: '0' } })
        else await good.client.patch(ConfigMap, metadata(i), 'merge', { data: { round: String(round) } })
    await eventually('the mirror has the last of everything', async () =>
      Array.from({ length: objects }, (_, i) => versions.get(`watched-${i}`)?.at(-1)).every(at => at === rounds - 1),
    )
    // A watch that goes on where it was cut has every change once, in its order.
    for (const [name, rest] of versions)
      assert.deepEqual(
        rest,
        Array.from({ length: rounds }, (_, i) => i),
        `seed ${seed}: ${name}`,
      )
    assert.ok(relay.counts.cuts > 0, JSON.stringify(relay.counts))
    t.diagnostic(JSON.stringify(relay.counts))
    stop()
  } finally {
    bad.close()
    good.close()
    relay.stop()
  }
  await cluster.kubectl(`delete configmap ${Array.from({ length: objects }, (_, i) => `watched-${i}`).join(' ')}`)
})

test('a machine that gets another address is a node at that, and its pods are reached as before', options, async () => {
  const address = '198.51.100.7'
  const pod = places.find(({ node }) => node === 'near')!
  const container = () => cluster.kubectl(`get pod ${pod.pod} -o jsonpath='{.status.containerStatuses[0].containerID}'`)
  const before = await container()
  const moved = await run('bash', [
    '-ec',
    `ip -n ${near.namespace} address delete 198.51.100.2/24 dev e0
     ip -n ${near.namespace} address add ${address}/24 dev e0
     ip -n ${near.namespace} route add default via 198.51.100.1
     ip -n ${near.namespace} route add 203.0.113.0/24 via 198.51.100.3`,
  ])
  assert.equal(moved.code, 0, moved.stderr)
  const internal = `get node near -o jsonpath='{.status.addresses[?(@.type=="InternalIP")].address}'`
  await eventually('the Node has the address', async () => (await cluster.kubectl(internal)) === address, 90_000)
  await eventually('all pods reach each other', allReach, 120_000)
  // The kubelet has a certificate for the address, and its containers have gone on.
  await eventually('the kubelet is reached', async () => {
    const { code, stderr } = await cluster.tryKubectl(`exec ${pod.pod} -- true`)
    if (code) throw new Error(stderr)
    return true
  })
  assert.equal(await container(), before)
  assert.ok(await isReady('near'))
})

test('a machine that leaves takes its VXLAN along', options, async () => {
  assert.match((await near.run('ip', 'link')).stdout, /kt\w+v4/)
  await near.remove()
  await cluster.kubectl('delete node near')
  await eventually('no route leads there', async () => {
    const { stdout } = await behind.run('ip', 'route')
    return stdout.match(/dev kt\w+v4/g)?.length === 1
  })
  await behind.remove()
  await cluster.kubectl('delete node behind')
  await eventually('the server has no VXLAN any more', async () => {
    const { stdout } = await run('ip', ['-d', 'link'])
    return !new RegExp(`kt${cluster.tag}v4`).test(stdout)
  })
})
