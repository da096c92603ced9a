// Resizes of pods in place on a real node: the limits in the control groups change while the processes run on.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { cannotRun, clusterForFile, eventually } from './cluster.ts'
import { becomesReady, eventComes, forever, getPod, inPod, mainOf, makePod, podIs, removePods, sh } from './pods.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('resize', ['busybox'])

interface Resources {
  requests: Record<string, string>
  limits?: Record<string, string>
}
const resources = (cpu: string, limit: string, memory: string): Resources => ({
  requests: { cpu, memory: '16Mi' },
  limits: { cpu: limit, memory },
})

/** Resizes as every version of kubectl can: it sends the pod to the subresource. */
async function resize(name: string, to: Record<string, Resources>): Promise<void> {
  await eventually(`resize of ${name}`, async () => {
    const pod = JSON.parse(await cluster.kubectl(`get pod ${name} -o json`)) as {
      spec: { containers: { name: string; resources: Resources }[] }
    }
    for (const container of pod.spec.containers) container.resources = to[container.name] ?? container.resources
    await cluster.kubectl(`replace --raw /api/v1/namespaces/default/pods/${name}/resize -f -`, JSON.stringify(pod))
    return true
  })
}

/** The quota in µs for each 100 ms, and the memory limit in bytes, as a process in the container finds them. */
const limitsIn = async (name: string, container = 'main') =>
  (
    await inPod(
      cluster,
      name,
      'cd /sys/fs/cgroup; cat cpu/cpu.cfs_quota_us memory/memory.limit_in_bytes 2>/dev/null || cat cpu.max memory.max',
      container,
    )
  )
    .split('\n')
    .map(line => line.split(' ')[0])
    .join(' ')

/** How many bytes beyond its memory limit a container may swap out; undefined where the kernel does not limit that. */
async function swapIn(name: string): Promise<number | undefined> {
  const files = 'cat memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes || cat memory.swap.max'
  const text = await inPod(cluster, name, `cd /sys/fs/cgroup; { ${files}; } 2>/dev/null || true`)
  const amounts = text.trim().split(/\s+/).map(Number)
  if (amounts.length > 1) return amounts[1]! - amounts[0]!
  return text.trim() ? amounts[0] : undefined
}

const resizing = (pod: Awaited<ReturnType<typeof getPod>>) =>
  pod.status.conditions?.some(c => c.type.startsWith('PodResize'))

describe('resize', { concurrency: false, skip: cannotRun }, () => {
  test('CPU and memory change up and down while the process runs on', options, async () => {
    const two = (a: Resources, b: Resources) => [
      sh(forever, { resources: a }),
      sh(forever, { name: 'side', resources: b }),
    ]
    const small = resources('20m', '100m', '32Mi')
    await makePod(cluster, 'up', { containers: two(small, small) })
    await becomesReady(cluster, 'up')
    assert.equal(await limitsIn('up'), `10000 ${32 * 2 ** 20}`)
    const swap = await swapIn('up')
    assert.ok(!swap, `${swap} bytes may be swapped out`)
    const process = await inPod(cluster, 'up', 'cat /proc/1/stat | cut -d" " -f22')
    const large = resources('40m', '200m', '64Mi')
    for (const [main, side] of [
      [large, small],
      [large, large],
      [small, large],
      [small, small],
    ] as const) {
      await resize('up', { main, side })
      const pod = await podIs(
        cluster,
        'up',
        'has its new resources',
        ({ status }) =>
          [main, side].every(
            ({ limits }, i) => status.containerStatuses?.[i]?.resources?.limits?.memory === limits?.memory,
          ) && !status.conditions?.some(c => c.type.startsWith('PodResize')),
      )
      const words = (of: Resources) => (of === large ? `20000 ${64 * 2 ** 20}` : `10000 ${32 * 2 ** 20}`)
      assert.deepEqual([await limitsIn('up'), await limitsIn('up', 'side')], [words(main), words(side)])
      assert.equal(await swapIn('up'), swap)
      assert.deepEqual(
        pod.status.containerStatuses?.map(s => s.restartCount),
        [0, 0],
      )
    }
    assert.equal(await inPod(cluster, 'up', 'cat /proc/1/stat | cut -d" " -f22'), process)
    await eventComes(cluster, 'up', /^ResizeCompleted: Pod resize completed: \{"containers":\[\{"name":"main"/)
    await removePods(cluster, 'up')
  })

  test('a container is restarted for the resource whose policy says so', options, async () => {
    const resizePolicy = [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }]
    const containers = [sh(forever, { resources: resources('20m', '100m', '32Mi'), resizePolicy })]
    await makePod(cluster, 'policy', { containers })
    await becomesReady(cluster, 'policy')
    await resize('policy', { main: resources('30m', '150m', '32Mi') })
    await podIs(cluster, 'policy', 'has its CPU', pod => mainOf(pod)?.resources?.limits?.cpu === '150m')
    assert.equal(mainOf(await getPod(cluster, 'policy'))?.restartCount, 0)
    await resize('policy', { main: resources('30m', '150m', '48Mi') })
    await podIs(cluster, 'policy', 'is restarted', pod => mainOf(pod)?.restartCount === 1 && !resizing(pod))
    await becomesReady(cluster, 'policy')
    assert.equal(await limitsIn('policy'), `15000 ${48 * 2 ** 20}`)
    await removePods(cluster, 'policy')
  })

  test('memory in use is not taken away, and what the node never has is infeasible', options, async () => {
    const hold = `x=$(head -c 40000000 /dev/zero | tr '\\0' x); ${forever}`
    await makePod(cluster, 'holds', { containers: [sh(hold, { resources: resources('20m', '500m', '128Mi') })] })
    await becomesReady(cluster, 'holds')
    await eventually('the memory is used', async () => {
      const used = await inPod(
        cluster,
        'holds',
        'cat /sys/fs/cgroup/memory/memory.usage_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.current',
      )
      return Number(used) > 40_000_000
    })
    await resize('holds', { main: resources('20m', '500m', '20Mi') })
    await eventComes(cluster, 'holds', /^ResizeError: .*memory limit \(20971520\) below current usage/)
    assert.equal(await limitsIn('holds'), `50000 ${128 * 2 ** 20}`)
    await resize('holds', { main: resources('20m', '500m', '128Mi') })
    await podIs(cluster, 'holds', 'is at rest', pod => !resizing(pod))
    await resize('holds', { main: resources('900', '1000', '128Mi') })
    await eventComes(
      cluster,
      'holds',
      /^ResizeInfeasible: Pod resize Infeasible: .*Node didn't have enough capacity: cpu/,
    )
    await podIs(cluster, 'holds', 'is pending', ({ status }) =>
      status.conditions?.some(c => c.type === 'PodResizePending' && c.reason === 'Infeasible'),
    )
    assert.equal(mainOf(await getPod(cluster, 'holds'))?.restartCount, 0)
    await removePods(cluster, 'holds')
  })
})
