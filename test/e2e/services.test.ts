// Services of every sort on two nodes of both families, with real packets: from outside, from nodes and from pods. The
// client outside is in a network namespace of its own on the network of the nodes.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { Resolver } from 'node:dns/promises'
import { existsSync, readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { realClock } from '../../src/base/clock.ts'
import { cannotRun, clusterForFile, eventually, root, run } from './cluster.ts'

const [http, https] = [15_380, 15_743]
const cluster = clusterForFile(
  'services',
  ['busybox'],
  [
    '--nodes',
    '2',
    '--ip-family',
    'dual',
    '--ingress-http-port',
    String(http),
    '--ingress-https-port',
    String(https),
    '--nodeport-addresses',
    '0.0.0.0/1,128.0.0.0/2,192.0.0.0/6,fd00::/8,2000::/3',
  ],
)
const options = { skip: cannotRun || (!existsSync('/proc/net/if_inet6') && 'this kernel has no IPv6') }
const client = `served-${cluster.tag}`
/** Where packets come from: the start of a command line that runs a command there. */
type Place = readonly string[]
const machine: Place = []
const outside: Place = ['ip', 'netns', 'exec', client]
const second: Place = ['ip', 'netns', 'exec', `kutter-${cluster.tag}-node-2`]
/** What curl returns when nobody answers, and when the connection is refused. */
const [silent, refused] = [28, 7]

interface Pod {
  metadata: { name: string; uid: string }
  spec: { nodeName: string }
  status: { podIP: string; podIPs: { ip: string }[] }
}
interface ServiceObject {
  spec: { clusterIP: string; clusterIPs: string[]; healthCheckNodePort?: number; ports: { nodePort: number }[] }
  status: { loadBalancer: { ingress?: { ip: string }[] } }
}
/** The nodes, the machine's first, with an address of each family. */
let nodes: { name: string; ips: readonly [string, string] }[] = []
/** The pods of the DaemonSet web on these nodes. */
let web: Pod[] = []
/** The client's addresses: two of each family. */
let addresses: { four: string; six: string; otherFour: string; otherSix: string }
let dnsAddress = ''
let proxyHealthPort = 0

const json = async <T>(what: string) => JSON.parse(await cluster.kubectl(`get ${what} -o json`)) as T
const service = (name: string, spec: object) =>
  cluster.apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { selector: { served: 'web' }, ports: [{ port: 80, targetPort: 8080 }], ...spec },
  })
const get = (name: string) => json<ServiceObject>(`service ${name}`)
const remove = (...names: string[]) => cluster.kubectl(`delete --wait=true service ${names.join(' ')}`)
const balancerOf = (name: string) =>
  eventually(`${name} has addresses`, async () => (await get(name)).status.loadBalancer.ingress?.map(({ ip }) => ip))

/** Serves a page with its name, node, and the address of the client. */
const serve = `mkdir -p /tmp/www/cgi-bin; cd /tmp/www; echo ok >ok
printf '#!/bin/sh\\necho Content-type: text/plain; echo; echo "$NAME $NODE $REMOTE_ADDR"\\n' >cgi-bin/who
chmod +x cgi-bin/who; httpd -p 8080 -h /tmp/www; trap "exit 0" TERM; while :; do sleep 0.2; done`
const podSpec = (more: object = {}, ofContainer: object = {}) => ({
  automountServiceAccountToken: false,
  terminationGracePeriodSeconds: 1,
  containers: [
    {
      name: 'main',
      image: 'busybox',
      imagePullPolicy: 'IfNotPresent',
      command: ['sh', '-c', serve],
      env: [
        { name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
        { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
      ],
      readinessProbe: { httpGet: { path: '/ok', port: 8080 }, periodSeconds: 1 },
      ...ofContainer,
    },
  ],
  ...more,
})
const pod = (name: string, labels: object, more: object = {}, ofContainer: object = {}) =>
  cluster.apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name, labels }, spec: podSpec(more, ofContainer) })
const ready = (name: string) => cluster.kubectl(`wait --for=condition=Ready pod/${name} --timeout=60s`)
const onNode = (index: number) => ({ nodeSelector: { 'kubernetes.io/hostname': nodes[index]!.name } })

function at(place: Place, command: string, ...args: string[]) {
  const [first = '', ...more] = [...place, command, ...args]
  return run(first, more)
}

