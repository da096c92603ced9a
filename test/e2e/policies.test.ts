// Network policies with real packets: who reaches whom, between three namespaces with two pods each on two nodes.
import assert from 'node:assert/strict'
import { hostname } from 'node:os'
import { afterEach, describe, test } from 'node:test'
import { cannotRun, clusterForFile, eventually, type TestCluster } from './cluster.ts'

const cluster = clusterForFile('policies', ['busybox'], ['--nodes', '2'])
const options = { skip: cannotRun }
const namespaces = ['x', 'y', 'z']
const names = ['a', 'b', 'c']
const all = namespaces.flatMap(namespace => names.map(name => `${namespace}/${name}`))
const ports = { web: 80, api: 81 } as const
const dnsPort = 10053

/** Serves its name over HTTP on both ports. */
const server = (name: string) => `
  mkdir -p /tmp/www; echo ${name} >/tmp/www/name
  for port in ${Object.values(ports).join(' ')}; do httpd -p $port -h /tmp/www; done
  trap "exit 0" TERM
  while :; do sleep 0.2; done`

const pod = (namespace: string, name: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace, labels: { pod: name } },
  spec: {
    terminationGracePeriodSeconds: 1,
    automountServiceAccountToken: false,
    containers: [
      {
        name: 'main',
        image: 'busybox',
        imagePullPolicy: 'IfNotPresent',
        command: ['sh', '-c', server(name)],
        ports: Object.entries(ports).map(([name, containerPort]) => ({ name, containerPort })),
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

let addresses = new Map<string, string>()
/** The nodes of the pods. */
let places = new Map<string, string>()

interface PodPlace {
  metadata: { name: string; namespace: string }
  spec: { nodeName: string }
  status: { podIP?: string; phase: string }
}

async function startPods(on: TestCluster): Promise<void> {
  for (const namespace of namespaces) {
    await on.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels: { ns: namespace } } })
    for (const name of names) await on.apply(pod(namespace, name))
  }
  addresses = await eventually('all pods run', async () => {
    const { items } = JSON.parse(await on.kubectl('get pods -A -l pod -o json')) as {
      items: PodPlace[]
    }
    const running = items.filter(({ status }) => status.phase === 'Running' && status.podIP)
    if (running.length < all.length) throw new Error(`${running.length} of ${all.length} run`)
    const keyed = running.map(item => [`${item.metadata.namespace}/${item.metadata.name}`, item] as const)
    places = new Map(keyed.map(([key, { spec }]) => [key, spec.nodeName]))
    return new Map(keyed.map(([key, { status }]) => [key, status.podIP ?? '']))
  })
}

/** Which of these addresses a pod reaches at a port, by name. */
async function reached(from: string, to: ReadonlyMap<string, string>, port: number): Promise<Set<string>> {
  const [namespace, name] = from.split('/')
  const tries = [...to]
    .map(([target, ip]) => `(nc -w 1 ${ip} ${port} </dev/null >/dev/null 2>&1 && echo ${target}) &`)
    .join(' ')
  const out = await cluster.kubectl(`exec -n ${namespace} ${name} -- sh -c '${tries} wait'`)
  return new Set(out.split('\n').filter(Boolean))
}

/** Waits until exactly these pairs connect at a port. */
async function reach(what: string, allowed: (from: string, to: string) => boolean, port: number): Promise<void> {
  await eventually(what, async () => {
    const wrong: string[] = []
    const found = await Promise.all(all.map(async from => [from, await reached(from, addresses, port)] as const))
    for (const [from, targets] of found)
      for (const to of all)
        if (targets.has(to) !== allowed(from, to)) wrong.push(`${from} ${targets.has(to) ? 'reaches' : 'misses'} ${to}`)
    if (wrong.length) throw new Error(`port ${port}: ${wrong.slice(0, 10).join(', ')} (${wrong.length} in all)`)
    return true
  })
}

const namespaceOf = (who: string) => who.split('/')[0]
const labelOf = (who: string) => who.split('/')[1]

const clear = () => cluster.kubectl('delete networkpolicies -A --all')

