// How pods and containers end: hooks, signals and their order, the grace period and what shortens it.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Draft } from '../../src/api/kind.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import type { Behaviour } from '../../src/kubelet/index.ts'
import { makeNode, namespace, one, withMethods } from './one-node.ts'

/** A node that notes what is asked of containers: `stop main 30s at 5`, `exec main drain at 5`, in seconds. */
async function noted(t: TestContext, exec: (command: string) => Promise<number> | number = () => 0) {
  const calls: string[] = []
  const names = new Map<string, string>()
  let from = 0
  const note = (text: string) => void calls.push(`${text} at ${Math.round((node.clock.now() - from) / 1000)}`)
  const node = await makeNode(
    t,
    {},
    {
      runtime: runtime =>
        withMethods(runtime, {
          async createContainer(sandboxId, config, sandbox) {
            const id = await runtime.createContainer(sandboxId, config, sandbox)
            names.set(id, config.metadata?.name ?? '')
            return id
          },
          async stopContainer(id, graceSeconds, signal) {
            note(`stop ${names.get(id)} ${graceSeconds}s`)
            return runtime.stopContainer(id, graceSeconds, signal)
          },
          async execSync(id, [command = '']) {
            note(`exec ${names.get(id)} ${command}`)
            return { exitCode: await exec(command), stdout: Buffer.from('said'), stderr: Buffer.alloc(0) }
          },
        }),
    },
  )
  const { client, clock, run } = node
  return {
    ...node,
    calls,
    /** Runs a pod, and begins to count the time when it runs. */
    async running(spec: Draft<Pod>['spec'], behaviour: Record<string, Behaviour> = {}) {
      await run('a', spec, behaviour)
      await clock.forward(2000)
      calls.length = 0
      from = clock.now()
    },
    delete: (gracePeriodSeconds?: number) =>
      client.delete(Pod, { namespace, name: 'a' }, gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    exists: async () => (await client.find(Pod, { namespace, name: 'a' })) !== undefined,
    eventsOf: async (...reasons: string[]) =>
      (await client.list(Event, { namespace })).items
        .filter(e => reasons.includes(e.reason ?? ''))
        .map(e => `${e.type} ${e.reason} ${e.message}`),
  }
}

const hook = (command: string) => ({ exec: { command: [command] } })
const sidecar = (name: string, more: object = {}) => ({ name, image: 'x:1', restartPolicy: 'Always' as const, ...more })
const two = { containers: ['one', 'two'].map(name => ({ name, image: 'x:1' })) }

test('all main containers end at once, with the time of the deletion', async t => {
  const node = await noted(t)
  await node.running(two, { one: { stopMs: 3000 }, two: { stopMs: 6000 } })
  await node.delete(20)
  await node.clock.forward(5000)
  assert.deepEqual(node.calls.sort(), ['stop one 20s at 0', 'stop two 20s at 0'])
  assert.equal(await node.exists(), true)
  await node.clock.forward(3000)
  assert.equal(await node.exists(), false)
})

test('a deletion without a time uses that of the spec, and one with 0 kills at once', async t => {
  const node = await noted(t)
  await node.running({ ...one(), terminationGracePeriodSeconds: 45 }, { main: { stopMs: 1e9 } })
  await node.delete()
  await node.clock.forward(3000)
  assert.deepEqual(node.calls, ['stop main 45s at 0'])
  await node.delete(0)
  await node.clock.forward(2000)
  assert.deepEqual(node.calls, ['stop main 45s at 0', 'stop main 0s at 3'])
  assert.equal(await node.exists(), false)
})

test('a container that ignores SIGTERM is killed when its time is over', async t => {
  const node = await noted(t)
  await node.running(one(), { main: { stopMs: 1e9 } })
  await node.delete(12)
  await node.clock.forward(11_000)
  assert.equal(await node.exists(), true)
  await node.clock.forward(3000)
  assert.equal(await node.exists(), false)
})

test('a preStop hook runs before SIGTERM, and its time is taken from the grace period', async t => {
  const node = await noted(t, () => node.clock.sleep(8000).then(() => 0))
  await node.running(one({ lifecycle: { preStop: hook('drain') } }), { main: { stopMs: 1000 } })
  await node.delete(30)
  await node.clock.forward(15_000)
  assert.deepEqual(node.calls, ['exec main drain at 0', 'stop main 22s at 8'])
  assert.equal(await node.exists(), false)
})

test('a preStop hook that takes all of the time leaves the container two seconds', async t => {
  const node = await noted(t, () => new Promise<number>(() => {}))
  await node.running(one({ lifecycle: { preStop: hook('hang') } }), { main: { stopMs: 1e9 } })
  await node.delete(10)
  await node.clock.forward(11_000)
  assert.deepEqual(node.calls, ['exec main hang at 0', 'stop main 2s at 10'])
  await node.clock.forward(4000)
  assert.equal(await node.exists(), false)
})

test('a preStop hook that fails is reported, and the container is stopped all the same', async t => {
  const node = await noted(t, () => 3)
  await node.running(one({ lifecycle: { preStop: hook('drain') } }))
  await node.delete(30)
  await node.clock.forward(3000)
  assert.deepEqual(node.calls, ['exec main drain at 0', 'stop main 30s at 0'])
  assert.deepEqual(await node.eventsOf('FailedPreStopHook', 'Killing'), [
    'Normal Killing Stopping container main',
    'Warning FailedPreStopHook PreStopHook failed',
  ])
})

test('no hook runs when there is no time for it', async t => {
  const node = await noted(t)
  await node.running(one({ lifecycle: { preStop: hook('drain') } }))
  await node.delete(0)
  await node.clock.forward(3000)
  assert.deepEqual(node.calls, ['stop main 0s at 0'])
})

test('a hook that sleeps holds back SIGTERM for as long', async t => {
  const node = await noted(t)
  await node.running(one({ lifecycle: { preStop: { sleep: { seconds: 4 } } } }))
  await node.delete(30)
  await node.clock.forward(6000)
  assert.deepEqual(node.calls, ['stop main 26s at 4'])
})

test('sidecars end after the main containers, the last one first, all in one grace period', async t => {
  const node = await noted(t)
  const initContainers = ['x', 'y'].map(name => sidecar(name))
  await node.running({ ...one(), initContainers }, { main: { stopMs: 5000 }, x: { stopMs: 1000 }, y: { stopMs: 2000 } })
  await node.delete(30)
  await node.clock.forward(12_000)
  assert.deepEqual(node.calls, ['stop main 30s at 0', 'stop y 25s at 5', 'stop x 23s at 7'])
  assert.equal(await node.exists(), false)
})

test('when the grace period is over, sidecars that waited are killed with the rest', async t => {
  const node = await noted(t)
  await node.running({ ...one(), initContainers: [sidecar('x')] }, { main: { stopMs: 1e9 }, x: { stopMs: 1e9 } })
  await node.delete(10)
  await node.clock.forward(14_000)
  assert.equal(node.calls[0], 'stop main 10s at 0')
  assert.match(node.calls[1]!, /^stop x [12]s at 10$/)
  assert.equal(await node.exists(), false)
})

test('the hook of a sidecar runs at once, its SIGTERM only when it is its turn', async t => {
  const node = await noted(t)
  const initContainers = [sidecar('x', { lifecycle: { preStop: hook('drain') } })]
  await node.running({ ...one(), initContainers }, { main: { stopMs: 5000 } })
  await node.delete(30)
  await node.clock.forward(8000)
  assert.deepEqual(node.calls.toSorted(), ['exec x drain at 0', 'stop main 30s at 0', 'stop x 25s at 5'])
})

test('a container that fails its postStart hook is killed and started again', async t => {
  let fails = true
  const node = await noted(t, () => (fails ? 1 : 0))
  await node.run('a', one({ lifecycle: { postStart: hook('setup') } }))
  await node.clock.forward(1000)
  const { state, lastState, restartCount } = await node.main('a')
  assert.ok(state.waiting || state.terminated || lastState.terminated, JSON.stringify(state))
  assert.ok((await node.eventsOf('FailedPostStartHook')).includes('Warning FailedPostStartHook PostStartHook failed'))
  assert.ok((await node.eventsOf('Killing')).includes('Normal Killing FailedPostStartHook'))
  fails = false
  await node.clock.forward(60_000)
  const after = await node.main('a')
  assert.ok(after.state.running, JSON.stringify(after.state))
  assert.ok(after.restartCount > restartCount)
})

test('a container whose postStart hook fails has its preStop hook run before it is stopped, with the time of the pod', async t => {
  const node = await noted(t, command => (command === 'setup' ? 1 : 0))
  await node.run('a', {
    ...one({ lifecycle: { postStart: hook('setup'), preStop: hook('drain') } }),
    terminationGracePeriodSeconds: 12,
  })
  await node.clock.forward(1000)
  assert.deepEqual(
    node.calls.slice(0, 3).map(call => call.replace(/ at .*/, '')),
    ['exec main setup', 'exec main drain', 'stop main 12s'],
  )
})

test('a pod that ends by itself ends its sidecars too, and has succeeded', async t => {
  const node = await noted(t)
  await node.running(
    { ...one(), restartPolicy: 'Never', initContainers: [sidecar('x')] },
    { main: { exitAfterMs: 6000 }, x: { stopMs: 1000, exitCode: 143 } },
  )
  await node.clock.forward(8000)
  assert.deepEqual(node.calls, ['stop x 30s at 4'])
  assert.equal((await node.pod('a')).status.phase, 'Succeeded')
})

test('a container is not restarted once its pod ends', async t => {
  const node = await noted(t)
  await node.running(two, { one: { stopMs: 20_000 }, two: { stopMs: 1000, exitCode: 1 } })
  await node.delete(30)
  await node.clock.forward(10_000)
  const statuses = (await node.pod('a')).status.containerStatuses!
  assert.deepEqual(
    statuses.map(s => [s.name, Object.keys(s.state)[0], s.restartCount]),
    [
      ['one', 'running', 0],
      ['two', 'terminated', 0],
    ],
  )
})
