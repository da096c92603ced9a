// Devices of a plugin, from its registration to the container: a plugin runs in a pod as people install it, pods ask for
// its devices, and nothing is given twice while plugin and agents are killed.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { cannotRun, clusterForFile, eventually } from './cluster.ts'
import { cdiDir } from './dra-driver.ts'
import { nodeImage, nodePod } from './node-pod.ts'
import { becomesReady, eventComes, forever, getPod, inPod, makePod, podIs, removePods, sh } from './pods.ts'
import { call } from './programs/device-grpc.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('devices', ['busybox', nodeImage])
const kubectl = (args: string) => cluster.kubectl(args)
const thing = 'example.com/thing'
const things = (count: number) => ({ resources: { limits: { [thing]: String(count) } } })
const node = () => kubectl('get nodes -o jsonpath={.items[0].metadata.name}')
const dirOf = async () => join(cluster.dataDir, cluster.name, 'agents', await node())
const isGone = (pod: string) => kubectl(`wait pod/${pod} --for=delete --timeout=60s`)
const idsIn = async (pod: string) => (await inPod(cluster, pod, 'echo $THINGS')).split(',')

/** The plugin as a DaemonSet, with the mount that the manifests of plugins have. */
function daemonSet(): object {
  const pod = nodePod('device-plugin.ts', {}) as { containers: { volumeMounts: object[] }[]; volumes: object[] }
  const [container] = pod.containers
  const env = [
    { name: 'DIR', value: '/plugins' },
    { name: 'RESOURCE', value: thing },
    { name: 'CDI', value: '/cdi' },
  ]
  const places = ['plugins', 'cdi'].map(name => ({ name, mountPath: `/${name}` }))
  const spec = {
    ...pod,
    containers: [{ ...container, env, volumeMounts: [...container!.volumeMounts, ...places] }],
    volumes: [
      ...pod.volumes,
      { name: 'plugins', hostPath: { path: '/var/lib/kubelet/device-plugins', type: 'Directory' } },
      { name: 'cdi', hostPath: { path: cdiDir, type: 'DirectoryOrCreate' } },
    ],
  }
  const labels = { app: 'device-plugin' }
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'device-plugin' },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  }
}

/** `CAPACITY/ALLOCATABLE` of the node. */
const isCounted = (text: string) =>
  eventually(`the node has ${text}`, async () => {
    const name = thing.replaceAll('.', '\\.')
    const found = await kubectl(
      `get nodes -o 'jsonpath={.items[0].status.capacity.${name}}/{.items[0].status.allocatable.${name}}'`,
    )
    if (found !== text) throw new Error(found)
    return true
  })

interface Shown {
  name: string
  namespace: string
  containers: { name: string; devices: { resource_name: string; device_ids: string[]; topology: object | null }[] }[]
}
async function ask(method: string, request: object = {}): Promise<object> {
  const socket = join(await dirOf(), 'pod-resources/kubelet.sock')
  return call(socket, 'pod-resources.proto', 'v1.PodResourcesLister', method, request)
}
async function shownOf(pod: string): Promise<string[]> {
  const { pod_resources: shown } = (await ask('List')) as { pod_resources: Shown[] }
  const found = shown.find(({ name }) => name === pod)
  return found?.containers.flatMap(({ devices }) => devices.flatMap(device => device.device_ids)).toSorted() ?? []
}

/** Kills the plugin, by the control group of its pod. */
async function killPlugin(): Promise<void> {
  const uid = await kubectl('get pods -l app=device-plugin -o jsonpath={.items[0].metadata.uid}')
  const read = (pid: string, file: string) => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'utf8')
    } catch {
      // It has ended meanwhile.
      return ''
    }
  }
  const isPlugin = (pid: string) =>
    /^\d+$/.test(pid) && read(pid, 'cmdline').includes('device-plugin.ts') && read(pid, 'cgroup').includes(uid)
  const pids = readdirSync('/proc').filter(isPlugin)
  assert.equal(pids.length, 1)
  for (const pid of pids) process.kill(Number(pid), 'SIGKILL')
}

async function kill(role: string): Promise<void> {
  const { stdout } = await cluster.kutter('status', '-o', 'json')
  const { processes } = JSON.parse(stdout) as { processes: { role: string; pid: number }[] }
  for (const found of processes) if (found.role === role) process.kill(found.pid, 'SIGKILL')
}

