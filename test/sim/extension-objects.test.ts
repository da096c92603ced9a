// Garbage collection and the deletion of namespaces beyond this server: objects of an extension server as owners, as
// dependents and as content of namespaces, and what happens while that server is away or answers nonsense.
import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import {
  type Extension,
  makeFrontProxy,
  openExtension,
  registrationOf,
} from '../../src/apiserver/aggregation/testing.ts'
import type { OwnerReference } from '../../src/api/meta.ts'
import { followKinds } from '../../src/client/index.ts'
import { builtinKinds } from '../../src/kinds/all.ts'
import { APIService } from '../../src/kinds/apiregistration/apiservice.ts'
import { ConfigMap } from '../../src/kinds/core/configmap.ts'
import { Namespace } from '../../src/kinds/core/namespace.ts'
import { Service } from '../../src/kinds/core/service.ts'
import { type Sim, simulate } from './cluster.ts'
import { openHttps } from './https.ts'
import { ExtensionObjects, group, root, type StoredObject, version } from './extension-objects.ts'

const timeout = 60_000
/** How often time passes at most while a test waits. */
const maxRounds = 2_000

interface World {
  sim: Sim
  server: ExtensionObjects
  extension: Extension
  /** Lets real and simulated time pass until the condition holds. The time limit is that of the test. */
  until(condition: () => boolean | Promise<boolean>): Promise<void>
  /** Waits until the APIService is available, or is not. */
  available(wanted: boolean): Promise<void>
}

async function withExtension(run: (world: World) => Promise<void>): Promise<void> {
  const frontProxy = await makeFrontProxy()
  const server = new ExtensionObjects()
  const extension = await openExtension('weather', frontProxy.ca, server.answer)
  try {
    await simulate({ scheduler: false, frontProxy }, async sim => {
      const until: World['until'] = async condition => {
        for (let round = 0; round < maxRounds; round++) {
          // Answers come over a real connection, for which the clock must not run ahead.
          for (let i = 0; i < 200; i++) {
            if (await condition()) return
            await turn()
          }
          await sim.clock.forward(500)
        }
        throw new Error(`still waiting for: ${String(condition)}`)
      }
      const mirror = sim.client.mirror(APIService)
      const available = (wanted: boolean) =>
        until(() => (mirror.get(undefined, `v1.${group}`)?.status.conditions?.[0]?.status === 'True') === wanted)
      const { service, apiService } = registrationOf(extension, { name: 'weather', group, version: 'v1' })
      await sim.client.create(Service, service as object)
      await sim.client.create(APIService, apiService)
      await available(true)
      await sim.client.create(Namespace, { metadata: { name: 'shop' } })
      await until(() => sim.plane.kinds.all.some(kind => kind.plural === 'reports'))
      await run({ sim, server, extension, until, available })
    })
  } finally {
    server.restart()
    await extension.close()
  }
}

const report = (name: string, more: object = {}): StoredObject => ({ metadata: { name, namespace: 'shop', ...more } })
const referenceTo = (kind: string, object: { metadata: { name?: string; uid?: string } }): OwnerReference => ({
  apiVersion: kind === 'Report' ? version : 'v1',
  kind,
  name: object.metadata.name ?? '',
  uid: object.metadata.uid ?? '',
})
const configMap = (name: string, ...ownerReferences: OwnerReference[]) => ({
  metadata: { name, namespace: 'shop', ownerReferences },
})
const isThere = async ({ sim }: World, name: string) =>
  (await sim.client.find(ConfigMap, { namespace: 'shop', name })) !== undefined
const follows = ({ server, until }: World) => until(() => server.asked.includes(`GET ${root}/reports`))

test('what an object of an extension server owns goes with it', { timeout }, () =>
  withExtension(async world => {
    const { sim, server, until } = world
    const owner = server.put(report('sunny'))
    const missing = { metadata: { name: 'cloudy', uid: 'never-was' } }
    await follows(world)
    await sim.client.create(ConfigMap, configMap('owned', referenceTo('Report', owner)))
    await sim.client.create(ConfigMap, configMap('orphan', referenceTo('Report', missing)))
    await until(async () => !(await isThere(world, 'orphan')))
    ok(await isThere(world, 'owned'))
    server.remove({ namespace: 'shop', name: 'sunny' })
    await until(async () => !(await isThere(world, 'owned')))
  }),
)