/** The network namespace of a pod. */
async function inside({ metadata: { uid } }: Pod): Promise<Place> {
  const find = `cat $(find /sys/fs/cgroup -path '*${uid.replaceAll('-', '?')}*' -name cgroup.procs) | head -n 1`
  const pid = (await cluster.shell(find)).stdout.trim()
  assert.match(pid, /^\d+$/, `a process of the pod ${uid}`)
  return ['nsenter', `--net=/proc/${pid}/ns/net`]
}

/** What an address answers, as words; the exit code of curl where it answers nothing. */
async function who(place: Place, address: string, port: number, ...more: string[]): Promise<string[] | number> {
  const host = address.includes(':') ? `[${address}]` : address
  const url = `http://${host}:${port}/cgi-bin/who`
  const { code, stdout } = await at(place, 'curl', '-gsf', '-m', '2', ...more, url)
  return code || stdout.trim().split(' ')
}
const answers = (place: Place, address: string, port: number) =>
  eventually(
    `${address}:${port} answers`,
    async () => {
      const answer = await who(place, address, port)
      if (typeof answer === 'number') throw new Error(`curl ends with ${answer}`)
      return answer
    },
    15_000,
  )
const gives = (place: Place, address: string, port: number, code: number, ...more: string[]) =>
  eventually(
    `${address}:${port} gives ${code}`,
    async () => (await who(place, address, port, '-m', '1', ...more)) === code,
    15_000,
  )

/** The names of the pods, or of their nodes, that answer some requests. All must be answered. */
async function seen(place: Place, address: string, port: number, times = 20, word = 0): Promise<string[]> {
  const names = new Set<string>()
  for (let i = 0; i < times; i++) {
    const answer = await who(place, address, port)
    assert(typeof answer !== 'number', `${address}:${port}: curl ends with ${String(answer)}`)
    names.add(answer[word]!)
  }
  return [...names]
}

const running = new Set<ChildProcess>()
/** Starts the program for traffic somewhere, and returns the lines that it has printed so far. */
function traffic(place: Place, ...args: string[]): { lines: string[]; stop: () => void; ended: Promise<void> } {
  const [command = '', ...more] = [...place, `${root}tools/node`, `${root}test/e2e/programs/traffic.ts`, ...args]
  const child = spawn(command, more, { stdio: ['ignore', 'pipe', 'inherit'] })
  running.add(child)
  const lines: string[] = []
  child.stdout.on('data', text => lines.push(...String(text).split('\n').filter(Boolean)))
  const ended = new Promise<void>(resolve => child.on('close', () => resolve()))
  void ended.then(() => running.delete(child))
  return { lines, stop: () => void child.kill('SIGKILL'), ended }
}
async function echo(target: Pod, port: number) {
  const server = traffic(await inside(target), 'echo', target.metadata.name, String(port))
  await eventually('a server of UDP listens', async () => server.lines.length > 0)
  return server
}

async function connectClient(): Promise<void> {
  const { nodeCidrs, ...config } = JSON.parse(
    readFileSync(`${cluster.dataDir}/${cluster.name}/cluster.json`, 'utf8'),
  ) as { nodeCidrs: [string, string]; dnsAddress: string; kubeletPort: number }
  dnsAddress = config.dnsAddress
  proxyHealthPort = config.kubeletPort + 6
  const four = nodeCidrs[0].split('.').slice(0, 3).join('.')
  const six = nodeCidrs[1].replace(/\/.*/, '')
  addresses = { four: `${four}.250`, otherFour: `${four}.251`, six: `${six}250`, otherSix: `${six}251` }
  const lines = [
    `ip netns add ${client}`,
    `ip link add ${client.slice(0, 15)} type veth peer name eth0 netns ${client}`,
    `ip link set dev ${client.slice(0, 15)} master kt${cluster.tag}n up`,
    ...[addresses.four, addresses.otherFour].map(ip => `ip -n ${client} address add ${ip}/24 dev eth0`),
    ...[addresses.otherSix, addresses.six].map(ip => `ip -n ${client} address add ${ip}/64 dev eth0 nodad`),
    `ip -n ${client} link set dev eth0 up`,
    `ip -n ${client} route add default via ${four}.1 src ${addresses.four}`,
    `ip -n ${client} route add default via ${six}1 src ${addresses.six}`,
  ]
  const { code, stderr } = await cluster.shell(lines.join(' && '))
  assert.equal(code, 0, stderr)
}

