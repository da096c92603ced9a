// How many durable writes a second do one, two and three servers make into one etcd, and how long does one wait? 1 KiB
// values, new keys, 32 writers at each server, each waiting for its write before the next. Then: how long does a
// linearizable read take, and how long does a server take to open a store of 20,000 entries?
import { cpus } from 'node:os'
import { silentLog } from '../src/base/log.ts'
import { openEtcdStore } from '../src/store/index.ts'
import type { Store } from '../src/store/index.ts'
import { startEtcd } from '../src/store/etcd/testing.ts'

const valueBytes = 1024
const writers = 32
const runMs = Number(process.env.BENCH_MS ?? 3000)
const machine = `${cpus().length} cores, ${cpus()[0]?.model}`
const etcd = await startEtcd()
const open = (prefix: string) => openEtcdStore({ endpoints: etcd.endpoints, prefix, log: silentLog })

try {
  for (const servers of [1, 2, 3]) await writes(servers)
  await reads()
  await reopen()
} finally {
  etcd.stop()
}

async function writes(servers: number): Promise<void> {
  const stores = await Promise.all(Array.from({ length: servers }, () => open(`/writes-${servers}`)))
  const value = new Uint8Array(valueBytes).fill(120)
  const waits: number[] = []
  const start = performance.now()
  const writer = async (store: Store, name: string) => {
    for (let i = 0; performance.now() - start < runMs; i++) {
      const before = performance.now()
      await store.put(`/registry/pods/default/w${name}-${i}`, value, { expect: 'absent' })
      waits.push(performance.now() - before)
    }
  }
  await Promise.all(stores.flatMap((store, s) => Array.from({ length: writers }, (_, i) => writer(store, `${s}-${i}`))))
  const seconds = (performance.now() - start) / 1000
  const more = { servers, writers, valueBytes, processes: 1, machine }
  print('etcd-durable-writes', Math.round(waits.length / seconds), 'writes/s', more)
  print('etcd-durable-write-p99', quantile(waits, 0.99), 'ms', { ...more, p50: quantile(waits, 0.5) })
  for (const store of stores) await store.close()
}

async function reads(): Promise<void> {
  const store = await open('/reads')
  await store.put('/a', new Uint8Array(valueBytes), { expect: 'absent' })
  const waits: number[] = []
  let done = 0
  const start = performance.now()
  const reader = async () => {
    while (performance.now() - start < runMs) {
      const before = performance.now()
      await store.get('/a')
      waits.push(performance.now() - before)
      done++
    }
  }
  await Promise.all(Array.from({ length: writers }, reader))
  const perSecond = Math.round(done / ((performance.now() - start) / 1000))
  print('etcd-linearizable-reads', perSecond, 'reads/s', { readers: writers, p50: quantile(waits, 0.5), machine })
  await store.close()
}

async function reopen(): Promise<void> {
  const entries = 20_000
  const filled = await open('/reopen')
  const value = new Uint8Array(valueBytes).fill(120)
  for (let i = 0; i < entries; i += 1000)
    await Promise.all(
      Array.from({ length: 1000 }, (_, j) =>
        filled.put(`/registry/pods/default/p${i + j}`, value, { expect: 'absent' }),
      ),
    )
  await filled.close()
  const start = performance.now()
  const store = await open('/reopen')
  const page = await store.list('/registry/')
  print('etcd-open-and-list', Math.round(performance.now() - start), 'ms', {
    entries: page.entries.length,
    valueBytes,
    machine,
  })
  await store.close()
}

function quantile(values: number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return Number((sorted[Math.floor(sorted.length * q)] ?? 0).toFixed(2))
}

function print(bench: string, value: number, unit: string, more: object): void {
  console.log(JSON.stringify({ bench, value, unit, ...more }))
}
