// Priority and fairness over HTTPS: what a client sees of its turn, of a refusal, and of the time that it has.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FlowControl, flowDumps, FlowFront, keepDangling, type PathHandler } from '../../src/apiserver/index.ts'
import { settle } from '../../src/base/clock.ts'
import { ClusterRoleBinding } from '../../src/kinds/rbac/clusterrolebinding.ts'
import { FlowSchema } from '../../src/kinds/flowcontrol/flowschema.ts'
import { PriorityLevelConfiguration } from '../../src/kinds/flowcontrol/prioritylevelconfiguration.ts'
import { type Sim, simulate } from './cluster.ts'
import { type Https, openHttps } from './https.ts'

const plain = { controllers: false, scheduler: false }
const anyVerb = ['*']
const asAda = { 'impersonate-user': 'ada' }

interface Server {
  https: Https
  sim: Sim
  narrow: { level: PriorityLevelConfiguration; schema: FlowSchema }
  /** Sends ada's request of /slow. */
  slow(query?: string): ReturnType<Https['send']>
  /** How many requests execute and wait in the level with one seat. */
  load(): { executing: number; waiting: number }
  /** Lets real I/O happen until the condition holds. The clock does not move. */
  reached(condition: () => boolean): Promise<void>
  /** Lets the requests of /slow end. */
  release(): void
}

/** A server whose requests of /slow, and watches of ConfigMaps, belong to a level with one seat. */
async function withServer(limitResponse: object, run: (server: Server) => Promise<void>): Promise<void> {
  await simulate(plain, async sim => {
    const { plane, clock } = sim
    const admin = plane.client('admin', ['system:masters'])
    const level = await admin.create(PriorityLevelConfiguration, {
      metadata: { name: 'narrow' },
      spec: { type: 'Limited', limited: { nominalConcurrencyShares: 1, borrowingLimitPercent: 0, limitResponse } },
    })
    const rule = {
      subjects: [{ kind: 'User', user: { name: 'ada' } }],
      nonResourceRules: [{ verbs: anyVerb, nonResourceURLs: ['/slow'] }],
      resourceRules: [{ verbs: ['watch'], apiGroups: [''], resources: ['configmaps'], namespaces: ['*'] }],
    }
    const schema = await admin.create(FlowSchema, {
      metadata: { name: 'narrow' },
      spec: { priorityLevelConfiguration: { name: 'narrow' }, matchingPrecedence: 2, rules: [rule] },
    })
    await admin.create(ClusterRoleBinding, {
      metadata: { name: 'ada' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ kind: 'User', name: 'ada', apiGroup: 'rbac.authorization.k8s.io' }],
    })
    const control = new FlowControl({ storage: plane.core.storage, clock, seats: 100, maxWaitMs: 15_000 })
    let release = () => {}
    const released = new Promise<void>(resolve => (release = resolve))
    const handler: PathHandler = async ({ url, response }) => {
      if (url.pathname !== '/slow') return false
      await released
      if (!response.writableEnded) response.end('done')
      return true
    }
    const flow = new FlowFront(plane.core, control)
    const https = await openHttps(sim, { flow, requestTimeoutMs: 60_000, paths: [handler, flowDumps(control)] })
    const queues = () => [...control.levels].find(({ name }) => name === 'narrow')!.queues!
    const load = () => ({ executing: queues().executing, waiting: queues().waiting })
    const reached = async (condition: () => boolean) => {
      while (!condition()) await settle()
    }
    const slow = (query = '') => https.send('GET', `/slow${query}`, undefined, asAda)
    try {
      await run({ https, sim, slow, narrow: { level, schema }, load, reached, release })
    } finally {
      release()
      control.close()
      await https.close()
    }
  })
}

const queue = { type: 'Queue', queuing: { queues: 1, handSize: 1, queueLengthLimit: 1 } }

test('a request without a seat is refused with 429, and a time to wait', () =>
  withServer({ type: 'Reject' }, async ({ https, slow, narrow, load, reached, release }) => {
    const first = slow()
    await reached(() => load().executing === 1)
    const refused = await slow()
    assert.equal(refused.code, 429)
    assert.equal(refused.text, 'Too many requests, please try again later.\n')
    assert.equal(refused.headers['retry-after'], '1')
    assert.equal(refused.headers['x-kubernetes-pf-flowschema-uid'], narrow.schema.metadata.uid)
    assert.equal(refused.headers['x-kubernetes-pf-prioritylevel-uid'], narrow.level.metadata.uid)
    assert.equal((await https.send('GET', '/version')).code, 200)
    release()
    assert.equal((await first).text, 'done')
    await reached(() => load().executing === 0)
    assert.equal((await slow()).code, 200)
  }))