describe('network policies', { concurrency: false, skip: cannotRun }, () => {
  afterEach(async () => void (cannotRun || (await clear())))

  test('without a policy everybody reaches everybody', options, async () => {
    await startPods(cluster)
    await reach('all reach all', () => true, 80)
  })

  test('a policy without rules lets nothing in, and the node still gets there', options, async () => {
    await cluster.apply(policy('x', 'deny', { policyTypes: ['Ingress'] }))
    await reach('x is closed', (from, to) => namespaceOf(to) !== 'x' || from === to, 80)
    // The server runs on the machine itself, which is the node of one of them.
    const near = names.map(name => `x/${name}`).find(pod => places.get(pod) === hostname().toLowerCase()) ?? ''
    const answer = await fetch(`http://${addresses.get(near)}/name`, { signal: AbortSignal.timeout(5_000) })
    assert.equal(`x/${(await answer.text()).trim()}`, near)
    await clear()
    await reach('x is open again', () => true, 80)
  })

  test('pods and namespaces are selected apart and together, at ports by number and name', options, async () => {
    await cluster.apply(
      policy('x', 'some', {
        podSelector: { matchLabels: { pod: 'a' } },
        ingress: [
          { from: [{ podSelector: { matchLabels: { pod: 'b' } } }], ports: [{ port: 80 }] },
          { from: [{ namespaceSelector: { matchLabels: { ns: 'y' } } }], ports: [{ port: 'api' }] },
          {
            from: [
              {
                namespaceSelector: { matchExpressions: [{ key: 'ns', operator: 'In', values: ['z'] }] },
                podSelector: { matchLabels: { pod: 'c' } },
              },
            ],
            ports: [{ port: 80, endPort: 81 }],
          },
        ],
      }),
    )
    const isOpen = (from: string, to: string) => to !== 'x/a' || from === to
    await reach('web', (from, to) => isOpen(from, to) || ['x/b', 'z/c'].includes(from), 80)
    await reach('api', (from, to) => isOpen(from, to) || namespaceOf(from) === 'y' || from === 'z/c', 81)
    // Another policy for the same pod adds to it.
    await cluster.apply(
      policy('x', 'more', { ingress: [{ from: [{ namespaceSelector: { matchLabels: { ns: 'z' } } }] }] }),
    )
    const isMore = (from: string, to: string) => (namespaceOf(to) === 'x' ? namespaceOf(from) === 'z' : true)
    await reach('more', (from, to) => from === to || isMore(from, to) || (to === 'x/a' && from === 'x/b'), 80)
    await clear()
  })

  test('what goes out is judged like what comes in, and names are found where port 53 is open', options, async () => {
    await cluster.apply(
      policy('y', 'out', {
        policyTypes: ['Egress'],
        egress: [{ to: [{ podSelector: {} }] }, { ports: [{ port: 53, protocol: 'UDP' }] }],
      }),
    )
    await reach('y stays inside', (from, to) => namespaceOf(from) !== 'y' || namespaceOf(to) === 'y', 80)
    assert.match(await cluster.kubectl('exec -n y a -- nslookup kubernetes.default.svc.cluster.local'), /Address/)
    await cluster.apply(policy('y', 'out', { policyTypes: ['Egress'], egress: [{ to: [{ podSelector: {} }] }] }))
    await eventually('names are not found', async () => {
      const { code } = await cluster.tryKubectl('exec -n y a -- nslookup kubernetes.default.svc.cluster.local')
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
      const { code } = await cluster.tryKubectl('exec -n y a -- nslookup kubernetes.default.svc.cluster.local')
      return code === 0
    })
    await clear()
  })

  test('ranges of addresses have exceptions, and a Service is judged by the pod behind it', options, async () => {
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web', namespace: 'x' },
      spec: { selector: { pod: 'a' }, ports: [{ port: 8080, targetPort: 80 }] },
    })
    const service = (await cluster.kubectl('get service -n x web -o jsonpath={.spec.clusterIP}')).trim()
    const ip = addresses.get('z/a')
    await cluster.apply(
      policy('x', 'range', {
        podSelector: { matchLabels: { pod: 'a' } },
        ingress: [{ from: [{ ipBlock: { cidr: '0.0.0.0/0', except: [`${ip}/32`] } }], ports: [{ port: 80 }] }],
      }),
    )
    await reach('all but one', (from, to) => !(from === 'z/a' && to === 'x/a'), 80)
    const bySevice = async (from: string) => (await reached(from, new Map([['web', service]]), 8080)).has('web')
    assert.deepEqual(await Promise.all(['y/a', 'z/a', 'z/b'].map(bySevice)), [true, false, true])
    await clear()
    await eventually('the Service is open again', () => bySevice('z/a'))
  })

  test('rules follow pods that come, change their labels and go, and nothing is left of them', options, async () => {
    await cluster.apply(
      policy('x', 'labelled', {
        ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { may: 'yes' } } }] }],
      }),
    )
    await reach('closed', (from, to) => namespaceOf(to) !== 'x' || from === to, 80)
    await cluster.kubectl('label pod -n y b may=yes')
    await reach('open to one', (from, to) => namespaceOf(to) !== 'x' || from === to || from === 'y/b', 80)
    await cluster.kubectl('label pod -n y b may-')
    await reach('closed again', (from, to) => namespaceOf(to) !== 'x' || from === to, 80)
    // A pod that begins with a connection is kept from the first packet on.
    const target = addresses.get('z/a') ?? ''
    await cluster.apply(policy('y', 'shut', { podSelector: { matchLabels: { new: 'yes' } }, policyTypes: ['Egress'] }))
    const tries = 5
    for (let i = 0; i < tries; i++) {
      const first = pod('y', `first-${i}`)
      await cluster.apply({
        ...first,
        metadata: { ...first.metadata, labels: { new: 'yes' } },
        spec: {
          ...first.spec,
          restartPolicy: 'Never',
          containers: [
            {
              name: 'main',
              image: 'busybox',
              imagePullPolicy: 'IfNotPresent',
              command: ['sh', '-c', `nc -w 1 ${target} 80 </dev/null 2>/dev/null && echo open || echo closed`],
            },
          ],
        },
      })
    }
    for (let i = 0; i < tries; i++)
      await eventually(`first-${i} has ended`, async () => {
        const log = await cluster.kubectl(`logs -n y first-${i}`)
        if (!log.trim()) throw new Error('nothing was written yet')
        assert.equal(log.trim(), 'closed')
        return true
      })
    await cluster.kubectl('delete pods -n y -l new=yes')
    await clear()
    await reach('all reach all', (from, to) => labelOf(from) !== '' && labelOf(to) !== '', 80)
  })
})
