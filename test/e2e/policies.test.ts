// Network policies with real packets: who reaches whom, by TCP and UDP and by both families, between three namespaces
// with three pods each on two nodes. policy-table.ts has most of the policies, and what they should do.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { hostname } from 'node:os'
import { after, afterEach, describe, test } from 'node:test'
import { cannotRun, clusterForFile, eventually, run, type TestCluster } from './cluster.ts'
import { forever } from './pods.ts'
import {
  allows,
  duringChurn,
  labelsOf,
  namedPorts,
  names,
  namespaces,
  type Policy,
  ports,
  protocols,
  table,
  type Way,
  type Who,
} from './policy-table.ts'
import { insidePod, Probe } from './probes.ts'
import type { Try } from './programs/probe.ts'

const cluster = clusterForFile('policies', ['busybox'], ['--nodes', '2', '--ip-family', 'dual'])
const options = { skip: cannotRun }
const all = namespaces.flatMap(namespace => names.map(name => `${namespace}/${name}`))
const ways: readonly Way[] = protocols.flatMap(protocol =>
  ports.flatMap(port => ([4, 6] as const).map(family => ({ protocol, port, family }))),
)
const dnsPort = 10053

const pod = (namespace: string, name: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace, labels: labelsOf(namespace, name) },
  spec: {
    terminationGracePeriodSeconds: 1,
    automountServiceAccountToken: false,
    containers: [
      {
        name: 'main',
        image: 'busybox',
        imagePullPolicy: 'IfNotPresent',
        command: ['sh', '-c', forever],
        ports: namedPorts(name),
      },
    ],
    // Each namespace has pods on both nodes.
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'kubernetes.io/hostname',
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: {},
      },
    ],
  },
})

const policy = (namespace: string, name: string, spec: object) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { namespace, name },
  spec: { podSelector: {}, ...spec },
})

/** A pod that runs, with its node and its probe. */
interface Member extends Who {
  node: string
  uid: string
  probe: Probe
}
const members = new Map<string, Member>()
const member = (who: string) => members.get(who) ?? assert.fail(`${who} does not run`)

interface PodPlace {
  metadata: { name: string; namespace: string; uid: string; labels: Record<string, string> }
  spec: { nodeName: string }
  status: { podIPs?: { ip: string }[]; phase: string }
}

/** Starts those of the pods that are not there, with probes. */
async function startPods(on: TestCluster): Promise<void> {
  const missing = all.filter(who => !members.has(who)).map(who => who.split('/') as [string, string])
  await on.apply({ apiVersion: 'v1', kind: 'List', items: missing.map(([namespace, name]) => pod(namespace, name)) })
  const running = await eventually('all pods run', async () => {
    const { items } = JSON.parse(await on.kubectl('get pods -A -l pod -o json')) as { items: PodPlace[] }
    const up = items.filter(({ status }) => status.phase === 'Running' && status.podIPs?.length === 2)
    if (up.length < all.length) throw new Error(`${up.length} of ${all.length} run`)
    return up
  })
  await Promise.all(
    running.map(async ({ metadata: { name, namespace, uid, labels }, spec, status }) => {
      const who = `${namespace}/${name}`
      if (members.has(who)) return
      const [four = '', six = ''] = status.podIPs?.map(({ ip }) => ip) ?? []
      const probe = await Probe.start(await insidePod(on, uid), who, ports)
      members.set(who, { namespace, name, uid, labels, node: spec.nodeName, ips: { 4: four, 6: six }, probe })
    }),
  )
}

const keyOf = (to: string, { protocol, port, family }: Way) => `${to} ${protocol} ${port} IPv${family}`
/** How long what is dropped is waited for, and what is not. The latter may be late on a machine that starts pods. */
const [dropMs, answerMs] = [400, 5_000]
const tryOf = (to: string, way: Way, limitMs: number): Try => ({
  limitMs,
  key: keyOf(to, way),
  host: member(to).ips[way.family],
  port: way.port,
  protocol: way.protocol === 'TCP' ? 'tcp' : 'udp',
  name: to,
})

type Allowed = (from: Who, to: Who, way: Way) => boolean

/** The differences between who reaches whom and who should, once. */
async function differences(who: readonly string[], by: readonly Way[], allowed: Allowed, patienceMs: number) {
  const found = await Promise.all(
    who.map(async from => {
      const tries = who.flatMap(to => by.map(way => ({ to, way, should: allowed(member(from), member(to), way) })))
      const reached = await member(from).probe.reached(
        tries.map(({ to, way, should }) => tryOf(to, way, should ? patienceMs : dropMs)),
      )
      return tries.flatMap(({ to, way, should }) => {
        const is = reached.has(keyOf(to, way))
        return is === should ? [] : [`${from} ${is ? 'reaches' : 'misses'} ${keyOf(to, way)}`]
      })
    }),
  )
  return found.flat()
}