async function setUp(): Promise<void> {
  await run('ip', ['netns', 'delete', client])
  await connectClient()
  await cluster.apply({
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'web' },
    spec: {
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web', served: 'web' } }, spec: podSpec() },
    },
  })
  await cluster.kubectl('rollout status daemonset/web --timeout=120s')
  const { items } = await json<{
    items: { metadata: { name: string }; status: { addresses: { address: string }[] } }[]
  }>('nodes')
  const all = items.map(({ metadata: { name }, status }) => {
    const ips = status.addresses.map(({ address }) => address)
    return { name, ips: [ips.find(ip => ip.includes('.'))!, ips.find(ip => ip.includes(':'))!] as const }
  })
  nodes = all.sort((a, b) => Number(a.name === 'node-2') - Number(b.name === 'node-2'))
  const pods = (await json<{ items: Pod[] }>('pods -l app=web')).items
  web = nodes.map(({ name }) => pods.find(({ spec }) => spec.nodeName === name)!)
}

describe('Services', options, () => {
  before(setUp)
  after(async () => {
    for (const child of running) child.kill('SIGKILL')
    await run('ip', ['netns', 'delete', client])
  })

  test('a client stays with its pod by session affinity, whatever other endpoints do, until it has been away', async () => {
    await service('sticky', { type: 'NodePort', sessionAffinity: 'ClientIP', ipFamilyPolicy: 'RequireDualStack' })
    const { spec } = await get('sticky')
    const port = spec.ports[0]!.nodePort
    const ways = [
      [machine, spec.clusterIPs[0]!, 80],
      [machine, spec.clusterIPs[1]!, 80],
      [outside, nodes[0]!.ips[0], port],
      [outside, nodes[1]!.ips[1], port],
      [await inside(web[0]!), spec.clusterIP, 80],
    ] as const
    const chosen = await Promise.all(
      ways.map(async ([place, address, at]) => {
        await answers(place, address, at)
        return seen(place, address, at)
      }),
    )
    for (const names of chosen) assert.equal(names.length, 1)
    const again = () => Promise.all(ways.map(([place, address, at]) => seen(place, address, at, 6)))
    await pod('extra', { served: 'web' })
    await ready('extra')
    await eventually('it is an endpoint', async () =>
      /8080.*8080.*8080/.test(await cluster.kubectl('get endpoints sticky')),
    )
    assert.deepEqual(await again(), chosen)
    await cluster.kubectl('delete pod extra')
    assert.deepEqual(await again(), chosen)
    await service('sticky', {
      type: 'NodePort',
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 1 } },
    })
    const names = new Set<string>()
    await eventually('another pod answers', async () => {
      for (const name of await seen(machine, spec.clusterIP, 80, 1)) names.add(name)
      await realClock.sleep(1_300)
      return names.size > 1
    })
    await remove('sticky')
  })

  test('externalTrafficPolicy Local keeps the address of the client; a node without endpoints drops; health checks differ', async () => {
    await pod('lone', { app: 'lone' }, onNode(1))
    await ready('lone')
    const spec = { type: 'LoadBalancer', selector: { app: 'lone' }, externalTrafficPolicy: 'Local' }
    await service('local', { ...spec, ipFamilyPolicy: 'RequireDualStack' })
    await balancerOf('local')
    const { spec: given } = await get('local')
    const port = given.ports[0]!.nodePort
    for (const [ip, own] of [
      [nodes[1]!.ips[0], addresses.four],
      [nodes[1]!.ips[1], addresses.six],
    ] as const)
      for (const at of [80, port])
        assert.match((await answers(outside, ip, at))[2]!, new RegExp(`(^|[^0-9])${own}]?$`), ip)
    await gives(outside, nodes[0]!.ips[0], port, silent)
    // Nodes and pods are not outside: they reach the pod by every address.
    for (const place of [machine, second, await inside(web[0]!), await inside(web[1]!)])
      for (const [ip, at] of [
        [given.clusterIP, 80],
        [nodes[1]!.ips[0], port],
        [nodes[1]!.ips[0], 80],
      ] as const)
        await answers(place, ip, at)
    const healthOf = async (index: number) => {
      const url = `http://${nodes[index]!.ips[0]}:${given.healthCheckNodePort}/`
      const { stdout } = await at(outside, 'curl', '-s', '-m', '3', '-w', ' %{http_code}', url)
      const [, text = '', status] = /^(.*) (\d+)$/s.exec(stdout) ?? []
      return [Number(status), (JSON.parse(text) as { localEndpoints: number }).localEndpoints]
    }
    assert.deepEqual(await healthOf(0), [503, 0])
    assert.deepEqual(await healthOf(1), [200, 1])
    // With the policy Cluster a load balancer asks the proxies of the nodes.
    for (const { ips } of nodes)
      for (const path of ['healthz', 'livez']) {
        const host = ips[0].includes(':') ? `[${ips[0]}]` : ips[0]
        const { stdout } = await at(outside, 'curl', '-sf', '-m', '3', `http://${host}:${proxyHealthPort}/${path}`)
        assert.match(stdout, /^\{"lastUpdated": "\d{4}-/, `${path} of ${host}`)
      }
    await remove('local')
    // Connections that one side has closed are kept for an hour.
    for (const place of [machine, second])
      assert.equal(
        (await at(place, 'sysctl', '-n', 'net.netfilter.nf_conntrack_tcp_timeout_close_wait')).stdout,
        '3600\n',
      )
  })

  test('internalTrafficPolicy Local leads to pods of the same node, and nowhere where there is none', async () => {
    await service('inner', { selector: { app: 'lone' }, internalTrafficPolicy: 'Local' })
    await service('each', { internalTrafficPolicy: 'Local' })
    const [inner, each] = [(await get('inner')).spec.clusterIP, (await get('each')).spec.clusterIP]
    for (const place of [second, await inside(web[1]!)]) await answers(place, inner, 80)
    for (const place of [machine, await inside(web[0]!)]) await gives(place, inner, 80, silent)
    for (const [index, place] of [machine, second].entries()) {
      await answers(place, each, 80)
      assert.deepEqual(await seen(place, each, 80), [web[index]!.metadata.name])
    }
    await remove('inner', 'each')
  })

  test('loadBalancerSourceRanges lets in those within, of both families', async () => {
    await service('ranges', {
      type: 'LoadBalancer',
      ipFamilyPolicy: 'RequireDualStack',
      loadBalancerSourceRanges: [`${addresses.four}/32`, `${addresses.six}/128`],
    })
    const ips = await balancerOf('ranges')
    assert(ips.some(ip => ip.includes(':')))
    for (const ip of ips) {
      const [own, other] = ip.includes(':')
        ? [addresses.six, addresses.otherSix]
        : [addresses.four, addresses.otherFour]
      await eventually(`${ip} lets in ${own}`, async () =>
        Array.isArray(await who(outside, ip, 80, '--interface', own)),
      )
      await gives(outside, ip, 80, silent, '--interface', other)
    }
    await remove('ranges')
  })

  test('an external IP leads to the first Service that names it, and to the next when that is gone', async () => {
    const ip = '198.51.100.77'
    await service('ext-a', { externalIPs: [ip] })
    await answers(outside, ip, 80)
    await service('ext-b', { externalIPs: [ip], selector: { app: 'lone' } })
    await eventually('the second is refused', async () =>
      /FailedToProgramRules.*198\.51\.100\.77/.test(
        await cluster.kubectl('get events --field-selector involvedObject.name=ext-b'),
      ),
    )
    assert(!(await seen(outside, ip, 80, 6)).includes('lone'))
    await remove('ext-a')
    await eventually('the second has it', async () => {
      const answer = await who(outside, ip, 80)
      return typeof answer !== 'number' && answer[0] === 'lone'
    })
    await remove('ext-b')
  })

  test('a pod reaches itself by its Service, and so do nodes and pods on the network of a node', async () => {
    await service('lone', { selector: { app: 'lone' }, ipFamilyPolicy: 'RequireDualStack', type: 'NodePort' })
    const { spec } = await get('lone')
    const lone = await json<Pod>('pod lone')
    for (const ip of spec.clusterIPs)
      for (const place of [await inside(lone), machine, second])
        assert.deepEqual((await answers(place, ip, 80))[0], 'lone', ip)
    await pod(
      'hosted',
      { app: 'hosted' },
      { hostNetwork: true, ...onNode(1) },
      { command: ['sleep', '3600'], readinessProbe: null },
    )
    await ready('hosted')
    const said = await cluster.kubectl(
      `exec hosted -- sh -c 'printf "GET /cgi-bin/who HTTP/1.0\\r\\n\\r\\n" | nc -w 2 ${spec.clusterIP} 80 | tail -n 1'`,
    )
    assert.match(said, /^lone /)
    await cluster.kubectl('delete pod hosted')
    // NodePorts are on the chosen addresses only.
    const port = spec.ports[0]!.nodePort
    await answers(machine, '127.0.0.1', port)
    const other = '198.51.100.99'
    await run('ip', ['address', 'add', `${other}/32`, 'dev', 'lo'])
    try {
      assert.equal(await who(outside, other, port), refused)
      assert.equal(await who(machine, other, port), refused)
    } finally {
      await run('ip', ['address', 'delete', `${other}/32`, 'dev', 'lo'])
    }
    await remove('lone')
  })

  test('host ports: one number by both protocols and at two addresses; what would clash is not scheduled', async () => {
    const hosts = (name: string, hostIP: string, protocols: readonly string[]) =>
      pod(name, { app: name }, onNode(0), {
        ports: protocols.map(protocol => ({ containerPort: 8080, hostPort: 17_070, hostIP, protocol })),
      })
    await hosts('hp-a', nodes[0]!.ips[0], ['TCP'])
    await hosts('hp-b', '127.0.0.1', ['TCP'])
    await hosts('hp-c', nodes[0]!.ips[0], ['UDP'])
    for (const name of ['hp-a', 'hp-b', 'hp-c']) await ready(name)
    const server = await echo(await json<Pod>('pod hp-c'), 8080)
    assert.equal((await answers(outside, nodes[0]!.ips[0], 17_070))[0], 'hp-a')
    assert.equal((await answers(machine, '127.0.0.1', 17_070))[0], 'hp-b')
    const flow = traffic(outside, 'flow', nodes[0]!.ips[0], '17070')
    await eventually('UDP is answered', async () => flow.lines.includes(`${nodes[0]!.ips[0]} hp-c`))
    await hosts('hp-d', '0.0.0.0', ['TCP'])
    await eventually('it is not scheduled', async () =>
      /free ports/.test(await cluster.kubectl('get events --field-selector involvedObject.name=hp-d')),
    )
    for (const { stop } of [flow, server]) stop()
    await cluster.kubectl('delete pod hp-a hp-b hp-c hp-d --wait=false')
    // Without an address it is on all of them, also on those that have no node ports.
    const bare = '198.51.100.9'
    assert.equal((await at(machine, 'ip', 'address', 'add', `${bare}/32`, 'dev', 'lo')).code, 0)
    try {
      await pod('hp-e', { app: 'hp-e' }, onNode(0), { ports: [{ containerPort: 8080, hostPort: 17_071 }] })
      await service('hp-port', { type: 'NodePort', selector: { app: 'hp-e' } })
      await ready('hp-e')
      assert.equal((await answers(machine, bare, 17_071))[0], 'hp-e')
      const { nodePort } = (await get('hp-port')).spec.ports[0]!
      assert.equal((await answers(machine, nodes[0]!.ips[0], nodePort))[0], 'hp-e')
      await gives(machine, bare, nodePort, refused)
    } finally {
      await at(machine, 'ip', 'address', 'delete', `${bare}/32`, 'dev', 'lo')
    }
    await cluster.kubectl('delete pod hp-e --wait=false')
    await remove('hp-port')
  })

  test('a flow of UDP begins to work with the first endpoint, and moves when its endpoint goes', async () => {
    const ports = [{ port: 9000, protocol: 'UDP' }]
    await service('datagrams', { type: 'NodePort', selector: null, ports })
    const { spec } = await get('datagrams')
    const slice = (...pods: Pod[]) =>
      cluster.apply({
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { name: 'datagrams', labels: { 'kubernetes.io/service-name': 'datagrams' } },
        addressType: 'IPv4',
        ports: [{ name: '', port: 9000, protocol: 'UDP' }],
        endpoints: pods.map(({ status, spec: { nodeName } }) => ({ addresses: [status.podIP], nodeName })),
      })
    const servers = [await echo(web[0]!, 9000), await echo(web[1]!, 9000)]
    const port = String(spec.ports[0]!.nodePort)
    const ways = [
      [machine, spec.clusterIP, '9000'],
      [second, spec.clusterIP, '9000'],
      [await inside(web[0]!), spec.clusterIP, '9000'],
      [outside, nodes[0]!.ips[0], port],
      [machine, nodes[0]!.ips[0], port],
      [outside, nodes[1]!.ips[0], port],
    ] as const
    const flows = ways.map(([place, address, to]) => ({ address, ...traffic(place, 'flow', address, to) }))
    // Long enough for the kernel to follow the flows before there is an endpoint.
    await realClock.sleep(1_500)
    for (const { lines } of flows) assert.deepEqual(lines, [])
    for (const target of [web[0]!, web[1]!, web[0]!]) {
      await slice(target)
      for (const [i, { address, lines }] of flows.entries())
        await eventually(
          `flow ${i} to ${address} reaches ${target.metadata.name}`,
          async () => {
            const last = lines.at(-1)
            if (last !== `${address} ${target.metadata.name}`) throw new Error(`the last answer is ${last}`)
            return true
          },
          15_000,
        )
    }
    // All answers came from the address that was asked, but for one that is on its way while a flow is deleted, which then
    // has the address of its pod.
    const moves = 2
    for (const { address, lines } of flows) {
      const others = lines.filter(line => !line.startsWith(`${address} `))
      assert.ok(others.length <= moves, others.join(', '))
    }
    for (const { stop } of [...flows, ...servers]) stop()
    await remove('datagrams')
  })

  test('names: headless with and without selector, ExternalName, and pods that are not ready', async () => {
    const resolver = new Resolver({ timeout: 2_000, tries: 2 })
    resolver.setServers([dnsAddress])
    const named = (name: string) => `${name}.default.svc.cluster.local`
    const resolves = (name: string, ips: readonly string[]) =>
      eventually(`${name} resolves to ${ips.join()}`, async () => {
        const found = (await resolver.resolve4(named(name))).sort()
        if (found.join() !== ips.toSorted().join()) throw new Error(found.join())
        return true
      })
    await service('headless', { clusterIP: 'None' })
    await resolves(
      'headless',
      web.map(({ status }) => status.podIP),
    )
    await service('manual', { clusterIP: 'None', selector: null })
    await cluster.apply({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'manual-1', labels: { 'kubernetes.io/service-name': 'manual' } },
      addressType: 'IPv4',
      ports: [{ name: '', port: 80, protocol: 'TCP' }],
      endpoints: [{ addresses: ['192.0.2.7'] }, { addresses: ['192.0.2.8'], conditions: { ready: true } }],
    })
    await resolves('manual', ['192.0.2.7', '192.0.2.8'])
    await service('alias', { type: 'ExternalName', externalName: 'service.example.com', selector: null })
    await eventually('the alias resolves', async () =>
      (await resolver.resolveCname(named('alias'))).includes('service.example.com'),
    )
    await pod('early', { app: 'early' }, onNode(1), {
      readinessProbe: { exec: { command: ['false'] }, periodSeconds: 1 },
    })
    await service('early', { selector: { app: 'early' } })
    const { clusterIP } = (await get('early')).spec
    await gives(machine, clusterIP, 80, refused)
    await service('early', { selector: { app: 'early' }, publishNotReadyAddresses: true })
    await answers(machine, clusterIP, 80)
    await cluster.kubectl('delete pod early')
    await remove('headless', 'manual', 'alias', 'early')
  })

  test('the last pod serves while it ends gracefully, with the policy Local too', async () => {
    await pod(
      'ending',
      { app: 'ending' },
      { ...onNode(1), terminationGracePeriodSeconds: 30 },
      {
        lifecycle: { preStop: { sleep: { seconds: 8 } } },
      },
    )
    await ready('ending')
    await service('ending', { type: 'LoadBalancer', selector: { app: 'ending' }, externalTrafficPolicy: 'Local' })
    await balancerOf('ending')
    const { spec } = await get('ending')
    await answers(outside, nodes[1]!.ips[0], 80)
    await cluster.kubectl('delete pod ending --wait=false')
    await eventually('it is terminating', async () =>
      /true/.test(
        await cluster.kubectl(
          "get endpointslices -l kubernetes.io/service-name=ending -o jsonpath='{.items[*].endpoints[*].conditions.terminating}'",
        ),
      ),
    )
    await seen(outside, nodes[1]!.ips[0], 80, 10)
    await seen(machine, spec.clusterIP, 80, 10)
    await cluster.kubectl('wait --for=delete pod/ending --timeout=40s')
    await gives(outside, nodes[1]!.ips[0], 80, refused)
    await remove('ending')
  })

  test('trafficDistribution leads to the same node, or to the same zone', async () => {
    await service('near', { trafficDistribution: 'PreferSameNode' })
    for (const [index, { name }] of nodes.entries())
      await cluster.kubectl(`label node ${name} --overwrite topology.kubernetes.io/zone=zone-${index}`)
    await service('zonal', { trafficDistribution: 'PreferSameZone' })
    for (const name of ['near', 'zonal']) {
      const { clusterIP } = (await get(name)).spec
      for (const [index, place] of [machine, second].entries())
        await eventually(`${name} leads to node ${index}`, async () => {
          const names = await seen(place, clusterIP, 80, 12, 1)
          if (names.join() !== nodes[index]!.name) throw new Error(names.join())
          return true
        })
    }
    await remove('near', 'zonal')
    for (const { name } of nodes) await cluster.kubectl(`label node ${name} topology.kubernetes.io/zone-`)
  })

  test('a second ServiceCIDR is used, and addresses are objects that follow their Services', async () => {
    await cluster.apply({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'ServiceCIDR',
      metadata: { name: 'second' },
      spec: { cidrs: ['10.199.7.0/24'] },
    })
    await cluster.kubectl('wait --for=condition=Ready servicecidr/second --timeout=30s')
    await eventually('an address of it is given', () => service('ranged', { clusterIP: '10.199.7.9' }))
    for (const place of [machine, second, await inside(web[0]!)]) await answers(place, '10.199.7.9', 80)
    const parents = () => cluster.tryKubectl("get ipaddress 10.199.7.9 -o jsonpath='{.spec.parentRef.name}'")
    assert.equal((await parents()).stdout, 'ranged')
    await cluster.kubectl('delete ipaddress 10.199.7.9')
    await eventually('the address is there again', async () => (await parents()).stdout === 'ranged')
    await remove('ranged')
    await eventually('the address is gone', async () => (await parents()).code !== 0)
    await cluster.apply({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IPAddress',
      metadata: {
        name: '10.199.7.9',
        labels: {
          'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io',
          'ipaddress.kubernetes.io/ip-family': 'IPv4',
        },
      },
      spec: { parentRef: { resource: 'services', namespace: 'default', name: 'gone' } },
    })
    await eventually('one without a Service is removed', async () => (await parents()).code !== 0)
    await cluster.kubectl('delete servicecidr second')
  })

  test('no request from outside fails while the pods are replaced', async t => {
    await cluster.apply({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'rolling' },
      spec: {
        replicas: 3,
        strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
        selector: { matchLabels: { app: 'rolling' } },
        template: {
          metadata: { labels: { app: 'rolling' } },
          spec: podSpec({ terminationGracePeriodSeconds: 10 }, { lifecycle: { preStop: { sleep: { seconds: 3 } } } }),
        },
      },
    })
    await cluster.kubectl('rollout status deployment/rolling --timeout=60s')
    await service('rolling', { type: 'LoadBalancer', selector: { app: 'rolling' } })
    await cluster.apply({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name: 'rolling' },
      spec: { ingressClassName: 'kutter', defaultBackend: { service: { name: 'rolling', port: { number: 80 } } } },
    })
    const urls = [`http://${nodes[1]!.ips[0]}/ok`, `https://${nodes[0]!.ips[0]}:${https}/ok`]
    for (const url of urls)
      await eventually(`${url} answers`, async () => (await at(outside, 'curl', '-skf', '-m', '2', url)).code === 0)
    const counts = ['8000', '2000']
    const loads = urls.map((url, i) => traffic(outside, 'requests', counts[i]!, '6', url))
    const ended = Promise.all(loads.map(load => load.ended))
    let [isOver, rollouts] = [false, 0]
    void ended.then(() => (isOver = true))
    while (!isOver) {
      await cluster.kubectl('rollout restart deployment/rolling')
      await cluster.kubectl('rollout status deployment/rolling --timeout=120s')
      rollouts++
    }
    t.diagnostic(`${rollouts} rollouts while there was load`)
    for (const [i, { lines }] of loads.entries()) assert.deepEqual(lines, ['[]'], urls[i])
  })
})
