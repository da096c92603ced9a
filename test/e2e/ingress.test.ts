// Ingresses served by a real HAProxy on two nodes: hosts and paths, certificates and their rotation, pods that are
// replaced under load, and what happens when HAProxy, an agent or a node goes.
import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { createServer } from 'node:net'
import { describe, test } from 'node:test'
import { connect } from 'node:tls'
import { realClock } from '../../src/base/clock.ts'
import { issue, type KeyPair, makeAuthority } from '../../src/wire/x509.ts'
import { cannotRun, clusterForFile, eventually, run } from './cluster.ts'
import { askWebSocket, callGrpc, machineIn, serviceTo, startPrograms } from './edge-programs.ts'

const [http, https] = [15_080, 15_443]
const cluster = clusterForFile(
  'ingress',
  ['busybox', 'myapp'],
  ['--nodes', '2', '--ingress-http-port', String(http), '--ingress-https-port', String(https)],
)
const options = { skip: cannotRun }

const deployment = (name: string) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: {
        automountServiceAccountToken: false,
        terminationGracePeriodSeconds: 10,
        containers: [
          {
            name: 'main',
            image: 'myapp:v1',
            imagePullPolicy: 'IfNotPresent',
            readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 },
            // As long as a server is told nothing of its end, the proxies have time to leave it out.
            lifecycle: { preStop: { sleep: { seconds: 3 } } },
          },
        ],
      },
    },
  },
})
const service = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
})
const ingress = (name: string, spec: object, annotations: object = {}) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'Ingress',
  metadata: { name, annotations },
  spec,
})
const rule = (host: string, to: string, path = '/', pathType = 'Prefix') => ({
  host,
  http: { paths: [{ path, pathType, backend: { service: { name: to, port: { name: 'http' } } } }] },
})

interface Seen {
  status: number
  text: string
  location: string
}

function fetchFrom(address: string, host: string, path = '/', agent?: Agent): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const sent = get({ host: address, port: http, path, headers: { host }, timeout: 10_000, ...(agent && { agent }) })
    // A connection that is held open may be closed just when a request comes. Source: RFC 9112, 9.3.1.
    sent.on('error', error => (sent.reusedSocket ? resolve(fetchFrom(address, host, path, agent)) : reject(error)))
    sent.on('timeout', () => sent.destroy(new Error('no answer within 10 s')))
    sent.on('response', answer => {
      let text = ''
      answer.on('data', chunk => (text += String(chunk)))
      answer.on('error', reject)
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, text: text.trim(), location: answer.headers.location ?? '' }),
      )
    })
  })
}

/** The name in the certificate that a client gets who asks for a host. */
function shownTo(host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: https, servername: host, rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN))
      socket.destroy()
    })
    socket.on('error', reject)
  })
}

const answers = (address: string, host: string, wanted: number | RegExp, path = '/') =>
  eventually(`${host}${path} at ${address} answers ${wanted}`, async () => {
    const { status, text } = await fetchFrom(address, host, path)
    const isRight = typeof wanted === 'number' ? status === wanted : status === 200 && wanted.test(text)
    if (!isRight) throw new Error(`${status} ${text.slice(0, 80)}`)
    return true
  })

/** The number of a start of HAProxy, which is in the path of its configuration. */
const generationOf = (line: string) => Number(/\/(\d+)\/haproxy\.cfg/.exec(line)?.[1] ?? 0)
/** The command lines of HAProxy, the newest first: one that has been replaced finishes its connections. */
const processes = async () =>
  (await run('pgrep', ['-x', 'haproxy', '-a'])).stdout
    .split('\n')
    .filter(line => line.includes(`${cluster.dataDir}/${cluster.name}/`))
    .sort((a, b) => generationOf(b) - generationOf(a))
const pidOn = async (node: string) =>
  Number((await processes()).find(line => line.includes(`/agents/${node}/`))?.split(' ')[0] ?? 0)
