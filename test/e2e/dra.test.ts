// Devices by claims, from the driver to the container: a driver runs in a pod as people install it, pods get what it
// prepares for their claims, and everything is undone when they go, also when the driver and agents are killed in the
// middle of their work.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { cannotRun, clusterForFile, eventually } from './cluster.ts'
import { DriverData } from './csi-driver.ts'
import { allocate, cdiDir, draDriver, installDraDriver, removeCdiFiles } from './dra-driver.ts'
import { nodeImage } from './node-pod.ts'
import { becomesReady, eventComes, forever, getPod, inPod, makePod, podIs, removePods, sh } from './pods.ts'
import { call } from './programs/device-grpc.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('dra', ['busybox', nodeImage])
const data = cannotRun ? undefined : new DriverData(cluster)
const kubectl = (args: string, stdin?: string) => cluster.kubectl(args, stdin)
const node = () => kubectl('get nodes -o jsonpath={.items[0].metadata.name}')
const isGone = (pod: string) => kubectl(`wait pod/${pod} --for=delete --timeout=90s`)
const cdiFiles = () => (existsSync(cdiDir) ? readdirSync(cdiDir).filter(name => name.startsWith(draDriver)) : [])
const calls = (method: string) => data!.calls(method).length
/** What the node has noted of claims: their names. */
async function noted(): Promise<string[]> {
  const path = join(cluster.dataDir, cluster.name, 'agents', await node(), 'dra_manager_state')
  const { Data: text } = JSON.parse(readFileSync(path, 'utf8')) as { Data: string }
  return (JSON.parse(text) as { Entries: { ClaimName: string }[] }).Entries.map(entry => entry.ClaimName)
}

const makeClaim = (name: string, ...requests: string[]) =>
  cluster.apply({
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaim',
    metadata: { name },
    spec: {
      devices: { requests: requests.map(request => ({ name: request, exactly: { deviceClassName: 'things' } })) },
    },
  })
/** A pod on the node, whose container uses a claim or one request of it. */
async function makeUser(
  name: string,
  claim: string,
  script = forever,
  uses: object = {},
  more: object = {},
): Promise<void> {
  const resources = { claims: [{ name: 'things', ...uses }] }
  await makePod(cluster, name, {
    nodeName: await node(),
    resourceClaims: [{ name: 'things', resourceClaimName: claim }],
    containers: [sh(script, { resources })],
    ...more,
  })
}

async function kill(role: string): Promise<void> {
  const { stdout } = await cluster.kutter('status', '-o', 'json')
  const { processes } = JSON.parse(stdout) as { processes: { role: string; pid: number }[] }
  for (const found of processes) if (found.role === role) process.kill(found.pid, 'SIGKILL')
}
const isCalled = (method: string, more: number, from: number) =>
  eventually(`${method} is called`, async () => {
    if (calls(method) < from + more) throw new Error(`${calls(method)} calls`)
    return true
  })
/** Waits until the node has nothing of claims, and the driver has undone all that it did. */
const nothingIsLeft = () =>
  eventually('nothing is left', async () => {
    assert.deepEqual([await noted(), cdiFiles()], [[], []])
    return true
  })

