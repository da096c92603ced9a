// Starting, surviving kills, and stopping, by the commands that a user types, observed from outside.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { after, before, test } from 'node:test'
import { realClock } from '../../src/base/clock.ts'
import { cannotRun, eventually, type Result, run, TestCluster } from './cluster.ts'

const options = { skip: cannotRun }
const cluster = new TestCluster('start')
const second = new TestCluster('second')

interface Status {
  ready: boolean
  server: string
  processes: { role: string; node?: string; pid: number }[]
}

const status = async (of = cluster) => JSON.parse((await of.kutter('status', '-o', 'json')).stdout) as Status
const pidOf = async (role: string) => (await status()).processes.find(p => p.role === role)!.pid
const whole = () => eventually('the cluster is whole', async () => (await status()).ready, 60_000)

before(async () => {
  if (cannotRun) return
  await cluster.down()
  await second.down()
})
after(async () => {
  if (cannotRun) return
  await cluster.down()
  await second.down()
})

test(
  'up shows every step with its time, and reports that the cluster runs when it is called again',
  options,
  async () => {
    const [first, other] = (await Promise.all([cluster.up(), cluster.up()])).sort((a, b) =>
      a.stdout.includes('✓') ? -1 : b.stdout.includes('✓') ? 1 : 0,
    ) as [Result, Result]
    assert.match(other.stdout, /Another kutter command is changing the cluster.*\n.*is running already/)
    assert.match(first.stdout, /kutter down --name start --data-dir /)
    for (const step of ['certificates and kubeconfig', 'API server answers', 'is Ready', 'DNS answers'])
      assert.match(first.stdout, new RegExp(`✓ .*${step}.* (ms|s)`))
    assert.match(first.stdout, /The cluster is up: https:\/\/127\.0\.0\.1:\d+, after/)
    const again = await cluster.kutter('up')
    assert.equal(again.code, 0)
    assert.match(again.stdout, /is running already/)
    const changed = await cluster.kutter('up', '--node-monitor-grace-period', '77s')
    assert.match(changed.stdout, /without: --node-monitor-grace-period 77s/)
    assert.match(await cluster.kubectl('get nodes --no-headers'), / control-plane /)
    assert.match(await cluster.kubectl('config get-contexts -o name'), /^kutter-start$/m)
    assert.match(await cluster.kubectl('--context kutter-start get nodes'), / Ready /)
    const { stdout } = await cluster.kutter('kubeconfig')
    assert.equal((await run('kubectl', ['--kubeconfig', stdout.trim(), 'get', 'ns', 'default'])).code, 0)
  },
)

test('certificates are renewed while the cluster runs, and their lifetime is shown', options, async () => {
  const serials = async () => {
    const { port, kubeletPort } = JSON.parse(readFileSync(`${cluster.dataDir}/start/cluster.json`, 'utf8')) as {
      port: number
      kubeletPort: number
    }
    const look = (at: number) =>
      run('bash', [
        '-c',
        `openssl s_client -connect 127.0.0.1:${at} </dev/null 2>/dev/null | openssl x509 -noout -serial`,
      ])
    return Promise.all([port, kubeletPort].map(async at => (await look(at)).stdout))
  }
  const before = await serials()
  const renewed = await cluster.kutter('certs', 'renew')
  assert.equal(renewed.code, 0, renewed.stderr)
  assert.match(renewed.stdout, /^6 certificates are new, and in use\.\n$/)
  await eventually('both serve another one', async () => (await serials()).every((serial, i) => serial !== before[i]))
  assert.match(await cluster.kubectl('get nodes --no-headers'), / Ready /)
  const { stdout } = await cluster.kutter('certs', 'list')
  assert.match(stdout, /^pki\/ca\.crt +kutter-ca +\S+ +9y +yes$/m)
  assert.match(stdout, /^pki\/apiserver\.crt +kube-apiserver +\S+ +364d$/m)
})

