// The checks of what operations of several writes leave, and the trap that ends a server between two of them: each is
// shown at a server without controllers, where what is left half done stays so.
import { deepStrictEqual, match, rejects, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import { openControlPlane } from '../../src/cluster/control-plane.ts'
import { Namespace } from '../../src/kinds/core/namespace.ts'
import { Service } from '../../src/kinds/core/service.ts'
import { familyLabel, IPAddress, managedByLabel, serviceAllocator } from '../../src/kinds/networking/ipaddress.ts'
import { PodDisruptionBudget } from '../../src/kinds/policy/poddisruptionbudget.ts'
import { type Change, openMemoryStore } from '../../src/store/index.ts'
import { makeSigningKey } from '../../src/wire/jwt.ts'
import { givenTwice } from './observed.ts'
import { Traps } from './trap.ts'
import { claimsOf, halfDone, takeAllAddresses } from './workloads.ts'

test('what is half done is found, and addresses that nobody has and nobody gets', async () => {
  const plane = await openControlPlane({
    store: openMemoryStore(),
    clock: new VirtualClock(),
    random: seededRandom(1),
    log: silentLog,
    tokenKeys: { key: makeSigningKey() },
    serviceCidrs: ['10.96.0.0/26'],
    nodePorts: [30000, 30039],
    advertise: { address: '192.0.2.1', port: 6443 },
  })
  try {
    const client = plane.client('admin', ['system:masters'])
    const found = async () => (await halfDone(client)).filter(text => !text.includes('default/kubernetes'))
    const ports = [{ port: 80 }]
    const namespace = 'default'
    const service = await client.create(Service, { metadata: { name: 'a', namespace }, spec: { ports } })
    const ip = service.spec.clusterIP!
    deepStrictEqual(await found(), [`the address ${ip} of default/a has no object`])
    const address = (name: string, owner: string) => ({
      metadata: { name, labels: { [familyLabel]: 'IPv4', [managedByLabel]: serviceAllocator } },
      spec: { parentRef: { resource: 'services', namespace, name: owner } },
    })
    await client.create(IPAddress, address(ip, 'a'))
    deepStrictEqual(await found(), [])
    await client.create(IPAddress, address('10.96.0.60', 'b'))
    deepStrictEqual(await found(), ['the address 10.96.0.60 names default/b, and is that of none'])
    await client.delete(IPAddress, { name: '10.96.0.60' })
    await client.create(Namespace, { metadata: { name: 'temp' } })
    await client.delete(Namespace, { name: 'temp' })
    deepStrictEqual(await found(), ['the namespace temp is still terminating'])
    const budget = await client.create(PodDisruptionBudget, { metadata: { name: 'p', namespace }, spec: {} })
    const disruptedPods = { x: '2026-01-01T00:00:00Z' }
    await client.update(
      PodDisruptionBudget,
      { ...budget, status: { ...budget.status, disruptedPods } },
      { subresource: 'status' },
    )
    match((await found()).join(), /the budget p waits for evictions/)
    // An address that somebody else holds is none of those that Services get.
    await client.create(IPAddress, { ...address('10.96.0.50', 'c'), metadata: { name: '10.96.0.50' } })
    strictEqual(await takeAllAddresses(client), 61)
    await client.delete(IPAddress, { name: '10.96.0.50' })
    strictEqual(await takeAllAddresses(client), 62)
  } finally {
    await plane.close()
  }
})

test('addresses, ports and ranges are read from the log, so that one that is given twice is found', () => {
  const put = (revision: number, key: string, spec: object): Change => {
    const value = Buffer.from(JSON.stringify({ spec }))
    return { type: 'put', key: `/registry/core/${key}`, value, revision, created: revision }
  }
  const service = (revision: number, name: string, ip: string, nodePort: number) =>
    put(revision, `services/default/${name}`, { clusterIPs: [ip], ports: [{ nodePort }] })
  const node = (revision: number, name: string, range: string) => put(revision, `nodes/${name}`, { podCIDRs: [range] })
  const headless = put(1, 'services/default/h', { clusterIPs: ['None'] })
  const found = (...changes: Change[]) =>
    givenTwice(claimsOf([headless, { ...headless, key: `${headless.key}2` }, ...changes]))
  deepStrictEqual(found(service(2, 'a', '10.96.0.2', 1), service(3, 'b', '10.96.0.3', 2), node(4, 'n', 'r/1')), [])
  match(
    found(service(2, 'a', '10.96.0.2', 1), service(3, 'b', '10.96.0.2', 2)).join(),
    /^10.96.0.2 of .*a is given to .*b/,
  )
  match(
    found(service(2, 'a', '10.96.0.2', 1), service(3, 'b', '10.96.0.3', 1)).join(),
    /^port 1 of .*a is given to .*b/,
  )
  match(found(node(2, 'n', 'r/1'), node(3, 'm', 'r/1')).join(), /^r\/1 of .*n is given to .*m/)
})

test('a trap ends the server that makes the n-th write, with the write done or not', async () => {
  for (const when of ['before', 'after'] as const) {
    const traps = new Traps()
    const memory = openMemoryStore()
    const [one, two] = [0, 1].map(server => traps.around(memory, server)) as [typeof memory, typeof memory]
    const sprung: number[] = []
    const put = (store: typeof memory, key: string) => store.put(key, Buffer.from('x'), { expect: 'absent' })
    traps.set({ prefix: '/a/', left: 2, when, spring: server => void sprung.push(server) })
    await put(one, '/a/1')
    await put(one, '/b/1')
    await rejects(put(two, '/a/2'), /the process has ended/)
    deepStrictEqual(sprung, [1])
    await put(two, '/a/3')
    strictEqual((await memory.get('/a/2')) !== undefined, when === 'after')
    deepStrictEqual(sprung, [1])
    await memory.close()
  }
})
