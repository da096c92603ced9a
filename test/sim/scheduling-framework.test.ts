// The framework of the scheduler: every extension point of plugins, profiles, several schedulers, extenders, and
// invalid configurations.
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLog } from '../../src/base/log.ts'
import { settle } from '../../src/base/clock.ts'
import { metricsText } from '../../src/base/metrics.ts'
import type { Draft } from '../../src/api/kind.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { Node } from '../../src/kinds/core/node.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { ServiceAccount } from '../../src/kinds/core/serviceaccount.ts'
import { PriorityClass } from '../../src/kinds/scheduling/priorityclass.ts'
import { apiVersion, kind, readConfig } from '../../src/scheduler/config.ts'
import type { Plugin, PluginMaker } from '../../src/scheduler/framework.ts'
import {
  definePlugin,
  type Handle,
  loadSchedulerConfig,
  type SchedulerConfig,
  startScheduler,
} from '../../src/scheduler/index.ts'
import { type Sim, simulate } from './cluster.ts'

const namespace = 'default'
const pod = (name: string, more: Draft<Pod['spec']> = {}, cpu = '100m'): Draft<Pod> => ({
  metadata: { name, namespace },
  spec: { containers: [{ name: 'c', image: 'app:1', resources: { requests: { cpu } } }], ...more },
})
const get = (sim: Sim, name: string) => sim.client.mirror(Pod).get(namespace, name)
const nodeOf = (sim: Sim, name: string) => get(sim, name)?.spec.nodeName
const condition = (sim: Sim, name: string) => get(sim, name)?.status.conditions?.find(c => c.type === 'PodScheduled')

/** A cluster of `nodes` nodes, whose schedulers the test starts and stops. */
function cluster(
  nodes: number,
  run: (sim: Sim, start: (config: SchedulerConfig) => Promise<() => void>) => Promise<void>,
) {
  return simulate({ nodes, controllers: false, scheduler: false, cpu: '2' }, async sim => {
    await sim.client.create(ServiceAccount, { metadata: { name: 'default', namespace } })
    const stops: (() => void)[] = []
    try {
      await run(sim, async config => {
        const ending = new AbortController()
        const { clock, random } = sim
        const client = sim.plane.client('system:kube-scheduler')
        await startScheduler({ client, clock, random, log: silentLog, signal: ending.signal, config })
        stops.push(() => ending.abort())
        return () => ending.abort()
      })
    } finally {
      for (const stop of stops) stop()
    }
  })
}

const configOf = (document: object, makers: readonly PluginMaker[] = []) =>
  readConfig({ apiVersion, kind, ...document }, 'test.yaml', makers)

/** A configuration with the default plugins and `plugins`. */
function withPlugins(plugins: (Plugin | ((handle: Handle) => Plugin))[], points: object = {}): SchedulerConfig {
  const makers = plugins.map((plugin, i): PluginMaker => {
    const name = typeof plugin === 'function' ? `Made${i}` : plugin.name
    return { name, read: () => (typeof plugin === 'function' ? plugin : () => plugin) }
  })
  const enabled = makers.map(({ name }) => ({ name }))
  return configOf({ profiles: [{ plugins: { ...points, multiPoint: { enabled } } }] }, makers)
}

