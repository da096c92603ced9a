// No device is given twice, and no claim is left over: pods with claims come and go at random, the scheduler sees claims
// late, its writes fail at times, slices change, and it is restarted in between.
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { StatusError } from '../../src/base/errors.ts'
import { silentLog } from '../../src/base/log.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import type { Operation, Serve, ServedResult } from '../../src/api/operation.ts'
import { Client } from '../../src/client/index.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { ServiceAccount } from '../../src/kinds/core/serviceaccount.ts'
import { ResourceClaim } from '../../src/kinds/resource/resourceclaim.ts'
import { ResourceSlice } from '../../src/kinds/resource/resourceslice.ts'
import { startScheduler } from '../../src/scheduler/index.ts'
import { type Sim, simulate } from './cluster.ts'
import {
  claims,
  devicesOf,
  gpus,
  isFree,
  makeClaim,
  makeClass,
  makeTemplate,
  named,
  namespace,
  podWith,
  publish,
} from './devices.ts'

const nodes = 4
const devicesPerNode = 3
const steps = 250
const maxPods = 25

const seeds = process.env.KUTTER_SEED ? [Number(process.env.KUTTER_SEED)] : [1, 2, 3]
for (const seed of seeds) {
  test(`no device is given twice, and none is lost (seed ${seed})`, () =>
    simulate({ nodes, seed, scheduler: false, cpu: '64' }, async sim => {
      const { client, clock, until } = sim
      const random = seededRandom(seed)
      await until('the account', () => client.mirror(ServiceAccount).get(namespace, 'default') !== undefined)
      await makeClass(sim)
      for (let i = 0; i < nodes; i++) await publish(sim, `node-${i}`, named(devicesPerNode))
      for (const count of [1, 2]) await makeTemplate(sim, `t${count}`, gpus(count))
      for (const name of ['shared-0', 'shared-1']) await makeClaim(sim, name, gpus(1))
      const watched = watchAllocations(sim)
      const scheduler = openScheduler(sim, random)
      await scheduler.start()
      for (let i = 0; i < steps; i++) {
        if (random.float() < 0.03) await scheduler.restart()
        await step(sim, random)
        await clock.forward(Math.floor(random.float() ** 2 * 4000))
        deepStrictEqual(watched.problems, [], `step ${i}`)
      }
      ok(watched.allocations() > 30, `${watched.allocations()} allocations`)
      scheduler.calm()
      // Whoever runs makes room for the next, until everybody has had their turn.
      await until('everybody has had devices', async () => {
        for (const { metadata, spec } of sim.pods(namespace))
          if (spec.nodeName && !metadata.deletionTimestamp)
            await client.delete(Pod, { namespace, name: metadata.name! })
        return sim.pods(namespace).length === 0
      })
      await until(
        'only claims of their own are left, and free',
        () => claims(sim).length === 2 && claims(sim).every(isFree),
      )
      deepStrictEqual(watched.problems, [])
      strictEqual(watched.inUse(), 0)
      await scheduler.stop()
    }))
}

/** Follows what is allocated, as the API server has it, and notes what must never be. */
function watchAllocations({ client }: Sim) {
  const problems: string[] = []
  const byDevice = new Map<string, string>()
  const byClaim = new Map<string, string[]>()
  let allocations = 0
  client.mirror(ResourceClaim).follow(({ type, item }) => {
    const uid = item.object.metadata.uid ?? ''
    const before = byClaim.get(uid) ?? []
    const now = type === 'DELETED' ? [] : devicesOf(item.object)
    if (!before.length && now.length) allocations++
    for (const device of before) if (byDevice.get(device) === uid) byDevice.delete(device)
    for (const device of now) {
      const other = byDevice.get(device)
      if (other !== undefined && other !== uid) problems.push(`${device} of ${other} was given to ${uid}`)
      byDevice.set(device, uid)
    }
    byClaim.set(uid, now)
    if (type === 'DELETED' && before.length) problems.push(`${uid} was deleted with its devices`)
  }, 'test')
  client.mirror(Pod).follow(({ type, item }) => {
    const pod = item.object
    if (type === 'DELETED' || !pod.spec.nodeName || pod.metadata.deletionTimestamp) return
    const names = (pod.status.resourceClaimStatuses ?? []).map(({ resourceClaimName }) => resourceClaimName)
    for (const { resourceClaimName } of pod.spec.resourceClaims ?? []) names.push(resourceClaimName)
    for (const name of names.filter(one => one !== undefined)) {
      const devices = devicesOf(client.mirror(ResourceClaim).get(namespace, name))
      const isHere = devices.length > 0 && devices.every(device => device.startsWith(`${pod.spec.nodeName}/`))
      if (!isHere)
        problems.push(`${pod.metadata.name} is on ${pod.spec.nodeName} with ${devices.join(', ') || 'nothing'}`)
    }
  }, 'test')
  return { problems, allocations: () => allocations, inUse: () => byDevice.size }
}

/** A scheduler that sees claims up to two seconds late, and whose writes fail at times. */
function openScheduler(sim: Sim, random: Random) {
  const { plane, clock } = sim
  let faults = 0.1
  let ending = new AbortController()
  async function* late(events: AsyncIterable<unknown>) {
    for await (const event of events) {
      if (faults) await clock.sleep(Math.floor(random.float() ** 2 * 2000))
      yield event
    }
  }
  const serve: Serve = async (operation: Operation): Promise<ServedResult> => {
    const { verb, kind } = operation
    if (!['watch', 'list', 'get'].includes(verb) && random.float() < faults)
      throw new StatusError(random.float() < 0.5 ? 'Conflict' : 'InternalError', 'it did not work this time')
    const result = await plane.serve(operation)
    if (result.type !== 'watch' || kind !== ResourceClaim) return result
    return { ...result, events: late(result.events) } as ServedResult
  }
  const start = async () => {
    ending = new AbortController()
    const client = new Client({
      serve,
      user: { name: 'system:kube-scheduler', groups: ['system:authenticated'] },
      userAgent: 'kube-scheduler',
      clock,
      log: silentLog,
    })
    ending.signal.addEventListener('abort', () => client.close())
    await startScheduler({ client, clock, random, log: silentLog, signal: ending.signal })
  }
  const stop = async () => {
    ending.abort()
    await clock.forward(1)
  }
  return { start, stop, restart: () => stop().then(start), calm: () => void (faults = 0) }
}

let sequence = 0

async function step(sim: Sim, random: Random): Promise<void> {
  const { client } = sim
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random.float() * list.length)]
  const pods = sim.pods(namespace)
  const what = random.float()
  if (what < 0.55 && pods.length < maxPods) {
    const source =
      random.float() < 0.2
        ? { resourceClaimName: pick(['shared-0', 'shared-1'])! }
        : { resourceClaimTemplateName: pick(['t1', 't2'])! }
    await client.create(Pod, podWith(`p${++sequence}`, source))
  } else if (what < 0.9) {
    const pod = pick(pods)
    if (pod) await client.delete(Pod, { namespace, name: pod.metadata.name! }, { uid: pod.metadata.uid! })
  } else {
    // A slice of a new generation, as a driver writes it when something about its devices changes.
    const slice = pick(client.mirror(ResourceSlice).list())!
    const pool = { ...slice.spec.pool, generation: slice.spec.pool.generation + 1 }
    await client.update(ResourceSlice, { ...slice, spec: { ...slice.spec, pool } })
  }
}
