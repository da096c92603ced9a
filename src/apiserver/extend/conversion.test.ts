// Conversion by webhooks: what they are asked, and what becomes of wrong, late and missing answers.
import assert from 'node:assert/strict'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import type { AnyKind, KubeObject } from '../../api/kind.ts'
import type { WatchEvent } from '../../api/operation.ts'
import { isObject } from '../../api/patch/merge.ts'
import type { Json, JsonObject } from '../../api/schema/node.ts'
import { CustomResourceDefinition } from '../../kinds/apiextensions/customresourcedefinition.ts'
import { issue, makeAuthority } from '../../wire/x509.ts'
import { openTestServer } from '../testing.ts'
import { create, cronTabs, define, find, specOf, until, version } from './testing.ts'

type Answer = (review: JsonObject) => JsonObject | string | 'close' | Promise<never>

/** A webhook that answers as `answer` says, with a certificate of its own authority. */
async function openWebhook(t: TestContext, answer: Answer) {
  const valid = { now: Date.now(), validMs: 3600_000 }
  const authority = await makeAuthority({ commonName: 'webhook-ca', ...valid })
  const serving = await issue(
    authority,
    { commonName: 'webhook', ips: ['127.0.0.1'] },
    { usages: ['server auth'], ...valid },
  )
  const asked: JsonObject[] = []
  const connections = new Set<unknown>()
  const server = createServer({ key: serving.keyPem, cert: serving.certPem }, (request, response) => {
    connections.add(request.socket)
    let text = ''
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.on('end', () => {
      const review = JSON.parse(text) as JsonObject
      asked.push(review)
      void Promise.resolve(answer(review)).then(result => {
        if (result === 'close') request.socket.destroy()
        else response.end(typeof result === 'string' ? result : JSON.stringify(result))
      })
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `https://127.0.0.1:${port}/convert`,
    caBundle: Buffer.from(authority.certPem).toString('base64'),
    asked,
    connections,
  }
}

/** Renames `size` of v1 to `length` of v2, and back. */
function rename(review: JsonObject): JsonObject {
  const { uid, desiredAPIVersion, objects } = review.request as {
    uid: string
    desiredAPIVersion: string
    objects: Json[]
  }
  const convertedObjects = objects.map((object): JsonObject => {
    assert.ok(isObject(object) && isObject(object.spec))
    const { size, length, ...rest } = object.spec
    const value = size ?? length!
    const named: JsonObject = desiredAPIVersion.endsWith('/v2') ? { length: value } : { size: value }
    return { ...object, apiVersion: desiredAPIVersion, spec: { ...rest, ...named } }
  })
  return {
    kind: 'ConversionReview',
    apiVersion: String(review.apiVersion),
    response: { uid, convertedObjects, result: { status: 'Success' } },
  }
}

async function withVersions(t: TestContext, answer: Answer) {
  const webhook = await openWebhook(t, answer)
  const server = await openTestServer(t)
  const definition = cronTabs(
    {},
    {
      spec: {
        conversion: {
          strategy: 'Webhook',
          webhook: {
            clientConfig: { url: webhook.url, caBundle: webhook.caBundle },
            conversionReviewVersions: ['v1'],
          },
        },
      },
    },
  )
  definition.spec.versions = [
    version('v1', { size: { type: 'integer' } }, { storage: true, selectableFields: [{ jsonPath: '.spec.size' }] }),
    version('v2', { length: { type: 'integer' } }, { selectableFields: [{ jsonPath: '.spec.length' }] }),
  ]
  const v1 = await define(server, definition)
  const v2 = find(server, 'v2')!
  return { server, webhook, v1, v2 }
}

test('selectors are over fields of the version that is asked for', async t => {
  const { server, v1, v2 } = await withVersions(t, rename)
  const { admin } = server
  for (const [i, name] of ['a', 'b', 'c'].entries())
    await create(admin, i % 2 ? v1 : v2, { [i % 2 ? 'size' : 'length']: i }, name)
  const named = async (kind: AnyKind, fieldSelector: string, more: object = {}) => {
    const { items } = await admin.list(kind, { namespace: 'default', options: { fieldSelector, ...more } })
    return items.map(({ object }) => object.metadata.name)
  }
  assert.deepEqual(await named(v1, 'spec.size=1'), ['b'])
  assert.deepEqual(await named(v2, 'spec.length=1'), ['b'])
  assert.deepEqual(await named(v2, 'spec.length!=1'), ['a', 'c'])
  const { revision } = await admin.list(v2)
  await admin.patch(v1, 'b', 'merge', { spec: { size: 2 } })
  const exact = { resourceVersion: String(revision), resourceVersionMatch: 'Exact' }
  assert.deepEqual(await named(v2, 'spec.length=1', exact), ['b'])
  assert.deepEqual(await named(v2, 'spec.length=2'), ['b', 'c'])
})

test('a watch with a selector has the events of the version that is asked for, and another version has its own', async t => {
  const { server, v1, v2 } = await withVersions(t, rename)
  const { admin } = server
  await create(admin, v1, { size: 1 }, 'a')
  const abort = new AbortController()
  t.after(() => abort.abort())
  const watched = async (kind: AnyKind, fieldSelector: string) => {
    const result = await admin.ask('watch', kind, {
      namespace: 'default',
      options: { fieldSelector },
      signal: abort.signal,
    })
    assert.ok(result.type === 'watch')
    return result.events[Symbol.asyncIterator]()
  }
  const events = async (from: AsyncIterator<readonly WatchEvent[]>) => {
    const { value } = (await from.next()) as { value: readonly WatchEvent[] }
    return value.map(({ type, item }) => [type, item.object.metadata.name, specOf(item.object)])
  }
  const [ones, twos] = await Promise.all([watched(v2, 'spec.length=1'), watched(v1, 'spec.size=2')])
  assert.deepEqual(await events(ones), [['ADDED', 'a', { length: 1 }]])
  const next = [events(ones), events(twos)]
  await admin.patch(v1, 'a', 'merge', { spec: { size: 2 } })
  assert.deepEqual(await Promise.all(next), [[['DELETED', 'a', { length: 1 }]], [['ADDED', 'a', { size: 2 }]]])
})

test('objects are converted by the webhook, each of them once for all readers', async t => {
  const { server, webhook, v1, v2 } = await withVersions(t, rename)
  const { admin } = server
  await create(admin, v1, { size: 1 }, 'a')
  await create(admin, v2, { length: 2 }, 'b')
  assert.deepEqual(specOf((await admin.get(v1, 'b')) as KubeObject), { size: 2 })
  const before = webhook.asked.length
  const listed = (await admin.list(v2)).items.map(({ object }) => [object.apiVersion, specOf(object)])
  assert.deepEqual(listed, [
    [v2.apiVersion, { length: 1 }],
    [v2.apiVersion, { length: 2 }],
  ])
  await admin.list(v2)
  assert.equal(webhook.asked.length, before + 1, 'one question for the object that had not been shown yet')
  const patched = (await admin.patch(v2, 'a', 'merge', { spec: { length: 7 } })) as KubeObject
  assert.deepEqual(specOf(patched), { length: 7 })
  assert.deepEqual(specOf((await admin.get(v1, 'a')) as KubeObject), { size: 7 })
  assert.equal(webhook.connections.size, 1, 'the connection is used again')
  const [first] = webhook.asked
  assert.equal(first?.apiVersion, 'apiextensions.k8s.io/v1')
})

test('a watch shows converted objects', async t => {
  const { server, v1, v2 } = await withVersions(t, rename)
  const result = await server.admin.ask('watch', v2, { namespace: 'default' })
  assert.ok(result.type === 'watch')
  const events = result.events[Symbol.asyncIterator]()
  await create(server.admin, v1, { size: 3 }, 'a')
  const [event] = (await events.next()).value ?? []
  assert.deepEqual([event?.type, specOf(event!.item.object)], ['ADDED', { length: 3 }])
})

test('whatever a webhook answers, only requests for the other version fail, and say why', async t => {
  const failed = (why: string) => `conversion webhook for stable.example.com/v1, Kind=CronTab failed: ${why}`
  const responding =
    (change: (response: JsonObject) => void): Answer =>
    review => {
      const answer = rename(review)
      change(answer.response as JsonObject)
      return answer
    }
  const table: [name: string, answer: Answer, message: string | RegExp][] = [
    [
      'nonsense',
      () => 'nonsense',
      failed("couldn't get version/kind; json parse error: invalid character 'o' in literal null (expecting 'u')"),
    ],
    [
      'another kind',
      () => ({ kind: 'Pod', apiVersion: 'v1' }),
      /invalid response: expected apiextensions.k8s.io\/v1, Kind=ConversionReview/,
    ],
    ['another uid', responding(r => (r.uid = 'other')), /expected response.uid=".*", got "other"/],
    ['a failure', responding(r => (r.result = { status: 'Failure', message: 'not today' })), failed('not today')],
    ['too few objects', responding(r => (r.convertedObjects = [])), failed('expected 1 converted objects, got 0')],
    [
      'another name',
      responding(r => ((r.convertedObjects as { metadata: JsonObject }[])[0]!.metadata.name = 'b')),
      failed(
        'invalid converted object at index 0: invalid metadata: must have the same name (expected "a", received "b")',
      ),
    ],
    ['a closed connection', () => 'close', /failed: Post "https:\/\/127\.0\.0\.1:\d+\/convert\?timeout=30s": EOF/],
    ['four megabytes', () => 'x'.repeat(4 * 1024 * 1024), /failed: Post ".*": http: response body too large/],
  ]
  for (const [name, answer, message] of table) {
    const { server, v1, v2 } = await withVersions(t, answer)
    await create(server.admin, v1, { size: 1 }, 'a')
    const expected = { reason: 'InternalError', message }
    await assert.rejects(server.admin.get(v2, 'a'), expected, name)
    await assert.rejects(server.admin.list(v2), expected, name)
    assert.deepEqual(specOf((await server.admin.get(v1, 'a')) as KubeObject), { size: 1 })
  }
})

test('a webhook with the certificate of another authority is not trusted', async t => {
  const { server, v1, v2 } = await withVersions(t, rename)
  await create(server.admin, v1, { size: 1 }, 'a')
  const other = await openWebhook(t, rename)
  await server.admin.patch(CustomResourceDefinition, `crontabs.${v1.group}`, 'merge', {
    spec: { conversion: { webhook: { clientConfig: { caBundle: other.caBundle } } } },
  })
  await until('the other bundle is used', () => find(server, 'v2') !== v2)
  const kind: AnyKind = find(server, 'v2')!
  await assert.rejects(server.admin.get(kind, 'a'), {
    message: /tls: failed to verify certificate: x509: certificate signed by unknown authority$/,
  })
})
