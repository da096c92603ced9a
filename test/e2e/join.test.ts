// Joining a cluster with a token, from a network namespace in the role of another machine: good and bad tokens,
// certificates that are requested and renewed, a second start without the token, leaving.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { copyFileSync, existsSync, readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { isIssuedBy, splitBundle } from '../../src/wire/x509.ts'
import { cannotRun, clusterForFile, eventually, type Result, root, run } from './cluster.ts'

const options = { skip: cannotRun }
/** Certificates expire so soon that they are renewed during the test. */
const cluster = clusterForFile('join', ['busybox'], ['--cluster-signing-duration', '30s'])
const namespace = 'kutter-test-join'
const [here, there] = ['198.51.100.1', '198.51.100.2']
const place = ['--name', 'far', '--data-dir', cluster.dataDir]
const pki = `${cluster.dataDir}/far/agents/far/pki`
const inside = (...words: string[]) => ['nsenter', `--net=/run/netns/${namespace}`, '--', ...words]

const far = (...words: string[]): Promise<Result> => {
  const [command = '', ...args] = inside('./kutter', ...words, ...place)
  return run(command, args, { env: cluster.env, timeoutMs: 30_000 })
}
const removeMachine = () => run('bash', ['-c', `ip netns delete ${namespace}; ip link delete kutter-join; true`])

let server = ''
/** The name of the cluster's first node. */
let first = ''
let token = ''
let agent: ChildProcess | undefined
/** The last part of the agent's output. */
let printed = ''

/** Starts the agent of the other machine, and returns without waiting for it. */
function start(...words: string[]): ChildProcess {
  const [command = '', ...args] = inside('./kutter', 'agent', ...words, ...place)
  const env = { ...process.env, ...cluster.env }
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'ignore', 'pipe'], env })
  child.stderr?.on('data', (chunk: Buffer) => (printed = (printed + chunk.toString()).slice(-8_000)))
  child.on('exit', (code, signal) => (printed += `ended with ${code ?? signal}\n`))
  return child
}
const end = (child: ChildProcess) =>
  new Promise<void>(resolve => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
    child.kill('SIGTERM')
  })
const farReady = () =>
  eventually('far is Ready', async () => {
    if (/ Ready /.test((await cluster.tryKubectl('get node far --no-headers')).stdout)) return true
    throw new Error(printed)
  })
const makePod = (name: string, nodeName: string) =>
  cluster.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      nodeName,
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'main',
          image: 'busybox',
          imagePullPolicy: 'Never',
          command: ['sh', '-c', 'mkdir /w; hostname > /w/who; echo hello; exec httpd -f -p 80 -h /w'],
          readinessProbe: { tcpSocket: { port: 80 }, periodSeconds: 1 },
        },
      ],
    },
  })
const certificate = (name: string) => new X509Certificate(readFileSync(`${pki}/${name}-current.pem`))

async function makeMachine(): Promise<void> {
  await far('down', '--purge')
  await removeMachine()
  const made = await run('bash', [
    '-ec',
    `ip netns add ${namespace}
     ip link add kutter-join type veth peer name eth0 netns ${namespace}
     ip address add ${here}/24 dev kutter-join
     ip link set kutter-join up
     ip -n ${namespace} link set lo up
     ip -n ${namespace} address add ${there}/24 dev eth0
     ip -n ${namespace} link set eth0 up
     ip -n ${namespace} route add default via ${here}`,
  ])
  assert.equal(made.code, 0, made.stderr)
  const config = JSON.parse(readFileSync(`${cluster.dataDir}/join/cluster.json`, 'utf8')) as {
    port: number
    nodeName: string
  }
  first = config.nodeName
  const address = await cluster.kubectl(
    `get nodes -o jsonpath='{.items[0].status.addresses[?(@.type=="InternalIP")].address}'`,
  )
  server = `https://${address}:${config.port}`
}
after(async () => {
  if (cannotRun) return
  if (agent) await end(agent)
  await far('down', '--purge')
  await removeMachine()
})

test(
  'token create prints a bootstrap token with the hash of the authority, and tokens can be listed and deleted',
  options,
  async () => {
    await makeMachine()
    token = (await cluster.kutter('token', 'create')).stdout.trim()
    const ca = new X509Certificate(readFileSync(`${cluster.dataDir}/join/pki/ca.crt`))
    const hash = createHash('sha256')
      .update(ca.publicKey.export({ type: 'spki', format: 'der' }))
      .digest('hex')
    assert.match(token, new RegExp(`^[a-z0-9]{6}\\.[a-z0-9]{16}@sha256:${hash}$`))
    const id = token.slice(0, 6)
    const secret = JSON.parse(await cluster.kubectl(`get secret bootstrap-token-${id} -n kube-system -o json`)) as {
      type: string
      data: Record<string, string>
    }
    assert.equal(secret.type, 'bootstrap.kubernetes.io/token')
    const text = (key: string) => Buffer.from(secret.data[key] ?? '', 'base64').toString()
    assert.equal(text('auth-extra-groups'), 'system:bootstrappers:kutter:default-node-token')
    assert.equal(text('usage-bootstrap-authentication') + text('usage-bootstrap-signing'), 'truetrue')
    const hours = (Date.parse(text('expiration')) - Date.parse(new Date().toISOString())) / 3600_000
    assert.ok(hours > 23.9 && hours <= 24, text('expiration'))
    const other = (await cluster.kutter('token', 'create', '--ttl', '0')).stdout.trim()
    assert.match(
      (await cluster.kutter('token', 'list')).stdout,
      new RegExp(`^${other.slice(0, 6)} +<forever> +<never>`, 'm'),
    )
    assert.equal((await cluster.kutter('token', 'delete', other)).code, 0)
    assert.doesNotMatch((await cluster.kutter('token', 'list')).stdout, new RegExp(other.slice(0, 6)))
  },
)

