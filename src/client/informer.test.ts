// Informers over a connection to the real API server that breaks, ends watches, delays them, and comes back.
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { settle } from '../base/clock.ts'
import { StatusError } from '../base/errors.ts'
import { silentLog } from '../base/log.ts'
import type { Serve, WatchEvent } from '../api/operation.ts'
import { type Caller, openTestServer } from '../apiserver/testing.ts'
import { ConfigMap } from '../kinds/core/configmap.ts'
import { Namespace } from '../kinds/core/namespace.ts'
import { Client } from './client.ts'

/** The connection between a client and its server. */
class Line {
  readonly #serve: Serve
  /** The lists and watches that were requested, watches with the revision at which they start. */
  readonly asked: string[] = []
  #broken = false
  #held: Promise<void> = Promise.resolve()
  #watches = new Set<{ end(error?: Error): void }>()

  constructor(serve: Serve) {
    this.#serve = serve
  }

  readonly serve: Serve = async operation => {
    const { verb, options } = operation
    this.asked.push(verb === 'watch' ? `watch ${options.resourceVersion}` : verb)
    this.#mustHold()
    const result = await this.#serve(operation)
    this.#mustHold()
    return result.type === 'watch' ? { ...result, events: this.#events(result.events) } : result
  }

  #mustHold(): void {
    if (this.#broken) throw new StatusError('ServiceUnavailable', 'the line is broken')
  }

  async *#events(events: AsyncIterable<readonly WatchEvent[]>): AsyncGenerator<readonly WatchEvent[]> {
    let end: (error?: Error) => void = () => {}
    const ended = new Promise<'ended'>((resolve, reject) => {
      end = error => (error ? reject(error) : resolve('ended'))
    })
    ended.catch(() => {})
    const watch = { end }
    this.#watches.add(watch)
    const source = events[Symbol.asyncIterator]()
    try {
      for (;;) {
        const next = await Promise.race([source.next(), ended])
        if (next === 'ended' || next.done) return
        await this.#held
        yield next.value
      }
    } finally {
      this.#watches.delete(watch)
      void source.return?.()
    }
  }

