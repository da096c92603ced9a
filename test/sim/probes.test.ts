// Probes of running containers, by the clock: when they begin, how often they run, how many outcomes count, and what
// users see of them.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Draft } from '../../src/api/kind.ts'
import type { Container } from '../../src/kinds/core/container.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { makeNode, namespace, one, withMethods } from './one-node.ts'

type Probe = NonNullable<Draft<Container>['livenessProbe']>
/** A probe whose command is its name, with the defaults of Kubernetes unless `more` has others. */
const probe = (name: string, more: Partial<Probe> = {}): Probe => ({ exec: { command: [name] }, ...more })

/** A node on which `answer` decides the exit code of each probe, by its name and the seconds since the first start. */
async function probed(t: TestContext, answer: (name: string, second: number) => number | Error) {
  const asked: string[] = []
  let from: number | undefined
  const node = await makeNode(
    t,
    {},
    {
      runtime: runtime =>
        withMethods(runtime, {
          async startContainer(id) {
            await runtime.startContainer(id)
            from ??= node.clock.now()
          },
          async execSync(_id, [name = '']) {
            const second = Math.round((node.clock.now() - from!) / 1000)
            asked.push(`${name} ${second}`)
            const code = answer(name, second)
            if (code instanceof Error) throw code
            return { exitCode: code, stdout: Buffer.from(code ? `sick ${second}` : ''), stderr: Buffer.alloc(0) }
          },
        }),
    },
  )
  const { clock, run, main } = node
  /** Runs a pod with these probes for so many seconds. Returns when `ready` changed, as `ready 3`, and the restarts. */
  const watch = async (probes: Partial<Draft<Container>>, seconds: number) => {
    await run('a', one(probes))
    const changes: string[] = []
    let before = false
    let restarts = 0
    for (let second = 0; second < seconds; second++) {
      await clock.forward(1000)
      const status = (await node.pod('a')).status.containerStatuses?.[0] ? await main('a') : undefined
      const at = Math.floor((clock.now() - (from ?? clock.now())) / 1000)
      if ((status?.ready ?? false) !== before) changes.push(`${status?.ready ? 'ready' : 'not ready'} ${at}`)
      if ((status?.restartCount ?? 0) !== restarts) changes.push(`restarted ${at}`)
      before = status?.ready ?? false
      restarts = status?.restartCount ?? 0
    }
    return changes
  }
  const messages = async () =>
    (await node.client.list(Event, { namespace })).items
      .filter(e => e.reason === 'Unhealthy' || e.reason === 'Killing')
      .map(e => `${e.reason} ${e.count} ${e.message}`)
  return { ...node, asked, watch, messages }
}

/** The seconds at which a probe was asked. */
const secondsOf = (asked: readonly string[], name: string) =>
  asked.filter(a => a.startsWith(`${name} `)).map(a => Number(a.split(' ')[1]))

test('a probe begins after its delay, and repeats after its period', async t => {
  const { asked, watch } = await probed(t, () => 0)
  const liveness = probe('live', { initialDelaySeconds: 5, periodSeconds: 7 })
  await watch({ livenessProbe: liveness, readinessProbe: probe('ready') }, 31)
  assert.deepEqual(secondsOf(asked, 'live'), [5, 12, 19, 26])
  assert.deepEqual(secondsOf(asked, 'ready'), [0, 10, 20, 30])
})

test('a container is ready after as many successes as its probe asks for, and not ready after as many failures', async t => {
  // It fails from second 20 to 39.
  const { watch, messages } = await probed(t, (_, second) => (second >= 20 && second < 40 ? 1 : 0))
  const readinessProbe = probe('ready', { periodSeconds: 2, successThreshold: 3, failureThreshold: 4 })
  assert.deepEqual(await watch({ readinessProbe }, 60), ['ready 4', 'not ready 26', 'ready 44'])
  const told = await messages()
  assert.equal(told.length, 10)
  assert.ok(told.includes('Unhealthy 1 Readiness probe failed: sick 20'), told.join('\n'))
})

test('outcomes count only in a row', async t => {
  // Two of three fail, so that three in a row never do.
  const { watch } = await probed(t, (_, second) => (second % 3 === 0 ? 0 : 1))
  const every = { periodSeconds: 1, failureThreshold: 3 }
  assert.deepEqual(await watch({ readinessProbe: probe('ready', every), livenessProbe: probe('live', every) }, 30), [
    'ready 1',
  ])
})