/** Waits until exactly what is allowed gets through. */
async function reach(what: string, allowed: (from: string, to: string, way: Way) => boolean): Promise<void> {
  const nameOf = ({ namespace, name }: Who) => `${namespace}/${name}`
  await eventually(what, async () => {
    const wrong = await differences(all, ways, (from, to, way) => allowed(nameOf(from), nameOf(to), way), 2 * dropMs)
    if (wrong.length) throw new Error(`${wrong.slice(0, 10).join(', ')} (${wrong.length} in all)`)
    return true
  })
}

const namespaceOf = (who: string) => who.split('/')[0]

/** Makes these the policies of the cluster. */
async function usePolicies(policies: readonly Policy[]): Promise<void> {
  await clear()
  const items = policies.map(([namespace, spec], i) => policy(namespace, `p${i}`, spec))
  if (items.length) await cluster.apply({ apiVersion: 'v1', kind: 'List', items })
}

/** The output of a program that runs somewhere. */
async function at([command = '', ...place]: readonly string[], ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(command, [...place, ...words])
  assert.equal(code, 0, `${words.join(' ')}: ${stderr}`)
  return stdout
}

/** What a server says who is reached from the test itself, which runs on the machine's own node. */
const greeting = (host: string, port: number) =>
  new Promise<string>((resolve, reject) => {
    const socket = connect({ host, port, timeout: 5_000 })
    let text = ''
    socket.on('data', chunk => (text += String(chunk)))
    socket.on('timeout', () => socket.destroy(new Error('no answer in time')))
    socket.on('error', reject)
    socket.on('close', () => resolve(text))
  })

const clear = () => cluster.kubectl('delete networkpolicies -A --all')