test('a support bundle has status, logs and objects, and nothing secret', options, async () => {
  await cluster.kubectl('create secret generic hidden --from-literal=password=hunter22')
  const file = `${cluster.dataDir}/bundle.tar.gz`
  const made = await cluster.kutter('support-bundle', file)
  assert.equal(made.code, 0, made.stderr)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  const { stdout: names } = await run('tar', ['-tzf', file])
  for (const name of [
    'status.json',
    'cluster.json',
    'logs/server.log',
    'machine/routes.txt',
    'objects/core/nodes.json',
  ])
    assert.ok(names.split('\n').includes(name), name)
  assert.doesNotMatch(names, /secrets/)
  const { stdout: text } = await run('tar', ['-xzOf', file])
  assert.match(text, /"kind":"NodeList"/)
  for (const secret of ['hunter22', Buffer.from('hunter22').toString('base64'), 'PRIVATE KEY'])
    assert.ok(!text.includes(secret), secret)
  rmSync(file)
})

test('status shows every process with role, node and pid', options, async () => {
  const { ready, processes } = await status()
  assert.equal(ready, true)
  assert.deepEqual(processes.map(p => p.role).sort(), ['agent', 'server', 'supervisor'])
  for (const { pid } of processes) assert.ok(existsSync(`/proc/${pid}`))
  assert.equal((await cluster.kutter('status')).code, 0)
})

test('keys and data can be read only by root', options, async () => {
  const dir = `${cluster.dataDir}/start`
  assert.equal(statSync(dir).mode & 0o777, 0o700)
  for (const file of ['pki/ca.key', 'pki/sa.key', 'kubeconfig', 'store/log.db'])
    assert.equal(statSync(`${dir}/${file}`).mode & 0o077, 0, file)
})

test('a deleted node is registered again only when its kubelet starts', options, async () => {
  const node = (await cluster.kubectl('get nodes -o name')).trim()
  await cluster.kubectl(`delete ${node}`)
  // The kubelet writes a status every ten seconds.
  await realClock.sleep(12_000)
  assert.equal((await cluster.tryKubectl(`get ${node}`)).code, 1)
  process.kill(await pidOf('agent'), 'SIGTERM')
  await eventually('the node is back', async () => / Ready /.test(await cluster.kubectl(`get ${node}`)), 30_000)
  await whole()
})

test('anonymous requests can read only health and version', options, async () => {
  const { server } = await status()
  const code = async (path: string) =>
    (await run('curl', ['-sk', '-o', '/dev/null', '-w', '%{http_code}', `${server}${path}`])).stdout
  for (const path of ['/healthz', '/livez', '/readyz', '/version']) assert.equal(await code(path), '200', path)
  for (const path of ['/api/v1/pods', '/metrics', '/openapi/v2', '/apis']) assert.equal(await code(path), '403', path)
})

test('a second cluster runs on the same machine, with plugins that a file configures', options, async () => {
  const file = 'test/fixtures/admission/admission.yaml'
  const refused = await second.kutter('up', '--admission-control-config-file', `${file}l`)
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /admission\.yamll cannot be read: /)
  await second.up('--admission-control-config-file', file, '--enable-admission-plugins', 'EventRateLimit')
  const pod = await second.tryKubectl(
    `run root --image=x --overrides='{"apiVersion":"v1","spec":{"hostNetwork":true}}' --restart=Never`,
  )
  assert.match(pod.stderr, /violates PodSecurity "baseline:latest": host namespaces \(hostNetwork=true\)/)
  await cluster.kubectl('create configmap here --from-literal=a=1')
  assert.equal((await second.tryKubectl('get configmap here')).code, 1)
  assert.equal((await status(second)).ready, true)
  assert.equal((await status()).ready, true)
  const down = await second.kutter('down', '--purge')
  assert.equal(down.code, 0, down.stdout)
  // Removing the data of one cluster leaves that of the other.
  await cluster.kubectl('get configmap here')
  assert.ok(existsSync(`${cluster.dataDir}/start/pki/ca.key`))
  assert.equal((await status()).ready, true)
})

test(
  'when any process is killed, containers live on and the cluster repairs itself without a loss',
  options,
  async () => {
    await cluster.images('busybox')
    await cluster.kubectl('run sleeper --image=busybox --image-pull-policy=IfNotPresent -- sleep 3600')
    await cluster.kubectl('wait pod/sleeper --for=condition=Ready --timeout=60s')
    const started = () =>
      cluster.kubectl(
        `get pod sleeper -o jsonpath='{.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}'`,
      )
    const before = await started()
    for (const role of ['agent', 'server', 'supervisor']) {
      await cluster.kubectl(`create configmap before-${role}`)
      const pid = await pidOf(role)
      process.kill(pid, 'SIGKILL')
      await eventually(`another ${role}`, async () => (await pidOf(role)) !== pid, 30_000)
      await whole()
      await cluster.kubectl(`get configmap before-${role}`)
      assert.equal(await started(), before, `after the ${role} was killed`)
    }
  },
)

