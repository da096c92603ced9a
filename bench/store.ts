// How many durable writes a second does the embedded store take, and how long does one wait? 1 KiB values,
// new keys, as many writers as asked for, each waiting for its write before the next. Then: how long do an
// open and a whole list of 100,000 such entries take?
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { openEmbeddedStore } from '../src/store/index.ts'

const valueBytes = 1024
const runMs = Number(process.env.BENCH_MS ?? 3000)
const directory = mkdtempSync(join(process.env.BENCH_DIR ?? '/var/tmp', 'kutter-bench-'))
const machine = `${cpus().length} cores, ${cpus()[0]?.model}`

try {
  await writes(64)
  await writes(1)
  await reopen()
} finally {
  rmSync(directory, { recursive: true })
}

async function writes(writers: number): Promise<void> {
  const store = await openEmbeddedStore(join(directory, `writes-${writers}`))
  const value = new Uint8Array(valueBytes).fill(120)
  await store.put('/warm', value, { expect: 'absent' })
  const waits: number[] = []
  const start = performance.now()
  const writer = async (name: number) => {
    for (let i = 0; performance.now() - start < runMs; i++) {
      const before = performance.now()
      await store.put(`/registry/pods/default/w${name}-${i}`, value, { expect: 'absent' })
      waits.push(performance.now() - before)
    }
  }
  await Promise.all(Array.from({ length: writers }, (_, i) => writer(i)))
  const seconds = (performance.now() - start) / 1000
  waits.sort((a, b) => a - b)
  const more = { writers, valueBytes, durable: 'fdatasync', machine }
  print('store-durable-writes', Math.round(waits.length / seconds), 'writes/s', more)
  print('store-durable-write-p99', quantile(waits, 0.99), 'ms', { ...more, p50: quantile(waits, 0.5) })
  await store.close()
}

async function reopen(): Promise<void> {
  const entries = 100_000
  const path = join(directory, 'reopen')
  const filled = await openEmbeddedStore(path)
  const value = new Uint8Array(valueBytes).fill(120)
  for (let i = 0; i < entries; i += 1000)
    await Promise.all(
      Array.from({ length: 1000 }, (_, j) =>
        filled.put(`/registry/pods/default/p${i + j}`, value, { expect: 'absent' }),
      ),
    )
  await filled.close()
  const start = performance.now()
  const store = await openEmbeddedStore(path)
  print('store-open', Math.round(performance.now() - start), 'ms', { entries, valueBytes, machine })
  const opened = performance.now()
  const page = await store.list('/registry/')
  print('store-list', Math.round(performance.now() - opened), 'ms', {
    entries: page.entries.length,
    valueBytes,
    machine,
  })
  await store.close()
}

function quantile(sorted: number[], q: number): number {
  return Number((sorted[Math.floor(sorted.length * q)] ?? 0).toFixed(2))
}

function print(bench: string, value: number, unit: string, more: object): void {
  console.log(JSON.stringify({ bench, value, unit, ...more }))
}
