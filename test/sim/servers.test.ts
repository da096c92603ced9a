// Several API servers over one etcd: what each does is there for the others at once, and nothing is given away twice.
import { deepStrictEqual, ok, rejects, strictEqual } from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { realClock } from '../../src/base/clock.ts'
import { isReason } from '../../src/base/errors.ts'
import { silentLog } from '../../src/base/log.ts'
import { realRandom } from '../../src/base/random.ts'
import type { Client } from '../../src/client/index.ts'
import { type ControlPlane, openControlPlane } from '../../src/cluster/control-plane.ts'
import { CustomResourceDefinition } from '../../src/kinds/apiextensions/customresourcedefinition.ts'
import { ConfigMap } from '../../src/kinds/core/configmap.ts'
import { Endpoints } from '../../src/kinds/core/endpoints.ts'
import { Namespace } from '../../src/kinds/core/namespace.ts'
import { Service } from '../../src/kinds/core/service.ts'
import { ClusterRole } from '../../src/kinds/rbac/clusterrole.ts'
import { ClusterRoleBinding } from '../../src/kinds/rbac/clusterrolebinding.ts'
import { openEtcdStore } from '../../src/store/index.ts'
import { type EtcdCluster, noEtcd, startEtcd } from '../../src/store/etcd/testing.ts'
import { makeSigningKey } from '../../src/wire/jwt.ts'

const namespace = 'default'
const claims = '/registry/kutter.dev.allocations/'
const tokenKeys = { key: makeSigningKey() }

