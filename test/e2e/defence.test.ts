// How a node defends itself, with real containers: what it refuses, what the kernel kills, and what it evicts. The
// node's directory is a small file system of its own, so that it can be full without the machine's being so.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { cannotRun, eventually, run, TestCluster } from './cluster.ts'
import { becomesReady, eventComes, forever, getPod, isReady, mainOf, makePod, podIs, removePods, sh } from './pods.ts'

const cluster = new TestCluster('defence')
const node = hostname().toLowerCase()
const nodeDir = join(cluster.dataDir, cluster.name, 'agents', node)
const configFile = join(cluster.dataDir, `${cluster.name}-kubelet.yaml`)
const mib = 2 ** 20

const staticDir = join(cluster.dataDir, `${cluster.name}-static`)
const config = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
evictionPressureTransitionPeriod: 10s
imageMinimumGCAge: 0s
staticPodPath: ${staticDir}
`

/** Ends the cluster and its file system; works also for what a crashed run left. */
async function cleanUp(): Promise<void> {
  await cluster.kutter('down')
  await run('umount', ['-R', '-l', nodeDir])
  const { code, stdout, stderr } = await cluster.down()
  rmSync(configFile, { force: true })
  rmSync(staticDir, { recursive: true, force: true })
  if (code !== 0) throw new Error(`kutter down: ${stdout}${stderr}`)
}

describe('the defence of a node', { skip: cannotRun }, () => {
  before(async () => {
    await cleanUp()
    mkdirSync(nodeDir, { recursive: true })
    const { code, stderr } = await run('mount', ['-t', 'tmpfs', '-o', 'size=1g,mode=755', 'tmpfs', nodeDir])
    if (code !== 0) throw new Error(stderr)
    writeFileSync(configFile, config)
    mkdirSync(staticDir)
    await cluster.up('--kubelet-config', configFile)
    await cluster.images('busybox', 'redis')
  })
  after(async () => {
    await cleanUp()
    if (readdirSync(cluster.dataDir).length === 0) rmSync(cluster.dataDir, { recursive: true })
  })

  test('a pod that names its node and does not fit is refused, and nothing of it starts', async () => {
    await makePod(cluster, 'huge', {
      nodeName: node,
      containers: [sh(forever, { resources: { requests: { cpu: '999' } } })],
    })
    const { status } = await podIs(cluster, 'huge', 'is refused', pod => pod.status.phase === 'Failed')
    assert.match(JSON.stringify(status), /"reason":"OutOfcpu"/)
    assert.match(JSON.stringify(status), /Pod was rejected: Node didn't have enough resource: cpu, requested: 999000/)
    assert.equal(status.containerStatuses, undefined)
    await eventComes(cluster, 'huge', /^OutOfcpu: Node didn't have enough resource: cpu/)

    const port = { ports: [{ containerPort: 80, hostPort: 34_567 }] }
    await makePod(cluster, 'first', { nodeName: node, containers: [sh(forever, port)] })
    await becomesReady(cluster, 'first')
    await makePod(cluster, 'second', { nodeName: node, containers: [sh(forever, port)] })
    const second = await podIs(cluster, 'second', 'is refused', pod => pod.status.phase === 'Failed')
    assert.match(JSON.stringify(second.status), /Predicate NodePorts failed: node\(s\) didn't have free ports/)
    await removePods(cluster, 'huge', 'first', 'second')
  })

  test('a process beyond the memory of its container is killed, and its neighbours live', async () => {
    await makePod(cluster, 'neighbour', { containers: [sh(forever)] })
    await becomesReady(cluster, 'neighbour')
    const hog = sh('x=$(head -c 200m /dev/zero | tr "\\0" x); echo $x', { resources: { limits: { memory: '24Mi' } } })
    await makePod(cluster, 'hog', { restartPolicy: 'Never', containers: [hog, { ...sh(forever), name: 'beside' }] })
    const pod = await podIs(cluster, 'hog', 'is killed', ({ status }) =>
      status.containerStatuses?.some(({ name, state }) => name === 'main' && state.terminated),
    )
    const main = pod.status.containerStatuses!.find(({ name }) => name === 'main')!
    assert.deepEqual([main.state.terminated?.reason, main.state.terminated?.exitCode], ['OOMKilled', 137])
    const beside = pod.status.containerStatuses!.find(({ name }) => name === 'beside')!
    assert.ok(beside.state.running)
    const neighbour = await getPod(cluster, 'neighbour')
    assert.ok(isReady(neighbour) && mainOf(neighbour)?.restartCount === 0)
    await removePods(cluster, 'neighbour', 'hog')
  })

  test('a pod beyond a limit of its own on the disk is evicted, and one within it stays', async () => {
    const volumes = [{ name: 'v', emptyDir: { sizeLimit: '5Mi' } }]
    const writer = (size: number) => ({
      containers: [
        sh(`head -c ${size * mib} /dev/zero > /v/x; ${forever}`, { volumeMounts: [{ name: 'v', mountPath: '/v' }] }),
      ],
      volumes,
    })
    await makePod(cluster, 'modest', writer(4))
    await makePod(cluster, 'greedy', writer(9))
    const limits = { resources: { limits: { 'ephemeral-storage': '6Mi' } } }
    await makePod(cluster, 'layer', { containers: [sh(`head -c ${20 * mib} /dev/zero > /x; ${forever}`, limits)] })
    const failed = (name: string) => podIs(cluster, name, 'is evicted', pod => pod.status.phase === 'Failed', 90_000)
    assert.match(JSON.stringify((await failed('greedy')).status), /"reason":"Evicted"/)
    await eventComes(cluster, 'greedy', /^Evicted: Usage of EmptyDir volume "v" exceeds the limit "5Mi"\. $/)
    await failed('layer')
    await eventComes(
      cluster,
      'layer',
      /^Evicted: Pod ephemeral local storage usage exceeds the total limit of containers 6Mi\. $/,
    )
    assert.ok(isReady(await getPod(cluster, 'modest')))
    await removePods(cluster, 'modest', 'greedy', 'layer')
  })

  test('a static pod runs from its file, is shown in the API, follows its file, and ends with it', async () => {
    const file = join(staticDir, 'web.json')
    const write = (said: string) => {
      const container = sh(`echo ${said}; ${forever}`)
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'web' },
        spec: { terminationGracePeriodSeconds: 1, containers: [container] },
      }
      writeFileSync(`${file}.new`, JSON.stringify(pod))
      renameSync(`${file}.new`, file)
    }
    write('one')
    const name = `web-${node}`
    const first = await becomesReady(cluster, name)
    assert.equal(await cluster.kubectl(`logs ${name}`), 'one\n')
    await cluster.kubectl(`delete pod ${name} --wait=false`)
    const again = await podIs(
      cluster,
      name,
      'is shown again',
      pod => pod.metadata.uid !== first.metadata.uid && isReady(pod),
    )
    assert.equal(mainOf(again)?.containerID, mainOf(first)?.containerID)

    write('two')
    await eventually('the edited pod runs', async () => (await cluster.kubectl(`logs ${name}`)) === 'two\n')
    rmSync(file)
    await eventually('the pod is gone', async () => (await cluster.tryKubectl(`get pod ${name}`)).code !== 0)
  })

  test('a full disk costs unused images and the pod that uses most of it, and the node recovers', async () => {
    // Loaded images are pinned. From here on they count as any other.
    const { stdout: pins } = await run('find', [nodeDir, '-maxdepth', '4', '-name', 'pinned-images.json'])
    writeFileSync(pins.trim(), '[]')
    const images = () => cluster.kubectl(`get node ${node} -o jsonpath='{.status.images[*].names}'`)
    assert.match(await images(), /redis/)
    const pressure = async () =>
      (
        await cluster.kubectl(
          `get node ${node} -o jsonpath='{.status.conditions[?(@.type=="DiskPressure")].status} {.spec.taints[*].key}'`,
        )
      ).trim()
    const volumes = [{ name: 'v', emptyDir: {} }]
    const writer = (size: number) => ({
      containers: [
        sh(`head -c ${size * mib} /dev/zero > /v/x; ${forever}`, { volumeMounts: [{ name: 'v', mountPath: '/v' }] }),
      ],
      volumes,
    })
    assert.equal(await pressure(), 'False')
    await makePod(cluster, 'small', writer(40))
    await becomesReady(cluster, 'small')
    await makePod(cluster, 'large', writer(900))
    await eventually('the node reports pressure', async () => (await pressure()).includes('disk-pressure'))
    const { status } = await podIs(cluster, 'large', 'is evicted', pod => pod.status.phase === 'Failed', 90_000)
    assert.match(JSON.stringify(status), /"reason":"Evicted"/)
    assert.match(JSON.stringify(status), /The node was low on resource: ephemeral-storage\. Threshold quantity: /)
    assert.ok(status.conditions?.some(c => c.type === 'DisruptionTarget' && c.status === 'True'))
    await eventually('the node recovers', async () => (await pressure()) === 'False', 90_000)
    assert.ok(isReady(await getPod(cluster, 'small')))
    await eventually('the unused image is gone', async () => !(await images()).includes('redis'))
    assert.match(await images(), /busybox/)
    await makePod(cluster, 'next', { containers: [sh(forever)] })
    await becomesReady(cluster, 'next')
    await removePods(cluster, 'small', 'large', 'next')
  })
})