test('down leaves only the data, and up brings the same objects back', options, async () => {
  await cluster.kubectl('run once --image=busybox --image-pull-policy=IfNotPresent --restart=Never -- sleep 3600')
  await cluster.kubectl('wait pod/once --for=condition=Ready --timeout=60s')
  const down = await cluster.kutter('down')
  assert.equal(down.code, 0, down.stdout)
  assert.equal(await cluster.traces(), '')
  assert.equal((await cluster.kutter('status')).code, 1)
  await cluster.up()
  await cluster.kubectl('get configmap here')
  await cluster.kubectl('wait pod/sleeper --for=condition=Ready --timeout=60s')
})

test(
  'containers of a stopped cluster count as restarted, and those that may not restart show why they ended',
  options,
  async () => {
    assert.match(await cluster.kubectl('get pod sleeper --no-headers'), /^sleeper +1\/1 +Running +1 /)
    await cluster.kubectl(`wait pod/once --for=jsonpath='{.status.phase}'=Failed --timeout=60s`)
    assert.match(await cluster.kubectl('get pod once --no-headers'), /^once +0\/1 +ContainerStatusUnknown +1 /)
    const { reason, message, exitCode } = JSON.parse(
      await cluster.kubectl(`get pod once -o jsonpath='{.status.containerStatuses[0].state.terminated}'`),
    )
    assert.deepEqual(
      [reason, message, exitCode],
      ['ContainerStatusUnknown', 'The container could not be located when the pod was terminated', 137],
    )
    const logs = await cluster.tryKubectl('logs once')
    assert.equal(logs.stderr, 'Error from server (BadRequest): container "once" in pod "once" is terminated\n')
    const previous = await cluster.tryKubectl('logs -p sleeper')
    assert.equal(
      previous.stderr,
      'Error from server (BadRequest): previous terminated container "sleeper" in pod "sleeper" not found\n',
    )
  },
)

test('down --purge removes the data too', options, async () => {
  assert.equal((await cluster.kutter('down', '--purge')).code, 0)
  assert.equal(existsSync(`${cluster.dataDir}/start`), false)
  assert.doesNotMatch(readFileSync(cluster.env.KUBECONFIG!, 'utf8'), /kutter-start/)
})

test('up that cannot work reports the reason in one sentence, and starts nothing', options, async () => {
  const server = createServer().listen(16999)
  try {
    const taken = await cluster.kutter('up', '--port', '16999')
    assert.equal(taken.code, 1)
    assert.match(taken.stderr, /^kutter: port 16999 is taken by another program; .*\n$/)
  } finally {
    server.close()
  }
  const unknown = await cluster.kutter('up', '--colour')
  assert.equal(unknown.code, 2)
  assert.match(unknown.stderr, /unknown option --colour/)
  const asNobody = await run('setpriv', [
    '--reuid',
    '65534',
    '--clear-groups',
    './kutter',
    'up',
    '--name',
    'start',
    '--data-dir',
    cluster.dataDir,
  ])
  assert.notEqual(asNobody.code, 0)
  assert.match(asNobody.stderr, /only root may do|Permission denied|EACCES/)
  assert.equal((await cluster.kutter('status')).code, 1)
})

test('a damaged data directory is reported with its name', options, async () => {
  await cluster.up()
  await cluster.kutter('down')
  const config = `${cluster.dataDir}/start/cluster.json`
  const text = readFileSync(config, 'utf8')
  await run('bash', ['-c', `echo '{' > ${config}`])
  const result = await cluster.kutter('up')
  assert.equal(result.code, 1)
  assert.match(result.stderr, /cluster\.json is damaged/)
  await run('bash', ['-c', `cat > ${config}`], { stdin: text })
  rmSync(`${cluster.dataDir}/start/store`, { recursive: true })
  await run('bash', [
    '-c',
    `mkdir ${cluster.dataDir}/start/store && echo rubbish > ${cluster.dataDir}/start/store/log.db`,
  ])
  const store = await cluster.kutter('up')
  assert.equal(store.code, 1)
  assert.match(store.stderr, /^kutter: the server cannot start: .*log\.db/)
  assert.equal((await cluster.kutter('status')).code, 1)
})