test('a pod passes every point in order, with the state that its plugin prepared', () =>
  cluster(2, async (sim, start) => {
    const seen: string[] = []
    const note = (point: string, state?: unknown) => void seen.push(state === undefined ? point : `${point} ${state}`)
    const all = definePlugin<string, number>({
      name: 'All',
      preEnqueue: () => (note('preEnqueue'), true),
      prepare: () => (note('prepare'), 'mine'),
      filter: (state, node) => (note(`filter ${node.name}`, state), true),
      prepareScore: (_, nodes) => (note('prepareScore'), nodes.length),
      score: (state, node) => (note(`score ${node.name}`, state), node.name === 'node-1' ? 7 : 0),
      normalize: (_, scores) => {
        note('normalize')
        for (let i = 0; i < scores.length; i++) scores[i]! *= 10
      },
      reserve: (_, node, state) => (note(`reserve ${node.name}`, state), true),
      unreserve: () => note('unreserve'),
      permit: (_, node, state) => (note(`permit ${node.name}`, state), 'allow'),
      preBind: async (_, node, state) => note(`preBind ${node.name}`, state),
      postBind: (_, node, state) => note(`postBind ${node.name}`, state),
    })
    await start(withPlugins([all]))
    await sim.client.create(Pod, pod('p'))
    await sim.until('it is bound', () => nodeOf(sim, 'p') === 'node-1')
    assert.deepEqual(seen, [
      'preEnqueue',
      'prepare',
      'filter node-0 mine',
      'filter node-1 mine',
      'prepareScore',
      'score node-0 2',
      'score node-1 2',
      'normalize',
      'reserve node-1 mine',
      'permit node-1 mine',
      'preBind node-1 mine',
      'postBind node-1 mine',
    ])
  }))

test('a reservation is given back when a later point fails, and the pod is tried again', () =>
  cluster(1, async (sim, start) => {
    const held = new Set<string>()
    const failing = new Set(['reserve', 'permit', 'preBind', 'bind'])
    const seen: string[] = []
    const fails = (point: string) => failing.delete(point)
    const ledger = definePlugin({
      name: 'Ledger',
      reserve: ({ key }) => (held.add(key), true),
      unreserve: ({ key }) => {
        seen.push('given back')
        held.delete(key)
      },
      wakeOn: [],
    })
    const moody = definePlugin({
      name: 'Moody',
      reserve: () => (fails('reserve') ? 'no reserve' : true),
      permit: () => (fails('permit') ? { deny: 'no permit' } : 'allow'),
      async preBind() {
        if (fails('preBind')) throw new Error('no preBind')
      },
      async bind() {
        if (fails('bind')) throw new Error('no bind')
        return false
      },
    })
    // At `bind` the plugins are named one by one, so that the default binder comes after this one.
    const bind = { disabled: [{ name: '*' }], enabled: [{ name: 'Moody' }, { name: 'DefaultBinder' }] }
    await start(withPlugins([ledger, moody], { bind }))
    await sim.client.create(Pod, pod('p'))
    const messages = ['0/1 nodes are available: 1 no reserve.', '0/1 nodes are available: 1 no permit.']
    for (const message of messages) {
      await sim.until(message, () => condition(sim, 'p')?.message === message)
      assert.equal(held.size, 0)
      assert.equal(condition(sim, 'p')?.reason, 'Unschedulable')
      // No change of the cluster would help, but a change of the pod itself does.
      await sim.client.patch(Pod, { namespace, name: 'p' }, 'merge', { metadata: { labels: { try: message.at(-2)! } } })
    }
    await sim.until('the binding failed', () => condition(sim, 'p')?.reason === 'SchedulerError')
    assert.equal(condition(sim, 'p')?.message, 'running PreBind plugin "Moody": no preBind')
    await sim.until('it is bound', () => nodeOf(sim, 'p') === 'node-0')
    assert.deepEqual([...held], ['default/p'])
    assert.deepEqual(seen, ['given back', 'given back', 'given back', 'given back'])
    // The default plugin binds it, since the other one skips it. The earlier failure to bind has an event.
    const said = sim.client
      .mirror(Event)
      .list(namespace)
      .map(e => e.message)
    assert.ok(said.includes('running Bind plugin "Moody": no bind'), said.join('\n'))
  }))

