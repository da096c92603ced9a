// Device plugins over real sockets, on a node with a virtual clock: what pods get, and that a plugin which hangs, lies,
// fails or dies stays in its place. The plugins are served from .proto files, so the kubelet's own definitions are compared
// with those.
import { deepStrictEqual, match, ok, rejects, strictEqual } from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { realClock } from '../../src/base/clock.ts'
import { Node } from '../../src/kinds/core/node.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { startKubelet } from '../../src/kubelet/index.ts'
import { call, type PluginMethods, register, servePlugin } from '../e2e/programs/device-grpc.ts'
import { makeNode, namespace, one, withMethods } from './one-node.ts'

const gpu = 'example.com/gpu'
const never = new Promise<never>(() => {})
const asking = (count: number, resource = gpu) => one({ resources: { limits: { [resource]: String(count) } } })
const healthy = (...ids: string[]) => ids.map(ID => ({ ID, health: 'Healthy' }))
const numbered = (count: number) => Array.from({ length: count }, (_, i) => ({ ID: `device-${i}`, health: 'Healthy' }))
const answering: PluginMethods = {
  Allocate: ({ container_requests: [request] }) => ({
    container_responses: [{ envs: { IDS: request!.devices_ids.join() } }],
  }),
}

/** A node at which plugins can register, and the variable IDS of the containers that were created, by pod. */
async function makeDeviceNode(t: TestContext) {
  const rootDir = mkdtempSync(join(tmpdir(), 'kutter-devices-'))
  const given = new Map<string, string>()
  const ends = new Set<() => void>()
  t.after(() => {
    for (const end of ends) end()
    rmSync(rootDir, { recursive: true, force: true })
  })
  const recording = {
    kubelet: { rootDir, hasDevices: true },
    runtime: (whole: Parameters<typeof withMethods>[0]) =>
      withMethods(whole, {
        createContainer(sandbox, config, sandboxConfig) {
          const ids = config.envs?.find(({ key }) => key === 'IDS')?.value
          given.set(sandboxConfig.metadata?.name ?? '', ids ?? 'none')
          return whole.createContainer(sandbox, config, sandboxConfig)
        },
      }),
  }
  const node = await makeNode(t, {}, recording)
  const dir = join(rootDir, 'device-plugins')
  const until = async (what: string, holds: () => boolean | Promise<boolean>) => {
    const deadline = realClock.now() + 20_000
    while (!(await holds())) {
      if (realClock.now() > deadline) throw new Error(`still waiting for: ${what}`)
      await node.clock.forward(100)
      await realClock.sleep(5)
    }
  }
  const socket = join(dir, 'kubelet.sock')
  await until('the socket', () => existsSync(socket))
  const plugin = async (name: string, methods: PluginMethods = answering, resource = gpu) => {
    const server = await servePlugin(join(dir, `${name}.sock`), methods)
    ends.add(server.close)
    await register(socket, `${name}.sock`, resource)
    return server
  }
  const count = async (resource = gpu) => {
    const { capacity = {}, allocatable = {} } = (await node.client.get(Node, { name: 'n1' })).status
    return `${capacity[resource]}/${allocatable[resource]}`
  }
  const isCounted = (text: string, resource = gpu) =>
    until(`the node has ${text}`, async () => (await count(resource)) === text)
  const phase = async (name: string) => (await node.pod(name)).status.phase
  const becomes = (name: string, wanted: string) =>
    until(`${name} is ${wanted}`, async () => (await phase(name)) === wanted)
  return { ...node, rootDir, socket, given, until, plugin, isCounted, phase, becomes }
}

