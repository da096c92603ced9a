// How pods end, and what is reported when they cannot start: sidecars end last, sysctls that a node does not allow,
// missing programs and images, and events that are counted instead of repeated.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { describe, test } from 'node:test'
import { cannotRun, clusterForFile, eventually } from './cluster.ts'
import {
  becomesReady,
  eventComes,
  eventsOf,
  forever,
  inPod,
  mainOf,
  makePod,
  podIs,
  removePods,
  sh,
  waitingFor,
} from './pods.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('endings', ['busybox'])
const kubectl = (args: string) => cluster.kubectl(args)
const sidecar = (name: string, script: string, more: object = {}) =>
  sh(script, { name, restartPolicy: 'Always', ...more })

describe('endings', { concurrency: 3, skip: cannotRun }, () => {
  test('a finished pod is Completed even if its sidecar had to be killed', options, async () => {
    await makePod(cluster, 'done', {
      restartPolicy: 'Never',
      initContainers: [sidecar('side', 'trap "" TERM; while :; do sleep 0.2; done')],
      containers: [sh('exit 0')],
    })
    await podIs(cluster, 'done', 'succeeded', p => p.status.phase === 'Succeeded')
    assert.match(await kubectl('get pod done --no-headers'), /^done +0\/2 +Completed +0 /)
    await removePods(cluster, 'done')
  })

  test('sidecars end last and in reverse order, while their preStop hooks run at once', options, async () => {
    const dir = mkdtempSync('/tmp/kutter-endings-')
    try {
      const volumeMounts = [{ name: 'v', mountPath: '/v' }]
      const says = (name: string, more = '') =>
        `trap "echo ${name} TERM >> /v/log; ${more} exit 0" TERM; while :; do sleep 0.2; done`
      const hook = (name: string) => ({
        lifecycle: { preStop: { exec: { command: ['sh', '-c', `echo ${name} preStop >> /v/log`] } } },
      })
      await makePod(cluster, 'order', {
        terminationGracePeriodSeconds: 30,
        volumes: [{ name: 'v', hostPath: { path: dir } }],
        initContainers: [
          sidecar('first', says('first'), { volumeMounts, ...hook('first') }),
          sidecar('second', says('second'), { volumeMounts, ...hook('second') }),
        ],
        containers: [sh(says('main', 'sleep 2; echo main done >> /v/log;'), { volumeMounts })],
      })
      await becomesReady(cluster, 'order')
      await kubectl('delete pod order')
      const lines = readFileSync(`${dir}/log`, 'utf8').trim().split('\n')
      assert.deepEqual(lines.slice(-3), ['main done', 'second TERM', 'first TERM'])
      assert.deepEqual(lines.slice(0, -3).sort(), ['first preStop', 'main TERM', 'second preStop'])
    } finally {
      rmSync(dir, { recursive: true })
    }
  })

  test('safe sysctls are set, and others are refused', options, async () => {
    const withSysctls = (...sysctls: object[]) => ({ securityContext: { sysctls }, containers: [sh(forever)] })
    await makePod(
      cluster,
      'safe',
      withSysctls(
        { name: 'net.ipv4.ip_local_port_range', value: '20000 30000' },
        { name: 'kernel.shm_rmid_forced', value: '1' },
      ),
    )
    await becomesReady(cluster, 'safe')
    const values = 'cat /proc/sys/net/ipv4/ip_local_port_range /proc/sys/kernel/shm_rmid_forced'
    assert.equal(await inPod(cluster, 'safe', values), '20000\t30000\n1')

    await makePod(cluster, 'unsafe', withSysctls({ name: 'net.core.somaxconn', value: '1024' }))
    const why = 'forbidden sysctl: "net.core.somaxconn" not allowlisted'
    const refused = await podIs(cluster, 'unsafe', 'failed', p => p.status.phase === 'Failed')
    const { reason, message } = refused.status as { reason?: string; message?: string }
    assert.deepEqual([reason, message], ['SysctlForbidden', `Pod was rejected: ${why}`])
    await eventComes(cluster, 'unsafe', new RegExp(`^SysctlForbidden: ${why}$`))

    // The name is allowed, but the kernel rejects the value.
    await makePod(cluster, 'wrong', withSysctls({ name: 'net.ipv4.ip_local_port_range', value: 'many' }))
    await eventComes(
      cluster,
      'wrong',
      /^FailedCreatePodSandBox: Failed to create pod sandbox: rpc error: .*ip_local_port_range/,
    )
    await removePods(cluster, 'safe', 'unsafe', 'wrong')
  })

  test('an error of the runtime is shown in its own words, and a new image ends the back-off', options, async () => {
    await makePod(cluster, 'lost', { containers: [sh('', { command: ['/nonexistent'] })] })
    const failed = await podIs(cluster, 'lost', 'did not start', p => waitingFor(p) === 'RunContainerError')
    assert.match(mainOf(failed)?.state.waiting?.message ?? '', /^failed to create containerd task: .*\/nonexistent/)
    await eventComes(cluster, 'lost', /^Failed: Error: failed to create containerd task: .*\/nonexistent/)
    const logs = await cluster.tryKubectl('logs lost -c nothing')
    assert.match(logs.stderr, /container nothing is not valid for pod lost/)

    await makePod(cluster, 'nowhere', { containers: [sh('', { image: 'nowhere.invalid/x:1' })] })
    await podIs(cluster, 'nowhere', 'backs off', p => waitingFor(p) === 'ImagePullBackOff')
    const waits = await cluster.tryKubectl('logs nowhere')
    assert.equal(
      waits.stderr,
      'Error from server (BadRequest): container "main" in pod "nowhere" is waiting to start: trying and failing to pull image\n',
    )
    assert.ok(
      (await eventsOf(cluster, 'nowhere')).some(e =>
        e.startsWith('Failed: Failed to pull image "nowhere.invalid/x:1": rpc error: code = '),
      ),
    )

    await makePod(cluster, 'renewed', { containers: [sh('test -e /bin/busybox-is-new; exit 3')] })
    await podIs(
      cluster,
      'renewed',
      'backs off for long',
      p => mainOf(p)?.restartCount === 2 && waitingFor(p) === 'CrashLoopBackOff',
    )
    await kubectl('set image pod/renewed main=busybox:1.36')
    await podIs(cluster, 'renewed', 'began anew', p => (mainOf(p)?.restartCount ?? 0) >= 3, 15_000)
    await removePods(cluster, 'lost', 'nowhere', 'renewed')
  })

  test(
    'a probe that keeps failing is one event with a count, and a redirect to another host is a warning',
    options,
    async () => {
      const answer =
        'HTTP/1.1 302 Found\\r\\nLocation: http://elsewhere.invalid/\\r\\nContent-Length: 4\\r\\n\\r\\nbody'
      const readinessProbe = (port: number) => ({ httpGet: { port }, periodSeconds: 1 })
      await makePod(cluster, 'probed', {
        containers: [
          sh(`while :; do printf '${answer}' | nc -l -p 8080 > /dev/null; done`, {
            readinessProbe: readinessProbe(8080),
          }),
          sh(forever, { name: 'deaf', readinessProbe: readinessProbe(80) }),
        ],
      })
      await eventComes(
        cluster,
        'probed',
        /^ProbeWarning: Readiness probe warning: Probe terminated redirects, Response body: body$/,
      )
      await eventComes(
        cluster,
        'probed',
        /^Unhealthy: Readiness probe failed: Get "http:\/\/([\d.]+):80\/": dial tcp \1:80: connect: connection refused$/,
      )
      const counted = await eventually('it is counted', async () => {
        const { items } = JSON.parse(
          await kubectl('get events --field-selector involvedObject.name=probed,reason=Unhealthy -o json'),
        )
        const deaf = (items as { involvedObject: { fieldPath: string }; count: number }[]).filter(e =>
          e.involvedObject.fieldPath.includes('deaf'),
        )
        return deaf.length === 1 && deaf[0]!.count >= 3 && deaf
      })
      assert.equal(counted.length, 1)
      await removePods(cluster, 'probed')
    },
  )
})