test('an agent that cannot join reports the reason in one sentence and leaves nothing behind', options, async () => {
  const [bare = '', hash = ''] = token.split('@')
  const id = bare.slice(0, 6)
  const brief = (await cluster.kutter('token', 'create', '--ttl', '1s')).stdout.trim()
  await eventually(
    'the short token is over',
    async () => !(await cluster.kutter('token', 'list')).stdout.includes(brief.slice(0, 6)),
  )
  const cases: [string[], RegExp][] = [
    [[], /requires --server https:\/\/HOST:PORT and --token/],
    [['--server', server], /requires --token/],
    [['--server', server, '--token', bare], /has no hash of the cluster/],
    [['--server', server, '--token', `${id}.0123456789abcdef@${hash}`], new RegExp(`the token ${id} is wrong`)],
    [['--server', server, '--token', `zzzzzz.0123456789abcdef@${hash}`], /has no token zzzzzz/],
    [['--server', server, '--token', brief], /has no token .*: it has expired/],
    [['--server', server, '--token', `${bare}@sha256:${'0'.repeat(64)}`], /is not the one the token was made for/],
    [['--server', `https://${here}:1`, '--token', token], /cannot reach .*ECONNREFUSED/],
    [['--server', server, '--token', token, '--node-name', first], /has a node \S+ already, Ready at/],
  ]
  for (const [words, says] of cases) {
    const { code, stderr } = await far('agent', ...words)
    assert.ok(code === 1 || code === 2, `${words.join(' ')}: ${code}`)
    assert.match(stderr.trim().split('\n').at(-1)!, says)
  }
  assert.equal(existsSync(`${cluster.dataDir}/far/cluster.json`), false)
})

test('a machine that joins gets its certificates and runs pods', options, async () => {
  agent = start('--server', server, '--token', token, '--node-name', 'far')
  await farReady()
  assert.equal(
    await cluster.kubectl(`get node far -o jsonpath='{.status.addresses[?(@.type=="InternalIP")].address}'`),
    there,
  )
  const requests = [
    new RegExp(`kube-apiserver-client-kubelet +system:bootstrap:${token.slice(0, 6)} .*Approved,Issued`),
    /kubelet-serving +system:node:far .*Approved,Issued/,
  ]
  await eventually('both requests are issued', async () => {
    const { stdout } = await cluster.tryKubectl('get csr --no-headers')
    return requests.every(like => like.test(stdout))
  })
  await eventually('the serving certificate is there', async () => existsSync(`${pki}/kubelet-server-current.pem`))
  assert.equal(certificate('kubelet-client').subject, 'O=system:nodes\nCN=system:node:far')
  assert.equal(certificate('kubelet-server').subjectAltName, `DNS:far, IP Address:${there}`)
  const built = await far('image', 'build', 'examples/images/busybox')
  assert.equal(built.code, 0, built.stderr)
  await makePod('guest', 'far')
  await makePod('host', first)
  await cluster.kubectl('wait pod/guest --for=condition=Ready --timeout=30s')
  assert.equal(await cluster.kubectl('logs guest'), 'hello\n')
  assert.match(
    await cluster.kubectl('exec guest -- nslookup kubernetes.default.svc.cluster.local'),
    /Name:\s+kubernetes/,
  )
  // Pods on both machines reach each other by their own addresses.
  await cluster.kubectl('wait pod/host --for=condition=Ready --timeout=30s')
  const addressOf = (pod: string) => cluster.kubectl(`get pod ${pod} -o jsonpath='{.status.podIP}'`)
  const fetch = (from: string, to: string) => cluster.kubectl(`exec ${from} -- timeout 5 wget -q -O - http://${to}/who`)
  assert.equal(await fetch('guest', await addressOf('host')), 'host\n')
  assert.equal(await fetch('host', await addressOf('guest')), 'guest\n')
  assert.equal((await far('status')).code, 0)
})