test('a pod waits at permit until it is allowed, or until its time is over', () =>
  cluster(1, async (sim, start) => {
    let room: Handle['waiting'] | undefined
    const gang = (handle: Handle) => {
      room = handle.waiting
      return definePlugin({ name: 'Made0', permit: () => ({ waitMs: 20_000 }) })
    }
    await start(withPlugins([gang]))
    for (const name of ['a', 'b', 'c']) await sim.client.create(Pod, pod(name))
    await sim.until('three wait', () => room?.list().length === 3)
    const uid = (name: string) => get(sim, name)!.metadata.uid!
    room!.allow(uid('a'), 'Made0')
    room!.reject(uid('b'), 'Made0', 'not today')
    await sim.until('one is bound', () => nodeOf(sim, 'a') !== undefined)
    await sim.until('one is refused', () => condition(sim, 'b')?.message === '0/1 nodes are available: 1 not today.')
    assert.equal(nodeOf(sim, 'c'), undefined)
    await sim.clock.forward(21_000)
    const late = '0/1 nodes are available: 1 rejected due to timeout after waiting 20s at plugin Made0.'
    assert.equal(condition(sim, 'c')?.message, late)
    await sim.client.delete(Pod, { namespace, name: 'b' }, { gracePeriodSeconds: 0 })
    await sim.until('b is not held', () => room!.list().every(held => held.pod.key !== 'default/b'))
  }))

test('preEnqueue keeps a pod out of the queue until a change helps it', () =>
  cluster(1, async (sim, start) => {
    let open = false
    const { wake } = await import('../../src/scheduler/index.ts')
    const gate = definePlugin({ name: 'Gate', preEnqueue: () => open || 'closed', wakeOn: [wake(Node, () => true)] })
    await start(withPlugins([gate]))
    await sim.client.create(Pod, pod('p'))
    await sim.clock.forward(400_000)
    assert.equal(nodeOf(sim, 'p'), undefined)
    assert.equal(condition(sim, 'p'), undefined)
    open = true
    await sim.client.patch(Node, { name: 'node-0' }, 'merge', { metadata: { labels: { x: 'y' } } })
    await sim.until('it is bound', () => nodeOf(sim, 'p') === 'node-0')
  }))

test('a pod is scheduled by the profile of its scheduler name, and several schedulers run side by side', () =>
  cluster(3, async (sim, start) => {
    const packed = {
      schedulerName: 'packed',
      pluginConfig: [{ name: 'NodeResourcesFit', args: { scoringStrategy: { type: 'MostAllocated' } } }],
      plugins: { score: { disabled: [{ name: '*' }], enabled: [{ name: 'NodeResourcesFit' }] } },
    }
    await start(configOf({ profiles: [{ schedulerName: 'default-scheduler' }, packed] }))
    await start(configOf({ profiles: [{ schedulerName: 'third' }] }))
    for (let i = 0; i < 3; i++) {
      await sim.client.create(Pod, pod(`packed-${i}`, { schedulerName: 'packed' }))
      await sim.until('it is packed', () => nodeOf(sim, `packed-${i}`) !== undefined)
    }
    for (let i = 0; i < 3; i++) {
      await sim.client.create(Pod, pod(`spread-${i}`, {}, '600m'))
      await sim.until('it is spread', () => nodeOf(sim, `spread-${i}`) !== undefined)
    }
    const nodesOf = (base: string) => new Set([0, 1, 2].map(i => nodeOf(sim, `${base}-${i}`))).size
    assert.equal(nodesOf('packed'), 1)
    assert.equal(nodesOf('spread'), 3)
    await sim.client.create(Pod, pod('third', { schedulerName: 'third' }))
    await sim.client.create(Pod, pod('nobody', { schedulerName: 'nobody' }))
    await sim.until('third', () => nodeOf(sim, 'third') !== undefined)
    await sim.clock.forward(10_000)
    assert.equal(nodeOf(sim, 'nobody'), undefined)
    const sources = new Map(
      sim.client
        .mirror(Event)
        .list(namespace)
        .map(e => [e.involvedObject.name, e.source?.component]),
    )
    assert.equal(sources.get('packed-0'), 'packed')
    assert.equal(sources.get('spread-0'), 'default-scheduler')
    assert.equal(sources.get('third'), 'third')
  }))

test('the example of a plugin in a file of its own works', () =>
  cluster(2, async (sim, start) => {
    const path = join(import.meta.dirname, '../../examples/scheduler/config.yaml')
    await start(await loadSchedulerConfig(path))
    await sim.client.patch(Node, { name: 'node-0' }, 'merge', { metadata: { labels: { 'example.com/quiet': '' } } })
    await sim.client.create(Pod, pod('small', {}, '900m'))
    await sim.until('small', () => nodeOf(sim, 'small') === 'node-1')
    await sim.client.create(Pod, pod('big', {}, '1500m'))
    const message =
      '0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were quiet. no new claims to deallocate, preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling.'
    await sim.until('big is refused', () => condition(sim, 'big')?.message === message)
    await sim.client.patch(Node, { name: 'node-0' }, 'merge', { metadata: { labels: { 'example.com/quiet': null } } })
    await sim.until('big', () => nodeOf(sim, 'big') === 'node-0')
  }))