describe('dra', { concurrency: false, skip: cannotRun }, () => {
  before(() => installDraDriver(cluster, data!), { timeout: 300_000 })
  afterEach(() => data?.revokeAll())
  // After the cluster, whose pods use it.
  after(async () => {
    removeCdiFiles(cdiFiles())
    await data?.remove()
  })

  test('a pod gets what the driver prepares for its claim', options, async () => {
    await makeClaim('one', 'a', 'b')
    await makeUser('one', 'one')
    await eventComes(
      cluster,
      'one',
      /^FailedPrepareDynamicResources: Failed to prepare dynamic resources: prepare dynamic resources: pod one \(.*\) is not allowed to use ResourceClaim one/,
    )
    await allocate(cluster, 'one', ['one'], { a: 'device-0', b: 'device-1' })
    await becomesReady(cluster, 'one')
    assert.equal(await inPod(cluster, 'one', 'echo $CLAIM $DEVICE_A $DEVICE_B'), 'one device-0 device-1')
    assert.equal(await inPod(cluster, 'one', 'cat /devices/*'), 'I am device-0\nI am device-1')
    assert.equal(await inPod(cluster, 'one', 'head -c 3 /dev/device-1 | wc -c'), '3')
    await assert.rejects(inPod(cluster, 'one', 'echo no > /devices/device-0'))
    const socket = join(cluster.dataDir, cluster.name, 'agents', await node(), 'pod-resources/kubelet.sock')
    const request = { pod_name: 'one', pod_namespace: 'default' }
    const { pod_resources: shown } = (await call(
      socket,
      'pod-resources.proto',
      'v1.PodResourcesLister',
      'Get',
      request,
    )) as { pod_resources: { containers: { dynamic_resources: { claim_resources: { device_name: string }[] }[] }[] } }
    const [claim] = shown.containers[0]!.dynamic_resources
    assert.deepEqual(claim?.claim_resources.map(resource => resource.device_name).toSorted(), ['device-0', 'device-1'])
    const metrics = await kubectl(`get --raw /api/v1/nodes/${await node()}/proxy/metrics`)
    assert.match(
      metrics,
      /^dra_operations_duration_seconds_count\{operation_name="PrepareResources",is_error="false"\} 1$/m,
    )
    assert.match(metrics, /^dra_resource_claims_in_use\{driver_name="things.dra.example.com"\} 1$/m)
  })

  test('pods share a claim, and each gets the request that it names', options, async () => {
    await makeUser('two', 'one', forever, { request: 'b' })
    await allocate(cluster, 'one', ['one', 'two'], { a: 'device-0', b: 'device-1' })
    await becomesReady(cluster, 'two')
    assert.equal(await inPod(cluster, 'two', 'echo $DEVICE_A $DEVICE_B; ls /devices'), 'device-1\ndevice-1')
    assert.equal(calls('NodePrepareResources'), 1)
    await removePods(cluster, 'one')
    await isGone('one')
    assert.deepEqual([await noted(), calls('NodeUnprepareResources')], [['one'], 0])

    // A kubelet that starts keeps what is there.
    await kill('agent')
    await eventually('the agent is there again', async () => {
      assert.equal(await inPod(cluster, 'two', 'echo $DEVICE_B'), 'device-1')
      return true
    })
    await kubectl('exec two -- kill 1')
    await podIs(cluster, 'two', 'has restarted', pod => pod.status.containerStatuses?.[0]?.restartCount === 1)
    await becomesReady(cluster, 'two')
    assert.equal(await inPod(cluster, 'two', 'echo $DEVICE_B'), 'device-1')
    assert.deepEqual([calls('NodePrepareResources'), calls('NodeUnprepareResources')], [1, 0])
    await removePods(cluster, 'two')
    await isGone('two')
    await nothingIsLeft()
    assert.equal(calls('NodeUnprepareResources'), 1)
  })

  test('a driver that fails, lies or dies in the middle is asked again', options, async () => {
    const from = { prepare: calls('NodePrepareResources'), unprepare: calls('NodeUnprepareResources') }
    await makeClaim('fails', 'a')
    data!.order('NodePrepareResources', 'the device is on fire')
    await makeUser('fails', 'fails', 'exit 0', {}, { restartPolicy: 'Never' })
    await allocate(cluster, 'fails', ['fails'], { a: 'device-2' })
    await eventComes(cluster, 'fails', /NodePrepareResources: rpc error: code = Internal desc = the device is on fire$/)
    data!.order('NodePrepareResources', 'lie')
    await eventComes(cluster, 'fails', /NodePrepareResources skipped 1 ResourceClaims$/)
    // It is killed when it has done its work, and has not answered.
    data!.order('NodePrepareResources', 'crash')
    data!.order('NodeUnprepareResources', 'busy')
    await isCalled('NodeUnprepareResources', 2, from.unprepare)
    // A pod that has ended is not shown so before its claim is free.
    const { status } = await getPod(cluster, 'fails')
    assert.equal(status.containerStatuses?.[0]?.state.terminated?.exitCode, 0)
    assert.match(status.phase, /^(Pending|Running)$/)
    data!.order('NodeUnprepareResources', 'crash')
    await podIs(cluster, 'fails', 'has ended', pod => pod.status.phase === 'Succeeded', 60_000)
    await nothingIsLeft()
    await removePods(cluster, 'fails')
    await isGone('fails')
  })

  test('a pod that goes while its driver hangs leaves nothing', options, async () => {
    const from = calls('NodePrepareResources')
    await makeClaim('hangs', 'a')
    data!.order('NodePrepareResources', 'hang')
    await makeUser('hangs', 'hangs')
    await allocate(cluster, 'hangs', ['hangs'], { a: 'device-3' })
    await isCalled('NodePrepareResources', 1, from)
    await makePod(cluster, 'plain', { nodeName: await node(), containers: [sh(forever)] })
    await becomesReady(cluster, 'plain')
    await removePods(cluster, 'hangs', 'plain')
    await isGone('hangs')
    await nothingIsLeft()
  })

  test(
    'an agent that is killed while a driver works leaves nothing that the next one does not undo',
    options,
    async () => {
      const from = { prepare: calls('NodePrepareResources'), unprepare: calls('NodeUnprepareResources') }
      await makeClaim('killed', 'a')
      data!.order('NodePrepareResources', 'hang')
      await makeUser('killed', 'killed')
      await allocate(cluster, 'killed', ['killed'], { a: 'device-3' })
      await isCalled('NodePrepareResources', 1, from.prepare)
      assert.deepEqual(await noted(), ['killed'])
      await kill('agent')
      data!.revoke('NodePrepareResources')
      await podIs(cluster, 'killed', 'is ready', pod => pod.status.phase === 'Running', 60_000)
      assert.equal(await inPod(cluster, 'killed', 'echo $DEVICE_A'), 'device-3')

      data!.order('NodeUnprepareResources', 'hang')
      await removePods(cluster, 'killed')
      await isCalled('NodeUnprepareResources', 1, from.unprepare)
      // The object goes while there is no kubelet.
      await kill('agent')
      await kubectl('delete pod killed --force --grace-period=0')
      data!.revoke('NodeUnprepareResources')
      await eventually(
        'what is gone is undone',
        async () => {
          assert.deepEqual([await noted(), cdiFiles()], [[], []])
          return true
        },
        90_000,
      )
    },
  )

  test('the scheduler finds a device for each pod of a template, and the next pod waits for one', options, async () => {
    const devices = { requests: [{ name: 'a', exactly: { deviceClassName: 'things' } }] }
    await cluster.apply({
      apiVersion: 'resource.k8s.io/v1',
      kind: 'DeviceClass',
      metadata: { name: 'things' },
      spec: { selectors: [{ cel: { expression: `device.driver == "${draDriver}"` } }] },
    })
    await cluster.apply({
      apiVersion: 'resource.k8s.io/v1',
      kind: 'ResourceClaimTemplate',
      metadata: { name: 'a-thing' },
      spec: { spec: { devices } },
    })
    const { length } = (await kubectl('get resourceslices -o jsonpath={.items[*].spec.devices[*].name}')).split(' ')
    const names = Array.from({ length: length + 1 }, (_, i) => `found-${i}`)
    for (const name of names)
      await makePod(cluster, name, {
        resourceClaims: [{ name: 'things', resourceClaimTemplateName: 'a-thing' }],
        containers: [sh(forever, { resources: { claims: [{ name: 'things' }] } })],
      })
    const running = async () => {
      const { items } = JSON.parse(await kubectl('get pods -o json')) as { items: Awaited<ReturnType<typeof getPod>>[] }
      const up = items.filter(({ metadata, status }) => names.includes(metadata.name) && status.phase === 'Running')
      return up.map(({ metadata }) => metadata.name)
    }
    const up = await eventually('all devices are in use', async () => {
      const found = await running()
      if (found.length !== length) throw new Error(`${found.length} of ${length} run`)
      return found
    })
    const used = await Promise.all(up.map(name => inPod(cluster, name, 'echo $DEVICE_A')))
    assert.equal(new Set(used).size, length)
    const late = names.find(name => !up.includes(name)) ?? ''
    await eventComes(cluster, late, /FailedScheduling.*cannot allocate all claims/)
    await removePods(cluster, up[0] ?? '')
    await becomesReady(cluster, late)
    assert.equal(await inPod(cluster, late, 'echo $DEVICE_A'), used[0])
    await removePods(cluster, late, ...up.slice(1))
    await nothingIsLeft()
    await eventually('the claims are gone', async () => {
      const left = (await kubectl('get resourceclaims -o name')).split('\n').filter(name => name.includes('/found-'))
      assert.deepEqual(left, [])
      return true
    })
  })

  test('the slices of a driver that is gone are deleted', options, async () => {
    // The agent that was started has deleted it, and the driver offers its devices again.
    await eventually('there is a slice', async () => (await kubectl('get resourceslices -o name')) !== '')
    await kubectl('delete daemonset dra-driver')
    await eventually(
      'there are no slices',
      async () => {
        assert.equal(await kubectl('get resourceslices -o name'), '')
        return true
      },
      60_000,
    )
  })
})