test('a liveness probe that fails restarts the container, which begins from the start', async t => {
  const { asked, watch, messages, main } = await probed(t, (name, second) =>
    name === 'live' && second >= 10 && second < 40 ? 1 : 0,
  )
  const livenessProbe = probe('live', { initialDelaySeconds: 3, periodSeconds: 5, failureThreshold: 2 })
  const changes = await watch({ livenessProbe }, 60)
  assert.equal(changes.filter(c => c.startsWith('restarted')).length, (await main('a')).restartCount)
  // Failures at 13 and 18; the delay of the next container begins with its own start.
  assert.deepEqual(secondsOf(asked, 'live').slice(0, 5), [3, 8, 13, 18, 21])
  const told = await messages()
  assert.ok(
    told.some(m => m.endsWith('Container main failed liveness probe, will be restarted')),
    told.join('\n'),
  )
  assert.ok(told.some(m => m.includes('Liveness probe failed: sick 13')))
})

test('until a startup probe succeeds, no other one runs, and the container counts as not started', async t => {
  const { asked, watch, main } = await probed(t, (name, second) => (name === 'start' && second < 12 ? 1 : 0))
  const probes = {
    startupProbe: probe('start', { periodSeconds: 4, failureThreshold: 10 }),
    livenessProbe: probe('live', { periodSeconds: 5 }),
    readinessProbe: probe('ready', { periodSeconds: 5 }),
  }
  assert.deepEqual(await watch(probes, 25), ['ready 12'])
  assert.deepEqual(secondsOf(asked, 'start'), [0, 4, 8, 12])
  assert.equal(secondsOf(asked, 'live')[0], 12)
  assert.equal(secondsOf(asked, 'ready')[0], 12)
  assert.equal((await main('a')).started, true)
})

test('a startup probe that fails too often restarts the container with its own grace period', async t => {
  const { clock, run, main, messages, runtime } = await probed(t, () => 1)
  const graces: number[] = []
  const stop = runtime.stopContainer.bind(runtime)
  runtime.stopContainer = (id, graceSeconds, signal) => {
    graces.push(graceSeconds)
    return stop(id, graceSeconds, signal)
  }
  const startupProbe = probe('start', { periodSeconds: 1, failureThreshold: 3, terminationGracePeriodSeconds: 7 })
  await run('a', one({ startupProbe, livenessProbe: probe('live') }))
  await clock.forward(5000)
  assert.ok((await main('a')).restartCount > 0)
  assert.deepEqual([...new Set(graces)], [7])
  const told = await messages()
  assert.ok(
    told.some(m => m.endsWith('Container main failed startup probe, will be restarted')),
    told.join('\n'),
  )
})

test('a probe that could not be run is reported, and counts neither as success nor as failure', async t => {
  const { watch, messages } = await probed(t, (_, second) => {
    if (second === 0) return 0
    return second % 2 ? new Error('the runtime is away') : 1
  })
  const readinessProbe = probe('ready', { periodSeconds: 1, failureThreshold: 3 })
  // Failures at 2, 4 and 6: what comes between does not interrupt the row.
  assert.deepEqual(await watch({ readinessProbe }, 10), ['ready 1', 'not ready 6'])
  assert.ok(
    (await messages()).some(m =>
      m.includes('Readiness probe errored and resulted in unknown state: the runtime is away'),
    ),
  )
})

test('while a pod ends only its readiness is probed', async t => {
  const { asked, client, clock, run } = await probed(t, () => 0)
  const every = { periodSeconds: 1 }
  await run('a', one({ livenessProbe: probe('live', every), readinessProbe: probe('ready', every) }), {
    main: { stopMs: 20_000 },
  })
  await clock.forward(3000)
  await client.delete(Pod, { namespace, name: 'a' })
  await clock.forward(1000)
  const before = asked.length
  await clock.forward(5000)
  const since = asked.slice(before)
  assert.ok(since.length >= 4, since.join())
  assert.deepEqual(secondsOf(since, 'live'), [])
})

test('init containers are not probed, sidecars are, and one that never starts holds up the pod', async t => {
  const { asked, clock, run, pod } = await probed(t, name => (name === 'side' ? 1 : 0))
  const startupProbe = probe('side', { periodSeconds: 1, failureThreshold: 100 })
  await run('a', {
    initContainers: [{ name: 'side', image: 'x:1', restartPolicy: 'Always', startupProbe }],
    ...one({ readinessProbe: probe('main') }),
  })
  await clock.forward(20_000)
  assert.ok(secondsOf(asked, 'side').length > 15)
  assert.deepEqual(secondsOf(asked, 'main'), [])
  assert.equal((await pod('a')).status.phase, 'Pending')
})