interface Asked {
  path: string
  body: Record<string, unknown>
}

/** An extender whose answers depend on the path. */
async function extender(
  answer: (asked: Asked) => unknown,
): Promise<{ server: Server; urlPrefix: string; asked: Asked[] }> {
  const asked: Asked[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const call = { path: request.url ?? '', body: JSON.parse(Buffer.concat(chunks).toString()) as Asked['body'] }
      asked.push(call)
      const result = answer(call)
      response.writeHead(result === undefined ? 500 : 200).end(JSON.stringify(result))
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return { server, asked, urlPrefix: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ext` }
}

/** Lets real time pass as well, since answers over a socket need it. */
const real = async (sim: Sim, what: string, holds: () => boolean) => {
  for (let i = 0; i < 2000 && !holds(); i++) {
    await settle(5)
    await sim.clock.forward(20)
  }
  assert.ok(holds(), what)
}

test('an extender filters, scores and binds in the form Kubernetes gives it', () =>
  cluster(3, async (sim, start) => {
    const { server, asked, urlPrefix } = await extender(({ path, body }) => {
      if (path === '/ext/filter') {
        const names = (body.NodeNames as string[]).filter(name => name !== 'node-0')
        return { NodeNames: names, FailedNodes: { 'node-0': 'too far away' } }
      }
      if (path === '/ext/prioritize')
        return [
          { Host: 'node-1', Score: 1 },
          { Host: 'node-2', Score: 10 },
        ]
      if (path !== '/ext/bind') return undefined
      const { PodName, PodNamespace, Node: target } = body as { PodName: string; PodNamespace: string; Node: string }
      const metadata = { name: PodName, namespace: PodNamespace }
      void import('../../src/kinds/core/binding.ts').then(({ Binding }) =>
        sim.client.createUnder(Pod, { name: PodName, namespace: PodNamespace }, 'binding', Binding, {
          metadata,
          target: { kind: 'Node', name: target },
        }),
      )
      return { Error: '' }
    })
    try {
      const verbs = { filterVerb: 'filter', prioritizeVerb: 'prioritize', bindVerb: 'bind' }
      await start(configOf({ extenders: [{ urlPrefix, ...verbs, weight: 5, nodeCacheCapable: true }] }))
      await sim.client.create(Pod, pod('p'))
      await real(sim, 'bound by the extender', () => nodeOf(sim, 'p') === 'node-2')
      assert.deepEqual(
        asked.map(({ path }) => path),
        ['/ext/filter', '/ext/prioritize', '/ext/bind'],
      )
      assert.deepEqual(Object.keys(asked[0]!.body), ['Pod', 'Nodes', 'NodeNames'])
      assert.deepEqual((asked[1]!.body.NodeNames as string[]).sort(), ['node-1', 'node-2'])
    } finally {
      server.close()
    }
  }))

test('an extender that fails stops its pods, unless it may be ignored', () =>
  cluster(1, async (sim, start) => {
    const { server, urlPrefix } = await extender(() => undefined)
    const managedResources = [{ name: 'example.com/gpu', ignoredByScheduler: true }]
    try {
      const stop = await start(configOf({ extenders: [{ urlPrefix, filterVerb: 'filter', managedResources }] }))
      await sim.client.create(Pod, pod('plain'))
      await real(sim, 'none of its business', () => nodeOf(sim, 'plain') !== undefined)
      const resources = { requests: { 'example.com/gpu': '1' }, limits: { 'example.com/gpu': '1' } }
      await sim.client.create(Pod, pod('gpu', { containers: [{ name: 'c', image: 'app:1', resources }] }))
      await real(sim, 'an error', () => condition(sim, 'gpu')?.reason === 'SchedulerError')
      assert.match(condition(sim, 'gpu')!.message!, /failed filter with extender at URL http.*\/ext\/filter, code 500/)
      stop()
      await start(configOf({ extenders: [{ urlPrefix, filterVerb: 'filter', managedResources, ignorable: true }] }))
      await real(sim, 'it goes without', () => nodeOf(sim, 'gpu') === 'node-0')
    } finally {
      server.close()
    }
  }))

test('an extender can narrow down the victims of a preemption', () =>
  cluster(2, async (sim, start) => {
    const { server, asked, urlPrefix } = await extender(({ body }) => {
      const offered = body.NodeNameToMetaVictims as Record<string, unknown>
      return { NodeNameToMetaVictims: { 'node-1': offered['node-1'] } }
    })
    try {
      await sim.client.create(PriorityClass, { metadata: { name: 'high' }, value: 10 })
      await start(configOf({ extenders: [{ urlPrefix, preemptVerb: 'preempt', nodeCacheCapable: true }] }))
      for (const i of [0, 1]) await sim.client.create(Pod, pod(`low-${i}`, { nodeName: `node-${i}` }, '1500m'))
      await sim.client.create(Pod, pod('vip', { priorityClassName: 'high' }, '1'))
      await real(sim, 'it got the node the extender left', () => nodeOf(sim, 'vip') === 'node-1')
      assert.ok(get(sim, 'low-0'))
      assert.equal(asked[0]!.path, '/ext/preempt')
      assert.deepEqual(Object.keys(asked[0]!.body), ['Pod', 'NodeNameToMetaVictims'])
    } finally {
      server.close()
    }
  }))

test('a nomination outlives the scheduler that made it, and the scheduler counts what it does', () =>
  cluster(1, async (sim, start) => {
    const { client } = sim
    await client.create(PriorityClass, { metadata: { name: 'high' }, value: 10 })
    const low = pod('low', { nodeName: 'node-0' }, '1500m')
    // A finalizer keeps the deleted pod, so that the node stays full.
    await client.create(Pod, { ...low, metadata: { ...low.metadata, finalizers: ['test/hold'] } })
    const stop = await start(configOf({}))
    await client.create(Pod, pod('vip', { priorityClassName: 'high' }, '1500m'))
    await sim.until('it is to get the node', () => get(sim, 'vip')?.status.nominatedNodeName === 'node-0')
    stop()
    await start(configOf({}))
    // This pod fits beside the old one, but not beside the old one and the nominated one together.
    await client.create(Pod, pod('late', {}, '500m'))
    await sim.until('no room', () => condition(sim, 'late')?.reason === 'Unschedulable')
    await client.patch(Pod, { namespace, name: 'low' }, 'merge', { metadata: { finalizers: null } })
    await sim.until('both are there', () => ['vip', 'late'].every(name => nodeOf(sim, name) === 'node-0'))
    const text = metricsText()
    for (const line of [
      /^scheduler_schedule_attempts_total\{result="scheduled",profile="default-scheduler"\} \d+$/m,
      /^scheduler_scheduling_attempt_duration_seconds_bucket\{result="scheduled",profile="default-scheduler",le="\+Inf"\} \d+$/m,
      /^scheduler_preemption_victims_bucket\{le="1"\} \d+$/m,
      /^scheduler_preemption_victims_count \d+$/m,
      /^scheduler_queue_incoming_pods_total\{queue="active",event="PodAdd"\} \d+$/m,
      /^scheduler_pod_scheduling_sli_duration_seconds_sum\{attempts="1"\} /m,
      /^scheduler_pending_pods\{queue="gated"\} 0$/m,
    ])
      assert.match(text, line)
  }))

const wrong: [string, object, string[]][] = [
  ['another version', { apiVersion: 'v0' }, [`apiVersion: must be ${apiVersion}`]],
  [
    'unknown fields',
    { colour: 1, profiles: [{ plugins: { scoer: {} } }] },
    ['profiles[0].plugins.scoer: unknown field', 'colour: unknown field'],
  ],
  [
    'a number',
    { percentageOfNodesToScore: 101 },
    ['percentageOfNodesToScore: must be a whole number from 0 to 100, not 101'],
  ],
  [
    'back-offs',
    { podInitialBackoffSeconds: 5, podMaxBackoffSeconds: 2 },
    ['podMaxBackoffSeconds: must not be less than podInitialBackoffSeconds'],
  ],
  [
    'no such plugin',
    { profiles: [{ plugins: { filter: { enabled: [{ name: 'X' }] } } }] },
    ['profiles[0].plugins.filter.enabled[0].name: there is no plugin "X"'],
  ],
  [
    'not built',
    { profiles: [{ plugins: { filter: { enabled: [{ name: 'GangScheduling' }] } } }] },
    ['profiles[0].plugins.filter.enabled[0].name: plugin GangScheduling is not built into Kutter yet'],
  ],
  [
    'one name twice',
    { profiles: [{}, {}] },
    ['profiles[1].schedulerName: "default-scheduler" is taken by another profile'],
  ],
  [
    'arguments',
    { profiles: [{ pluginConfig: [{ name: 'InterPodAffinity', args: { hardPodAffinityWeight: 101, x: 1 } }] }] },
    [
      'profiles[0].pluginConfig[0].args.hardPodAffinityWeight: must be a whole number from 0 to 100, not 101',
      'profiles[0].pluginConfig[0].args.x: unknown field',
    ],
  ],
  [
    'a shape',
    {
      profiles: [
        {
          pluginConfig: [{ name: 'NodeResourcesFit', args: { scoringStrategy: { type: 'RequestedToCapacityRatio' } } }],
        },
      ],
    },
    ['profiles[0].pluginConfig[0].args.scoringStrategy.requestedToCapacityRatio.shape: at least one point is required'],
  ],
  [
    'constraints',
    {
      profiles: [
        {
          pluginConfig: [
            {
              name: 'PodTopologySpread',
              args: { defaultConstraints: [{ maxSkew: 1, topologyKey: 'z', whenUnsatisfiable: 'ScheduleAnyway' }] },
            },
          ],
        },
      ],
    },
    ['profiles[0].pluginConfig[0].args.defaultingType: must be List when there are constraints'],
  ],
  [
    'an affinity',
    { profiles: [{ pluginConfig: [{ name: 'NodeAffinity', args: { addedAffinity: { requried: 1 } } }] }] },
    ['profiles[0].pluginConfig[0].args.addedAffinity.requried: unknown field'],
  ],
  [
    'an extender',
    { extenders: [{ prioritizeVerb: 'p', urlPrefix: 'nowhere', httpTimeout: 'soon' }] },
    [
      'extenders[0].httpTimeout: must be a duration such as 5s or 300ms, not "soon"',
      'extenders[0].urlPrefix: must be a URL',
      'extenders[0].weight: must be greater than zero for an extender with a prioritizeVerb',
    ],
  ],
]
for (const [what, document, problems] of wrong) {
  test(`a configuration is refused: ${what}`, () =>
    assert.throws(
      () => configOf(document),
      (error: Error) => {
        assert.equal(error.message, problems.map(text => `test.yaml: ${text}`).join('\n'))
        return true
      },
    ))
}

test('plugins that do not fit together are refused when the scheduler starts', () =>
  cluster(1, async (_, start) => {
    const refuses = (plugins: object, message: RegExp) =>
      assert.rejects(start(configOf({ profiles: [{ plugins }] })), message)
    await refuses(
      { queueSort: { disabled: [{ name: '*' }] } },
      /test\.yaml: profiles\[0\]\.plugins\.queueSort: exactly one/,
    )
    await refuses({ bind: { disabled: [{ name: 'DefaultBinder' }] } }, /profiles\[0\]\.plugins\.bind: at least one/)
    await refuses({ score: { enabled: [{ name: 'NodePorts' }] } }, /plugin NodePorts has no score/)
    await refuses(
      { preFilter: { disabled: [{ name: 'NodeAffinity' }] } },
      /NodeAffinity cannot filter without its preFilter/,
    )
  }))