const nodes = async () => (await cluster.kubectl("get nodes -o jsonpath='{.items[*].metadata.name}'")).split(' ')
const addressOfNode = async (name: string) =>
  (await cluster.kubectl(`get node ${name} -o jsonpath='{.status.addresses[?(@.type=="InternalIP")].address}'`)).trim()
const agentOf = async (node: string) => {
  const { processes: all } = JSON.parse((await cluster.kutter('status', '-o', 'json')).stdout) as {
    processes: { node?: string; pid: number }[]
  }
  return all.find(one => one.node === node)?.pid ?? 0
}

/** Sends requests over kept connections until `work` has ended; returns how many, after none of them has failed. */
async function underLoad(host: string, work: () => Promise<unknown>): Promise<number> {
  const agent = new Agent({ keepAlive: true })
  const failures: string[] = []
  let count = 0
  let isOver = false
  const clients = Array.from({ length: 6 }, async () => {
    while (!isOver) {
      const said = await fetchFrom('127.0.0.1', host, '/', agent).then(({ status }) => String(status), String)
      count++
      if (said !== '200') failures.push(said)
    }
  })
  try {
    await work()
  } finally {
    isOver = true
    await Promise.all(clients)
    agent.destroy()
  }
  assert.deepEqual(failures.slice(0, 5), [], `${failures.length} of ${count} failed`)
  return count
}

const authority = cannotRun
  ? undefined
  : await makeAuthority({ commonName: 'test', now: realClock.now(), validMs: 86_400_000 })
const certificate = (commonName: string): Promise<KeyPair> =>
  issue(
    authority!,
    { commonName, dnsNames: [commonName] },
    { usages: ['server auth'], now: realClock.now(), validMs: 3_600_000 },
  )
const secret = (name: string, { certPem, keyPem }: KeyPair) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name },
  type: 'kubernetes.io/tls',
  stringData: { 'tls.crt': certPem, 'tls.key': keyPem },
})

