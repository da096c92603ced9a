// A bad object harms no other object. Random objects of every stored kind, valid or partly valid, are written through
// the API and directly into the store, while all controllers, the scheduler and kubelets run: the API always answers, a
// Deployment among them becomes ready, and no component throws an error that nothing catches.
import { deepStrictEqual, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { isDefect } from '../../src/base/errors.ts'
import { makeLog } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { AnyKind } from '../../src/api/kind.ts'
import type { Operation, ServedResult } from '../../src/api/operation.ts'
import type { Json, JsonObject } from '../../src/api/schema/node.ts'
import { storageKey } from '../../src/apiserver/kind-storage.ts'
import { builtinKinds } from '../../src/kinds/all.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { Node } from '../../src/kinds/core/node.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { type Kubelet, SimulatedRuntime, startKubelet } from '../../src/kubelet/index.ts'
import { Deployment } from '../../src/kinds/apps/deployment.ts'
import { StoreConflict } from '../../src/store/index.ts'
import { deployment, openSim, rolledOut, type Sim } from './cluster.ts'
import { Fuzz } from './fuzz-objects.ts'
import { examples } from './lifecycle-objects.ts'

const seed = Number(process.env.KUTTER_SEED ?? 1)
const rounds = Number(process.env.KUTTER_FUZZ_ROUNDS ?? 6)
const nullShare = 0.06
const namespace = 'fuzz'
const user = { name: 'tester', groups: ['system:masters', 'system:authenticated'] }
/** All kinds but those of webhooks and policies: these do stop what others write, which is what they are for. */
const stored = builtinKinds.filter(
  kind =>
    kind.plural &&
    !kind.view &&
    kind.group !== 'admissionregistration.k8s.io' &&
    kind.verbs.includes('create') &&
    kind.verbs.includes('list'),
)
const exampleOf = (kind: AnyKind) => examples[`${kind.group}/${kind.plural}`]!

/** A cluster with kubelets on the simulated runtime, and the errors that its components log. */
async function open() {
  const faults: string[] = []
  const log = makeLog(line => {
    const { level, message, error, ...rest } = JSON.parse(line) as Record<string, string>
    if (level === 'error') faults.push(`${message} ${JSON.stringify(rest)} ${error ?? ''}`)
  })
  const sim = await openSim({ seed, kubelets: false, log, loadBalancing: { ingressPorts: [80, 443] } })
  const kubelets: Kubelet[] = []
  const stop = new AbortController()
  for (let i = 0; i < 2; i++) {
    const nodeName = `node-${i}`
    const client = sim.plane.client(`system:node:${nodeName}`, ['system:nodes'])
    const kubelet = await startKubelet({
      client,
      nodeName,
      nodeIPs: [`192.0.2.${i + 2}`],
      runtime: new SimulatedRuntime({ clock: sim.clock, subnet: `10.244.${i}` }),
      rootDir: '/nonexistent',
      clusterDNS: '10.96.0.10',
      clusterDomain: 'cluster.local',
      clock: sim.clock,
      random: sim.random,
      log,
      signal: stop.signal,
    })
    kubelets.push(kubelet)
  }
  await serve(sim, find('namespaces'), 'create', { body: { metadata: { name: namespace } } })
  await sim.clock.forward(2_000)
  const close = async () => {
    stop.abort()
    for (const kubelet of kubelets) await kubelet.close()
    await sim.close()
  }
  return { sim, faults, close }
}

function conflictIsFine(error: unknown): void {
  if (!(error instanceof StoreConflict)) throw error
}

const find = (plural: string): AnyKind => stored.find(kind => kind.plural === plural)!

function serve(sim: Sim, kind: AnyKind, verb: Operation['verb'], more: Partial<Operation>): Promise<ServedResult> {
  return sim.plane.serve({
    verb,
    kind,
    subresource: '',
    namespace: kind.namespaced ? namespace : '',
    name: '',
    user,
    userAgent: 'fuzz',
    options: {},
    ...more,
  })
}

/** Runs `work`, which may be refused. Any other failure is a fault. */
async function attempt(faults: string[], work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    if (isDefect(error)) faults.push((error as Error).stack ?? '')
    return false
  }
}

/**
 * Webhooks and policies may refuse whatever they match, so those of random objects match nothing that exists. What is
 * wrong with them otherwise must stop nobody.
 */
function matchingNothing<T extends Json>(kind: AnyKind, value: T): T {
  if (kind.group === 'admissionregistration.k8s.io') limit(value)
  return value
}

function limit(value: Json): void {
  if (typeof value !== 'object' || value === null) return
  if (!Array.isArray(value) && ('apiGroups' in value || 'operations' in value || 'resources' in value))
    value.apiGroups = ['nothing.example.com']
  for (const inner of Object.values(value)) limit(inner)
}

/**
 * Checks what must hold whatever objects there are: lists are answered, writes are accepted, a Deployment becomes
 * ready.
 */
async function stillWorks(sim: Sim, name: string): Promise<void> {
  for (const kind of stored) await serve(sim, kind, 'list', { namespace: '' })
  await sim.client.create(Deployment, deployment(name, 2))
  await sim.until(`Deployment ${name} is up`, () => rolledOut(sim.client, name), 120_000)
  await sim.client.delete(Deployment, { namespace: 'default', name })
}

