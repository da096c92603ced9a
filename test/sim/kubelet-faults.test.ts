// A kubelet whose runtime and API server fail at times: no change is lost, and every pod reaches its state in the end.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { StatusError } from '../../src/base/errors.ts'
import type { Serve } from '../../src/api/operation.ts'
import { parseTime } from '../../src/api/time.ts'
import { Lease } from '../../src/kinds/coordination/lease.ts'
import { Node } from '../../src/kinds/core/node.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { type Runtime, startKubelet } from '../../src/kubelet/index.ts'
import { makeNode, namespace, one, withMethods } from './one-node.ts'

const busy = () => new StatusError('Timeout', 'rpc error: code = DeadlineExceeded desc = context deadline exceeded')

test('a pod that could not be read from the runtime is read again', async t => {
  let failing = 0
  const { clock, run, pod } = await makeNode(
    t,
    {},
    {
      runtime: whole =>
        withMethods(whole, {
          async pod(uid) {
            if (failing-- > 0) throw busy()
            return whole.pod(uid)
          },
        }),
    },
  )
  await run('a', { ...one(), restartPolicy: 'Never' }, { main: { exitAfterMs: 5000 } })
  await clock.forward(4000)
  failing = 3
  await clock.forward(15_000)
  assert.equal((await pod('a')).status.phase, 'Succeeded')
  assert.ok(failing < 0)
})

test('a change without an event is found within half a minute', async t => {
  const { clock, run, pod } = await makeNode(
    t,
    {},
    {
      runtime: whole => withMethods(whole, { watch: (_, signal) => whole.watch(() => {}, signal) }),
    },
  )
  await run('a', { ...one(), restartPolicy: 'Never' }, { main: { exitAfterMs: 5000 } })
  await clock.forward(35_000)
  assert.equal((await pod('a')).status.phase, 'Succeeded')
})

test('a pod that is bound while a new kubelet takes over is run', async t => {
  const slowMs = 20_000
  const { clock, kubelet, run, pod, client, runtime, options } = await makeNode(t)
  await run('lost', one())
  await clock.forward(1000)
  await kubelet.close()
  await client.delete(Pod, { namespace, name: 'lost' }, { gracePeriodSeconds: 0 })
  const slow = withMethods(runtime, {
    async stopContainer(...args) {
      await clock.sleep(slowMs)
      return runtime.stopContainer(...args)
    },
  })
  const again = await startKubelet({ ...options, runtime: slow })
  t.after(() => again.close())
  await clock.forward(1000)
  await run('a', one())
  await clock.forward(1000)
  assert.equal((await pod('a')).status.phase, 'Running')
  await clock.forward(slowMs)
  assert.deepEqual(
    (await runtime.outline()).map(p => p.uid),
    [(await pod('a')).metadata.uid],
  )
})

test('a pod on which the kubelet itself fails is retried, and gets an event', async t => {
  let failing = false
  const { clock, run, pod, events } = await makeNode(
    t,
    {},
    {
      clock: real => ({
        now() {
          if (!failing) return real.now()
          failing = false
          throw new Error('no time')
        },
        steady: () => real.steady(),
        after: (ms, fn) => real.after(ms, fn),
        sleep: (ms, signal) => real.sleep(ms, signal),
      }),
    },
  )
  failing = true
  await run('a', one())
  await clock.forward(10_000)
  assert.equal(failing, false)
  assert.equal((await pod('a')).status.phase, 'Running')
  assert.ok((await events('a')).includes('FailedSync 1'))
})

test('a status is written in the end, whatever errors its writes get', async t => {
  const answers = [
    new StatusError('ServiceUnavailable', 'the connection to the server was lost'),
    new StatusError('Conflict', 'the object has been modified'),
    new StatusError('InternalError', 'unknown'),
  ]
  const { clock, run, pod, problems } = await makeNode(
    t,
    {},
    {
      serve: (serve: Serve) => async operation => {
        const isStatus = operation.kind.plural === 'pods' && operation.subresource === 'status'
        const answer = isStatus ? answers.shift() : undefined
        if (answer) throw answer
        return serve(operation)
      },
    },
  )
  await run('a', one())
  await clock.forward(5000)
  assert.deepEqual(answers, [])
  assert.equal((await pod('a')).status.phase, 'Running')
  assert.equal(problems.length, 3)
})