describe('network policies', { concurrency: false, skip: cannotRun }, () => {
  afterEach(async () => void (cannotRun || (await clear())))
  after(() => Promise.all([...members.values()].map(({ probe }) => probe.stop())))

  test('without a policy everybody reaches everybody', options, async () => {
    const items = namespaces.map(name => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels: { ns: name } },
    }))
    await cluster.apply({ apiVersion: 'v1', kind: 'List', items })
    await startPods(cluster)
    await reach('all reach all', () => true)
  })

  for (const { what, policies } of table)
    test(what, options, async () => {
      const chosen = policies((who, family) => member(who).ips[family])
      await usePolicies(chosen)
      await reach(what, (from, to, way) => allows(chosen, member(from), member(to), way))
    })

  test('policies hold at every moment while other pods come and go', options, async () => {
    await usePolicies(duringChurn)
    await reach('before', (from, to, way) => allows(duringChurn, member(from), member(to), way))
    const comers = ['x/c', 'y/a', 'z/b']
    const stayers = all.filter(who => !comers.includes(who))
    const some = ways.filter(({ protocol, port }) => port === (protocol === 'TCP' ? 81 : 80))
    let isOver = false
    const through: string[] = []
    const missed: string[] = []
    const watching = (async () => {
      const allowed: Allowed = (from, to, way) => allows(duringChurn, from, to, way)
      let before: readonly string[] = []
      while (!isOver) {
        const now = await differences(stayers, some, allowed, answerMs)
        through.push(...now.filter(text => text.includes(' reaches ')))
        // On a machine that starts pods one answer may be late.
        missed.push(...now.filter(text => before.includes(text)))
        before = now
      }
    })()
    for (let round = 0; round < 2; round++) {
      await Promise.all(
        comers.map(async who => {
          const [namespace, name] = who.split('/')
          await member(who).probe.stop()
          members.delete(who)
          await cluster.kubectl(`delete pod -n ${namespace} ${name} --now`)
        }),
      )
      await startPods(cluster)
    }
    isOver = true
    await watching
    // The bridge keeps its hardware address, whichever cables it has; else pods would send to a wrong one for a while.
    const bridge = await run('cat', [`/sys/class/net/kt${cluster.tag}/address`])
    assert.match(bridge.stdout, /^0e:4b:/)
    assert.deepEqual(through, [], 'what no policy allows got through')
    assert.deepEqual(missed, [], 'what policies allow did not get through at two looks')
    await reach('after', (from, to, way) => allows(duringChurn, member(from), member(to), way))
  })

  test('a policy that comes ends the flows of UDP that it forbids, and replies pass', options, async () => {
    const [from, to] = ['y/c', 'z/c']
    // Always from the same port, so that it is one flow for the kernel.
    const tries = ([4, 6] as const).map(family => ({
      ...tryOf(to, { protocol: 'UDP', port: 80, family }, dropMs),
      fromPort: 40_000 + family,
    }))
    const reached = async () => (await member(from).probe.reached(tries)).size
    assert.equal(await reached(), 2)
    await usePolicies(duringChurn)
    await eventually('nothing gets through', async () => {
      assert.equal(await reached(), 0)
      return true
    })
    const back = ([4, 6] as const).map(family => tryOf(from, { protocol: 'UDP', port: 80, family }, answerMs))
    assert.equal((await member(to).probe.reached(back)).size, 2)
  })

  test('a node reaches its pods whatever the policies', options, async () => {
    await usePolicies([['x', { policyTypes: ['Ingress'] }]])
    await reach('x is closed', (from, to) => namespaceOf(to) !== 'x' || from === to)
    // The test runs on the machine itself, which is the node of one of them.
    const near = names.map(name => `x/${name}`).find(who => member(who).node === hostname().toLowerCase()) ?? ''
    for (const family of [4, 6] as const) assert.equal(await greeting(member(near).ips[family], 80), near)
  })

  test('a pod cannot send as another one, or past the policies, when there are some', options, async () => {
    const on = (node: string) => all.filter(who => member(who).node === node)
    const near = [...new Set([...members.values()].map(({ node }) => node))].map(on).find(each => each.length > 3) ?? []
    const [attacker = '', friend = '', victim = '', other = ''] = near
    const inside = (who: string, ...words: string[]) =>
      insidePod(cluster, member(who).uid).then(place => at(place, ...words))
    for (const family of [4, 6] as const)
      await inside(
        attacker,
        'ip',
        'address',
        'add',
        `${member(friend).ips[family]}/${family === 4 ? 32 : 128}`,
        'dev',
        'eth0',
        ...(family === 6 ? ['nodad'] : []),
      )
    const links = JSON.parse(await inside(victim, 'ip', '-j', 'address', 'show', 'dev', 'eth0')) as {
      addr_info: { local: string; scope: string }[]
    }[]
    const local = links[0]?.addr_info.find(({ scope }) => scope === 'link')?.local ?? ''
    const spoofed = ([4, 6] as const).map(family => ({
      ...tryOf(victim, { protocol: 'UDP', port: 80, family }, dropMs),
      key: `as ${friend} IPv${family}`,
      from: member(friend).ips[family],
    }))
    const past = ways
      .filter(({ family, port }) => family === 6 && port === 80)
      .map(way => ({ ...tryOf(victim, way, dropMs), host: `${local}%eth0`, key: `${way.protocol} past` }))
    /** What of all this gets through. */
    const through = async () => {
      await member(victim).probe.report()
      const { reached } = await member(attacker).probe.report([...spoofed, ...past])
      const { received } = await member(victim).probe.report()
      return [...new Set([...reached, ...received])].sort()
    }
    // Nobody is protected, so everything arrives. Only this shows that the rest of the test can fail.
    const everything = [...past, ...spoofed].map(({ key }) => key).sort()
    await eventually('everything arrives', async () => {
      assert.deepEqual(await through(), everything)
      return true
    })
    const [namespace = '', name = ''] = victim.split('/')
    const from = [
      {
        namespaceSelector: { matchLabels: { ns: namespaceOf(friend) } },
        podSelector: { matchLabels: { pod: friend.split('/')[1] } },
      },
    ]
    const chosen = [
      [namespace, { podSelector: { matchLabels: { pod: name } }, ingress: [{ from }] }],
    ] as unknown as readonly Policy[]
    await usePolicies(chosen)
    await eventually('nothing arrives', async () => {
      assert.deepEqual(await through(), [])
      return true
    })
    // Nor does the attacker take over the addresses of its neighbour.
    for (let i = 0; i < 5; i++) {
      await inside(other, 'ip', 'neighbour', 'flush', 'dev', 'eth0')
      const tries = ([4, 6] as const).map(family => tryOf(friend, { protocol: 'TCP', port: 80, family }, answerMs))
      assert.equal((await member(other).probe.reached(tries)).size, 2)
    }
    for (const family of [4, 6] as const)
      await inside(
        attacker,
        'ip',
        'address',
        'delete',
        `${member(friend).ips[family]}/${family === 4 ? 32 : 128}`,
        'dev',
        'eth0',
      )
    await reach('the policy is as before', (from, to, way) => allows(chosen, member(from), member(to), way))
  })

  test('what goes out is judged like what comes in, and names are found where port 53 is open', options, async () => {
    await cluster.apply(
      policy('y', 'out', {
        policyTypes: ['Egress'],
        egress: [{ to: [{ podSelector: {} }] }, { ports: [{ port: 53, protocol: 'UDP' }] }],
      }),
    )
    await reach('y stays inside', (from, to) => namespaceOf(from) !== 'y' || namespaceOf(to) === 'y')
    assert.match(
      await cluster.kubectl('exec -n y a -- timeout 2 nslookup kubernetes.default.svc.cluster.local'),
      /Address/,
    )
    await cluster.apply(policy('y', 'out', { policyTypes: ['Egress'], egress: [{ to: [{ podSelector: {} }] }] }))
    await eventually('names are not found', async () => {
      const { code } = await cluster.tryKubectl(
        'exec -n y a -- timeout 2 nslookup kubernetes.default.svc.cluster.local',
      )
      return code !== 0
    })
    const { stdout } = await cluster.tryKubectl(
      `exec -n y a -- sh -c 'nc -w 1 $(ip route | sed -n "s/default via \\([^ ]*\\).*/\\1/p") ${dnsPort} </dev/null && echo open || echo closed'`,
    )
    assert.equal(stdout.trim(), 'closed')
    await cluster.apply(
      policy('y', 'out', {
        policyTypes: ['Egress'],
        egress: [
          {
            to: [{ namespaceSelector: {}, podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } }],
            ports: [{ port: 53, protocol: 'UDP' }],
          },
        ],
      }),
    )
    await eventually('names are found again', async () => {
      const { code } = await cluster.tryKubectl(
        'exec -n y a -- timeout 2 nslookup kubernetes.default.svc.cluster.local',
      )
      return code === 0
    })
    await clear()
  })

  test('a Service is judged by the pod behind it', options, async () => {
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web', namespace: 'x' },
      spec: { selector: { pod: 'a' }, ipFamilyPolicy: 'RequireDualStack', ports: [{ port: 8080, targetPort: 80 }] },
    }
    await cluster.apply(service)
    const addresses = (await cluster.kubectl("get service -n x web -o jsonpath='{.spec.clusterIPs[*]}'"))
      .trim()
      .split(' ')
    const byService = async (from: string) => {
      const tries = addresses.map(host => ({
        key: host,
        host,
        port: 8080,
        protocol: 'tcp' as const,
        name: 'x/a',
        limitMs: 2 * dropMs,
      }))
      return (await member(from).probe.reached(tries)).size
    }
    const those = ['y/a', 'z/a', 'z/b', 'x/a']
    const open = (...wanted: number[]) =>
      eventually(`the Service is open to ${wanted.join()}`, async () => {
        assert.deepEqual(await Promise.all(those.map(byService)), wanted)
        return true
      })
    await open(2, 2, 2, 2)
    const except = [`${member('z/a').ips[4]}/32`]
    await usePolicies([
      [
        'x',
        {
          podSelector: { matchLabels: { pod: 'a' } },
          ingress: [{ from: [{ ipBlock: { cidr: '0.0.0.0/0', except } }] }],
        },
      ],
    ])
    await open(1, 0, 1, 2)
    await clear()
    await open(2, 2, 2, 2)
  })

  test('rules follow pods that come, change their labels and go, and nothing is left of them', options, async () => {
    await cluster.apply(
      policy('x', 'labelled', {
        ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { may: 'yes' } } }] }],
      }),
    )
    await reach('closed', (from, to) => namespaceOf(to) !== 'x' || from === to)
    await cluster.kubectl('label pod -n y b may=yes')
    await reach('open to one', (from, to) => namespaceOf(to) !== 'x' || from === to || from === 'y/b')
    await cluster.kubectl('label pod -n y b may-')
    await reach('closed again', (from, to) => namespaceOf(to) !== 'x' || from === to)
    // A pod that begins with a connection is kept from the first packet on.
    const target = member('z/a').ips[4]
    await cluster.apply(policy('y', 'shut', { podSelector: { matchLabels: { new: 'yes' } }, policyTypes: ['Egress'] }))
    const tries = 5
    const command = `nc -w 1 ${target} 80 </dev/null 2>/dev/null && echo open || echo closed`
    const firsts = Array.from({ length: tries }, (_, i) => {
      const first = pod('y', `first-${i}`)
      const containers = [{ ...first.spec.containers[0], command: ['sh', '-c', command] }]
      const spec = { ...first.spec, restartPolicy: 'Never', containers }
      return { ...first, metadata: { ...first.metadata, labels: { new: 'yes' } }, spec }
    })
    await cluster.apply({ apiVersion: 'v1', kind: 'List', items: firsts })
    for (let i = 0; i < tries; i++)
      await eventually(`first-${i} has ended`, async () => {
        const log = await cluster.kubectl(`logs -n y first-${i}`)
        if (!log.trim()) throw new Error('nothing was written yet')
        assert.equal(log.trim(), 'closed')
        return true
      })
    await cluster.kubectl('delete pods -n y -l new=yes --now')
    await clear()
    await reach('all reach all', () => true)
  })
})
