// Lists: all pages of a list are of one state, whatever is written between them; and which state a list is of.
import { deepStrictEqual, ok, rejects, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../base/testing.ts'
import type { StatusError } from '../base/errors.ts'
import { matchesSelector, parseSelector } from '../api/labels.ts'
import type { OperationOptions } from '../api/operation.ts'
import { ConfigMap } from '../kinds/core/configmap.ts'
import { Namespace } from '../kinds/core/namespace.ts'
import { Node } from '../kinds/core/node.ts'
import { type Caller, namesOf, openTestServer } from './testing.ts'

interface Stored {
  namespace: string
  name: string
  labels: Readonly<Record<string, string>>
}

const place = fc.record({
  namespace: fc.constantFrom('one', 'two'),
  name: fc.constantFrom('a', 'a.b', 'ab', 'b', 'c', 'd'),
})
const labels = fc.dictionary(fc.constantFrom('app', 'tier'), fc.constantFrom('x', 'y'), { noNullPrototype: true })
const write = fc.record({ place, labels: fc.option(labels) })
const question = fc.record({
  namespace: fc.constantFrom('', 'one', 'two'),
  labelSelector: fc.constantFrom('', 'app=x', 'app in (x,y)', '!tier', 'app=x,tier=y'),
  limit: fc.nat({ max: 4 }),
})

const keyOf = ({ namespace, name }: { namespace: string; name: string }) => `${namespace}/${name}`

/** Writes an object or, without labels, removes it, in several namespaces. */
async function carryOut(
  admin: Caller,
  state: Map<string, Stored>,
  { place: at, labels: given }: { place: Pick<Stored, 'namespace' | 'name'>; labels: Stored['labels'] | null },
): Promise<void> {
  const key = keyOf(at)
  if (given === null) {
    if (state.delete(key)) await admin.remove(ConfigMap, key)
    return
  }
  const draft = { metadata: { ...at, labels: given } }
  if (state.has(key)) await admin.update(ConfigMap, draft)
  else await admin.create(ConfigMap, draft)
  state.set(key, { ...at, labels: given })
}

test('all pages are of the state of the first one, complete, in order and counted', async t => {
  const { admin } = await openTestServer(t)
  for (const name of ['one', 'two']) await admin.create(Namespace, { metadata: { name } })
  await fc.assert(
    fc.asyncProperty(
      fc.array(write, { maxLength: 8 }),
      question,
      fc.array(write, { maxLength: 6 }),
      async (before, asked, between) => {
        const state = new Map<string, Stored>()
        for (const one of before) await carryOut(admin, state, one)
        const { namespace, limit, labelSelector } = asked
        const options: OperationOptions = { limit, ...(labelSelector && { labelSelector }) }
        const selector = parseSelector(labelSelector)
        const expected = [...state.values()]
          .filter(o => (!namespace || o.namespace === namespace) && matchesSelector(selector, o.labels))
          .map(keyOf)
          .sort()
        const found: string[] = []
        const later = [...between]
        for (let page = await admin.list(ConfigMap, { namespace, options }), revision = page.revision; ; ) {
          strictEqual(page.revision, revision, 'one state')
          const keys = page.items.map(({ object: { metadata } }) => `${metadata.namespace}/${metadata.name}`)
          found.push(...keys)
          if (limit) ok(keys.length <= limit)
          if (page.remaining !== undefined) strictEqual(page.remaining, expected.length - found.length)
          else ok(page.continue === undefined || labelSelector, 'a list without selectors counts what is left')
          // In a past state it is not computed whether any of the objects that follow is selected.
          if (keys.length === found.length || !labelSelector)
            strictEqual(page.continue !== undefined, found.length < expected.length, 'there is more')
          if (page.continue === undefined) break
          const next = later.shift()
          if (next) await carryOut(admin, state, next)
          page = await admin.list(ConfigMap, { namespace, options: { ...options, continue: page.continue } })
        }
        deepStrictEqual(found, expected)
        for (const key of state.keys()) await admin.remove(ConfigMap, key)
      },
    ),
    { numRuns: 150 },
  )
})

async function openWithMaps(t: Parameters<typeof openTestServer>[0], ...names: string[]) {
  const server = await openTestServer(t)
  const revisions: number[] = []
  for (const name of names)
    revisions.push(Number((await server.admin.create(ConfigMap, { metadata: { name } })).metadata.resourceVersion))
  const list = async (options: OperationOptions) => {
    const page = await server.admin.list(ConfigMap, { options })
    return [namesOf(page.items), page.revision]
  }
  return { ...server, revisions, list }
}

test('a list is of the newest state, of any state, of one at least as new, or of exactly one', async t => {
  const { list, revisions } = await openWithMaps(t, 'a', 'b', 'c')
  const [first = 0, second = 0, third = 0] = revisions
  const all = [['a', 'b', 'c'], third]
  deepStrictEqual(await list({}), all)
  deepStrictEqual(await list({ resourceVersion: '0' }), all)
  // Any state is accepted, so the answer is one page.
  deepStrictEqual(await list({ resourceVersion: '0', limit: 1 }), all)
  deepStrictEqual(await list({ resourceVersion: String(first), resourceVersionMatch: 'NotOlderThan' }), all)
  deepStrictEqual(await list({ resourceVersion: String(first) }), all)
  deepStrictEqual(await list({ resourceVersion: String(second), resourceVersionMatch: 'Exact' }), [['a', 'b'], second])
  deepStrictEqual(await list({ resourceVersion: String(first), resourceVersionMatch: 'Exact', limit: 1 }), [
    ['a'],
    first,
  ])
  await rejects(list({ resourceVersion: String(third + 1) }), { reason: 'Timeout', code: 504 })
})

test('an invalid position in a list is refused with the error text of Kubernetes', async t => {
  const { list } = await openWithMaps(t, 'a', 'b')
  const token = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const key = 'invalid continue token: continue key is not valid: '
  const v = 'meta.k8s.io/v1'
  const table: [options: OperationOptions, message: string][] = [
    [
      { resourceVersion: 'x' },
      'invalid resource version: resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax',
    ],
    [
      { continue: token({ v, rv: 1, start: 'a' }), resourceVersion: '1' },
      'specifying resource version is not allowed when using continue',
    ],
    [{ continue: token({ v: 'v9', rv: 1, start: 'a' }) }, `${key}server does not recognize this encoded version v9`],
    [
      { continue: token({ v, rv: 0, start: 'a' }) },
      `${key}incorrect encoded start resourceVersion (version meta.k8s.io/v1)`,
    ],
    [{ continue: token({ v, rv: 1, start: '' }) }, `${key}encoded start key empty (version meta.k8s.io/v1)`],
    [{ continue: token({ v, rv: 1, start: '../secrets' }) }, `${key}../secrets`],
  ]
  for (const [options, message] of table) await rejects(list(options), { reason: 'BadRequest', message })
  await rejects(list({ continue: 'not a token' }), { reason: 'BadRequest', message: /^invalid continue token/ })
})

test('a page whose state is compacted is refused with a token that goes on with the newest state', async t => {
  const { admin, core } = await openWithMaps(t, 'a', 'b', 'c')
  const first = await admin.list(ConfigMap, { options: { limit: 1 } })
  await admin.create(ConfigMap, { metadata: { name: 'aa' } })
  await core.storage.store.compact(core.storage.revision)
  let token = ''
  await rejects(admin.list(ConfigMap, { options: { limit: 1, continue: first.continue! } }), (error: StatusError) => {
    strictEqual(error.reason, 'Expired')
    token = error.continue!
    return true
  })
  const rest = await admin.list(ConfigMap, { options: { continue: token } })
  deepStrictEqual([namesOf(rest.items), rest.revision], [['aa', 'b', 'c'], core.storage.revision])
  await rejects(
    admin.list(ConfigMap, { options: { resourceVersion: String(first.revision), resourceVersionMatch: 'Exact' } }),
    { reason: 'Expired', code: 410 },
  )
})

test('a selector on the name finds one object, in its namespace or in all of them, and no other', async t => {
  const { admin } = await openWithMaps(t, 'a', 'b')
  await admin.create(Namespace, { metadata: { name: 'other' } })
  await admin.create(ConfigMap, { metadata: { namespace: 'other', name: 'a' } })
  const found = async (namespace: string, fieldSelector: string) =>
    (await admin.list(ConfigMap, { namespace, options: { fieldSelector } })).items.map(
      ({ object: { metadata } }) => `${metadata.namespace}/${metadata.name}`,
    )
  deepStrictEqual(await found('default', 'metadata.name=a'), ['default/a'])
  deepStrictEqual(await found('', 'metadata.name=a'), ['default/a', 'other/a'])
  deepStrictEqual(await found('', 'metadata.name=a,metadata.namespace!=default'), ['other/a'])
  deepStrictEqual(await found('default', 'metadata.name=a,metadata.name=b'), [])
  deepStrictEqual(await found('default', 'metadata.name=none'), [])
  await admin.create(Node, { metadata: { name: 'n' } })
  const nodes = await admin.list(Node, { options: { fieldSelector: 'metadata.name=n,spec.unschedulable=false' } })
  deepStrictEqual(namesOf(nodes.items), ['n'])
})

test('a label that is listed often finds the same objects as the first time, and changes', async t => {
  const { admin } = await openTestServer(t)
  const create = (name: string, app: string) => admin.create(ConfigMap, { metadata: { name, labels: { app } } })
  await create('a', 'x')
  await create('b', 'y')
  const found = async (labelSelector: string) =>
    namesOf((await admin.list(ConfigMap, { options: { labelSelector } })).items)
  // After several lists there is an index.
  for (let i = 0; i < 6; i++) {
    deepStrictEqual(await found('app=x'), ['a'])
    deepStrictEqual(await found('app in (y,x)'), ['a', 'b'])
  }
  await admin.patch(ConfigMap, 'a', 'merge', { metadata: { labels: { app: 'y' } } })
  await create('c', 'x')
  await admin.remove(ConfigMap, 'b')
  deepStrictEqual([await found('app=x'), await found('app=y'), await found('app==z')], [['c'], ['a'], []])
})
