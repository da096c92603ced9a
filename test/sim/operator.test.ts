// Programs that extend the cluster, over HTTP alone: an operator for a kind in two versions that a webhook converts. It
// watches in one version what users write in the other, keeps a ConfigMap for each object, reports a status, and cleans
// up behind a finalizer.
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { issue, makeAuthority } from '../../src/wire/x509.ts'
import { openSim, type Sim } from './cluster.ts'
import { type Https, openHttps } from './https.ts'

const timeout = 60_000
const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const merge = { 'content-type': 'application/merge-patch+json' }
const finalizer = 'lamps.example.com/register'

interface Lamp {
  apiVersion: string
  kind: string
  metadata: {
    name: string
    uid: string
    resourceVersion: string
    generation: number
    finalizers?: string[]
    deletionTimestamp?: string
  }
  spec: { watts?: number; power?: number }
  status?: object
}

/** A webhook by which `watts` of v1 are the `power` of v2. `mode` makes it misbehave. */
async function openWebhook(t: TestContext) {
  const valid = { now: Date.now(), validMs: 3_600_000 }
  const authority = await makeAuthority({ commonName: 'lamps', ...valid })
  const { certPem, keyPem } = await issue(
    authority,
    { commonName: 'lamps', ips: ['127.0.0.1'] },
    { usages: ['server auth'], ...valid },
  )
  const webhook = { mode: 'converts' as 'converts' | 'fails' | 'hangs', url: '', caBundle: '', hanging: 0 }
  const server = createServer({ cert: certPem, key: keyPem }, (asked, response) => {
    void text(asked).then(body => {
      const { request: review } = JSON.parse(body) as {
        request: { uid: string; desiredAPIVersion: string; objects: Lamp[] }
      }
      if (webhook.mode === 'hangs') return void webhook.hanging++
      const { uid, desiredAPIVersion: apiVersion } = review
      const convertedObjects = review.objects.map(({ spec, ...rest }) => {
        const value = spec.watts ?? spec.power
        return { ...rest, apiVersion, spec: apiVersion.endsWith('v1') ? { watts: value } : { power: value } }
      })
      const result = webhook.mode === 'fails' ? { status: 'Failure', message: 'no light today' } : { status: 'Success' }
      const answer = { uid, result, ...(webhook.mode === 'converts' && { convertedObjects }) }
      response.end(
        JSON.stringify({ kind: 'ConversionReview', apiVersion: 'apiextensions.k8s.io/v1', response: answer }),
      )
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  webhook.url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`
  webhook.caBundle = Buffer.from(authority.certPem).toString('base64')
  return webhook
}

const version = (name: string, field: string, storage: boolean) => ({
  name,
  served: true,
  storage,
  subresources: { status: {} },
  schema: {
    openAPIV3Schema: {
      type: 'object',
      properties: {
        spec: { type: 'object', properties: { [field]: { type: 'integer' } } },
        status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      },
    },
  },
})

interface World {
  sim: Sim
  https: Https
  webhook: Awaited<ReturnType<typeof openWebhook>>
  path(version: string, rest?: string): string
  put(of: string, name: string, spec: object): Promise<void>
  get(of: string, name: string): Promise<Lamp | undefined>
}

async function openWorld(t: TestContext): Promise<World> {
  const webhook = await openWebhook(t)
  const sim = await openSim({ scheduler: false })
  const https = await openHttps(sim)
  t.after(async () => {
    await https.close()
    await sim.close()
  })
  const { url, caBundle } = webhook
  const { send } = https
  const created = await send('POST', crds, {
    metadata: { name: 'lamps.lamps.example.com' },
    spec: {
      group: 'lamps.example.com',
      scope: 'Namespaced',
      names: { plural: 'lamps', kind: 'Lamp' },
      conversion: {
        strategy: 'Webhook',
        webhook: { clientConfig: { url, caBundle }, conversionReviewVersions: ['v1'] },
      },
      versions: [version('v1', 'watts', true), version('v2', 'power', false)],
    },
  })
  strictEqual(created.code, 201, created.text)
  const path = (of: string, rest = '') => `/apis/lamps.example.com/${of}/namespaces/default/lamps${rest}`
  while ((await send('GET', path('v2'))).code !== 200) await turn()
  return {
    sim,
    https,
    webhook,
    path,
    async put(of, name, spec) {
      const apiVersion = `lamps.example.com/${of}`
      const type = { 'content-type': 'application/apply-patch+yaml' }
      const body = { apiVersion, kind: 'Lamp', metadata: { name }, spec }
      const { code, text: why } = await send(
        'PATCH',
        `${path(of, `/${name}`)}?fieldManager=user&force=true`,
        body,
        type,
      )
      ok(code === 200 || code === 201, why)
    },
    async get(of, name) {
      const { code, body } = await send('GET', path(of, `/${name}`))
      return code === 200 ? (body as Lamp) : undefined
    },
  }
}

/** The events of a watch, in the order in which they come. */
async function watch({ https: { tls } }: World, path: string, t: TestContext) {
  const asked = request({ ...tls, path: `${path}?watch=true`, agent: false }).end()
  t.after(() => asked.destroy())
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  const events: { type: string; object: Lamp }[] = []
  let rest = ''
  response.on('error', () => {})
  response.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n')
    rest = lines.pop()!
    events.push(...lines.map(line => JSON.parse(line) as { type: string; object: Lamp }))
  })
  return events
}

/** An operator that works on the events of a watch until it is stopped, and tries again what was refused. */
function runOperator(world: World, events: readonly { type: string; object: Lamp }[]) {
  const { https, path } = world
  const register = new Set<string>()
  let isStopped = false
  const reconcile = async (name: string) => {
    const lamp = await world.get('v2', name)
    if (!lamp) return
    const { finalizers = [], deletionTimestamp, uid, generation } = lamp.metadata
    const replace = async (next: string[]) => {
      const metadata = { ...lamp.metadata, finalizers: next }
      const { code } = await https.send('PUT', path('v2', `/${name}`), { ...lamp, metadata })
      return code < 400
    }
    if (deletionTimestamp) {
      register.delete(name)
      return replace(finalizers.filter(one => one !== finalizer))
    }
    if (!finalizers.includes(finalizer)) return replace([...finalizers, finalizer])
    register.add(name)
    const owner = { apiVersion: lamp.apiVersion, kind: lamp.kind, name, uid, controller: true }
    const metadata = { name, namespace: 'default', ownerReferences: [owner] }
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { power: String(lamp.spec.power) } }
    const apply = { 'content-type': 'application/apply-patch+yaml' }
    await https.send('PATCH', `/api/v1/namespaces/default/configmaps/${name}?fieldManager=operator`, body, apply)
    const status = { observedGeneration: generation, conditions: [{ type: 'Ready', status: 'True' }] }
    await https.send('PATCH', path('v2', `/${name}/status`), { status }, merge)
    return true
  }
  const work = async () => {
    for (let next = 0; !isStopped; ) {
      const event = events[next]
      if (!event) await turn()
      else if (event.type === 'DELETED' || (await reconcile(event.object.metadata.name)) !== false) next++
    }
  }
  const ended = work()
  return {
    register,
    stop: async () => {
      isStopped = true
      await ended
    },
  }
}

test('an operator works in one version on what users write in another', { timeout }, async t => {
  const world = await openWorld(t)
  const { https, path, put, get } = world
  const events = await watch(world, path('v2'), t)
  const operator = runOperator(world, events)
  t.after(() => operator.stop())
  const powerOf = async (name: string) =>
    (await https.send('GET', `/api/v1/namespaces/default/configmaps/${name}`)).body.data?.power
  await put('v1', 'desk', { watts: 5 })
  while ((await powerOf('desk')) !== '5') await turn()
  await put('v1', 'desk', { watts: 7 })
  while ((await powerOf('desk')) !== '7') await turn()
  const isObserved = async () => {
    const lamp = await get('v1', 'desk')
    return (
      (lamp?.status as { observedGeneration?: number } | undefined)?.observedGeneration === lamp?.metadata.generation
    )
  }
  while (!(await isObserved())) await turn()
  const lamp = (await get('v1', 'desk'))!
  deepStrictEqual([lamp.spec, lamp.metadata.generation], [{ watts: 7 }, 2])
  deepStrictEqual(lamp.metadata.finalizers, [finalizer])
  ok(events.every(({ object }) => object.apiVersion === 'lamps.example.com/v2' && object.spec.watts === undefined))

  // Everything at rest: what the operator sends again changes nothing, so no event follows.
  const before = (await get('v2', 'desk'))!
  await https.send('PUT', path('v2', '/desk'), before)
  strictEqual((await get('v2', 'desk'))!.metadata.resourceVersion, before.metadata.resourceVersion)

  await https.send('DELETE', path('v1', '/desk'))
  while (await get('v1', 'desk')) await turn()
  deepStrictEqual([...operator.register], [])
  while ((await powerOf('desk')) !== undefined) {
    await world.sim.clock.forward(10)
    await turn()
  }
})

test('an operator that uses an old version of an object gets a conflict, and goes on', { timeout }, async t => {
  const world = await openWorld(t)
  const { https, path, put, get } = world
  await put('v1', 'hall', { watts: 1 })
  const old = (await get('v2', 'hall'))!
  await put('v1', 'hall', { watts: 2 })
  const refused = await https.send('PUT', path('v2', '/hall'), { ...old, spec: { power: 9 } })
  deepStrictEqual(
    [refused.code, refused.body.reason, refused.body.message],
    [
      409,
      'Conflict',
      'Operation cannot be fulfilled on lamps.lamps.example.com "hall": the object has been modified; please apply your changes to the latest version and try again',
    ],
  )
  const fresh = (await get('v2', 'hall'))!
  strictEqual((await https.send('PUT', path('v2', '/hall'), { ...fresh, spec: { power: 9 } })).code, 200)
  deepStrictEqual((await get('v1', 'hall'))!.spec, { watts: 9 })
})

test('while the webhook fails or hangs, what needs no conversion goes on', { timeout }, async t => {
  const world = await openWorld(t)
  const { https, path, put, get, webhook } = world
  await put('v1', 'cellar', { watts: 3 })
  webhook.mode = 'fails'
  const failed = await https.send('GET', path('v2', '/cellar'))
  deepStrictEqual(
    [failed.code, failed.body.message],
    [500, 'conversion webhook for lamps.example.com/v1, Kind=Lamp failed: no light today'],
  )
  deepStrictEqual((await get('v1', 'cellar'))!.spec, { watts: 3 })
  webhook.mode = 'hangs'
  const late = https.send('GET', path('v2', '/cellar'))
  // It is still waiting when the server ends.
  late.catch(() => {})
  while (!webhook.hanging) await turn()
  await put('v1', 'cellar', { watts: 4 })
  strictEqual((await https.send('GET', '/api/v1/namespaces/default/configmaps')).code, 200)
  webhook.mode = 'converts'
  deepStrictEqual((await get('v2', 'cellar'))!.spec, { power: 4 })
})