test(
  'a joined machine starts again without token and server, while its containers go on running',
  options,
  async () => {
    const containerID = () => cluster.kubectl("get pod guest -o jsonpath='{.status.containerStatuses[0].containerID}'")
    const id = await containerID()
    await end(agent!)
    agent = start()
    const lease = () => cluster.kubectl("get lease far -n kube-node-lease -o jsonpath='{.spec.renewTime}'")
    const before = await lease()
    await eventually('the lease is renewed', async () => (await lease()) !== before)
    assert.equal(await containerID(), id)
    assert.equal(await cluster.kubectl('exec guest -- echo there'), 'there\n')
  },
)

test('certificates are renewed before they expire, and the node stays Ready', options, async () => {
  const before = { client: certificate('kubelet-client'), serving: certificate('kubelet-server') }
  const seconds = (text: string) => Date.parse(text) / 1000
  await eventually(
    'both are new',
    async () =>
      certificate('kubelet-client').serialNumber !== before.client.serialNumber &&
      certificate('kubelet-server').serialNumber !== before.serving.serialNumber,
  )
  const now = Date.parse(new Date().toISOString()) / 1000
  assert.ok(seconds(certificate('kubelet-client').validTo) > seconds(before.client.validTo))
  const left = Math.max(seconds(before.client.validTo), seconds(before.serving.validTo)) - now
  assert.ok(left < 30)
  // After the old certificates have expired, everything works with the new ones.
  await run('sleep', [String(Math.max(0, Math.ceil(left) + 1))])
  assert.equal(await cluster.kubectl('exec guest -- echo still'), 'still\n')
  assert.match(await cluster.kubectl('get node far --no-headers'), / Ready /)
  const shown = await run('bash', [
    '-c',
    `openssl s_client -connect ${there}:10250 -CAfile ${cluster.dataDir}/join/pki/ca.crt </dev/null 2>&1 | grep 'Verify return code'`,
  ])
  assert.match(shown.stdout, /Verify return code: 0 \(ok\)/)
  const requests = await cluster.kubectl('get csr --no-headers')
  assert.match(requests, /kube-apiserver-client-kubelet +system:node:far .*Approved,Issued/)
})

test('the authority is replaced while everything runs, and the node follows', options, async () => {
  const old = `${cluster.dataDir}/join/old.kubeconfig`
  copyFileSync(`${cluster.dataDir}/join/kubeconfig`, old)
  const before = await cluster.kubectl("get pod guest -o jsonpath='{.status.containerStatuses[0].containerID}'")
  const rotated = await cluster.kutter('certs', 'rotate-ca')
  assert.equal(rotated.code, 0, rotated.stderr)
  const authorities = () => splitBundle(readFileSync(`${cluster.dataDir}/join/pki/ca.crt`, 'utf8'))
  assert.equal(authorities().length, 2)
  const next = authorities()[0]!
  // Who has only the authority before is still served, and takes the new certificate for good.
  assert.match(await cluster.kubectl(`--kubeconfig ${old} get node far --no-headers`), / Ready /)
  const again = await cluster.kutter('certs', 'rotate-ca')
  assert.match(again.stderr, /still accepted; end that first/)
  await eventually('the node has certificates of the new authority', async () =>
    ['kubelet-client', 'kubelet-server'].every(name => isIssuedBy(certificate(name), next)),
  )
  assert.equal(await cluster.kubectl('exec guest -- echo still'), 'still\n')
  assert.equal(
    await cluster.kubectl("get configmap kube-root-ca.crt -o jsonpath='{.data.ca\\.crt}'"),
    authorities().join(''),
  )
  const finished = await eventually('all nodes have followed', async () => {
    const { code, stderr } = await cluster.kutter('certs', 'rotate-ca', '--finish')
    if (code === 0) return true
    throw new Error(stderr)
  })
  assert.ok(finished)
  assert.deepEqual(authorities(), [next])
  assert.equal((await cluster.tryKubectl(`--kubeconfig ${old} get nodes`)).code, 1)
  await farReady()
  await eventually('a command runs in the pod', async () => {
    const { code, stderr } = await cluster.tryKubectl('exec guest -- echo again')
    if (code === 0) return true
    throw new Error(stderr)
  })
  assert.equal(await cluster.kubectl("get pod guest -o jsonpath='{.status.containerStatuses[0].containerID}'"), before)
})

test('a machine that leaves has nothing of the node left', options, async () => {
  await end(agent!)
  agent = undefined
  assert.equal((await far('status')).code, 1)
  const up = await far('up')
  assert.match(up.stderr, /belongs to a node of the cluster at/)
  const down = await far('down', '--purge')
  assert.equal(down.code, 0, down.stdout)
  const left = await run('bash', [
    '-c',
    `${inside('ip', '-o', 'link').join(' ')} | grep kt; ${inside('ip', 'route').join(' ')} | grep 157; ${inside('nft', 'list', 'tables').join(' ')}; grep ${cluster.dataDir}/far /proc/mounts; pgrep -af '[-]-name far'; ls -d ${cluster.dataDir}/far 2>/dev/null; true`,
  ])
  assert.equal(left.stdout, '')
  await cluster.kubectl('delete node far')
})
