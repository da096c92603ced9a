// Watches: wherever a watch starts, its events lead from the objects at the start to the present ones.
import { deepStrictEqual, ok, rejects, strictEqual } from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { fc } from '../base/testing.ts'
import { settle } from '../base/clock.ts'
import { matchesSelector, parseSelector } from '../api/labels.ts'
import type { KubeObject } from '../api/kind.ts'
import type { OperationOptions, WatchEvent } from '../api/operation.ts'
import { ConfigMap } from '../kinds/core/configmap.ts'
import { Namespace } from '../kinds/core/namespace.ts'
import { type Caller, openTestServer } from './testing.ts'

type Labels = Readonly<Record<string, string>>

const name = fc.constantFrom('a', 'b', 'c')
const labels = fc.dictionary(fc.constantFrom('app', 'tier'), fc.constantFrom('x', 'y'), { noNullPrototype: true })
/** A write, or without labels a removal. */
const write = fc.record({ name, labels: fc.option(labels) })
const selector = fc.constantFrom('', 'app=x', '!tier', 'app!=x')

/** All past states by revision, each a map from name to labels. */
class History {
  readonly states: { revision: number; objects: ReadonlyMap<string, Labels> }[]

  constructor(revision: number) {
    this.states = [{ revision, objects: new Map() }]
  }

  get now(): ReadonlyMap<string, Labels> {
    return this.states.at(-1)!.objects
  }

  add(revision: number, name_: string, given: Labels | undefined): void {
    const objects = new Map(this.now)
    if (given) objects.set(name_, given)
    else objects.delete(name_)
    this.states.push({ revision, objects })
  }
}

async function carryOut(
  admin: Caller,
  namespace: string,
  history: History,
  { name: of, labels: given }: { name: string; labels: Labels | null },
) {
  const there = history.now.get(of)
  if (given === null) {
    if (!there) return
    const result = await admin.remove(ConfigMap, `${namespace}/${of}`)
    strictEqual(result.type, 'status')
    // A removal is a change like any other, and watches see its revision.
    history.add(history.states.at(-1)!.revision + 1, of, undefined)
    return
  }
  if (there && isDeepStrictEqual(there, given)) return
  const draft = { metadata: { namespace, name: of, labels: given } }
  const { metadata } = there ? await admin.update(ConfigMap, draft) : await admin.create(ConfigMap, draft)
  history.add(Number(metadata.resourceVersion), of, given)
}

async function startWatch(t: TestContext | undefined, admin: Caller, options: OperationOptions, namespace = 'default') {
  const abort = new AbortController()
  const result = await admin.ask('watch', ConfigMap, { namespace, options, signal: abort.signal })
  if (result.type !== 'watch') throw new Error('no watch')
  const events: WatchEvent[] = []
  const done = (async () => {
    for await (const batch of result.events) events.push(...batch)
  })()
  const stop = async () => {
    abort.abort()
    await done
  }
  t?.after(stop)
  return { events, done, stop }
}

const matching = (text: string, objects: ReadonlyMap<string, Labels>) => {
  const parsed = parseSelector(text)
  return new Map([...objects].filter(([, has]) => matchesSelector(parsed, has)))
}

test('the events of a watch lead from the selected objects at its revision to the present ones', async t => {
  const { admin, core } = await openTestServer(t)
  let runs = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(write, { maxLength: 8 }),
      fc.nat({ max: 8 }),
      selector,
      fc.array(write, { maxLength: 8 }),
      async (before, back, labelSelector, after) => {
        const namespace = `n-${runs++}`
        await admin.create(Namespace, { metadata: { name: namespace } })
        const history = new History(core.storage.revision)
        for (const one of before) await carryOut(admin, namespace, history, one)
        const from = history.states[Math.max(0, history.states.length - 1 - back)]!
        const options = { resourceVersion: String(from.revision), ...(labelSelector && { labelSelector }) }
        const { events, stop } = await startWatch(undefined, admin, options, namespace)
        for (const one of after) await carryOut(admin, namespace, history, one)
        await settle()
        const shown = new Map(matching(labelSelector, from.objects))
        let revision = from.revision
        for (const { type, item } of events) {
          const { metadata } = item.object
          ok(item.revision > revision, 'revisions grow')
          revision = item.revision
          strictEqual(metadata.resourceVersion, String(revision))
          const key = metadata.name ?? ''
          strictEqual(shown.has(key), type !== 'ADDED', `${type} of what was ${shown.has(key) ? '' : 'not '}there`)
          if (type === 'DELETED') {
            deepStrictEqual(metadata.labels ?? {}, shown.get(key), 'the last state that matched')
            shown.delete(key)
          } else shown.set(key, metadata.labels ?? {})
          // At a revision, a watch shows what a list would have shown.
          const then = history.states.findLast(state => state.revision <= revision)!
          deepStrictEqual([...shown].sort(), [...matching(labelSelector, then.objects)].sort())
        }
        deepStrictEqual([...shown].sort(), [...matching(labelSelector, history.now)].sort())
        await stop()
      },
    ),
    { numRuns: 150 },
  )
})

