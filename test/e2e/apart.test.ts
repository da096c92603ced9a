// Nodes apart: three machines of which one is behind a router that has no way to pods. VXLAN leads through it, large
// packets fit, Services work, and a connection that was cut works again without a restart.
//
//   the server's machine ── 198.51.100.1 ─┬─ 198.51.100.2 near
//                                         └─ 198.51.100.3 router 203.0.113.1 ── 203.0.113.2 behind
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { cannotRun, clusterForFile, eventually, run } from './cluster.ts'
import { Machine } from './machine.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('apart', ['busybox'])
const [near, behind] = [new Machine(cluster, 'near'), new Machine(cluster, 'behind')]
const router = 'kutter-test-router'
const bridge = 'kutter-apart'
const removeNetwork = () =>
  run('bash', ['-c', `ip netns delete ${router}; ip link delete ${bridge}; ip route delete 203.0.113.0/24; true`])

let first = ''

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
