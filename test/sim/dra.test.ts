// DRA drivers over real sockets, on a node with a virtual clock: pods start with what drivers prepared for their claims,
// and a driver that hangs, lies, fails or dies stays in its place. The drivers are served from .proto files, so the
// kubelet's own definitions are compared with those.
import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Event } from '../../src/kinds/core/event.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { ResourceClaim } from '../../src/kinds/resource/resourceclaim.ts'
import { metricsText } from '../../src/base/metrics.ts'
import { call } from '../e2e/programs/device-grpc.ts'
import type { Request } from '../e2e/programs/csi-grpc.ts'
import { allocate, driver, makeDraNode } from './dra-node.ts'
import { namespace, one } from './one-node.ts'

const never = new Promise<never>(() => {})
const remove = (node: Awaited<ReturnType<typeof makeDraNode>>, name: string, gracePeriodSeconds = 1) =>
  node.client.delete(Pod, { namespace, name }, { gracePeriodSeconds })
const messagesOf = async ({ client }: Awaited<ReturnType<typeof makeDraNode>>, name: string) =>
  (await client.list(Event, { namespace })).items
    .filter(event => event.involvedObject.name === name && event.reason === 'FailedPrepareDynamicResources')
    .map(({ message }) => message ?? '')

test('pods share a claim that is prepared once, and unprepared when the last one has ended', async t => {
  const node = await makeDraNode(t)
  const gpu = await node.start()
  await node.makeClaim('shared')
  await node.makeClaim('own')
  await node.runWith('one', ['shared', 'own'])
  await node.becomes('one', 'Running')
  strictEqual(node.given.get('one/main'), `${driver}/x=shared,${driver}/x=own`)
  await node.runWith('two', ['shared'])
  await node.becomes('two', 'Running')
  strictEqual(node.given.get('two/main'), `${driver}/x=shared`)
  deepStrictEqual(gpu.calls, ['prepare own,shared'])
  deepStrictEqual(node.noted(), ['own', 'shared'])
  match(metricsText(), /^dra_resource_claims_in_use\{driver_name="<any>"\} 2$/m)
  match(
    metricsText(),
    /^dra_operations_duration_seconds_count\{operation_name="PrepareResources",is_error="false"\} \d+$/m,
  )
  match(
    metricsText(),
    /^dra_grpc_operations_duration_seconds_count\{driver_name="gpu.example.com",method_name="\/k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin\/NodePrepareResources",grpc_status_code="OK"\} \d+$/m,
  )
  const socket = join(node.rootDir, 'pod-resources/kubelet.sock')
  const shown = (await call(socket, 'pod-resources.proto', 'v1.PodResourcesLister', 'Get', {
    pod_name: 'two',
    pod_namespace: namespace,
  })) as { pod_resources: { containers: { dynamic_resources: object[] }[] } }
  deepStrictEqual(shown.pod_resources.containers[0]?.dynamic_resources, [
    {
      claim_name: 'shared',
      claim_namespace: namespace,
      claim_resources: [
        {
          cdi_devices: [{ name: `${driver}/x=shared` }],
          driver_name: driver,
          pool_name: 'n1',
          device_name: 'd',
          share_id: '',
        },
      ],
    },
  ])
  await remove(node, 'one')
  await node.isGone('one')
  deepStrictEqual([...gpu.prepared], ['shared'])
  await remove(node, 'two')
  await node.isGone('two')
  deepStrictEqual(gpu.calls.slice(1), ['unprepare own', 'unprepare shared'])
  deepStrictEqual(node.noted(), [])
})

