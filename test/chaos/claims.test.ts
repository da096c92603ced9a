// Two servers that give away one address, of which one is held up between its claim and the write of the Service, or
// has another time: the claim is lost to the other server, and the Service is not stored.
import { deepStrictEqual, rejects, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { type Clock, VirtualClock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import { openControlPlane } from '../../src/cluster/control-plane.ts'
import { Service } from '../../src/kinds/core/service.ts'
import type { Store } from '../../src/store/store.ts'
import { makeSigningKey } from '../../src/wire/jwt.ts'
import { ProcessClock } from './process-clock.ts'
import { SharedMemory } from './shared-log.ts'

const services = '/registry/core/services/'
const tokenKeys = { key: makeSigningKey() }
const hour = 3600_000

/** What tests do with servers over one log. */
function cluster(clock: VirtualClock, memory: SharedMemory) {
  const done = async <T>(work: Promise<T>): Promise<T> => {
    let isOver = false
    void work.finally(() => (isOver = true)).catch(() => {})
    while (!isOver) await clock.forward(100)
    return work
  }
  const open = async (server: number, own: Clock, around = (store: Store) => store) => {
    return openControlPlane({
      store: around(await memory.open(server)),
      clock: own,
      random: seededRandom(server),
      log: silentLog,
      tokenKeys,
      serviceCidrs: ['10.96.0.0/26'],
      nodePorts: [30000, 30039],
      advertise: { address: `192.0.2.${server}`, port: 6443 },
    })
  }
  const service = (name: string) => ({
    metadata: { name, namespace: 'default' },
    spec: { clusterIP: '10.96.0.20', ports: [{ port: 80 }] },
  })
  return { done, open, service }
}

test('a server that is held up after its claim does not give the address once the claim has run out', async () => {
  // For longer than a claim lasts, and for less, beside a server whose time is ahead.
  for (const [heldMs, aheadMs] of [
    [12_000, 0],
    [2000, hour],
  ] as const) {
    const clock = new VirtualClock()
    const memory = new SharedMemory(clock, seededRandom(1))
    const { done, open, service } = cluster(clock, memory)
    const ahead = new ProcessClock(clock)
    ahead.set(aheadMs)
    let holds = false
    // The connection stalls when the Service is about to be written.
    const stalling = (store: Store): Store =>
      new Proxy(store, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name)
          if (name !== 'put') return typeof value === 'function' ? value.bind(target) : value
          const put: Store['put'] = (key, ...rest) => {
            if (holds && key.startsWith(services)) memory.link(0)!.set('stalled')
            return target.put(key, ...rest)
          }
          return put
        },
      })
    const planes = [await done(open(0, clock, stalling)), await done(open(1, ahead))]
    const [one, two] = planes.map(plane => plane.client('admin', ['system:masters']))
    holds = true
    const held = one!.create(Service, service('held'))
    held.catch(() => {})
    await clock.forward(heldMs)
    strictEqual((await done(two!.create(Service, service('given')))).spec.clusterIP, '10.96.0.20')
    holds = false
    memory.link(0)!.set('open')
    await rejects(done(held), /please try again/)
    // Once it is there, it can be changed at both servers.
    for (const [i, client] of [one!, two!].entries())
      await done(
        client.patch(Service, { namespace: 'default', name: 'given' }, 'merge', {
          metadata: { labels: { at: `${i}` } },
        }),
      )
    const { items } = await done(two!.list(Service, { namespace: 'default' }))
    deepStrictEqual(
      items.filter(({ spec }) => spec.clusterIP === '10.96.0.20').map(({ metadata }) => metadata.name),
      ['given'],
    )
    await done(Promise.all(planes.map(plane => plane.close())))
  }
})

test('a claim that a server left behind whose time was ahead is taken when it was seen for long enough', async () => {
  const clock = new VirtualClock()
  const memory = new SharedMemory(clock, seededRandom(1))
  const { done, open, service } = cluster(clock, memory)
  const store = await done(memory.open(9))
  const claim = { uid: 'gone', until: clock.now() + hour }
  const key = '/registry/kutter.dev.allocations/10.96.0.20'
  await done(store.put(key, Buffer.from(JSON.stringify(claim)), { expect: 'absent' }))
  const plane = await done(open(0, clock))
  const client = plane.client('admin', ['system:masters'])
  await rejects(done(client.create(Service, service('early'))), /already allocated/)
  await clock.forward(10_000)
  strictEqual((await done(client.create(Service, service('late')))).spec.clusterIP, '10.96.0.20')
  await done(plane.close())
  await done(store.close())
})

test('an address that nobody took after all is free again in time, also when the time is set back', async () => {
  const clock = new VirtualClock()
  const memory = new SharedMemory(clock, seededRandom(1))
  const { done, open, service } = cluster(clock, memory)
  const own = new ProcessClock(clock)
  const plane = await done(open(0, own))
  const client = plane.client('admin', ['system:masters'])
  await done(client.create(Service, service('tried'), { dryRun: true }))
  await rejects(done(client.create(Service, service('early'))), /already allocated/)
  own.set(-hour)
  await clock.forward(10_000)
  strictEqual((await done(client.create(Service, service('late')))).spec.clusterIP, '10.96.0.20')
  await done(plane.close())
})