test('a device has one pod at a time, also under the next kubelet', async t => {
  const node = await makeDeviceNode(t)
  const first = await node.plugin('a')
  first.list(healthy('0', '1', '2'))
  await node.isCounted('3/3')
  await node.run('one', asking(2))
  await node.becomes('one', 'Running')
  strictEqual(node.given.get('one'), '0,1')

  await node.kubelet.close()
  first.close()
  const next = await startKubelet({ ...node.options, runtime: node.runtime })
  t.after(() => next.close())
  await node.until('the socket', () => existsSync(node.socket))
  const again = await node.plugin('a')
  again.list(healthy('0', '1', '2'))
  await node.isCounted('3/3')
  await node.run('two', asking(1))
  await node.becomes('two', 'Running')
  strictEqual(node.given.get('two'), '2')

  await node.client.delete(Pod, { namespace, name: 'one' }, { gracePeriodSeconds: 0 })
  await node.run('three', asking(2))
  await node.becomes('three', 'Running')
  strictEqual(node.given.get('three'), '0,1')
  const shown = await call(
    join(node.rootDir, 'pod-resources/kubelet.sock'),
    'pod-resources.proto',
    'v1.PodResourcesLister',
    'List',
    {},
  )
  const { pod_resources: pods } = shown as { pod_resources: { name: string; containers: { devices: object[] }[] }[] }
  deepStrictEqual(new Map(pods.map(({ name, containers }) => [name, containers[0]!.devices.length])).get('three'), 2)
})

test('a pod whose plugin fails or lies is refused in words, and its devices are free again', async t => {
  const node = await makeDeviceNode(t)
  let answer: () => object = () => {
    throw new Error('the device is on fire')
  }
  const server = await node.plugin('a', { Allocate: () => answer() })
  server.list(healthy('0'))
  await node.isCounted('1/1')
  const refused = async (name: string, why: RegExp) => {
    await node.run(name, asking(1))
    await node.becomes(name, 'Failed')
    const { reason, message = '' } = (await node.pod(name)).status
    strictEqual(reason, 'UnexpectedAdmissionError')
    match(message, why)
  }
  await refused(
    'burns',
    /^Pod was rejected: Allocate failed due to rpc error: code = Internal desc = the device is on fire, which is unexpected$/,
  )
  answer = () => ({})
  await refused('empty', /no containers return in allocation response/)
  answer = () => ({ container_responses: [{ envs: { IDS: 'x'.repeat(300_000) } }] })
  await refused('large', /the answer has \d+ characters, and may have 262144/)
  answer = () => ({ container_responses: [{ envs: { IDS: 'fine' } }] })
  await node.run('fine', asking(1))
  await node.becomes('fine', 'Running')
  strictEqual(node.given.get('fine'), 'fine')
})

test('a container starts when its plugin has prepared the devices that it prefers', async t => {
  const node = await makeDeviceNode(t)
  const calls: string[] = []
  let isBroken = true
  const options = { pre_start_required: true, get_preferred_allocation_available: true }
  const server = await node.plugin('a', {
    ...answering,
    GetDevicePluginOptions: () => options,
    GetPreferredAllocation({ container_requests: [request] }) {
      calls.push(`prefer ${request!.allocation_size} of ${request!.available_deviceIDs.join()}`)
      if (isBroken) throw new Error('no preference')
      return { container_responses: [{ deviceIDs: ['2', 'of nobody', '1'] }] }
    },
    PreStartContainer({ devices_ids: ids }) {
      calls.push(`prepare ${ids.join()}`)
      if (calls.length < 5) throw new Error('not ready')
      return {}
    },
  })
  server.list(healthy('0', '1', '2'))
  await node.isCounted('3/3')
  await node.run('early', asking(2))
  await node.becomes('early', 'Failed')
  match(
    (await node.pod('early')).status.message ?? '',
    /Allocate failed due to device plugin GetPreferredAllocation rpc failed with err: rpc error: code = Internal desc = no preference, which/,
  )
  isBroken = false
  await node.run('one', asking(2))
  await node.until('the first try fails', async () => {
    const { reason, message } = (await node.main('one').catch(() => undefined))?.state?.waiting ?? {}
    const words = 'device plugin PreStartContainer rpc failed with err: rpc error: code = Internal desc = not ready'
    return reason === 'CreateContainerConfigError' && message === words
  })
  await node.becomes('one', 'Running')
  strictEqual(node.given.get('one'), '2,1')
  deepStrictEqual(calls, ['prefer 2 of 0,1,2', 'prefer 2 of 0,1,2', 'prepare 2,1', 'prepare 2,1', 'prepare 2,1'])
})