test('an object of an extension server goes with its owner, at every policy', { timeout }, () =>
  withExtension(async world => {
    const { sim, server, until } = world
    const has = (name: string) => server.objects.get(`shop/${name}`)
    for (const policy of ['Background', 'Foreground', 'Orphan'] as const) {
      const owner = await sim.client.create(ConfigMap, configMap(`owner-${policy.toLowerCase()}`))
      const reference = { ...referenceTo('ConfigMap', owner), blockOwnerDeletion: true }
      server.put(report(policy.toLowerCase(), { ownerReferences: [reference] }))
    }
    await follows(world)
    for (const policy of ['Background', 'Foreground', 'Orphan'] as const) {
      const name = `owner-${policy.toLowerCase()}`
      await sim.client.delete(ConfigMap, { namespace: 'shop', name }, { propagationPolicy: policy })
      await until(async () => !(await isThere(world, name)))
    }
    await until(() => !has('background') && !has('foreground'))
    deepStrictEqual(has('orphan')?.metadata.ownerReferences, [])
  }),
)

test('while an extension server is away nothing of it is taken for gone, and later what is', { timeout }, () =>
  withExtension(async world => {
    const { sim, server, extension, until, available } = world
    const [stays, goes] = [server.put(report('stays')), server.put(report('goes'))]
    await follows(world)
    await sim.client.create(ConfigMap, configMap('of-stays', referenceTo('Report', stays)))
    await sim.client.create(ConfigMap, configMap('of-goes', referenceTo('Report', goes)))
    extension.answer = asked => asked.socket.destroy()
    server.restart()
    await available(false)
    // Its watches have ended, so only a new list can show this.
    server.objects.delete('shop/goes')
    await sim.client.create(ConfigMap, configMap('meanwhile', referenceTo('Report', stays)))
    const owner = await sim.client.create(ConfigMap, configMap('owner'))
    await sim.client.create(ConfigMap, configMap('dependent', referenceTo('ConfigMap', owner)))
    await sim.client.delete(ConfigMap, { namespace: 'shop', name: 'owner' })
    await until(async () => !(await isThere(world, 'dependent')))
    for (const name of ['of-stays', 'of-goes', 'meanwhile']) ok(await isThere(world, name), name)
    extension.answer = server.answer
    await available(true)
    await until(async () => !(await isThere(world, 'of-goes')))
    for (const name of ['of-stays', 'meanwhile']) ok(await isThere(world, name), name)
  }),
)

const conditionsOf = async ({ sim }: World) =>
  (await sim.client.find(Namespace, { name: 'shop' }))?.status.conditions ?? []
const conditionOf = async (world: World, type: string) => (await conditionsOf(world)).find(one => one.type === type)

test('a namespace takes the objects of extension servers with it, and waits for their finalizers', { timeout }, () =>
  withExtension(async world => {
    const { sim, server, until } = world
    server.put(report('free'))
    server.put(report('held', { finalizers: ['example.com/hold'] }))
    server.put({ metadata: { name: 'elsewhere', namespace: 'default' } })
    await sim.client.delete(Namespace, { name: 'shop' })
    await until(async () => (await conditionOf(world, 'NamespaceContentRemaining'))?.status === 'True')
    strictEqual(
      (await conditionOf(world, 'NamespaceContentRemaining'))?.message,
      'Some resources are remaining: reports.weather.example.com has 1 resource instances',
    )
    strictEqual(
      (await conditionOf(world, 'NamespaceFinalizersRemaining'))?.message,
      'Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances',
    )
    server.put({ metadata: { ...server.objects.get('shop/held')!.metadata, finalizers: [] } })
    await until(async () => !(await sim.client.find(Namespace, { name: 'shop' })))
    deepStrictEqual([...server.objects.keys()], ['default/elsewhere'])
  }),
)