describe('servers that share an etcd', { skip: noEtcd }, () => {
  let etcd: EtcdCluster
  let planes: ControlPlane[]
  let clients: Client[]
  before(async () => {
    etcd = await startEtcd()
    const store = await openEtcdStore({ endpoints: etcd.endpoints, prefix: '/kutter', log: silentLog })
    for (const [what, until] of [
      ['10.96.0.9', 1],
      ['10.96.0.10', realClock.now() + 3600_000],
    ])
      await store.put(`${claims}${what}`, Buffer.from(JSON.stringify({ uid: 'other', until })), { expect: 'absent' })
    await store.close()
    planes = await Promise.all([1, 2, 3].map(open))
    clients = planes.map(plane => plane.client('tester', ['system:masters']))
  })
  after(async () => {
    for (const plane of planes) await plane.close()
    etcd.stop()
  })

  async function open(n: number): Promise<ControlPlane> {
    return openControlPlane({
      store: await openEtcdStore({ endpoints: etcd.endpoints, prefix: '/kutter', log: silentLog }),
      clock: realClock,
      random: realRandom,
      log: silentLog,
      tokenKeys,
      // 30 addresses, so that servers often choose the same.
      serviceCidrs: ['10.96.0.0/27'],
      nodePorts: [30000, 30039],
      advertise: { address: `192.0.2.${n}`, port: 6443 },
    })
  }
  const endpoints = async (client: Client) => {
    const { subsets = [] } = await client.get(Endpoints, { namespace, name: 'kubernetes' })
    return subsets.flatMap(({ addresses = [] }) => addresses.map(({ ip }) => ip))
  }
  const until = async (what: string, holds: () => Promise<boolean>) => {
    for (let tries = 0; tries < 600; tries++) {
      if (await holds()) return
      await realClock.sleep(50)
    }
    throw new Error(`not within 30 seconds: ${what}`)
  }

  test('claims that servers have left behind are removed when another one starts', async () => {
    const { store } = planes[0]!.core.storage
    await until('the old one is gone', async () => (await store.list(claims)).entries.length === 1)
    const [held] = (await store.list(claims)).entries
    strictEqual(held!.key, `${claims}10.96.0.10`)
    await store.delete(held!.key, { expect: held!.revision })
  })

  test('no two Services get one address or port, until the range is full', async () => {
    // One address is that of the Service kubernetes.
    const total = 29
    const made = await Promise.allSettled(
      Array.from({ length: 60 }, (_, i) =>
        clients[i % 3]!.create(Service, {
          metadata: { name: `s-${i}`, namespace },
          spec: { type: 'NodePort', ports: [{ port: 80 }] },
        }),
      ),
    )
    for (const one of made)
      ok(
        one.status === 'fulfilled' || /range is full/.test(String(one.reason)),
        String((one as { reason?: unknown }).reason),
      )
    const stored = (await clients[1]!.list(Service, { namespace })).items.filter(s => s.metadata.name !== 'kubernetes')
    strictEqual(stored.length, made.filter(one => one.status === 'fulfilled').length)
    ok(stored.length >= total / 2, `${stored.length} of ${total} addresses were given`)
    const addresses = stored.map(({ spec }) => spec.clusterIP)
    strictEqual(new Set(addresses).size, addresses.length)
    const ports = stored.map(({ spec }) => spec.ports![0]!.nodePort)
    strictEqual(new Set(ports).size, ports.length)
    for (const { metadata } of stored) await clients[2]!.delete(Service, { namespace, name: metadata.name! })
  })

  test('of Services that ask for one address at different servers, one gets it', async () => {
    // What was given up a moment ago may be held for a second yet.
    await realClock.sleep(1100)
    const made = await Promise.allSettled(
      clients.map((client, i) =>
        client.create(Service, {
          metadata: { name: `same-${i}`, namespace },
          spec: { clusterIP: '10.96.0.20', ports: [{ port: 80 }] },
        }),
      ),
    )
    strictEqual(made.filter(one => one.status === 'fulfilled').length, 1)
    for (const one of made)
      if (one.status === 'rejected') ok(/provided IP is already allocated/.test(String(one.reason)), String(one.reason))
  })

  test('a definition that one server stores is served by the others', async () => {
    await clients[0]!.create(CustomResourceDefinition, {
      metadata: { name: 'lamps.example.com' },
      spec: {
        group: 'example.com',
        scope: 'Namespaced',
        names: { plural: 'lamps', kind: 'Lamp' },
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
          },
        ],
      },
    })
    for (const plane of planes)
      await until('it is served', async () =>
        plane.core.catalog.all.some(kind => kind.group === 'example.com' && kind.plural === 'lamps'),
      )
  })

  test('a role takes effect at the others with the next request', async () => {
    const who = planes.map(plane => plane.client('somebody'))
    for (const client of who)
      await rejects(client.list(ConfigMap, { namespace }), (e: unknown) => isReason(e, 'Forbidden'))
    await clients[0]!.create(ClusterRole, {
      metadata: { name: 'reads-maps' },
      rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['list'] }],
    })
    await clients[1]!.create(ClusterRoleBinding, {
      metadata: { name: 'reads-maps' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'reads-maps' },
      subjects: [{ kind: 'User', name: 'somebody', apiGroup: 'rbac.authorization.k8s.io' }],
    })
    for (const [i, client] of who.entries()) {
      await planes[i]!.core.storage.catchUp()
      await client.list(ConfigMap, { namespace })
    }
  })

  test('an object is read, changed and deleted at any server, and a conflict is one everywhere', async () => {
    const name = 'turns'
    let object = await clients[0]!.create(ConfigMap, { metadata: { name, namespace }, data: { n: '0' } })
    for (let i = 1; i <= 12; i++) {
      const stale = object
      object = await clients[i % 3]!.update(ConfigMap, { ...object, data: { n: String(i) } })
      deepStrictEqual((await clients[(i + 1) % 3]!.get(ConfigMap, { namespace, name })).data, { n: String(i) })
      await rejects(clients[(i + 2) % 3]!.update(ConfigMap, stale), (e: unknown) => isReason(e, 'Conflict'))
    }
    await clients[1]!.delete(ConfigMap, { namespace, name })
    await rejects(clients[2]!.get(ConfigMap, { namespace, name }), (e: unknown) => isReason(e, 'NotFound'))
  })

  test('a name is made once, and a namespace that ends takes nothing from any server', async () => {
    const made = await Promise.allSettled(
      clients.map(client => client.create(Namespace, { metadata: { name: 'one' } })),
    )
    strictEqual(made.filter(one => one.status === 'fulfilled').length, 1)
    await clients[0]!.delete(Namespace, { name: 'one' })
    for (const plane of planes) await plane.core.storage.catchUp()
    for (const client of clients)
      await rejects(client.create(ConfigMap, { metadata: { name: 'late', namespace: 'one' } }), (e: unknown) =>
        isReason(e, 'Forbidden'),
      )
  })

  test('the Service kubernetes leads to all servers, and not to one that ended', async () => {
    await until('all are there', async () => (await endpoints(clients[0]!)).length === 3)
    const [last] = planes.splice(2)
    clients.splice(2)
    await last!.close()
    await until('two are left', async () => (await endpoints(clients[1]!)).join() === '192.0.2.1,192.0.2.2')
  })
})