test('a request waits in its queue for a seat, and is refused when the queue is full', () =>
  withServer(queue, async ({ https, slow, load, reached, release }) => {
    const sent = [slow()]
    await reached(() => load().executing === 1)
    sent.push(slow())
    await reached(() => load().waiting === 1)
    assert.equal((await slow()).code, 429)
    const dump = async (name: string) => {
      const { text } = await https.send('GET', `/debug/api_priority_and_fairness/${name}`)
      return text
        .split('\n')
        .find(line => line.startsWith('narrow,'))
        ?.replace(/, +/g, ',')
    }
    assert.equal(await dump('dump_priority_levels'), 'narrow,1,false,false,1,1')
    assert.match((await dump('dump_queues')) ?? '', /^narrow,0,1,1,1,[\d.]+ss,1,1,0\.00300000ss$/)
    assert.match((await dump('dump_requests')) ?? '', /^narrow,narrow,0,0,,2026-\S+,1,0,0s$/)
    release()
    assert.deepEqual(
      (await Promise.all(sent)).map(({ code }) => code),
      [200, 200],
    )
    await reached(() => load().executing === 0)
  }))

test('a request that has waited for a quarter of its time is refused', () =>
  withServer(queue, async ({ sim, slow, load, reached }) => {
    void slow().catch(() => {})
    await reached(() => load().executing === 1)
    const waiting = slow()
    await reached(() => load().waiting === 1)
    await sim.clock.forward(15_000)
    assert.equal((await waiting).code, 429)
    assert.deepEqual(load(), { executing: 1, waiting: 0 })
  }))

test('a request that takes longer than it has is ended with 504, and its seat is free', () =>
  withServer({ type: 'Reject' }, async ({ sim, slow, load, reached }) => {
    const asked = slow('?timeout=5s')
    await reached(() => load().executing === 1)
    await sim.clock.forward(4_000)
    assert.equal(load().executing, 1)
    await sim.clock.forward(1_000)
    const { code, body } = await asked
    assert.equal(code, 504)
    assert.equal(body.reason, 'Timeout')
    assert.equal(body.message, 'Timeout: request did not complete within the allotted timeout')
    await reached(() => load().executing === 0)
  }))

test('a watch occupies its seat only until it has begun', () =>
  withServer({ type: 'Reject' }, async ({ https, sim, load }) => {
    const path = '/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=300'
    const begun: Promise<{ code: number }>[] = []
    for (let i = 0; i < 3; i++) {
      begun.push(https.send('GET', path, undefined, asAda))
      // A request that came later has been answered, so the watch before it has begun.
      await https.send('GET', '/version')
      while (load().executing > 0) await settle()
    }
    // Longer than any other request has.
    await sim.clock.forward(299_000)
    await sim.clock.forward(2_000)
    assert.deepEqual(
      (await Promise.all(begun)).map(({ code }) => code),
      [200, 200, 200],
    )
  }))

test('a FlowSchema reports whether its priority level is missing', () =>
  simulate(plain, async ({ plane, clock }) => {
    const stop = keepDangling(plane.core, plane.serve)
    const admin = plane.client('admin', ['system:masters'])
    const dangling = async () => {
      for (let i = 0; i < 20; i++) await clock.forward(10)
      const { status } = await admin.get(FlowSchema, { name: 'lost' })
      const { status: value, reason } = status.conditions?.find(({ type }) => type === 'Dangling') ?? {}
      return `${value} ${reason}`
    }
    await admin.create(FlowSchema, {
      metadata: { name: 'lost' },
      spec: { priorityLevelConfiguration: { name: 'late' }, matchingPrecedence: 500 },
    })
    assert.equal(await dangling(), 'True NotFound')
    await admin.create(PriorityLevelConfiguration, {
      metadata: { name: 'late' },
      spec: { type: 'Limited', limited: { limitResponse: { type: 'Reject' } } },
    })
    assert.equal(await dangling(), 'False Found')
    await admin.delete(PriorityLevelConfiguration, { name: 'late' })
    assert.equal(await dangling(), 'True NotFound')
    await stop()
  }))