test('a pod whose object is kept by a finalizer is ended once', async t => {
  let deletes = 0
  const { clock, client, run, pod, runtime } = await makeNode(
    t,
    {},
    {
      serve: (serve: Serve) => operation => {
        if (operation.verb === 'delete' && operation.kind.plural === 'pods') deletes++
        return serve(operation)
      },
    },
  )
  await run('a', one())
  await clock.forward(1000)
  await client.patch(Pod, { namespace, name: 'a' }, 'merge', { metadata: { finalizers: ['example.com/hold'] } })
  await client.delete(Pod, { namespace, name: 'a' })
  await clock.forward(5000)
  const ended = (await pod('a')).status
  assert.ok(ended.containerStatuses?.[0]?.state.terminated)
  await client.patch(Pod, { namespace, name: 'a' }, 'merge', { metadata: { labels: { changed: 'yes' } } })
  await clock.forward(120_000)
  assert.equal(deletes, 1)
  assert.deepEqual((await pod('a')).status, ended)
  assert.deepEqual(await runtime.outline(), [])
  await client.patch(Pod, { namespace, name: 'a' }, 'merge', { metadata: { finalizers: null } })
  await clock.forward(1000)
  assert.equal(await client.find(Pod, { namespace, name: 'a' }), undefined)
})

test('a lease that could not be renewed is retried long before its next renewal', async t => {
  let failing = 0
  let hanging = 0
  const { clock, client } = await makeNode(
    t,
    {},
    {
      serve: (serve: Serve) => async operation => {
        const isRenewal = operation.kind.plural === 'leases' && operation.verb === 'update'
        if (isRenewal && failing-- > 0)
          throw new StatusError('ServiceUnavailable', 'the connection to the server was lost')
        if (isRenewal && hanging-- > 0)
          await new Promise((_, reject) =>
            operation.signal?.addEventListener('abort', () => reject(operation.signal!.reason)),
          )
        return serve(operation)
      },
    },
  )
  const renewed = async () =>
    parseTime((await client.get(Lease, { namespace: 'kube-node-lease', name: 'n1' })).spec.renewTime) ?? 0
  await clock.forward(30_000)
  failing = 3
  let before = await renewed()
  await clock.forward(12_000)
  assert.ok(failing < 0)
  assert.ok((await renewed()) - before >= 10_000)
  hanging = 1
  before = await renewed()
  await clock.forward(21_000)
  assert.ok(hanging < 0)
  assert.ok((await renewed()) - before >= 20_000)
})

test('a node status that could not be written is retried long before its next check', async t => {
  let failing = 0
  let problem = ''
  const { clock, client } = await makeNode(
    t,
    {},
    {
      runtime: whole =>
        withMethods(whole, { info: async () => ({ ...(await whole.info()), networkProblem: problem }) }),
      serve: (serve: Serve) => async operation => {
        const isStatus = operation.kind.plural === 'nodes' && operation.subresource === 'status'
        if (isStatus && failing-- > 0)
          throw new StatusError('ServiceUnavailable', 'the connection to the server was lost')
        return serve(operation)
      },
    },
  )
  await clock.forward(30_000)
  problem = 'no network'
  failing = 3
  await clock.forward(12_000)
  const { conditions } = (await client.get(Node, { name: 'n1' })).status
  assert.equal(conditions?.find(c => c.type === 'Ready')?.status, 'False')
})

test('a pod waits for the network of its node, and starts when it is there', async t => {
  let problem = 'no network'
  const { clock, run, pod, events } = await makeNode(
    t,
    {},
    {
      runtime: whole =>
        withMethods(whole, { info: async () => ({ ...(await whole.info()), networkProblem: problem }) }),
    },
  )
  await clock.forward(30_000)
  await run('a', one())
  await run('host', { ...one(), hostNetwork: true })
  await clock.forward(240_000)
  assert.equal((await pod('host')).status.phase, 'Running')
  assert.equal((await pod('a')).status.phase, 'Pending')
  assert.ok((await events('a')).some(e => e.startsWith('NetworkNotReady')))
  // The wait for the next try has grown to two minutes by now, but it ends with the cause.
  problem = ''
  await clock.forward(15_000)
  assert.equal((await pod('a')).status.phase, 'Running')
})

/** A node whose runtime can be away, and what its status says of that. */
async function withAbsence(t: TestContext) {
  let away = false
  const refuse = async (): Promise<never> => {
    throw new StatusError('ServiceUnavailable', 'rpc error: code = Unavailable desc = No connection established')
  }
  const runtime = (whole: Runtime) =>
    withMethods(whole, {
      info: () => (away ? refuse() : whole.info()),
      images: () => (away ? refuse() : whole.images()),
    })
  const made = await makeNode(t, {}, { runtime })
  const node = () => made.client.get(Node, { name: 'n1' })
  await made.clock.forward(10_000)
  return {
    ...made,
    node,
    goAway: () => void (away = true),
    /** The node is unready 45 s after the runtime went, and ready again when it is back. */
    async endsWell() {
      const ready = async () => (await node()).status.conditions?.find(c => c.type === 'Ready')
      await made.clock.forward(20_000)
      const down = await ready()
      assert.deepEqual([down?.status, down?.message], ['False', 'container runtime is down'])
      away = false
      await made.clock.forward(11_000)
      assert.equal((await ready())?.status, 'True')
    },
  }
}