test('a pod waits for its claim, with a reason, until it may use it and its driver is there', async t => {
  const node = await makeDraNode(t)
  const pod = await node.run('a', {
    resourceClaims: [{ name: 'c', resourceClaimName: 'c' }],
    ...one({ resources: { claims: [{ name: 'c' }] } }),
  })
  const says = (what: RegExp) =>
    node.until(String(what), async () => (await messagesOf(node, 'a')).some(message => what.test(message)), 1000)
  const prefix = 'Failed to prepare dynamic resources: prepare dynamic resources: '
  await says(new RegExp(`^${prefix}fetch ResourceClaim c: .*"c" not found$`))
  await node.makeClaim('c')
  await says(new RegExp(`^${prefix}pod a \\(.*\\) is not allowed to use ResourceClaim c`))
  await allocate(node.client, 'c', [{ name: 'a', uid: pod.metadata.uid! }], [{ request: 'r', driver, device: 'd' }])
  await says(new RegExp(`^${prefix}DRA driver ${driver} is not registered$`))
  // A pod that could not use its claims is not noted, and ends without the driver.
  ok(!existsSync(join(node.rootDir, 'dra_manager_state')))
  const before = node.clock.now()
  await node.start()
  await node.becomes('a', 'Running')
  // It does not wait for the end of its back-off.
  ok(node.clock.now() - before < 15_000)
  await node.runWith('none', [])
  await node.becomes('none', 'Running')
  strictEqual(node.given.get('none/main'), '')
})

test('a driver that fails, skips claims or answers for others fails the pod, which is tried again', async t => {
  const node = await makeDraNode(t)
  const gpu = await node.start()
  await node.makeClaim('a')
  await node.makeClaim('b')
  const uidOf = async (name: string) => (await node.client.get(ResourceClaim, { namespace, name })).metadata.uid!
  const [a, b] = [await uidOf('a'), await uidOf('b')]
  const device = { request_names: ['r'], pool_name: 'n1', device_name: 'd', cdi_device_ids: ['x.y/z=1'] }
  const fine = { devices: [device] }
  const table: [string, () => object, RegExp][] = [
    [
      'fails',
      () => Promise.reject(new Error('on fire')),
      /NodePrepareResources: rpc error: code = Internal desc = on fire$/,
    ],
    ['skips', () => ({ claims: { [a]: fine } }), /NodePrepareResources skipped 1 ResourceClaims$/],
    ['says nothing', () => ({}), /NodePrepareResources skipped 2 ResourceClaims$/],
    ['adds', () => ({ claims: { [a]: fine, [b]: fine, of: fine } }), /returned result for unknown claim UID of$/],
    [
      'refuses',
      () => ({ claims: { [a]: fine, [b]: { error: 'no such device' } } }),
      /NodePrepareResources failed for ResourceClaim b: no such device$/,
    ],
    [
      'talks',
      () => ({ claims: { [a]: fine, [b]: { devices: Array.from({ length: 9_000 }, () => device) } } }),
      /the answer has \d+ characters, and may have 262144$/,
    ],
    [
      'talks too much',
      () => ({ claims: { [a]: fine, [b]: { devices: Array.from({ length: 200_000 }, () => device) } } }),
      /code = ResourceExhausted/,
    ],
  ]
  let answer: () => object = () => ({})
  gpu.prepare = () => answer()
  await node.runWith('p', ['a', 'b'])
  for (const [what, lie, why] of table) {
    answer = lie
    const has = async () => (await messagesOf(node, 'p')).some(message => why.test(message))
    await node.until(what, has, 2_000)
    strictEqual(await node.phase('p'), 'Pending')
  }
  delete gpu.prepare
  await node.until('it runs', async () => (await node.phase('p')) === 'Running', 2_000)
  strictEqual(node.given.get('p/main'), `${driver}/x=a,${driver}/x=b`)

  // What is not undone keeps the pod, and its status says that it runs.
  gpu.unprepare = () => Promise.reject(new Error('busy'))
  await remove(node, 'p')
  await node.until('it is asked three times', () => gpu.calls.filter(text => text.startsWith('unprepare')).length > 2)
  gpu.unprepare = () => ({ claims: { [a]: {} } })
  await node.until('it says why', () => node.problems.some(line => line.includes('skipped 1 ResourceClaims')))
  deepStrictEqual(node.noted(), ['a', 'b'])
  delete gpu.unprepare
  await node.isGone('p')
  deepStrictEqual(node.noted(), [])
})

