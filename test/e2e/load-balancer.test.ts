// Services of type LoadBalancer on two nodes, seen by a client in a network namespace of its own on their network: with
// the addresses of the nodes, with a pool of addresses that move when a node ends, and left to others.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { realClock } from '../../src/base/clock.ts'
import { cannotRun, clusterForFile, eventually, run } from './cluster.ts'

const [http, https] = [15_280, 15_643]
const cluster = clusterForFile(
  'load-balancer',
  ['busybox', 'myapp'],
  ['--nodes', '2', '--ingress-http-port', String(http), '--ingress-https-port', String(https)],
)
const options = { skip: cannotRun }
const finalizer = 'service.kubernetes.io/load-balancer-cleanup'
const client = `balanced-${cluster.tag}`
const node2 = `kutter-${cluster.tag}-node-2`
const cable = `kt${cluster.tag}-2`
/** The network of the nodes, without its last number. */
let network = ''

const deployment = (name: string, spec: object = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: {
        automountServiceAccountToken: false,
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'main',
            image: 'myapp:v1',
            imagePullPolicy: 'IfNotPresent',
            readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 },
          },
        ],
        ...spec,
      },
    },
  },
})
const service = (name: string, port: number, app: string, more: object = {}, annotations: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, annotations },
  spec: { type: 'LoadBalancer', selector: { app }, ports: [{ port, targetPort: 8080 }], ...more },
})

interface Found {
  metadata: { finalizers?: string[] }
  spec: { ports: { nodePort?: number }[] }
  status: { loadBalancer: { ingress?: { ip: string; ipMode: string }[] } }
}
const get = async (name: string) => JSON.parse(await cluster.kubectl(`get service ${name} -o json`)) as Found
const addressesOf = async (name: string) => ((await get(name)).status.loadBalancer.ingress ?? []).map(({ ip }) => ip)
const addressesOnceThere = (name: string) =>
  eventually(`${name} has an address`, async () => {
    const addresses = await addressesOf(name)
    return addresses.length > 0 && addresses
  })
const eventsOf = (name: string) =>
  cluster.kubectl(`get events --field-selector involvedObject.name=${name} -o custom-columns=R:.reason,M:.message`)
const reported = (name: string, what: RegExp) =>
  eventually(`an event of ${name} ${what}`, async () => what.test(await eventsOf(name)))

/** What the client gets from an address; the exit code of curl where it gets nothing. */
async function fetched(address: string, port: number, limitS = 5): Promise<string | number> {
  const url = `http://${address}:${port}/`
  const { code, stdout } = await run('ip', ['netns', 'exec', client, 'curl', '-s', '-m', String(limitS), url])
  return code || stdout.trim()
}
const answers = (address: string, port: number) =>
  eventually(`${address}:${port} answers`, async () => typeof (await fetched(address, port)) === 'string')
const refusedCode = 7

const hasOnLink = async (node: 'first' | 'second', address: string) => {
  const [command = '', ...args] = [...(node === 'second' ? ['ip', 'netns', 'exec', node2] : []), 'ip', '-o', 'address']
  return (await run(command, args)).stdout.split('\n').some(line => line.includes(` ${address}/32 `))
}

const firstNode = async () =>
  (await cluster.kubectl("get nodes -o jsonpath='{.items[*].metadata.name}'"))
    .split(' ')
    .find(name => name !== 'node-2')

async function processOf(role: string): Promise<number> {
  const { processes } = JSON.parse((await cluster.kutter('status', '-o', 'json')).stdout) as {
    processes: { role: string; node?: string; pid: number }[]
  }
  return processes.find(one => (one.node ?? one.role) === role)?.pid ?? 0
}

async function connectClient(): Promise<void> {
  const bridge = `kt${cluster.tag}n`
  const lines = [
    `ip netns add ${client}`,
    `ip link add ${client.slice(0, 15)} type veth peer name eth0 netns ${client}`,
    `ip link set dev ${client.slice(0, 15)} master ${bridge} up`,
    `ip -n ${client} address add ${network}.250/24 dev eth0`,
    `ip -n ${client} link set dev eth0 up`,
    `ip -n ${client} route add default via ${network}.1`,
  ]
  const { code, stderr } = await cluster.shell(lines.join(' && '))
  assert.equal(code, 0, stderr)
}
const disconnectClient = () => run('ip', ['netns', 'delete', client])

async function setUp(): Promise<void> {
  const config = JSON.parse(readFileSync(`${cluster.dataDir}/${cluster.name}/cluster.json`, 'utf8')) as {
    nodeCidrs: string[]
  }
  network = config.nodeCidrs[0]!.split('.').slice(0, 3).join('.')
  await disconnectClient()
  await connectClient()
  await cluster.apply(
    deployment('web', {
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          topologyKey: 'kubernetes.io/hostname',
          whenUnsatisfiable: 'DoNotSchedule',
          labelSelector: { matchLabels: { app: 'web' } },
        },
      ],
    }),
  )
  await cluster.kubectl('rollout status deployment/web --timeout=120s')
}