describe('devices', { concurrency: false, skip: cannotRun }, () => {
  before(() => cluster.apply(daemonSet()), { timeout: 60_000 })
  after(() => rmSync(join(cdiDir, 'things.json'), { force: true }))

  test('a plugin registers, and the node shows its devices', options, async () => {
    await isCounted('4/4')
    const { devices } = (await ask('GetAllocatableResources')) as { devices: Shown['containers'][0]['devices'] }
    assert.deepEqual(devices[0], {
      resource_name: thing,
      device_ids: ['thing-0'],
      topology: { nodes: [{ ID: 0 }] },
    })
    assert.equal(devices.length, 4)
  })

  test('a pod gets what the plugin answers for its devices', options, async () => {
    const env = [{ name: 'OWN', value: 'the pod' }]
    await makePod(cluster, 'one', { containers: [sh(forever, { ...things(2), env })] })
    await becomesReady(cluster, 'one')
    // The plugin prefers the last ones.
    assert.equal(await inPod(cluster, 'one', 'echo $THINGS; echo $OWN'), 'thing-2,thing-3\nthe pod')
    assert.equal(await inPod(cluster, 'one', 'env | grep CDI_ | sort'), 'CDI_thing_2=yes\nCDI_thing_3=yes')
    assert.equal(await inPod(cluster, 'one', 'cat /things/thing-2'), 'I am thing-2\nprepared')
    assert.equal(await inPod(cluster, 'one', 'head -c 3 /dev/thing-3 | wc -c'), '3')
    await assert.rejects(inPod(cluster, 'one', 'echo no > /things/thing-2'))
    const metrics = await kubectl(`get --raw /api/v1/nodes/${await node()}/proxy/metrics`)
    assert.match(metrics, /^kubelet_device_plugin_registration_total\{resource_name="example.com\/thing"\} \d+$/m)
    assert.match(
      metrics,
      /^kubelet_device_plugin_alloc_duration_seconds_count\{resource_name="example.com\/thing"\} 1$/m,
    )
    assert.deepEqual(await shownOf('one'), ['thing-2', 'thing-3'])
    const one = (await ask('Get', { pod_name: 'one', pod_namespace: 'default' })) as { pod_resources: Shown }
    assert.deepEqual(
      one.pod_resources.containers.map(({ name, devices }) => [name, devices.length]),
      [['main', 2]],
    )
    await assert.rejects(
      ask('Get', { pod_name: 'none', pod_namespace: 'default' }),
      /pod none in namespace default not found/,
    )
  })

  test('nothing is given twice, also when the agent and the plugin are killed', options, async () => {
    await makePod(cluster, 'two', { containers: [sh(forever, things(1))] })
    await becomesReady(cluster, 'two')
    await makePod(cluster, 'large', { containers: [sh(forever, things(2))] })
    await eventComes(cluster, 'large', /^FailedScheduling: .*Insufficient example.com\/thing/)
    assert.deepEqual(await idsIn('two'), ['thing-1'])

    await Promise.all([kill('agent'), killPlugin()])
    await eventually('the plugin has started again', async () => {
      const restarts = await kubectl('get pods -l app=device-plugin -o jsonpath={..restartCount}')
      return Number(restarts) > 0
    })
    // The node's status may be that of the former agent.
    await eventually('the plugin has registered again', async () => {
      const { devices } = (await ask('GetAllocatableResources')) as { devices: object[] }
      return devices.length === 4
    })
    await isCounted('4/4')
    assert.deepEqual(await shownOf('one'), ['thing-2', 'thing-3'])
    assert.deepEqual(await shownOf('two'), ['thing-1'])
    // A container that starts again has the same devices.
    await kubectl('exec one -- kill 1')
    await podIs(cluster, 'one', 'has restarted', pod => pod.status.containerStatuses?.[0]?.restartCount === 1)
    await becomesReady(cluster, 'one')
    assert.deepEqual(await idsIn('one'), ['thing-2', 'thing-3'])

    await makePod(cluster, 'three', { containers: [sh(forever, things(1))] })
    await becomesReady(cluster, 'three')
    assert.deepEqual(await idsIn('three'), ['thing-0'])
    assert.equal((await getPod(cluster, 'large')).status.phase, 'Pending')
    await removePods(cluster, 'one')
    await isGone('one')
    await becomesReady(cluster, 'large')
    assert.deepEqual(await idsIn('large'), ['thing-2', 'thing-3'])
    await removePods(cluster, 'two', 'three', 'large')
    for (const pod of ['two', 'three', 'large']) await isGone(pod)
    assert.deepEqual(await shownOf('large'), [])
  })

  test('a device that is not healthy is not given out', options, async () => {
    const mark = join(await dirOf(), 'device-plugins/unhealthy')
    writeFileSync(mark, 'thing-2\nthing-3')
    await isCounted('4/2')
    // It names its node, so the scheduler is not asked.
    await makePod(cluster, 'sick', { nodeName: await node(), containers: [sh(forever, things(3))] })
    await podIs(cluster, 'sick', 'is refused', pod => pod.status.phase === 'Failed')
    assert.equal(await kubectl('get pod sick -o jsonpath={.status.reason}'), `OutOf${thing}`)
    await makePod(cluster, 'well', { containers: [sh(forever, things(2))] })
    await becomesReady(cluster, 'well')
    assert.deepEqual(await idsIn('well'), ['thing-0', 'thing-1'])
    rmSync(mark)
    await isCounted('4/4')
    await removePods(cluster, 'sick', 'well')
  })

  test('an init container leaves its devices to the next ones', options, async () => {
    await isGone('well')
    const initContainers = [sh('echo $THINGS', { name: 'before', ...things(3) })]
    await makePod(cluster, 'steps', { initContainers, containers: [sh(forever, things(3))] })
    await becomesReady(cluster, 'steps')
    assert.equal((await kubectl('logs steps -c before')).trim(), (await idsIn('steps')).join())
    const log = readFileSync(join(await dirOf(), 'device-plugins/allocated.log'), 'utf8')
    assert.equal(log.trim().split('\n').at(-1), 'thing-1,thing-2,thing-3')
    await removePods(cluster, 'steps')
    await isGone('steps')
  })

  test('a plugin that goes leaves a node without healthy devices', options, async () => {
    await kubectl('delete daemonset device-plugin')
    await isCounted('4/0')
  })
})