test('a pod that has ended is shown so when its claims are unprepared, and not before', async t => {
  const node = await makeDraNode(t)
  const gpu = await node.start()
  await node.makeClaim('c')
  let isBusy = true
  const uid = (await node.client.get(ResourceClaim, { namespace, name: 'c' })).metadata.uid!
  gpu.unprepare = () => (isBusy ? { claims: { [uid]: { error: 'busy' } } } : { claims: { [uid]: {} } })
  const spec = {
    restartPolicy: 'Never' as const,
    resourceClaims: [{ name: 'c', resourceClaimName: 'c' }],
    ...one({ resources: { claims: [{ name: 'c' }] } }),
  }
  const pod = await node.run('job', spec, { main: { exitAfterMs: 3_000 } })
  await allocate(node.client, 'c', [{ name: 'job', uid: pod.metadata.uid! }], [{ request: 'r', driver, device: 'd' }])
  await node.until('it is to be unprepared', () => gpu.calls.includes('unprepare c'))
  await node.until('its container is shown as ended', async () => Boolean((await node.main('job')).state.terminated))
  const { phase, conditions } = (await node.pod('job')).status
  strictEqual(phase, 'Running')
  strictEqual(conditions?.find(({ type }) => type === 'Ready')?.status, 'False')
  isBusy = false
  await node.becomes('job', 'Succeeded')
  deepStrictEqual(node.noted(), [])
})

test('a driver that hangs delays the pods with its claims and no others, and a pod can go while it hangs', async t => {
  const node = await makeDraNode(t)
  const gpu = await node.start()
  const nic = await node.start('nic.example.com')
  gpu.prepare = () => never
  await node.makeClaim('c')
  await node.makeClaim('d')
  await node.runWith('hangs', ['c'])
  await node.until('it is asked', () => gpu.calls.length === 1)
  await node.run('plain', one())
  await node.runWith('other', ['d'], ['nic.example.com'])
  await node.becomes('plain', 'Running')
  await node.becomes('other', 'Running')
  deepStrictEqual(nic.calls, ['prepare d'])
  strictEqual(await node.phase('hangs'), 'Pending')
  await remove(node, 'hangs')
  await node.isGone('hangs')
  deepStrictEqual(gpu.calls, ['prepare c', 'unprepare c'])
  deepStrictEqual(node.noted(), ['d'])
})

test('a kubelet that starts keeps what runs, and undoes what is gone', async t => {
  const node = await makeDraNode(t)
  const gpu = await node.start()
  for (const name of ['kept', 'lost']) {
    await node.makeClaim(name)
    await node.runWith(name, [name])
    await node.becomes(name, 'Running')
  }
  await node.restart()
  await node.until('the kubelet is ready', () => node.statuses.filter(text => text.endsWith('registered')).length > 1)
  await node.clock.forward(60_000)
  deepStrictEqual([...gpu.prepared], ['kept', 'lost'])
  // A container that starts again has its device, of which the new kubelet has asked nobody.
  const before = gpu.calls.length
  const { containers } = await node.runtime.pod((await node.pod('kept')).metadata.uid!)
  node.given.clear()
  await node.runtime.stopContainer(containers[0]!.id, 0)
  await node.until('it starts again', async () => (await node.main('kept')).restartCount === 1, 1000)
  strictEqual(node.given.get('kept/main'), `${driver}/x=kept`)
  strictEqual(gpu.calls.length, before)
  // A second pod is prepared again, since the machine may have been started in between.
  await node.runWith('again', ['kept'])
  await node.becomes('again', 'Running')
  deepStrictEqual(gpu.calls.slice(before), ['prepare kept'])
  await node.restart()
  await remove(node, 'lost', 0)
  await node.until('it is undone', () => node.noted().join() === 'kept', 2_000)
  deepStrictEqual([...gpu.prepared], ['kept'])
})

test('a checkpoint that is damaged loses nothing of what runs', async t => {
  const node = await makeDraNode(t)
  const gpu = await node.start()
  await node.makeClaim('c')
  await node.runWith('p', ['c'])
  await node.becomes('p', 'Running')
  writeFileSync(join(node.rootDir, 'dra_manager_state'), '{"Data":"{}","Checksum":1}')
  await node.restart()
  await node.until('the driver is registered again', () => node.statuses.length > 1)
  ok(node.problems.some(line => line.includes('which pods have which claims cannot be read')))
  const { containers } = await node.runtime.pod((await node.pod('p')).metadata.uid!)
  node.given.clear()
  await node.runtime.stopContainer(containers[0]!.id, 0)
  await node.until('it starts again', async () => (await node.main('p')).restartCount === 1, 1000)
  strictEqual(node.given.get('p/main'), `${driver}/x=c`)
  deepStrictEqual(node.noted(), ['c'])
  await remove(node, 'p')
  await node.isGone('p')
  deepStrictEqual([...gpu.prepared], [])
})