/** Starts the cluster again with other options. The client's cable hangs on the bridge between the nodes. */
async function restart(...more: string[]): Promise<void> {
  await disconnectClient()
  const { code, stdout, stderr } = await cluster.kutter('down')
  assert.equal(code, 0, stdout + stderr)
  await cluster.up('--nodes', '2', ...more)
  await connectClient()
}

describe('a load balancer with the addresses of the nodes', options, () => {
  before(setUp)

  test('has them at once, and answers at each of them from outside', async () => {
    await cluster.apply(service('web', 8180, 'web'))
    const addresses = await addressesOnceThere('web')
    assert.equal(addresses.length, 2)
    const { metadata, status } = await get('web')
    assert.deepEqual(
      status.loadBalancer.ingress!.map(({ ipMode }) => ipMode),
      ['VIP', 'VIP'],
    )
    assert(metadata.finalizers?.includes(finalizer))
    for (const address of addresses) await answers(address, 8180)
    await reported('web', /EnsuredLoadBalancer +Ensured load balancer/)
  })

  test('shares them by ports; one that wants a taken port waits, and gets it when it is free', async () => {
    await cluster.apply(service('other', 8181, 'web', { allocateLoadBalancerNodePorts: false }))
    const [address = ''] = await addressesOnceThere('other')
    assert.equal((await get('other')).spec.ports[0]!.nodePort ?? 0, 0)
    await answers(address, 8181)
    await cluster.apply(service('late', 8180, 'web'))
    await reported('late', /port TCP 8180 of the nodes is used by the Service default\/web/)
    assert.deepEqual(await addressesOf('late'), [])
    await cluster.kubectl('delete service web')
    await addressesOnceThere('late')
    await answers(address, 8180)
    await cluster.kubectl('delete service late')
    await eventually('its port is closed', async () => (await fetched(address, 8180)) === refusedCode)
  })

  test('keeps a port that Ingresses want later, and leaves them what they have', async () => {
    await cluster.apply(service('early', http, 'web'))
    await addressesOnceThere('early')
    await cluster.apply({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name: 'site' },
      spec: {
        ingressClassName: 'kutter',
        defaultBackend: { service: { name: 'other', port: { number: 8181 } } },
      },
    })
    await reported('site', new RegExp(`PortTaken .*Service default/early of type LoadBalancer has port ${http}`))
    await cluster.apply(service('tls', https, 'web'))
    await reported('tls', new RegExp(`port TCP ${https} of the nodes is used by Ingresses`))
    await cluster.kubectl('delete ingress site')
    await addressesOnceThere('tls')
    await cluster.kubectl('delete service early tls')
  })

  test('goes with the type, and leaves those of other classes alone', async () => {
    await cluster.kubectl(`patch service other -p '{"spec": {"type": "ClusterIP"}}'`)
    assert.deepEqual(await addressesOf('other'), [])
    await eventually(
      'the finalizer is gone',
      async () => !(await get('other')).metadata.finalizers?.includes(finalizer),
    )
    await cluster.kubectl('delete service other')
    await cluster.apply(service('foreign', 8182, 'web', { loadBalancerClass: 'example.com/lb' }))
    await cluster.apply(service('own', 8183, 'web', { loadBalancerClass: 'kutter.dev/default' }))
    await addressesOnceThere('own')
    const foreign = await get('foreign')
    assert.deepEqual(foreign.status.loadBalancer, {})
    assert.equal(foreign.metadata.finalizers, undefined)
    await cluster.kubectl('delete service foreign own')
  })
})