test('random objects that the API accepts stop no controller, scheduler or kubelet', async () => {
  const { sim, faults, close } = await open()
  const fuzz = new Fuzz(seededRandom(seed), nullShare)
  let taken = 0
  try {
    for (let round = 0; round < rounds; round++) {
      for (const kind of stored) {
        const name = exampleOf(kind).name?.(round) ?? `f${round}`
        const make = () => {
          const object = fuzz.object(kind, exampleOf(kind).object ?? {}, fuzz.pick([0, 1, 1, 2, 3]))
          return matchingNothing(kind, {
            ...object,
            metadata: fuzz.metadata(name, kind.namespaced ? namespace : undefined),
          })
        }
        let body: JsonObject = make()
        if (await attempt(faults, () => serve(sim, kind, 'create', { body }))) taken++
        if (kind.status) {
          const status = { status: fuzz.status(kind) }
          const more = { name, body: status, patchType: 'merge', subresource: 'status' } as const
          await attempt(faults, () => serve(sim, kind, 'patch', more))
        }
        body = make()
        await attempt(faults, () => serve(sim, kind, 'patch', { name, body, patchType: 'merge' }))
      }
      await sim.clock.forward(5_000)
      await stillWorks(sim, `canary-${round}`)
    }
    ok(taken > (rounds * stored.length) / 5, `only ${taken} objects were taken`)
    for (const kind of stored.filter(k => k.plural !== 'namespaces' && k.verbs.includes('deletecollection')))
      await attempt(faults, () => serve(sim, kind, 'deletecollection', {}))
    await sim.clock.forward(60_000)
    deepStrictEqual(faults, [], `with seed ${seed}`)
  } finally {
    await close()
  }
})

test('stored objects that the API would refuse stop no controller, scheduler or kubelet', async () => {
  const { sim, close } = await open()
  const random = seededRandom(seed)
  const fuzz = new Fuzz(random, nullShare)
  const { store } = sim.plane.core.storage
  const keys = new Set<string>()
  try {
    for (let round = 0; round < rounds; round++) {
      for (const kind of stored) {
        const name = exampleOf(kind).name?.(round) ?? `f${round}`
        const object = fuzz.object(kind, exampleOf(kind).object ?? {}, fuzz.pick([1, 2, 4]))
        const metadata = {
          ...fuzz.metadata(name, kind.namespaced ? namespace : undefined),
          ...(fuzz.chance(0.9) && { uid: random.uuid(), creationTimestamp: '2026-01-01T00:00:00Z' }),
        }
        const whole: JsonObject = {
          kind: kind.kind,
          apiVersion: kind.apiVersion,
          ...(fuzz.chance(0.98) && { metadata }),
          ...object,
          ...(kind.status && fuzz.chance(0.7) && { status: fuzz.status(kind) }),
        }
        matchingNothing(kind, whole)
        // A global default would apply to all other pods.
        if (kind.plural === 'priorityclasses') delete whole.globalDefault
        const key = storageKey(kind, kind.namespaced ? namespace : '', name)
        keys.add(key)
        const bytes = Buffer.from(fuzz.chance(0.98) ? JSON.stringify(whole) : '{"kind":')
        await store.put(key, bytes, { expect: 'absent' })
      }
      await sim.clock.forward(5_000)
      await stillWorks(sim, `canary-${round}`)
    }
    // Controllers may delete some of them at the same time.
    for (const { key, revision } of (await store.list('/registry/')).entries)
      if (keys.has(key)) await store.delete(key, { expect: revision }).catch(conflictIsFine)
    await sim.clock.forward(60_000)
    await stillWorks(sim, 'canary-last')
  } finally {
    await close()
  }
})

test('a pod and a node that the scheduler cannot take in are reported, and other pods are scheduled', async () => {
  const { sim, close } = await open()
  const { store } = sim.plane.core.storage
  const raw = (kind: AnyKind, name: string, more: JsonObject) => {
    const namespaced = kind.namespaced ? { namespace } : {}
    const metadata = { name, ...namespaced, uid: `uid-${name}` }
    const bytes = Buffer.from(JSON.stringify({ kind: kind.kind, apiVersion: kind.apiVersion, metadata, ...more }))
    return store.put(storageKey(kind, kind.namespaced ? namespace : '', name), bytes, { expect: 'absent' })
  }
  const affinity = { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [null] } }
  const spec = { schedulerName: 'default-scheduler', containers: [{ name: 'c', image: 'app:1', resources: {} }] }
  const reported = () =>
    sim.client
      .mirror(Event)
      .list()
      .filter(e => e.involvedObject.name === 'bad' && e.type === 'Warning')
      .map(e => `${e.involvedObject.kind} ${e.reason}`)
  try {
    await raw(Node, 'bad', { spec: {}, status: { images: 5 } })
    await raw(Pod, 'bad', { spec: { ...spec, affinity }, status: { phase: 'Pending' } })
    await stillWorks(sim, 'canary')
    // There are two events for the pod: the update of its condition corrects the stored pod, so it is tried once more.
    deepStrictEqual(reported().sort(), ['Node SchedulerError', 'Pod FailedScheduling', 'Pod FailedScheduling'])
  } finally {
    await close()
  }
})