test('of two instances of a driver the newer one is asked, and the older one when that has gone', async t => {
  const node = await makeDraNode(t)
  const first = await node.start(driver, '-1')
  const second = await node.start(driver, '-2', { version: 'v1beta1' })
  for (const name of ['a', 'b', 'c']) await node.makeClaim(name)
  await node.runWith('a', ['a'])
  await node.becomes('a', 'Running')
  deepStrictEqual([first.calls, second.calls], [[], ['prepare a']])
  // It is killed, and its sockets are still there.
  second.served.kill()
  await node.runWith('b', ['b'])
  await node.until('it runs', async () => (await node.phase('b')) === 'Running', 1_000)
  deepStrictEqual(first.calls.at(-1), 'prepare b')
  const third = await node.start(driver, '-2')
  await node.runWith('c', ['c'])
  await node.becomes('c', 'Running')
  deepStrictEqual(third.calls, ['prepare c'])
  third.served.close()
  await remove(node, 'a')
  await node.isGone('a')
  deepStrictEqual(first.calls.at(-1), 'unprepare a')
})

test('the slices of a driver go when it has been away for half a minute, and not while it is replaced', async t => {
  const node = await makeDraNode(t)
  const gpu = await node.start()
  await node.start('nic.example.com')
  await node.makeSlice('gpu')
  await node.makeSlice('gpu-elsewhere', driver, 'n2')
  await node.makeSlice('nic', 'nic.example.com')
  await node.clock.forward(60_000)
  deepStrictEqual(await node.slices(), ['gpu', 'gpu-elsewhere', 'nic'])
  gpu.served.close()
  const from = node.clock.now()
  await node.until('20 s are over', () => node.clock.now() - from > 20_000)
  const again = await node.start()
  await node.clock.forward(60_000)
  deepStrictEqual(await node.slices(), ['gpu', 'gpu-elsewhere', 'nic'])
  // One that is killed and leaves its sockets is as good as gone.
  again.served.kill()
  await node.until('its slice is gone', async () => !(await node.slices()).includes('gpu'), 1_000)
  deepStrictEqual(await node.slices(), ['gpu-elsewhere', 'nic'])
})

test('a kubelet that starts deletes the slices of the node, for drivers that may never come', async t => {
  const node = await makeDraNode(t)
  await node.makeSlice('old')
  await node.makeSlice('elsewhere', driver, 'n2')
  await node.restart()
  await node.until('it is gone', async () => (await node.slices()).length === 1)
  deepStrictEqual(await node.slices(), ['elsewhere'])
})

test('statuses show the health of devices, as drivers report it', async t => {
  const node = await makeDraNode(t)
  const gpu = await node.start(driver, '', { hasHealth: true })
  await node.makeClaim('c')
  await node.runWith('p', ['c'])
  const shows = (health: string, message?: string) =>
    node.until(`it is ${health}`, async () => {
      const [found] = (await node.main('p').catch(() => undefined))?.allocatedResourcesStatus ?? []
      const [resource] = found?.resources ?? []
      if (resource?.health !== health || resource.message !== message) return false
      deepStrictEqual([found!.name, resource.resourceID], ['claim:c', `${driver}/x=c`])
      return true
    })
  await shows('Unknown')
  await node.until('it is watched', () => gpu.served.watchers() === 1)
  const device = { pool_name: 'n1', device_name: 'd' }
  gpu.served.report([{ device, health: 1 }])
  await shows('Healthy')
  gpu.served.report([{ device, health: 2, message: 'too hot' }])
  await shows('Unhealthy', 'too hot')
  gpu.served.report([{ device: { ...device, device_name: 'other' }, health: 1 }])
  gpu.served.kill()
  await shows('Unknown')
})

