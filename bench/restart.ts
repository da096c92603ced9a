// How long a server with 100,000 objects takes from its start to the first LIST, of a page as kubectl asks for it and of all
// 50,000 ConfigMaps, and how much memory it has then; and how long a snapshot of them takes to save and to restore, with
// the embedded store and with an etcd on this machine. Half of the objects are pods, half ConfigMaps of 1 KiB. The server
// is another process, from a bundle as a cluster's is, without TLS, controllers and scheduler.
// Usage: tools/node bench/restart.ts [OBJECTS=100000]
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { realClock } from '../src/base/clock.ts'
import { silentLog } from '../src/base/log.ts'
import type { AnyKind } from '../src/api/kind.ts'
import { timeText } from '../src/api/time.ts'
import { ConfigMap } from '../src/kinds/core/configmap.ts'
import { Pod } from '../src/kinds/core/pod.ts'
import { ServiceAccount } from '../src/kinds/core/serviceaccount.ts'
import {
  copyToEtcd,
  type Entry,
  fillEmbedded,
  openEmbeddedStore,
  openEtcdStore,
  saveSnapshot,
  type Store,
  snapshotHead,
  snapshotParts,
} from '../src/store/index.ts'
import { makeSigningKey } from '../src/wire/jwt.ts'
import { bundle } from '../tools/bundling.ts'
import { openPlane } from './plane.ts'
import { inBatches, print, residentMiB } from './world.ts'

const total = Number(process.argv[2] ?? 100_000)
const root = join(import.meta.dirname, '..')
const prefix = '/kutter/bench'
/** A server has one on its disk. */
const signingKey = process.env.SIGNING_KEY ?? makeSigningKey()

/** Where a server that is started finds its objects: a directory, or the member of an etcd. */
type Place = { directory: string } | { endpoint: string }

const openAt = (place: Place): Promise<Store> =>
  'directory' in place
    ? openEmbeddedStore(place.directory)
    : openEtcdStore({ endpoints: [place.endpoint], prefix, log: silentLog })

async function fill(directory: string): Promise<void> {
  const plane = await openPlane({ store: await openEmbeddedStore(directory) })
  const client = plane.client('bench', ['system:masters'])
  await client.create(ServiceAccount, { metadata: { name: 'default', namespace: 'default' } })
  const text = 'x'.repeat(1024)
  await inBatches(total / 2, async i => {
    await client.create(ConfigMap, { metadata: { name: `m-${i}`, namespace: 'default' }, data: { text } })
    const containers = [{ name: 'a', image: 'registry/app:1', ports: [{ containerPort: 80 }] }]
    await client.create(Pod, { metadata: { name: `p-${i}`, namespace: 'default' }, spec: { containers } })
  })
  await plane.close()
}

/** The work of the process that is started: until it has listed everything. */
async function start(place: Place): Promise<void> {
  const began = performance.now()
  const store = await openAt(place)
  const opened = performance.now()
  const { serve } = await openPlane({ store, signingKey })
  const ready = performance.now()
  const user = { name: 'bench', groups: ['system:masters'] }
  /** The number of objects of a list, whose JSON has been made. */
  const list = async (kind: AnyKind, limit = 0) => {
    const options = limit ? { limit } : {}
    const result = await serve({ verb: 'list', kind, namespace: '', name: '', subresource: '', options, user })
    if (result.type !== 'list') throw new Error(`a list is answered by ${result.type}`)
    for (const item of result.items) if (!item.bytes.length) throw new Error(`${item.key} has no JSON`)
    return result.items.length
  }
  const page = await list(ConfigMap, 500)
  const first = performance.now()
  const maps = await list(ConfigMap)
  const listed = performance.now()
  const pods = await list(Pod)
  const all = performance.now()
  process.send!({
    listed: maps + pods + page,
    ms: { open: opened - began, plane: ready - opened, page: first - ready, list: listed - first, rest: all - listed },
    startMs: began,
    residentMiB: residentMiB(),
  })
  process.exit()
}

interface Started {
  listed: number
  ms: Record<'open' | 'plane' | 'page' | 'list' | 'rest', number>
  startMs: number
  residentMiB: number
}

/** Starts the bundle of this file, and waits until it has listed everything. */
async function restart(bundled: string, store: string, place: Place): Promise<void> {
  const child = fork(join(bundled, 'restart.js'), [String(total)], {
    env: {
      ...process.env,
      PLACE: JSON.stringify(place),
      SIGNING_KEY: signingKey,
      NODE_COMPILE_CACHE: join(bundled, 'compile'),
    },
  })
  const ended = once(child, 'exit')
  const [{ listed, ms, startMs, residentMiB: memory }] = (await once(child, 'message')) as [Started]
  await ended
  if (listed < total) throw new Error(`only ${listed} objects were listed`)
  const parts = Object.fromEntries(Object.entries(ms).map(([name, value]) => [name, Math.round(value)]))
  const more = { store, objects: total, parts: { program: Math.round(startMs), ...parts } }
  print('restart to the first page of a LIST', startMs + ms.open + ms.plane + ms.page, 'ms', more)
  print('restart to a LIST of half of the objects', startMs + ms.open + ms.plane + ms.page + ms.list, 'ms', more)
  print('memory after all have been listed', memory, 'MiB', { store, objects: total })
}

async function timed<T>(bench: string, more: object, work: () => Promise<T>): Promise<T> {
  const began = performance.now()
  const result = await work()
  print(bench, performance.now() - began, 'ms', { objects: total, ...more })
  return result
}

async function* entriesOf(file: string): AsyncGenerator<Entry> {
  for await (const part of snapshotParts(file)) if (part.type === 'entry') yield part.entry
}

async function snapshot(store: Store, kind: string, file: string): Promise<void> {
  const head = { name: 'bench', createdAt: timeText(realClock.now()) }
  await timed('snapshot saved', { store: kind }, () => saveSnapshot(store, file, head))
  await store.close()
}

async function measure(): Promise<void> {
  const directory = mkdtempSync(join(process.env.BENCH_DIR ?? '/var/tmp', 'kutter-bench-'))
  try {
    const [first, file, bundled] = [join(directory, 'store'), join(directory, 'a.snapshot'), join(directory, 'bundle')]
    await fill(first)
    const programs = { restart: import.meta.filename, 'disk-worker': join(root, 'src/store/disk-worker.ts') }
    await bundle(programs, bundled)
    // The first start also fills the cache of what is compiled.
    for (let i = 0; i < 3; i++) await restart(bundled, 'embedded', { directory: first })
    await snapshot(await openEmbeddedStore(first), 'embedded', file)
    print('size of the snapshot', statSync(file).size / 2 ** 20, 'MiB')
    const { revision } = await snapshotHead(file)
    const second = join(directory, 'restored')
    await timed('snapshot restored', { store: 'embedded' }, () => fillEmbedded(second, entriesOf(file), revision))
    // Only here, since it looks for an etcd at once.
    const { noEtcd, startEtcd } = await import('../src/store/etcd/testing.ts')
    if (noEtcd) return
    const etcd = await startEtcd()
    try {
      const endpoint = etcd.endpoints[0]!
      const to = { endpoints: [endpoint], prefix }
      await timed('snapshot restored', { store: 'etcd' }, () => copyToEtcd(to, entriesOf(file), revision))
      await restart(bundled, 'etcd', { endpoint })
      await snapshot(await openAt({ endpoint }), 'etcd', join(directory, 'b.snapshot'))
    } finally {
      etcd.stop()
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const place = process.env.PLACE
if (place) await start(JSON.parse(place) as Place)
else {
  await measure()
  process.exit()
}
