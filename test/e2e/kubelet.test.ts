// The real kubelet: a containerd of our own, images that are built here, the API server in this process, and pods that
// run, are initialized, probed, read, restarted and deleted. Nothing is left afterwards.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { realClock } from '../../src/base/clock.ts'
import { makeLog, silentLog } from '../../src/base/log.ts'
import { realRandom } from '../../src/base/random.ts'
import type { Draft } from '../../src/api/kind.ts'
import { openServer } from '../../src/apiserver/open.ts'
import { Client } from '../../src/client/index.ts'
import { buildImage, buildPause, loadArchive, pauseImage, pinsFileFor } from '../../src/images/index.ts'
import { builtinKinds } from '../../src/kinds/all.ts'
import { ConfigMap } from '../../src/kinds/core/configmap.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { Namespace } from '../../src/kinds/core/namespace.ts'
import { Node } from '../../src/kinds/core/node.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { Secret } from '../../src/kinds/core/secret.ts'
import { ServiceAccount } from '../../src/kinds/core/serviceaccount.ts'
import { containerdPaths, ensureContainerd, stopEverything } from '../../src/kubelet/containerd/index.ts'
import { CriRuntime, type Kubelet, type Runtime, startKubelet } from '../../src/kubelet/index.ts'
import { findCgroups, makeIp, realMounts, run } from '../../src/linux/index.ts'
import { openMemoryStore } from '../../src/store/index.ts'
import { dialWebSocket } from '../../src/wire/websocket.ts'
import { issue, type KeyPair, makeAuthority } from '../../src/wire/x509.ts'

const skip = await whyNot()
const cache = join(process.env.XDG_CACHE_HOME ?? '/var/cache', 'kutter-test')
const examples = new URL('../../examples/images/', import.meta.url).pathname
const bridge = `kk${process.pid}`
const cgroupRoot = `/kutter-kubelet-test-${process.pid}`
const namespace = 'default'
const problems: string[] = []
const log = makeLog(line => problems.push(line), 'warn')
const abort = new AbortController()
let dir = ''
let client: Client
let server: Awaited<ReturnType<typeof openServer>>
let runtime: Runtime
let kubelet: Kubelet
let pki: { authority: KeyPair; serving: KeyPair; admin: KeyPair; nobody: KeyPair }

async function whyNot(): Promise<string | false> {
  if (process.getuid?.() !== 0) return 'needs root'
  for (const program of ['containerd', 'runc', 'ctr', 'apt-get', 'dpkg-deb']) {
    const { code } = await run('sh', ['-c', `command -v ${program}`], { accept: 'any' })
    if (code !== 0) return `needs ${program}`
  }
  return false
}

const containerd = () => ({
  dir: join(dir, 'c'),
  cniConfDir: join(dir, 'cni'),
  sandboxImage: pauseImage,
  log: silentLog,
})
const socket = () => containerdPaths(containerd().dir).socket

async function start(): Promise<void> {
  runtime = new CriRuntime({ socket: socket(), clock: realClock, log })
  kubelet = await startKubelet({
    client,
    nodeName: 'n1',
    nodeIPs: ['127.0.0.1'],
    runtime,
    rootDir: join(dir, 'node'),
    cgroupRoot,
    clusterDNS: '10.96.0.10',
    clusterDomain: 'cluster.local',
    clock: realClock,
    random: realRandom,
    log,
    server: {
      host: '127.0.0.1',
      port: 0,
      cert: pki.serving.certPem,
      key: pki.serving.keyPem,
      clientCA: pki.authority.certPem,
    },
    signal: abort.signal,
  })
  await kubelet.ready
}

async function makePki() {
  const validity = { now: realClock.now(), validMs: 3_600_000 }
  const authority = await makeAuthority({ commonName: 'test', ...validity })
  const usages = ['digital signature', 'server auth', 'client auth'] as const
  const make = (commonName: string, organizations: string[] = []) =>
    issue(authority, { commonName, organizations, ips: ['127.0.0.1'] }, { usages, ...validity })
  return {
    authority,
    serving: await make('system:node:n1'),
    admin: await make('admin', ['system:masters']),
    nobody: await make('nobody'),
  }
}

async function stop(): Promise<void> {
  await kubelet.close()
  runtime.close()
}