  /** Ends all watches, in order or with an error. */
  endWatches(error?: Error): void {
    for (const { end } of this.#watches) end(error)
  }

  break(): void {
    this.#broken = true
    this.endWatches(new StatusError('ServiceUnavailable', 'the line broke'))
  }

  mend(): void {
    this.#broken = false
  }

  /** Holds back everything until the returned function is called. */
  hold(): () => void {
    let release = () => {}
    this.#held = new Promise(resolve => (release = resolve))
    return release
  }
}

async function open(t: TestContext) {
  const server = await openTestServer(t)
  const line = new Line(server.serve)
  const client = new Client({
    serve: line.serve,
    user: server.admin.user,
    userAgent: 'test',
    clock: server.clock,
    log: silentLog,
  })
  t.after(() => client.close())
  const put = async (name: string, x: string) => {
    const draft = { metadata: { name, labels: { x } }, data: { x } }
    const options = { fieldSelector: `metadata.name=${name}` }
    const there = await server.admin.list(ConfigMap, { namespace: 'default', options })
    return there.items.length ? server.admin.update(ConfigMap, draft) : server.admin.create(ConfigMap, draft)
  }
  /** All changes that a listener has received. */
  const follow = (mirror: ReturnType<typeof client.mirror<ConfigMap>>) => {
    const told: string[] = []
    mirror.follow(({ type, item }) => told.push(`${type} ${item.object.metadata.name} ${item.object.data?.x}`), 'test')
    return told
  }
  return { ...server, line, client, put, follow, remove: (name: string) => server.admin.remove(ConfigMap, name) }
}

/** More changes than the change log of a kind keeps. */
const many = 5200

async function createMany(admin: Caller): Promise<void> {
  for (let i = 0; i < many; i += 400)
    await Promise.all(
      Array.from({ length: 400 }, (_, n) => admin.create(ConfigMap, { metadata: { name: `many-${i + n}` } })),
    )
}

/** The objects as sorted texts `name value`. */
const shown = (mirror: { list(): ConfigMap[] }) =>
  mirror
    .list()
    .map(({ metadata, data }) => `${metadata.name} ${data?.x}`)
    .sort()

test('a mirror has the objects at the start, and then every change once', async t => {
  const { client, put, remove, follow, line } = await open(t)
  await put('a', '1')
  const mirror = client.mirror(ConfigMap)
  strictEqual(mirror.synced, false)
  await client.synced([mirror])
  const told = follow(mirror)
  await put('a', '2')
  await put('b', '1')
  await remove('a')
  await settle()
  deepStrictEqual(told, ['ADDED a 1', 'MODIFIED a 2', 'ADDED b 1', 'DELETED a 2'])
  deepStrictEqual(shown(mirror), ['b 1'])
  strictEqual(line.asked.filter(verb => verb === 'list').length, 1)
})

test('a watch that ends in order goes on where it was, with the changes since then', async t => {
  const { client, put, remove, follow, line } = await open(t)
  const mirror = client.mirror(ConfigMap)
  await client.synced([mirror])
  const told = follow(mirror)
  await put('a', '1')
  const { metadata } = await put('b', '1')
  await settle()
  line.endWatches()
  await put('a', '2')
  await remove('b')
  await settle()
  deepStrictEqual(told, ['ADDED a 1', 'ADDED b 1', 'MODIFIED a 2', 'DELETED b 1'])
  deepStrictEqual(line.asked.slice(-1), [`watch ${metadata.resourceVersion}`])
})

test('a watch that breaks goes on after its last change, and never back in time', async t => {
  const { client, put, remove, follow, line, clock } = await open(t)
  await put('a', '0')
  const mirror = client.mirror(ConfigMap)
  await client.synced([mirror])
  const told = follow(mirror)
  await put('a', '1')
  await put('a', '2')
  await put('b', '1')
  const { metadata } = await put('c', '1')
  await settle()
  const before = told.length
  line.break()
  await remove('b')
  await put('a', '3')
  await clock.forward(1000)
  line.mend()
  await clock.forward(10_000)
  deepStrictEqual(told.slice(before), ['DELETED b 1', 'MODIFIED a 3'])
  deepStrictEqual(line.asked.slice(-1), [`watch ${metadata.resourceVersion}`])
  deepStrictEqual(
    line.asked.filter(verb => verb === 'list'),
    ['list'],
  )
})

test('a watch without changes goes on from its last bookmark', async t => {
  const { client, admin, line, clock, core } = await open(t)
  const mirror = client.mirror(ConfigMap)
  await client.synced([mirror])
  await admin.create(Namespace, { metadata: { name: 'other' } })
  await clock.forward(61_000)
  line.endWatches()
  await settle()
  deepStrictEqual(line.asked.slice(-1), [`watch ${core.storage.revision}`])
  deepStrictEqual([mirror.size, mirror.revision], [0, core.storage.revision])
})

test('an informer whose revision has expired lists again, and listeners receive the difference', async t => {
  const { client, admin, put, remove, follow, line, clock, core } = await open(t)
  for (const name of ['changed', 'deleted', 'same']) await put(name, '1')
  const mirror = client.mirror(ConfigMap)
  await client.synced([mirror])
  const told = follow(mirror)
  told.length = 0
  line.break()
  await put('changed', '2')
  await remove('deleted')
  await put('new', '1')
  await put('passing', '1')
  await remove('passing')
  // More changes than the change log and the history of the store keep.
  await createMany(admin)
  await core.storage.store.compact(core.storage.revision)
  line.mend()
  await clock.forward(20_000)
  const others = (lines: string[]) => lines.filter(text => !text.includes('many'))
  deepStrictEqual(others(told).sort(), ['ADDED new 1', 'DELETED deleted 1', 'MODIFIED changed 2'])
  strictEqual(told.length, many + 3)
  deepStrictEqual(others(shown(mirror)), ['changed 2', 'new 1', 'same 1'])
  strictEqual(line.asked.filter(verb => verb === 'list').length, 2)
})

test('of the errors that a watch can contain, only an expired revision leads to a new list', async t => {
  const { client, put, line, clock, core } = await open(t)
  const mirror = client.mirror(ConfigMap)
  await client.synced([mirror])
  await put('a', '1')
  await settle()
  line.endWatches(new StatusError('Expired', 'too old resource version: 1 (2)'))
  await clock.forward(1000)
  deepStrictEqual(line.asked.slice(-2), ['list', `watch ${core.storage.revision}`])
  line.endWatches(new StatusError('InternalError', 'broken'))
  await clock.forward(1000)
  deepStrictEqual(line.asked.slice(-2), [`watch ${core.storage.revision}`, `watch ${core.storage.revision}`])
})

test('an informer that is held back for long misses nothing', { timeout: 60_000 }, async t => {
  const { client, admin, put, line, clock } = await open(t)
  const mirror = client.mirror(ConfigMap)
  await client.synced([mirror])
  const names: string[] = []
  mirror.subscribeEach(({ type, item }) => names.push(`${type} ${item.object.metadata.name}`), 'test')
  const release = line.hold()
  await put('first', '1')
  await settle()
  await createMany(admin)
  await put('last', '1')
  strictEqual(mirror.size, 0)
  release()
  await clock.forward(20_000)
  strictEqual(mirror.size, many + 2)
  strictEqual(new Set(names).size, names.length, 'nothing twice')
  deepStrictEqual([names.at(0), names.at(-1)], ['ADDED first', 'ADDED last'])
})

test('a server that does not answer is asked less and less often, and soon again after a success', async t => {
  const { client, line, clock } = await open(t)
  const mirror = client.mirror(ConfigMap)
  await client.synced([mirror])
  await settle()
  const asked = async (ms: number) => {
    const before = line.asked.length
    await clock.forward(ms)
    return line.asked.length - before
  }
  line.break()
  await settle()
  const tries: number[] = []
  for (const ms of [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]) tries.push(await asked(ms))
  deepStrictEqual(tries, [1, 1, 1, 1, 1, 1, 1, 1])
  line.mend()
  strictEqual(await asked(10_000), 1)
  // The watch has lasted, so the next failure begins with a short wait.
  await clock.forward(60_000)
  line.break()
  await settle()
  strictEqual(await asked(200), 1)
})

test('the mirror of a part of a kind has the objects that belong to it, while they do', async t => {
  const { client, admin, put } = await open(t)
  await put('a', '1')
  await admin.create(Namespace, { metadata: { name: 'other' } })
  await admin.create(ConfigMap, { metadata: { namespace: 'other', name: 'a' }, data: { x: 'other' } })
  const scopes = [
    { namespace: 'other' },
    { labelSelector: 'x=1' },
    { fieldSelector: 'metadata.name=b' },
    { namespace: 'default', labelSelector: 'x=2' },
  ]
  const mirrors = scopes.map(scope => client.mirror(ConfigMap, scope))
  await client.synced(mirrors)
  const all = () => mirrors.map(shown)
  deepStrictEqual(all(), [['a other'], ['a 1'], [], []])
  await put('b', '1')
  await settle()
  deepStrictEqual(all(), [['a other'], ['a 1', 'b 1'], ['b 1'], []])
  await put('a', '2')
  await settle()
  deepStrictEqual(all(), [['a other'], ['b 1'], ['b 1'], ['a 2']])
})

test('a scope has one mirror, which does not change any more after its release or the end of the client', async t => {
  const { client, put, line } = await open(t)
  const mirror = client.mirror(ConfigMap, { namespace: 'default' })
  strictEqual(client.mirror(ConfigMap, { namespace: 'default' }), mirror)
  const other = client.mirror(ConfigMap)
  ok(other !== mirror)
  await client.synced([mirror, other])
  client.release(mirror)
  await put('a', '1')
  await settle()
  deepStrictEqual([shown(mirror), shown(other)], [[], ['a 1']])
  // The next request for the scope gets a new one.
  const again = client.mirror(ConfigMap, { namespace: 'default' })
  ok(again !== mirror)
  await client.synced([again])
  deepStrictEqual(shown(again), ['a 1'])
  client.close()
  await settle()
  const before = line.asked.length
  await put('b', '1')
  await settle()
  deepStrictEqual([shown(again), shown(other), line.asked.length], [['a 1'], ['a 1'], before])
})