describe('a load balancer with a pool', options, () => {
  const pool = () => `${network}.200-${network}.209`

  /** Asks for addresses until it is one that the node announces. */
  async function addressOf(name: string, node: 'first' | 'second'): Promise<string> {
    for (let i = 200; i < 210; i++) {
      const wanted = `${network}.${i}`
      await cluster.kubectl(`annotate service ${name} --overwrite kutter.dev/load-balancer-ips=${wanted}`)
      const isOwn = await eventually(`${wanted} is announced`, async () => {
        const [first, second] = await Promise.all([hasOnLink('first', wanted), hasOnLink('second', wanted)])
        return first !== second && { isOwn: node === 'first' ? first : second }
      })
      if (isOwn.isOwn) return wanted
    }
    throw new Error(`the node announces none of ${pool()}`)
  }

  test('gives each Service an address, which one node announces, and at which nothing else answers', async () => {
    await restart('--loadbalancer-pool', pool())
    await cluster.apply(service('a', 80, 'web'))
    await cluster.apply(service('b', 80, 'web'))
    const all = [...(await addressesOnceThere('a')), ...(await addressesOnceThere('b'))]
    assert.equal(new Set(all).size, 2)
    for (const address of all) {
      assert(address.startsWith(`${network}.20`), address)
      await answers(address, 80)
      await reported(address === all[0] ? 'a' : 'b', /nodeAssigned +announcing \S+ from node/)
    }
    // The kubelet listens on all addresses of its node.
    const config = JSON.parse(readFileSync(`${cluster.dataDir}/${cluster.name}/cluster.json`, 'utf8')) as {
      kubeletPort: number
    }
    for (const node of ['first', 'second'] as const)
      assert.equal(await fetched(await addressOf('a', node), config.kubeletPort), refusedCode)
    await cluster.kubectl('delete service b')
    await eventually(
      'its address is gone',
      async () => !(await hasOnLink('first', all[1]!)) && !(await hasOnLink('second', all[1]!)),
    )
  })

  test('is shared by those that agree on it', async () => {
    const ip = `${network}.209`
    const sharing = { 'kutter.dev/load-balancer-ips': ip, 'kutter.dev/allow-shared-ip': 'x' }
    await cluster.apply(service('one', 80, 'web', {}, sharing))
    await cluster.apply(service('two', 81, 'web', {}, sharing))
    await cluster.apply(service('three', 81, 'web', {}, sharing))
    await reported('three', new RegExp(`the address ${ip} is used by the Service default/`))
    await answers(ip, 80)
    await answers(ip, 81)
    await cluster.kubectl('delete service one two three')
  })

  test('stays where it is while the API server is away, and while the agent of its node is replaced', async () => {
    const address = await addressOf('a', 'second')
    await answers(address, 80)
    const kill = async (role: string) => process.kill(await processOf(role), 'SIGKILL')
    await kill('server')
    await eventually('the server is back', async () => (await cluster.tryKubectl('get nodes')).code === 0)
    assert(await hasOnLink('second', address))
    assert.equal(typeof (await fetched(address, 80)), 'string')
    const before = await processOf('node-2')
    await kill('node-2')
    assert.equal(typeof (await fetched(address, 80)), 'string')
    await eventually('there is another agent', async () => ![0, before].includes(await processOf('node-2')))
    await eventually(
      'the node has the address',
      async () => (await hasOnLink('second', address)) && !(await hasOnLink('first', address)),
    )
    await answers(address, 80)
  })

  test('is handed over when the agent of its node is asked to end', async () => {
    const first = await firstNode()
    const address = await addressOf('a', 'second')
    process.kill(await processOf('node-2'), 'SIGTERM')
    await reported('a', new RegExp(`announcing ${address} from node "${first}"`))
    await eventually(
      'the next agent has it back',
      async () => (await hasOnLink('second', address)) && !(await hasOnLink('first', address)),
    )
    await answers(address, 80)
  })

  test('moves when its node ends, and comes back with it', async t => {
    const first = await firstNode()
    await cluster.apply(deployment('here', { nodeName: first }))
    await cluster.kubectl('rollout status deployment/here --timeout=120s')
    await cluster.kubectl(`patch service a -p '{"spec": {"selector": {"app": "here"}}}'`)
    const address = await addressOf('a', 'second')
    await answers(address, 80)
    await run('ip', ['link', 'set', 'dev', cable, 'down'])
    const cutAt = realClock.now()
    process.kill(await processOf('node-2'), 'SIGKILL')
    await eventually('the other node announces it', () => hasOnLink('first', address))
    t.diagnostic(`the address has moved ${realClock.now() - cutAt} ms after the end of its node`)
    await eventually('it answers', async () => typeof (await fetched(address, 80, 0.3)) === 'string')
    t.diagnostic(`it has answered after ${realClock.now() - cutAt} ms`)
    await run('ip', ['link', 'set', 'dev', cable, 'up'])
    await eventually(
      'it is back',
      async () => (await hasOnLink('second', address)) && !(await hasOnLink('first', address)),
    )
    await answers(address, 80)
    await cluster.kubectl('delete service a')
  })

  test('leaves nothing when the last Service goes', async () => {
    const left = () => run('ip', ['-o', 'link', 'show', 'dev', `kt${cluster.tag}v`])
    await eventually('the first node has forgotten it', async () => (await left()).code !== 0)
    await eventually(
      'no table is left',
      async () => !(await run('nft', ['list', 'tables'])).stdout.includes(`${cluster.tag}-balancer`),
    )
    await eventually(
      'no Lease is left',
      async () => !(await cluster.kubectl('get leases -n kube-system')).includes('kutter-load-balancer'),
    )
  })
})

describe('a load balancer that is left to others', options, () => {
  after(async () => void (await disconnectClient()))

  test('gives no address', async () => {
    await restart('--disable', 'loadbalancer', '--loadbalancer-pool', '')
    await cluster.apply(service('foreign', 80, 'web'))
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'plain' },
      spec: { type: 'NodePort', selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
    })
    await eventually('the Service has endpoints', async () =>
      /:8080/.test(await cluster.kubectl('get endpoints foreign')),
    )
    const { metadata, status } = await get('foreign')
    assert.deepEqual(status.loadBalancer, {})
    assert.equal(metadata.finalizers, undefined)
    await cluster.kubectl('delete service foreign plain')
  })
})