before(async () => {
  if (skip) return
  // The path is short because the path of a socket must be.
  dir = await mkdtemp('/tmp/kutter-k-')
  await mkdir(join(dir, 'cni'))
  const ipam = { type: 'host-local', subnet: '10.253.78.0/24', dataDir: join(dir, 'ipam') }
  const plugins = [{ type: 'bridge', bridge, isGateway: true, ipMasq: false, ipam }]
  await writeFile(join(dir, 'cni/10-test.conflist'), JSON.stringify({ cniVersion: '0.4.0', name: 'ktest', plugins }))
  await ensureContainerd(containerd())
  const store = { socket: socket(), pinsFile: pinsFileFor(socket()) }
  await loadArchive((await buildPause(join(dir, 'pause.tar'), { cacheDir: cache })).file, store)
  await loadArchive(
    (await buildImage(join(examples, 'busybox'), join(dir, 'busybox.tar'), { cacheDir: cache })).file,
    store,
  )

  const tokens = {
    issuer: 'test',
    audiences: ['test'],
    sign: () => 'a.signed.token',
    verify: () => undefined,
    jwks: () => ({ keys: [] }),
  }
  const options = { store: openMemoryStore(), kinds: builtinKinds, clock: realClock, random: realRandom, log, tokens }
  server = await openServer({ ...options, serviceCidrs: ['10.96.0.0/16'], nodePorts: [30000, 32767] })
  client = new Client({
    serve: server.serve,
    user: { name: 'test', groups: ['system:masters'] },
    userAgent: 'test',
    clock: realClock,
    log,
  })
  for (const name of [namespace, 'kube-node-lease'])
    if (!(await client.find(Namespace, { name }))) await client.create(Namespace, { metadata: { name } })
  await client.create(ServiceAccount, { metadata: { name: 'default', namespace }, automountServiceAccountToken: false })
  pki = await makePki()
  await start()
})

after(async () => {
  if (skip) return
  await stop()
  abort.abort()
  client.close()
  await server.close()
  await stopEverything({ dir: containerd().dir, log: silentLog, cgroups: [cgroupRoot], purge: true })
  await realMounts.unmountAll(dir)
  await run('ip', ['link', 'delete', bridge], { accept: 'any' })
  const left = {
    mounts: (await realMounts.list()).filter(m => m.point.startsWith(dir)),
    cniResults: (await readdir('/var/lib/cni/results').catch(() => [])).filter(name => name.startsWith('ktest-')),
    cgroup: await (await findCgroups()).exists(cgroupRoot),
    links: (await makeIp().links()).filter(l => l.name === bridge || l.master === bridge),
  }
  await rm(dir, { recursive: true, force: true })
  assert.deepEqual(left, { mounts: [], cniResults: [], cgroup: false, links: [] })
})

async function eventually<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  for (let tries = 0; tries < 1000; tries++) {
    const found = await look()
    if (found) return found
    await realClock.sleep(20)
  }
  throw new Error(`did not happen: ${what}\n${problems.join('\n')}`)
}

const create = (name: string, spec: Draft<Pod>['spec'], labels: Record<string, string> = {}) =>
  client.create(Pod, { metadata: { name, namespace, labels }, spec: { nodeName: 'n1', ...spec } })
const pod = (name: string) => client.get(Pod, { namespace, name })
const becomes = (name: string, type: string) =>
  eventually(`${name} is ${type}`, async () => {
    const found = await pod(name)
    return (
      (found.status.phase === type || found.status.conditions?.some(c => c.type === type && c.status === 'True')) &&
      found
    )
  })
const gone = (name: string) => eventually(`${name} is gone`, async () => !(await client.find(Pod, { namespace, name })))
const sh = (script: string, more: object = {}) => ({
  name: 'main',
  image: 'busybox',
  imagePullPolicy: 'IfNotPresent' as const,
  command: ['sh', '-c', script],
  ...more,
})
const forever = 'trap "exit 0" TERM; while :; do sleep 0.1; done'
const logPath = (found: { metadata: { uid?: string; name?: string } }, container: string, attempt = 0) =>
  join(dir, 'node/logs', `${namespace}_${found.metadata.name}_${found.metadata.uid}`, container, `${attempt}.log`)
const exec = async (name: string, ...command: string[]) => {
  const id = (await pod(name)).status.containerStatuses![0]!.containerID!.replace('containerd://', '')
  const { exitCode, stdout, stderr } = await runtime.execSync(id, command, 10)
  return `${Buffer.concat([stdout, stderr])}${exitCode ? `(${exitCode})` : ''}`
}