test('a pod with another claim of the same name waits until the old one is unprepared', async t => {
  const node = await makeDraNode(t)
  const gpu = await node.start()
  await node.makeClaim('c')
  await node.runWith('old', ['c'])
  await node.becomes('old', 'Running')
  gpu.unprepare = () => Promise.reject(new Error('busy'))
  await node.client.delete(Pod, { namespace, name: 'old' }, { gracePeriodSeconds: 0 })
  const claim = await node.client.get(ResourceClaim, { namespace, name: 'c' })
  await node.client.updateStatus(ResourceClaim, claim, {})
  await node.client.delete(ResourceClaim, { namespace, name: 'c' })
  await node.makeClaim('c')
  await node.runWith('new', ['c'])
  const says = async () =>
    (await messagesOf(node, 'new')).some(text => /old ResourceClaim with same name c and/.test(text))
  await node.until('it waits', says, 1_000)
  delete gpu.unprepare
  await node.until('it runs', async () => (await node.phase('new')) === 'Running', 1_000)
  deepStrictEqual(gpu.calls.slice(-2), ['unprepare c', 'prepare c'])
})

test('a container gets the devices of the request that it names', async t => {
  const node = await makeDraNode(t)
  const gpu = await node.start()
  await node.makeClaim('c', ['r', 's'])
  gpu.prepare = ({ claims }: Request) => ({
    claims: {
      [claims[0]!.uid]: {
        devices: ['r', 's'].map(name => ({
          request_names: [name],
          pool_name: 'n1',
          device_name: name,
          cdi_device_ids: [`x.y/z=${name}`, 'x.y/z=both'],
        })),
      },
    },
  })
  const uses = (name: string, request?: string) => ({
    name,
    image: 'i',
    resources: { claims: [{ name: 'c', ...(request && { request }) }] },
  })
  const pod = await node.run('p', {
    resourceClaims: [{ name: 'c', resourceClaimName: 'c' }],
    initContainers: [{ ...uses('init', 's'), restartPolicy: 'Always' }],
    containers: [uses('whole'), uses('part', 'r'), { name: 'none', image: 'i' }],
  })
  const results = ['r', 's'].map(request => ({ request, driver, device: request }))
  await allocate(node.client, 'c', [{ name: 'p', uid: pod.metadata.uid! }], results)
  await node.becomes('p', 'Running')
  deepStrictEqual(
    ['init', 'whole', 'part', 'none'].map(name => node.given.get(`p/${name}`)),
    ['x.y/z=s,x.y/z=both', 'x.y/z=r,x.y/z=both,x.y/z=s', 'x.y/z=r,x.y/z=both', ''],
  )
})

for (const when of ['before', 'after'] as const)
  test(`whichever call a kubelet ends at, ${when} its work, claims are prepared as long as their pods are there`, async t => {
    for (const at of [1, 2, 3]) {
      const node = await makeDraNode(t)
      const gpu = await node.start()
      let calls = 0
      let isToEnd = false
      gpu[when] = () => {
        if (++calls !== at) return undefined
        isToEnd = true
        // The kubelet that asked is gone before there is an answer.
        return never
      }
      const until = (what: string, holds: () => Promise<boolean>) =>
        node.until(`${what}, call ${at}`, async () => {
          if (isToEnd) await node.restart()
          isToEnd = false
          return holds()
        })
      const runs = async (name: string) => (await node.phase(name)) === 'Running'
      const isGone = async (name: string) => (await node.client.find(Pod, { namespace, name })) === undefined
      await node.makeClaim('x')
      await node.makeClaim('y')
      await node.runWith('a', ['x', 'y'])
      await node.runWith('b', ['x'])
      await until('both run', async () => (await runs('a')) && runs('b'))
      deepStrictEqual(
        [node.given.get('a/main'), node.given.get('b/main')],
        [`${driver}/x=x,${driver}/x=y`, `${driver}/x=x`],
      )
      deepStrictEqual([...gpu.prepared].toSorted(), ['x', 'y'])
      await remove(node, 'a')
      await until('one is gone', () => isGone('a'))
      deepStrictEqual([[...gpu.prepared], node.noted()], [['x'], ['x']])
      await remove(node, 'b')
      await until('both are gone', () => isGone('b'))
      deepStrictEqual([[...gpu.prepared], node.noted()], [[], []])
      ok(calls > at)
    }
  })