const brief = (events: readonly WatchEvent[]) =>
  events.map(({ type, item }) => `${type} ${item.object.metadata.name ?? ''}@${item.revision}`)

test('a watch begins with the present objects, or after them, depending on its options', async t => {
  const { admin, core } = await openTestServer(t)
  for (const one of ['a', 'b']) await admin.create(ConfigMap, { metadata: { name: one } })
  const now = core.storage.revision
  const there = [`ADDED a@${now - 1}`, `ADDED b@${now}`]
  const table: [options: OperationOptions, first: string[]][] = [
    [{}, there],
    [{ resourceVersion: '0' }, there],
    [{ resourceVersion: String(now) }, []],
    [{ resourceVersion: String(now - 1) }, [`ADDED b@${now}`]],
    [{ sendInitialEvents: true, allowWatchBookmarks: true }, [...there, `BOOKMARK @${now}`]],
    [
      { sendInitialEvents: true, allowWatchBookmarks: true, resourceVersion: String(now) },
      [...there, `BOOKMARK @${now}`],
    ],
    [{ sendInitialEvents: false, resourceVersion: '0' }, []],
  ]
  const watches = await Promise.all(
    table.map(async ([options, first]) => ({ options, first, ...(await startWatch(t, admin, options)) })),
  )
  await settle()
  for (const { options, first, events } of watches) deepStrictEqual(brief(events), first, JSON.stringify(options))
  const [bookmark] = watches[4]!.events.slice(-1)
  deepStrictEqual(bookmark!.item.object, {
    kind: 'ConfigMap',
    apiVersion: 'v1',
    metadata: { resourceVersion: String(now), annotations: { 'k8s.io/initial-events-end': 'true' } },
  })
  // From then on all receive the same events.
  await admin.create(ConfigMap, { metadata: { name: 'c' } })
  await settle()
  for (const { options, first, events } of watches)
    deepStrictEqual(brief(events.slice(first.length)), [`ADDED c@${now + 1}`], JSON.stringify(options))
})

test('a watch without events gets a bookmark every minute, if it requests them, and ends at its time', async t => {
  const { admin, core, clock } = await openTestServer(t)
  const rv = String(core.storage.revision)
  const asking = await startWatch(t, admin, { resourceVersion: rv, allowWatchBookmarks: true, timeoutSeconds: 150 })
  const silent = await startWatch(t, admin, { resourceVersion: rv, timeoutSeconds: 150 })
  await clock.forward(59_000)
  strictEqual(asking.events.length, 0)
  // Changes outside the selection and of other kinds move the bookmark too.
  await admin.create(ConfigMap, { metadata: { name: 'a' } })
  const made = core.storage.revision
  await clock.forward(1_000)
  deepStrictEqual(brief(asking.events), [`ADDED a@${made}`, `BOOKMARK @${made}`])
  strictEqual(asking.events[1]!.item.object.metadata.annotations, undefined)
  await clock.forward(60_000)
  deepStrictEqual(brief(asking.events.slice(2)), [`BOOKMARK @${made}`])
  await clock.forward(30_000)
  await Promise.all([asking.done, silent.done])
  deepStrictEqual(brief(silent.events), [`ADDED a@${made}`])
})

test('a watch from a future revision waits for it, and one from an expired revision is refused', async t => {
  const { admin, core } = await openTestServer(t)
  const next = core.storage.revision + 1
  const early = await startWatch(t, admin, { resourceVersion: String(next) })
  await admin.create(ConfigMap, { metadata: { name: 'a' } })
  await admin.create(ConfigMap, { metadata: { name: 'b' } })
  await settle()
  ok(brief(early.events).includes(`ADDED b@${next + 1}`))
  const future = await startWatch(t, admin, {
    resourceVersion: String(next + 100),
    sendInitialEvents: true,
    allowWatchBookmarks: true,
  })
  await future.done
  deepStrictEqual(
    future.events.map(({ type, item }) => [type, (item.object as KubeObject & { reason?: string }).reason]),
    [['ERROR', 'Timeout']],
  )
  await rejects(startWatch(undefined, admin, { resourceVersion: 'x' }), { message: /ParseUint: parsing "x"/ })
})