describe('ingress', { concurrency: false, skip: cannotRun }, () => {
  test(
    'without an Ingress nothing runs; with one every node serves it, and its status says where',
    options,
    async () => {
      for (const name of ['one', 'two']) {
        await cluster.apply(deployment(name))
        await cluster.apply(service(name))
      }
      for (const name of ['one', 'two']) await cluster.kubectl(`rollout status deployment ${name} --timeout=120s`)
      assert.deepEqual(await processes(), [])
      await cluster.apply(
        ingress('web', {
          rules: [rule('one.test', 'one'), rule('*.two.test', 'two'), rule('one.test', 'two', '/index.html', 'Exact')],
        }),
      )
      const addresses = await Promise.all((await nodes()).map(addressOfNode))
      for (const address of addresses) {
        await answers(address, 'one.test', /^one-/)
        await answers(address, 'one.test', /^two-/, '/index.html')
        await answers(address, 'a.two.test', /^two-/)
        await answers(address, 'a.b.two.test', 404)
        await answers(address, 'other.test', 404)
      }
      await eventually('the status has the addresses', async () => {
        const { items } = JSON.parse(await cluster.kubectl('get ingress -o json')) as {
          items: { spec: { ingressClassName?: string }; status: { loadBalancer: { ingress?: { ip: string }[] } } }[]
        }
        assert.equal(items[0]?.spec.ingressClassName, 'kutter')
        assert.deepEqual(
          items[0]?.status.loadBalancer.ingress?.map(({ ip }) => ip),
          addresses.toSorted(),
        )
        return true
      })
    },
  )

  test('the Ingress of another controller is left alone', options, async () => {
    await cluster.apply({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IngressClass',
      metadata: { name: 'other' },
      spec: { controller: 'example.com/x' },
    })
    await cluster.apply(ingress('other', { ingressClassName: 'other', rules: [rule('strange.test', 'one')] }))
    await cluster.apply(
      ingress('legacy', { rules: [rule('legacy.test', 'one')] }, { 'kubernetes.io/ingress.class': 'kutter' }),
    )
    await answers('127.0.0.1', 'legacy.test', /^one-/)
    await answers('127.0.0.1', 'strange.test', 404)
    assert.equal(await cluster.kubectl("get ingress other -o jsonpath='{.status.loadBalancer}'"), '{}')
  })

  test(
    'certificates are shown by name, changed as they are, and their keys are files that only root reads',
    options,
    async () => {
      await cluster.apply(secret('one', await certificate('one.test')))
      await cluster.apply(secret('two', await certificate('*.two.test')))
      await cluster.apply(
        ingress('tls', {
          tls: [
            { hosts: ['one.test'], secretName: 'one' },
            { hosts: ['*.two.test'], secretName: 'two' },
            { hosts: ['gone.test'], secretName: 'gone' },
          ],
          rules: [rule('gone.test', 'one')],
        }),
      )
      await eventually(
        'both are shown',
        async () => (await shownTo('one.test')) === 'one.test' && (await shownTo('x.two.test')) === '*.two.test',
      )
      assert.equal(await shownTo('unknown.test'), 'kutter-ingress')
      assert.equal(await shownTo('gone.test'), 'kutter-ingress')
      // A connection that is held open may lead to the process before for some seconds.
      await answers('127.0.0.1', 'one.test', 308)
      const { location } = await fetchFrom('127.0.0.1', 'one.test', '/a?b')
      assert.equal(location, `https://one.test:${https}/a?b`)
      const { stdout } = await run('curl', [
        '-sk',
        '--http2',
        '--resolve',
        `one.test:${https}:127.0.0.1`,
        '-w',
        ' %{http_version}',
        `https://one.test:${https}/`,
      ])
      assert.match(stdout, /^one-\S+\s+2$/)
      await eventually('the missing Secret is reported', async () =>
        (await cluster.kubectl('get events')).includes('the Secret gone does not exist'),
      )
      const [node = ''] = await nodes()
      const pid = await pidOn(node)
      const file = `${cluster.dataDir}/${cluster.name}/agents/${node}/ingress/certificates/default_one.pem`
      assert.equal(statSync(file).mode & 0o777, 0o600)
      await cluster.apply(secret('one', await certificate('new.test')))
      await eventually('the new one is shown', async () => (await shownTo('one.test')) === 'new.test')
      assert.equal(await pidOn(node), pid)
      await cluster.kubectl('delete ingress tls')
      await eventually('the key is gone', async () => !(await run('ls', [file])).stdout)
      await answers('127.0.0.1', 'one.test', /^one-/)
    },
  )

  test(
    'pods are replaced, and their number changes, without a request that fails or another process',
    options,
    async () => {
      const [node = ''] = await nodes()
      const pid = await pidOn(node)
      const count = await underLoad('one.test', async () => {
        await cluster.kubectl('rollout restart deployment one')
        await cluster.kubectl('rollout status deployment one --timeout=180s')
        for (const replicas of [5, 1, 3]) {
          await cluster.kubectl(`scale deployment one --replicas=${replicas}`)
          await cluster.kubectl('rollout status deployment one --timeout=120s')
        }
        await realClock.sleep(5_000)
      })
      assert.ok(count > 2_000, `${count} requests`)
      assert.equal(await pidOn(node), pid)
    },
  )

  test('Ingresses come and go without a request that fails', options, async () => {
    const count = await underLoad('one.test', async () => {
      for (let i = 0; i < 5; i++) {
        await cluster.apply(ingress(`extra-${i}`, { rules: [rule(`extra-${i}.test`, 'two')] }))
        await answers('127.0.0.1', `extra-${i}.test`, /^two-/)
      }
      await cluster.kubectl(`delete ingress ${Array.from({ length: 5 }, (_, i) => `extra-${i}`).join(' ')}`)
      await answers('127.0.0.1', 'extra-0.test', 404)
    })
    assert.ok(count > 500, `${count} requests`)
  })

  test('clients of gRPC and of WebSockets get through', options, async () => {
    const programs = await startPrograms(machineIn(cluster))
    const leadsTo = (name: string, host: string, annotations: object = {}) => {
      const backend = { service: { name, port: { number: 80 } } }
      const rules = [{ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }]
      return cluster.apply(ingress(name, { rules }, annotations))
    }
    try {
      await cluster.apply(serviceTo('grpc', machineIn(cluster), programs.grpc))
      await cluster.apply(serviceTo('sockets', machineIn(cluster), programs.webSocket))
      await leadsTo('grpc', 'grpc.test', { 'nginx.ingress.kubernetes.io/backend-protocol': 'GRPC' })
      await leadsTo('sockets', 'ws.test')
      const target = `127.0.0.1:${http}`
      await eventually('gRPC gets through', async () => (await callGrpc(target, 'grpc.test')).said === 'hello')
      const { counted } = await callGrpc(target, 'grpc.test')
      assert.deepEqual(counted, ['1', '2', '3', 'reached'])
      await eventually(
        'a WebSocket gets through',
        async () => (await askWebSocket(`ws://${target}/`, 'ws.test')) === 'echo hello',
      )
    } finally {
      await programs.close()
    }
    await cluster.kubectl('delete ingress,service grpc sockets')
    for (const host of ['grpc.test', 'ws.test']) await answers('127.0.0.1', host, 404)
  })

  test('HAProxy is started again when it dies, and goes on when the agent does', options, async () => {
    const [node = ''] = await nodes()
    const first = await pidOn(node)
    process.kill(first, 'SIGKILL')
    await eventually('another runs', async () => ![0, first].includes(await pidOn(node)))
    await answers('127.0.0.1', 'one.test', /^one-/)
    const second = await pidOn(node)
    const agent = await agentOf(node)
    await underLoad('one.test', async () => {
      process.kill(agent, 'SIGKILL')
      await eventually('another agent runs', async () => ![0, agent].includes(await agentOf(node)))
      await cluster.kubectl('rollout restart deployment two')
      await cluster.kubectl('rollout status deployment two --timeout=120s')
      await realClock.sleep(4_000)
    })
    for (let i = 0; i < 10; i++) assert.equal((await fetchFrom('127.0.0.1', 'a.two.test')).status, 200)
    assert.equal(await pidOn(node), second)
  })

  test('a port that another program has is reported and tried again; the other one works', options, async () => {
    await cluster.kubectl('delete ingress --all')
    await eventually('nothing runs without an Ingress', async () => (await processes()).length === 0)
    const other = createServer().listen(https, '0.0.0.0')
    try {
      await cluster.apply(ingress('web', { rules: [rule('one.test', 'one')] }))
      await answers('127.0.0.1', 'one.test', /^one-/)
      await eventually('an event says so', async () =>
        (await cluster.kubectl('get events')).includes(`another program has port ${https}`),
      )
      assert.match((await cluster.kutter('status')).stdout, new RegExp(`! .*another program has port ${https}`))
    } finally {
      other.close()
    }
    await eventually('the port is taken over', async () => (await shownTo('one.test')) === 'kutter-ingress')
    await eventually('the status is fine', async () => (await cluster.kutter('status')).code === 0)
  })

  test('a node that is removed leaves no HAProxy, and the statuses', options, async () => {
    await answers(await addressOfNode('node-2'), 'one.test', /^one-/)
    await cluster.kubectl('drain node-2 --ignore-daemonsets --delete-emptydir-data')
    assert.equal((await cluster.kutter('node', 'remove', 'node-2')).code, 0)
    assert.equal(await pidOn('node-2'), 0)
    await eventually('one address is left', async () => {
      const { stdout } = await cluster.tryKubectl("get ingress web -o jsonpath='{.status.loadBalancer.ingress[*].ip}'")
      return stdout.trim() === (await addressOfNode(String((await nodes())[0])))
    })
    await answers('127.0.0.1', 'one.test', /^one-/)
  })
})