test('a runtime that does not answer makes the node unready only if that lasts', async t => {
  const { clock, node, goAway, endsWell } = await withAbsence(t)
  const before = await node()
  goAway()
  await clock.forward(25_000)
  assert.equal((await node()).metadata.resourceVersion, before.metadata.resourceVersion)
  await endsWell()
})

test('a kubelet that starts before its runtime leaves the node ready for half a minute', async t => {
  const { clock, node, kubelet, options, runtime, goAway, endsWell } = await withAbsence(t)
  const before = await node()
  await kubelet.close()
  goAway()
  const again = await startKubelet({ ...options, runtime })
  t.after(() => again.close())
  await clock.forward(25_000)
  const { conditions, nodeInfo } = (await node()).status
  assert.deepEqual([conditions, nodeInfo], [before.status.conditions, before.status.nodeInfo])
  await endsWell()
})

test('a pod that must have a user namespace of its own does not run without one', async t => {
  const { clock, run, pod, events } = await makeNode(t)
  await run('a', { ...one(), hostUsers: false })
  await clock.forward(5000)
  assert.equal((await pod('a')).status.phase, 'Pending')
  assert.ok((await events('a')).some(text => text.startsWith('FailedCreatePodSandBox ')))
})

test('a pod that is deleted while its container is created reports no status that it must revoke', async t => {
  const { clock, client, run, pod, problems } = await makeNode(
    t,
    {},
    {
      runtime: whole =>
        withMethods(whole, {
          async startContainer(id) {
            await clock.sleep(5_000)
            await whole.startContainer(id)
          },
        }),
    },
  )
  await run('a', { ...one(), restartPolicy: 'Never' }, { main: { stopMs: 2000 } })
  await clock.forward(1000)
  await client.delete(Pod, { namespace, name: 'a' })
  await clock.forward(1000)
  const { phase, containerStatuses } = (await pod('a')).status
  assert.deepEqual([phase, containerStatuses?.[0]?.state.waiting?.reason], ['Pending', 'ContainerCreating'])
  await clock.forward(4000)
  assert.ok((await pod('a')).status.containerStatuses?.[0]?.state.running)
  await clock.forward(3000)
  assert.equal(await client.find(Pod, { namespace, name: 'a' }), undefined)
  assert.deepEqual(problems, [])
})

test('a pod whose status is refused can be deleted', async t => {
  const { clock, client, run } = await makeNode(
    t,
    {},
    {
      serve: (serve: Serve) => async operation => {
        if (operation.kind.plural === 'pods' && operation.subresource === 'status')
          throw new StatusError('Invalid', 'Pod "a" is invalid')
        return serve(operation)
      },
    },
  )
  await run('a', one())
  await clock.forward(1000)
  await client.delete(Pod, { namespace, name: 'a' })
  await clock.forward(1000)
  assert.equal(await client.find(Pod, { namespace, name: 'a' }), undefined)
})

test('a pod is removed whose name has been given to one that the node may not read', async t => {
  const forbidden = new StatusError('Forbidden', 'no relationship found between node "n1" and this object')
  let wait = async () => {}
  const { clock, client, run, runtime, problems } = await makeNode(
    t,
    {},
    {
      serve: (serve: Serve) => async operation => {
        if (operation.kind.plural === 'pods' && operation.verb === 'get') throw forbidden
        // A status is on its way while the pod is replaced.
        if (operation.subresource === 'status') await wait()
        return serve(operation)
      },
    },
  )
  await run('a', { ...one(), terminationGracePeriodSeconds: 10 }, { main: { stopMs: 4000 } })
  await clock.forward(1000)
  wait = () => clock.sleep(500)
  const status = { phase: 'Failed' as const }
  await client.patch(Pod, { namespace, name: 'a' }, 'merge', { status }, { subresource: 'status' })
  await client.delete(Pod, { namespace, name: 'a' }, { gracePeriodSeconds: 0 })
  await client.create(Pod, { metadata: { namespace, name: 'a' }, spec: one() })
  await clock.forward(15_000)
  assert.deepEqual(await runtime.outline(), [])
  assert.deepEqual(problems, [])
})