test('the node is ready', { skip }, async () => {
  const node = await eventually('ready', async () => {
    const found = await client.get(Node, { name: 'n1' })
    return found.status.conditions?.some(c => c.type === 'Ready' && c.status === 'True') && found
  })
  assert.match(node.status.nodeInfo.containerRuntimeVersion, /^containerd:\/\/\d/)
  assert.ok(node.status.images?.some(i => i.names.includes('docker.io/library/busybox:latest')))
})

test('a pod with an init container, probes and a shared volume survives a new kubelet and is deleted', {
  skip,
}, async () => {
  await create('whole', {
    volumes: [{ name: 'shared', emptyDir: {} }],
    initContainers: [
      sh('echo from-init > /data/file', { name: 'init', volumeMounts: [{ name: 'shared', mountPath: '/data' }] }),
    ],
    containers: [
      sh(`cat /data/file; touch /tmp/ready; ${forever}`, {
        volumeMounts: [{ name: 'shared', mountPath: '/data' }],
        readinessProbe: { exec: { command: ['test', '-f', '/tmp/ready'] }, periodSeconds: 1 },
        livenessProbe: { exec: { command: ['true'] }, periodSeconds: 1 },
        env: [
          { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          { name: 'TWICE', value: '$(IP)$(IP)' },
        ],
        lifecycle: { preStop: { exec: { command: ['sh', '-c', 'echo bye > /data/bye'] } } },
      }),
    ],
  })
  const running = await becomes('whole', 'Ready')
  assert.match(running.status.podIP ?? '', /^10\.253\.78\./)
  assert.equal(running.status.initContainerStatuses?.[0]?.state.terminated?.reason, 'Completed')
  assert.match(await readFile(logPath(running, 'main'), 'utf8'), / stdout F from-init\n/)
  assert.equal(await exec('whole', 'sh', '-c', 'echo $TWICE'), `${running.status.podIP}${running.status.podIP}\n`)
  assert.match(await exec('whole', 'cat', '/etc/hosts'), new RegExp(`${running.status.podIP}\twhole\n`))
  assert.match(
    await exec('whole', 'cat', '/etc/resolv.conf'),
    /search default\.svc\.cluster\.local svc\.cluster\.local cluster\.local[^\n]*\nnameserver 10\.96\.0\.10\noptions ndots:5/,
  )
  assert.equal(await exec('whole', 'hostname'), 'whole\n')

  const before = running.status.containerStatuses![0]!
  await stop()
  await start()
  await realClock.sleep(1500)
  const after = (await becomes('whole', 'Ready')).status.containerStatuses![0]!
  assert.deepEqual([after.containerID, after.restartCount], [before.containerID, 0])

  await client.delete(Pod, { namespace, name: 'whole' })
  await gone('whole')
  const left = await readdir(join(dir, 'node/pods'))
  assert.deepEqual(left, [])
  const events = (await client.list(Event, { namespace })).items
    .filter(e => e.involvedObject.name === 'whole')
    .map(e => e.reason)
  for (const reason of ['Pulled', 'Created', 'Started', 'Killing'])
    assert.ok(events.includes(reason), `${reason} among ${events}`)
})

test('configuration volumes follow their objects, except for a subPath', { skip }, async () => {
  await client.create(ConfigMap, { metadata: { name: 'settings', namespace }, data: { a: 'one', b: 'two' } })
  await client.create(Secret, {
    metadata: { name: 'hidden', namespace },
    data: { key: Buffer.from('s3cret').toString('base64') },
  })
  await create(
    'files',
    {
      securityContext: { fsGroup: 1234 },
      volumes: [
        { name: 'config', configMap: { name: 'settings', items: [{ key: 'a', path: 'deep/a', mode: 0o400 }] } },
        { name: 'secret', secret: { secretName: 'hidden' } },
        { name: 'down', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
        {
          name: 'all',
          projected: { sources: [{ configMap: { name: 'settings' } }, { serviceAccountToken: { path: 'token' } }] },
        },
        { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
      ],
      containers: [
        sh(forever, {
          volumeMounts: [
            { name: 'config', mountPath: '/config' },
            { name: 'secret', mountPath: '/secret' },
            { name: 'down', mountPath: '/down' },
            { name: 'all', mountPath: '/all' },
            { name: 'memory', mountPath: '/memory' },
            { name: 'config', mountPath: '/part', subPath: 'deep/a' },
          ],
        }),
      ],
    },
    { app: 'x' },
  )
  await becomes('files', 'Ready')
  assert.equal(
    await exec('files', 'sh', '-c', 'cat /config/deep/a /secret/key /down/labels /all/b /all/token /part'),
    'ones3cretapp="x"twoa.signed.tokenone',
  )
  assert.match(await exec('files', 'mount'), /tmpfs on \/memory type tmpfs/)
  assert.match(await exec('files', 'sh', '-c', 'stat -c %g /memory /secret/key -L'), /^1234\n1234\n$/)
  await client.patch(ConfigMap, { namespace, name: 'settings' }, 'merge', { data: { a: 'changed' } })
  await client.patch(Pod, { namespace, name: 'files' }, 'merge', { metadata: { labels: { app: 'y' } } })
  await eventually(
    'the new contents',
    async () => (await exec('files', 'sh', '-c', 'cat /config/deep/a /down/labels')) === 'changedapp="y"',
  )
  assert.equal(await exec('files', 'cat', '/part'), 'one')
  await client.delete(Pod, { namespace, name: 'files' }, { gracePeriodSeconds: 1 })
  await gone('files')
})

test('a failing container leaves a termination message and is restarted, and a missing volume is reported', {
  skip,
}, async () => {
  await create('fails', { containers: [sh('echo last words > /dev/termination-log; exit 3')] })
  const failing = await eventually('a back-off', async () => {
    const found = await pod('fails')
    return found.status.containerStatuses?.[0]?.state.waiting?.reason === 'CrashLoopBackOff' && found
  })
  const { lastState, restartCount } = failing.status.containerStatuses![0]!
  assert.deepEqual(
    [lastState.terminated?.exitCode, lastState.terminated?.reason, lastState.terminated?.message],
    [3, 'Error', 'last words\n'],
  )
  assert.equal(restartCount, 1)
  await create('words', {
    restartPolicy: 'Never',
    containers: [sh('echo in the log; exit 1', { terminationMessagePolicy: 'FallbackToLogsOnError' })],
  })
  assert.equal(
    (await becomes('words', 'Failed')).status.containerStatuses![0]!.state.terminated?.message,
    'in the log\n',
  )
  await create('lacks', {
    volumes: [{ name: 'v', configMap: { name: 'nowhere' } }],
    containers: [sh(forever, { volumeMounts: [{ name: 'v', mountPath: '/v' }] })],
  })
  await eventually('the event', async () =>
    (await client.list(Event, { namespace })).items.some(
      e =>
        e.reason === 'FailedMount' &&
        e.message === 'MountVolume.SetUp failed for volume "v" : configmap "nowhere" not found',
    ),
  )
  for (const name of ['fails', 'words', 'lacks']) {
    await client.delete(Pod, { namespace, name })
    await gone(name)
  }
})

test('a container runs with its security settings', { skip }, async () => {
  await create('safe', {
    volumes: [{ name: 'v', emptyDir: {} }],
    hostNetwork: true,
    securityContext: { runAsUser: 1000, runAsGroup: 3000, runAsNonRoot: true, supplementalGroups: [4000] },
    containers: [
      sh(forever, {
        volumeMounts: [{ name: 'v', mountPath: '/v', subPath: 'a/b' }],
        securityContext: {
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
        },
        resources: { limits: { memory: '64Mi', cpu: '500m' } },
      }),
    ],
  })
  const { status } = await becomes('safe', 'Ready')
  assert.deepEqual([status.podIP, status.qosClass], ['127.0.0.1', 'Guaranteed'])
  assert.match(await exec('safe', 'id'), /uid=1000 gid=3000 groups=3000,4000/)
  assert.equal(await exec('safe', 'sh', '-c', 'echo x > /v/file; echo y > /dev/termination-log; cat /v/file'), 'x\n')
  assert.match(await exec('safe', 'touch', '/x'), /Read-only file system/)
  assert.match(
    await exec('safe', 'grep', '-E', 'NoNewPrivs|CapEff', '/proc/self/status'),
    /CapEff:\t0+\nNoNewPrivs:\t1/,
  )
  await create('root', { securityContext: { runAsNonRoot: true }, containers: [sh(forever)] })
  await eventually(
    'the refusal',
    async () =>
      (await pod('root')).status.containerStatuses?.[0]?.state.waiting?.reason === 'CreateContainerConfigError',
  )
  for (const name of ['safe', 'root']) {
    await client.delete(Pod, { namespace, name }, { gracePeriodSeconds: 0 })
    await gone(name)
  }
  await eventually('nothing runs', async () => (await runtime.outline()).length === 0)
})

const tls = (pair: KeyPair | null) => ({
  ca: pki.authority.certPem,
  ...(pair && { cert: pair.certPem, key: pair.keyPem }),
})

function ask(
  path: string,
  pair: KeyPair | null = pki.admin,
  seen: (text: string) => void = () => {},
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port: kubelet.port, path, agent: false, ...tls(pair) }, response => {
      let body = ''
      response.on('data', chunk => seen((body += chunk)))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      response.on('error', reject)
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}

/** What a WebSocket client of exec receives: the text of stdout, and the Status on the error channel. */
async function execOver(path: string, input?: string): Promise<{ stdout: string; status: string }> {
  const { ws } = await dialWebSocket(`wss://127.0.0.1:${kubelet.port}${path}`, ['v5.channel.k8s.io'], tls(pki.admin))
  const texts = ['', '', '', '']
  ws.on('message', (data: Buffer) => {
    texts[data[0]!] += data.subarray(1).toString()
  })
  const closed = new Promise<void>(resolve => ws.once('close', () => resolve()))
  if (input !== undefined) {
    ws.send(Buffer.concat([Buffer.from([0]), Buffer.from(input)]))
    ws.send(Buffer.from([255, 0]))
  }
  await closed
  return { stdout: texts[1]!, status: texts[3]! }
}

test('the kubelet’s server checks its callers and serves logs, exec and statistics', { skip }, async () => {
  await create('served', {
    restartPolicy: 'Never',
    containers: [sh(`echo one; echo two; echo three; ${forever.replace('exit 0', 'echo end; exit 0')}`)],
  })
  await becomes('served', 'Ready')
  assert.equal((await ask('/healthz')).body, 'ok')
  assert.equal((await ask('/pods', null)).status, 401)
  const refused = await ask('/pods', pki.nobody)
  assert.deepEqual(
    [refused.status, refused.body],
    [403, 'Forbidden (user=nobody, verb=get, resource=nodes, subresource(s)=[pods proxy])'],
  )
  assert.match((await ask('/pods')).body, /"name":"served"/)

  const logs = `/containerLogs/${namespace}/served/main`
  await eventually('three lines', async () => (await ask(logs)).body === 'one\ntwo\nthree\n')
  assert.equal((await ask(`${logs}?tailLines=1`)).body, 'three\n')
  assert.equal((await ask(`${logs}?limitBytes=5`)).body, 'one\nt')
  assert.match((await ask(`${logs}?timestamps=true&tailLines=1`)).body, /^\d{4}-\d\d-\d\dT[\d:.]+\S* three\n$/)
  assert.deepEqual(await ask(`${logs}?previous=true`), {
    status: 400,
    body: 'previous terminated container "main" in pod "served" not found',
  })

  const told = await execOver(
    `/exec/${namespace}/served/main?command=sh&command=-c&command=cat;exit+3&input=1&output=1`,
    'typed',
  )
  assert.equal(told.stdout, 'typed')
  assert.match(told.status, /"reason":"NonZeroExitCode".*"message":"3"/)

  const stats = JSON.parse((await ask('/stats/summary')).body) as {
    pods: { podRef: { name: string }; containers: { memory: { workingSetBytes: number } }[] }[]
  }
  const mine = stats.pods.find(p => p.podRef.name === 'served')
  assert.ok((mine?.containers[0]?.memory.workingSetBytes ?? 0) > 0)
  assert.match(
    (await ask('/metrics/resource')).body,
    /container_memory_working_set_bytes\{container="main",namespace="default",pod="served"\} \d+/,
  )

  let heard = ''
  const following = ask(`${logs}?follow=true`, pki.admin, text => (heard = text))
  await eventually('the log so far', async () => heard.endsWith('three\n'))
  await client.delete(Pod, { namespace, name: 'served' })
  assert.equal((await following).body, 'one\ntwo\nthree\nend\n')
  await gone('served')
  assert.equal((await ask(logs)).status, 404)
})
