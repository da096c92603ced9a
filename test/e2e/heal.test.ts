// The cluster heals: deleted pods are replaced, failed containers are restarted in place with back-off, an image that
// cannot be pulled affects no other pod, and probes decide which containers are restarted and which get traffic.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { realClock } from '../../src/base/clock.ts'
import { cannotRun, clusterForFile, eventually, run } from './cluster.ts'
import {
  becomesReady,
  eventComes,
  eventsOf,
  forever,
  getPod,
  inPod,
  isReady,
  mainOf,
  makePod,
  podIs,
  removePods,
  sh,
  waitingFor,
} from './pods.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('heal', ['busybox', 'myapp'])
const kubectl = (args: string) => cluster.kubectl(args)
const curl = async (url: string) => (await run('curl', ['-s', '-m', '3', url])).stdout.trim()
const fast = { periodSeconds: 1, failureThreshold: 1 }

describe('it heals', { concurrency: 3, skip: cannotRun }, () => {
  test(
    'a Deployment replaces a deleted pod, stops a rollout of a failing image, and is repaired by undo',
    options,
    async () => {
      await kubectl('create deployment web --image=myapp:v1 --replicas=2')
      await kubectl('expose deployment web --type=NodePort --port=80 --target-port=8080')
      await kubectl('rollout status deployment/web --timeout=60s')
      const port = await kubectl(`get svc web -o jsonpath='{.spec.ports[0].nodePort}'`)
      const names = async (more = '') =>
        (await kubectl(`get pods -l app=web ${more} -o jsonpath='{.items[*].metadata.name}'`)).split(' ').sort()
      const before = await names()
      assert.equal(before.length, 2)
      await kubectl(`delete pod ${before[0]} --grace-period=1 --wait=false`)
      const serving = await eventually('a new pod beside the old one', async () => {
        const now = await names('--field-selector status.phase=Running')
        const ready = await kubectl(`get deployment web -o jsonpath='{.status.readyReplicas}'`)
        return now.length === 2 && !now.includes(before[0]!) && now.includes(before[1]!) && ready === '2' && now
      })

      await kubectl('set image deployment/web myapp=nowhere.invalid/x:1')
      const stuck = await eventually('the new pod', async () => (await names()).find(name => !serving.includes(name)))
      await podIs(cluster, stuck, 'tried', p => ['ErrImagePull', 'ImagePullBackOff'].includes(waitingFor(p) ?? ''))
      const waiting = await podIs(cluster, stuck, 'backs off', p => waitingFor(p) === 'ImagePullBackOff')
      assert.match(mainOf(waiting)?.state.waiting?.message ?? '', /^Back-off pulling image "nowhere\.invalid\/x:1"/)
      assert.equal(waiting.status.phase, 'Pending')
      const events = await eventsOf(cluster, stuck)
      for (const like of [
        /^Pulling: Pulling image "nowhere\.invalid\/x:1"$/,
        /^Failed: Failed to pull image "nowhere\.invalid\/x:1": /,
        /^Failed: Error: ErrImagePull$/,
        /^Failed: Error: ImagePullBackOff$/,
        /^BackOff: Back-off pulling image "nowhere\.invalid\/x:1"/,
      ])
        assert.ok(
          events.some(e => like.test(e)),
          `${like} among\n${events.join('\n')}`,
        )
      assert.match(await kubectl('get pods -l app=web'), /0\/1 +(ErrImagePull|ImagePullBackOff) +0/)
      const answers = new Set<string>()
      await eventually('both old pods go on serving', async () => {
        answers.add(await curl(`http://127.0.0.1:${port}`))
        return serving.every(name => answers.has(name))
      })
      assert.deepEqual([...answers].sort(), serving)

      await kubectl('rollout undo deployment/web')
      await kubectl('rollout status deployment/web --timeout=60s')
      await eventually('the failing pod is gone', async () => !(await names()).includes(stuck))
      assert.deepEqual(await names(), serving)
      await kubectl('delete deployment,service web')
    },
  )

  test('a container killed from outside is restarted in place', options, async () => {
    await makePod(cluster, 'victim', { containers: [sh(`exec sleep 86397`), sh(forever, { name: 'other' })] })
    const before = await becomesReady(cluster, 'victim')
    process.kill(processWith(['sleep', '86397']), 'SIGKILL')
    const after = await podIs(cluster, 'victim', 'was restarted', p => mainOf(p)?.restartCount === 1 && isReady(p))
    assert.deepEqual(
      [after.metadata.uid, after.status.podIP, after.status.phase],
      [before.metadata.uid, before.status.podIP, 'Running'],
    )
    const status = mainOf(after)!
    assert.notEqual(status.containerID, mainOf(before)?.containerID)
    assert.deepEqual([status.lastState.terminated?.exitCode, status.lastState.terminated?.reason], [137, 'Error'])
    assert.deepEqual(
      after.status.containerStatuses?.map(s => s.restartCount),
      [1, 0],
    )
    assert.match(await kubectl('get pod victim'), /victim +2\/2 +Running +1 \(\d+s ago\)/)
    await removePods(cluster, 'victim')
  })

  test('a container that keeps failing is restarted with back-off', options, async () => {
    await makePod(cluster, 'looper', { containers: [sh('echo attempt; exit 3')] })
    const first = await podIs(cluster, 'looper', 'backs off', p => waitingFor(p) === 'CrashLoopBackOff')
    assert.deepEqual([mainOf(first)?.restartCount, first.status.phase], [1, 'Running'])
    const { uid } = first.metadata
    assert.equal(
      mainOf(first)?.state.waiting?.message,
      `back-off 10s restarting failed container=main pod=looper_default(${uid})`,
    )
    assert.equal(mainOf(first)?.lastState.terminated?.exitCode, 3)
    assert.match(await kubectl('get pod looper'), /looper +0\/1 +CrashLoopBackOff +1 \(\d+s ago\)/)
    const second = await podIs(
      cluster,
      'looper',
      'backs off longer',
      p => mainOf(p)?.restartCount === 2 && waitingFor(p) === 'CrashLoopBackOff',
    )
    assert.match(mainOf(second)?.state.waiting?.message ?? '', /^back-off 20s /)
    const { startedAt } = mainOf(second)!.lastState.terminated!
    const { finishedAt } = mainOf(first)!.lastState.terminated!
    assert.ok(Date.parse(startedAt) - Date.parse(finishedAt) >= 9_000, `${finishedAt} … ${startedAt}`)
    await eventComes(cluster, 'looper', /^BackOff: Back-off restarting failed container main in pod looper_default\(/)
    assert.equal(await kubectl('logs looper --previous'), 'attempt\n')
    await removePods(cluster, 'looper')
  })

  test(
    'a container whose liveness probe fails over HTTP, TCP or exec is restarted, and no other',
    options,
    async () => {
      const server = 'mkdir -p /tmp/www; echo ok > /tmp/www/healthz; httpd -p 9000 -h /tmp/www;'
      const probes: Record<string, object> = {
        http: { httpGet: { path: '/healthz', port: 'web' } },
        tcp: { tcpSocket: { port: 9000 } },
        exec: { exec: { command: ['cat', '/tmp/www/healthz'] } },
      }
      for (const [type, probe] of Object.entries(probes))
        await makePod(cluster, `live-${type}`, {
          containers: [
            sh(`${server}${forever}`, {
              ports: [{ name: 'web', containerPort: 9000 }],
              livenessProbe: { ...probe, ...fast, initialDelaySeconds: 1 },
            }),
          ],
        })
      for (const type of Object.keys(probes)) await becomesReady(cluster, `live-${type}`)
      await realClock.sleep(2500)
      for (const type of Object.keys(probes))
        assert.equal(mainOf(await getPod(cluster, `live-${type}`))?.restartCount, 0, type)
      await inPod(cluster, 'live-http', 'rm /tmp/www/healthz')
      await inPod(cluster, 'live-tcp', 'killall httpd')
      await inPod(cluster, 'live-exec', 'rm /tmp/www/healthz')
      const words: Record<string, RegExp> = {
        http: /^Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 404$/,
        tcp: /^Unhealthy: Liveness probe failed: dial tcp [\d.]+:9000: connect: connection refused$/,
        exec: /^Unhealthy: Liveness probe failed: cat: can't open '\/tmp\/www\/healthz': No such file or directory/,
      }
      for (const [type, like] of Object.entries(words)) {
        await podIs(cluster, `live-${type}`, 'was restarted', p => mainOf(p)?.restartCount === 1 && isReady(p))
        await eventComes(cluster, `live-${type}`, like)
        await eventComes(cluster, `live-${type}`, /^Killing: Container main failed liveness probe, will be restarted$/)
      }
      await removePods(cluster, ...Object.keys(probes).map(type => `live-${type}`))
    },
  )

  test('a Service sends traffic only to pods whose readiness probe succeeds at present', options, async () => {
    await makePod(
      cluster,
      'turns',
      {
        containers: [
          sh(`mkdir /www; echo turns > /www/index.html; httpd -p 8080 -h /www; ${forever}`, {
            readinessProbe: { httpGet: { path: '/ready', port: 8080 }, ...fast },
          }),
        ],
      },
      { labels: { app: 'turns' } },
    )
    await kubectl('expose pod turns --port=80 --target-port=8080')
    const endpoints = async () =>
      JSON.parse(await kubectl('get endpointslices -l kubernetes.io/service-name=turns -o json')).items[0]
        ?.endpoints?.[0]
    await podIs(cluster, 'turns', 'runs', p => mainOf(p)?.started)
    await eventComes(cluster, 'turns', /^Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 404$/)
    assert.equal(isReady(await getPod(cluster, 'turns')), false)
    assert.equal((await eventually('an endpoint', endpoints)).conditions.ready, false)
    const ip = await kubectl(`get svc turns -o jsonpath='{.spec.clusterIP}'`)
    await inPod(cluster, 'turns', 'touch /www/ready')
    await becomesReady(cluster, 'turns')
    await eventually('it answers', async () => (await curl(`http://${ip}`)) === 'turns')
    await inPod(cluster, 'turns', 'rm /www/ready')
    await podIs(cluster, 'turns', 'is not ready', p => !isReady(p))
    await eventually('it is refused', async () => (await run('curl', ['-s', '-m', '3', `http://${ip}`])).code === 7)
    assert.equal(mainOf(await getPod(cluster, 'turns'))?.restartCount, 0)
    await kubectl('delete service turns')
    await removePods(cluster, 'turns')
  })

  test(
    'a startup probe delays the liveness probe until it succeeds, and ends a container that never starts',
    options,
    async () => {
      await makePod(cluster, 'slow', {
        containers: [
          sh(`sleep 3; touch /tmp/up; ${forever}`, {
            startupProbe: { exec: { command: ['test', '-e', '/tmp/up'] }, periodSeconds: 1, failureThreshold: 30 },
            livenessProbe: { exec: { command: ['test', '-e', '/tmp/up'] }, ...fast },
          }),
        ],
      })
      await makePod(cluster, 'never', {
        containers: [sh(forever, { startupProbe: { tcpSocket: { port: 9 }, periodSeconds: 1, failureThreshold: 2 } })],
      })
      const starting = await podIs(cluster, 'slow', 'runs', p => mainOf(p)?.state.running)
      assert.deepEqual([mainOf(starting)?.started, mainOf(starting)?.ready], [false, false])
      const up = await becomesReady(cluster, 'slow')
      assert.deepEqual([mainOf(up)?.started, mainOf(up)?.restartCount], [true, 0])
      await podIs(cluster, 'never', 'was restarted', p => (mainOf(p)?.restartCount ?? 0) >= 1)
      await eventComes(cluster, 'never', /^Unhealthy: Startup probe failed: dial tcp /)
      await eventComes(cluster, 'never', /^Killing: Container main failed startup probe, will be restarted$/)
      await removePods(cluster, 'slow', 'never')
    },
  )

  test("a gRPC probe calls the health service at the pod's address", options, async () => {
    const address = await kubectl(
      `get nodes -o jsonpath='{.items[0].status.addresses[?(@.type=="InternalIP")].address}'`,
    )
    const health = await serveHealth(address)
    try {
      await makePod(cluster, 'asked', {
        hostNetwork: true,
        containers: [
          sh(forever, {
            readinessProbe: { grpc: { port: health.port, service: 'ready' }, ...fast },
            livenessProbe: { grpc: { port: health.port }, ...fast },
          }),
        ],
      })
      await becomesReady(cluster, 'asked')
      await realClock.sleep(2500)
      assert.equal(mainOf(await getPod(cluster, 'asked'))?.restartCount, 0)
      health.serving.delete('ready')
      await podIs(cluster, 'asked', 'is not ready', p => !isReady(p))
      await eventComes(
        cluster,
        'asked',
        /^Unhealthy: Readiness probe failed: service unhealthy \(responded with "NOT_SERVING"\)$/,
      )
      health.serving.delete('')
      await podIs(cluster, 'asked', 'was restarted', p => (mainOf(p)?.restartCount ?? 0) >= 1)
      await removePods(cluster, 'asked')
    } finally {
      health.close()
    }
  })

  test('the phase of a pod follows its containers and its restart policy', options, async () => {
    const ends = { yes: 'exit 0', no: 'exit 5' }
    for (const restartPolicy of ['Never', 'OnFailure', 'Always'])
      for (const [word, script] of Object.entries(ends))
        await makePod(cluster, `${restartPolicy.toLowerCase()}-${word}`, { restartPolicy, containers: [sh(script)] })
    const outcome = async (name: string, phase: string) => {
      const pod = await podIs(
        cluster,
        name,
        `is ${phase}`,
        p => p.status.phase === phase && mainOf(p)?.state.terminated,
      )
      const { restartCount, state } = mainOf(pod)!
      return [restartCount, state.terminated?.exitCode, state.terminated?.reason]
    }
    assert.deepEqual(await outcome('never-yes', 'Succeeded'), [0, 0, 'Completed'])
    assert.deepEqual(await outcome('never-no', 'Failed'), [0, 5, 'Error'])
    assert.deepEqual(await outcome('onfailure-yes', 'Succeeded'), [0, 0, 'Completed'])
    for (const name of ['onfailure-no', 'always-yes', 'always-no']) {
      const pod = await podIs(cluster, name, 'was restarted', p => (mainOf(p)?.restartCount ?? 0) >= 1)
      assert.equal(pod.status.phase, 'Running', name)
    }
    assert.match(await kubectl('get pod never-yes'), /0\/1 +Completed +0/)
    assert.match(await kubectl('get pod never-no'), /0\/1 +Error +0/)
    await removePods(
      cluster,
      ...['never', 'onfailure', 'always'].flatMap(policy => Object.keys(ends).map(word => `${policy}-${word}`)),
    )
  })

  test('init containers run one after another before the others', options, async () => {
    const volumeMounts = [{ name: 'v', mountPath: '/v' }]
    await makePod(cluster, 'steps', {
      volumes: [{ name: 'v', emptyDir: {} }],
      initContainers: [
        sh('sleep 1; echo one >> /v/log', { name: 'one', volumeMounts }),
        // The first run of the second one fails. Only this one is run again.
        sh('echo two >> /v/log; [ $(grep -c two /v/log) -ge 2 ]', { name: 'two', volumeMounts }),
        sh(`echo sidecar >> /v/log; ${forever}`, { name: 'side', restartPolicy: 'Always', volumeMounts }),
        sh('echo three >> /v/log', { name: 'three', volumeMounts }),
      ],
      containers: [sh(`echo main >> /v/log; ${forever}`, { volumeMounts })],
    })
    const ready = await becomesReady(cluster, 'steps')
    assert.equal(await inPod(cluster, 'steps', 'tr "\\n" " " < /v/log'), 'one two two sidecar three main')
    assert.deepEqual(
      ready.status.initContainerStatuses?.map(s => [s.name, s.restartCount, s.state.terminated?.reason]),
      [
        ['one', 0, 'Completed'],
        ['two', 1, 'Completed'],
        ['side', 0, undefined],
        ['three', 0, 'Completed'],
      ],
    )
    await makePod(cluster, 'barred', {
      restartPolicy: 'Never',
      initContainers: [sh('exit 7', { name: 'bad' })],
      containers: [sh(forever)],
    })
    const barred = await podIs(cluster, 'barred', 'failed', p => p.status.phase === 'Failed')
    assert.equal(mainOf(barred)?.state.waiting?.reason, 'PodInitializing')
    assert.match(await kubectl('get pod barred'), /0\/1 +Init:Error +0/)
    await removePods(cluster, 'steps', 'barred')
  })

  test(
    'containers of a pod share localhost, hostname, IPC and a volume, and processes on request',
    options,
    async () => {
      const volumeMounts = [{ name: 'v', mountPath: '/v' }]
      const two = (web: string) => [sh(web, { volumeMounts }), sh(`exec sleep 4242`, { name: 'other', volumeMounts })]
      await makePod(cluster, 'pair', {
        volumes: [{ name: 'v', emptyDir: {} }],
        containers: two('mkdir /www; echo hello > /www/index.html; exec httpd -f -p 127.0.0.1:8080 -h /www'),
      })
      await makePod(cluster, 'crowd', {
        shareProcessNamespace: true,
        volumes: [{ name: 'v', emptyDir: {} }],
        containers: two(forever),
      })
      await becomesReady(cluster, 'pair')
      assert.equal(
        await eventually('it answers', () => inPod(cluster, 'pair', 'wget -q -O - http://127.0.0.1:8080', 'other')),
        'hello',
      )
      const seen = 'hostname; for kind in net ipc uts; do readlink /proc/self/ns/$kind; done'
      assert.equal(await inPod(cluster, 'pair', seen), await inPod(cluster, 'pair', seen, 'other'))
      assert.equal(await inPod(cluster, 'pair', 'hostname'), 'pair')
      await inPod(cluster, 'pair', 'echo disk > /v/x; echo shm > /dev/shm/x')
      assert.equal(await inPod(cluster, 'pair', 'cat /v/x /dev/shm/x', 'other'), 'disk\nshm')
      assert.doesNotMatch(await inPod(cluster, 'pair', 'ps'), /sleep 4242/)
      await becomesReady(cluster, 'crowd')
      assert.match(await inPod(cluster, 'crowd', 'ps'), /sleep 4242/)
      assert.match(await inPod(cluster, 'crowd', 'cat /proc/1/comm'), /pause|catatonit/)
      await removePods(cluster, 'pair', 'crowd')
    },
  )
})

/** Returns the pid of the process on this machine that was started with these words. */
function processWith(words: readonly string[]): number {
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      if (readFileSync(`/proc/${entry}/cmdline`, 'utf8') === `${words.join('\0')}\0`) return Number(entry)
    } catch (error) {
      // The process ended in the meantime.
      if (!/ENOENT|ESRCH/.test(String(error))) throw error
    }
  }
  throw new Error(`no process runs ${words.join(' ')}`)
}

/** The health service of gRPC. The services in `serving` are healthy. */
async function serveHealth(address: string): Promise<{ port: number; serving: Set<string>; close: () => void }> {
  const serving = new Set(['', 'ready'])
  const server = new grpc.Server()
  // The messages are encoded by hand, as one string or enum in field 1.
  const check: grpc.MethodDefinition<{ service: string }, boolean> = {
    path: '/grpc.health.v1.Health/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: ({ service }) => Buffer.from([10, service.length, ...Buffer.from(service)]),
    requestDeserialize: bytes => ({ service: bytes.subarray(2).toString() }),
    responseSerialize: serves => Buffer.from([8, serves ? 1 : 2]),
    responseDeserialize: bytes => bytes[1] === 1,
  }
  server.addService(
    { check },
    {
      check: (call: grpc.ServerUnaryCall<{ service: string }, boolean>, answer: grpc.sendUnaryData<boolean>) =>
        answer(null, serving.has(call.request.service)),
    },
  )
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`${address}:0`, grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  )
  return { port, serving, close: () => server.forceShutdown() }
}