test('a namespace stays while an extension server is away, and everything else in it goes', { timeout }, () =>
  withExtension(async world => {
    const { sim, server, extension, until, available } = world
    server.put(report('sunny'))
    await sim.client.create(ConfigMap, configMap('own'))
    extension.answer = asked => asked.socket.destroy()
    server.restart()
    await available(false)
    await sim.client.delete(Namespace, { name: 'shop' })
    await until(async () => !(await isThere(world, 'own')))
    await until(async () => (await conditionsOf(world)).length > 0)
    const { status, reason, message } = (await conditionOf(world, 'NamespaceDeletionDiscoveryFailure'))!
    deepStrictEqual(
      [status, reason, message],
      [
        'True',
        'DiscoveryFailed',
        'Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: weather.example.com/v1: stale GroupVersion discovery: weather.example.com/v1',
      ],
    )
    extension.answer = server.answer
    await available(true)
    await until(async () => !(await sim.client.find(Namespace, { name: 'shop' })))
    strictEqual(server.objects.size, 0)
  }),
)

test('a server that lists nonsense keeps its own namespaces, and stops no other work', { timeout }, () =>
  withExtension(async world => {
    const { sim, server, extension, until } = world
    const lists: [body: string, problem: RegExp][] = [
      ['no JSON', /the server answered 200 with a body that is not a JSON object: no JSON/],
      ['{"items":[{"metadata":{"name":"a","namespace":"kube-system","uid":"1"}}]}', /kube-system\/a/],
      ['{"items":[{"metadata":{"namespace":"shop"}}]}', /an object of reports that is none: shop\/undefined/],
      ['{"items":[{"metadata":{"name":"a","namespace":"shop","uid":"1","finalizers":7}}]}', /finalizers/],
      ['{"items":[],"metadata":{"resourceVersion":"abc"}}', /the resource version "abc" is not a number/],
    ]
    let body = ''
    extension.answer = (asked, response) => {
      if (!asked.url!.includes('/reports')) return server.answer(asked, response)
      strictEqual(asked.method, 'GET')
      response.end(body)
    }
    await sim.client.delete(Namespace, { name: 'shop' })
    for (const [next, problem] of lists) {
      body = next
      const failure = async () => (await conditionOf(world, 'NamespaceDeletionContentFailure'))?.message ?? ''
      await until(async () => problem.test(await failure()))
      match(await failure(), /^Failed to delete all resource types, 1 remaining: reports\.weather\.example\.com: /)
    }
    await sim.client.create(Namespace, { metadata: { name: 'other' } })
    const metadata = {
      namespace: 'other',
      ownerReferences: [referenceTo('ConfigMap', { metadata: { name: 'gone', uid: 'gone' } })],
    }
    await sim.client.create(ConfigMap, { metadata: { name: 'dependent', ...metadata } })
    await until(async () => !(await sim.client.find(ConfigMap, { namespace: 'other', name: 'dependent' })))
    extension.answer = server.answer
    await until(async () => !(await sim.client.find(Namespace, { name: 'shop' })))
  }),
)

test('a controller manager of its own follows what extension servers have', { timeout }, () =>
  withExtension(async world => {
    const { sim, server, extension, until, available } = world
    const https = await openHttps(sim)
    const ending = new AbortController()
    const fetch = async (path: string) => {
      const { code, text } = await https.send('GET', path)
      if (code !== 200) throw new Error(`${path}: ${code}`)
      return text
    }
    const kinds = await followKinds(sim.client, builtinKinds, fetch, ending.signal)
    let changes = 0
    kinds.subscribe(() => changes++)
    deepStrictEqual(kinds.unanswered, [version], 'it is not known yet')
    await until(() => kinds.unanswered?.length === 0)
    const reports = () => kinds.all.find(kind => kind.plural === 'reports')
    const found = reports()!
    deepStrictEqual([found.apiVersion, found.kind, found.namespaced, found.remote], [version, 'Report', true, true])
    extension.answer = asked => asked.socket.destroy()
    server.restart()
    await available(false)
    await until(() => kinds.unanswered?.length === 1)
    strictEqual(reports(), found, 'it has what it had')
    extension.answer = server.answer
    await available(true)
    await until(() => kinds.unanswered?.length === 0)
    strictEqual(reports(), found, 'the very kind is kept, so that nothing is followed anew')
    await sim.client.delete(APIService, { name: `v1.${group}` })
    await until(() => reports() === undefined)
    ok(changes >= 4)
    ending.abort()
    await https.close()
  }),
)