test('a plugin that hangs delays the pods that need it, and no others', async t => {
  const node = await makeDeviceNode(t)
  let asked = 0
  const hangs = await node.plugin('hangs', {
    Allocate() {
      asked++
      return never
    },
  })
  hangs.list(healthy('0', '1'))
  const works = await node.plugin('works', answering, 'example.com/other')
  works.list(healthy('x'))
  await node.isCounted('2/2')
  await node.isCounted('1/1', 'example.com/other')
  await node.run('hangs', asking(1))
  await node.until('the plugin is asked', () => asked === 1)
  await node.run('plain', one())
  await node.run('other', asking(1, 'example.com/other'))
  await node.becomes('plain', 'Running')
  await node.becomes('other', 'Running')
  strictEqual(await node.phase('hangs'), 'Pending')
  // The choice for the next one does not wait for the answer to the first.
  await node.run('next', asking(1))
  await node.until('the plugin is asked again', () => asked === 2)
  await node.client.delete(Pod, { namespace, name: 'hangs' })
  await node.until('it is gone', async () => (await node.client.find(Pod, { namespace, name: 'hangs' })) === undefined)
})

test('a plugin that dies leaves devices that are not healthy, and after five minutes none', async t => {
  const node = await makeDeviceNode(t)
  const server = await node.plugin('a')
  server.list(healthy('0', '1'))
  await node.isCounted('2/2')
  server.list([...healthy('0'), { ID: '1', health: 'Unhealthy' }])
  await node.isCounted('2/1')
  server.close()
  await node.isCounted('2/0')
  await node.clock.forward(320_000)
  await node.isCounted('0/0')
  const again = await node.plugin('a')
  again.list(healthy('0', '1'))
  await node.isCounted('2/2')
})

test('statuses show the health of devices, as their plugin lists it', async t => {
  const node = await makeDeviceNode(t)
  const server = await node.plugin('a')
  server.list(healthy('0', '1'))
  await node.isCounted('2/2')
  await node.run('one', asking(2))
  await node.becomes('one', 'Running')
  const shows = (...words: string[]) =>
    node.until(`it shows ${words.join()}`, async () => {
      const [shown] = (await node.main('one')).allocatedResourcesStatus ?? []
      return shown?.name === gpu && shown.resources?.map(({ health }) => health).join() === words.join()
    })
  await shows('Healthy', 'Healthy')
  server.list([...healthy('0'), { ID: '1', health: 'Unhealthy' }])
  await shows('Healthy', 'Unhealthy')
  server.list(healthy('1'))
  await shows('Unknown', 'Healthy')
  server.close()
  await shows('Unknown', 'Unhealthy')
})

test('a plugin that lists too much is not read, and one that lists all the time is', async t => {
  const node = await makeDeviceNode(t)
  const many = await node.plugin('many', answering, 'example.com/many')
  many.list(numbered(70_000))
  await node.until('it is given up', () => node.problems.some(line => line.includes('may list 65536')))
  await node.isCounted('0/0', 'example.com/many')
  const large = await node.plugin('large', answering, 'example.com/large')
  large.list(numbered(1_000_000))
  await node.until('it is given up', () => node.problems.some(line => line.includes('example.com/large')))

  const eager = await node.plugin('eager')
  for (let i = 0; i < 300; i++) eager.list(numbered(i % 7))
  eager.list(healthy('0', '1', '2'))
  await node.isCounted('3/3')
})

test('a plugin that cannot be taken into use receives why', async t => {
  const node = await makeDeviceNode(t)
  await rejects(register(node.socket, 'a.sock', gpu, 'v1alpha1'), /requested API version "v1alpha1" is not supported/)
  await rejects(register(node.socket, '../a.sock', gpu), /is not the name of a socket/)
  const server = await servePlugin(join(node.rootDir, 'device-plugins/a.sock'), answering)
  t.after(server.close)
  await rejects(register(node.socket, 'a.sock', 'cpu'), /the ResourceName "cpu" is invalid/)
  await register(node.socket, 'a.sock', gpu)
  ok(!node.problems.some(line => line.includes('error')), node.problems.join('\n'))
})
