import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { readLook, usageOf } from './usage.ts'

const text = (cpu: number, at: number, startedAt = 1000) => `# TYPE node_cpu_usage_seconds_total counter
node_cpu_usage_seconds_total ${cpu * 2} ${at}
node_memory_working_set_bytes 4096 ${at}
container_cpu_usage_seconds_total{container="c",namespace="n",pod="p"} ${cpu} ${at}
container_memory_working_set_bytes{container="c",namespace="n",pod="p"} 1024 ${at}
container_start_time_seconds{container="c",namespace="n",pod="p"} ${startedAt}
container_cpu_usage_seconds_total{container="odd \\"x\\"",namespace="n",pod="p"} 1 ${at}
scrape_error 0
`

test('two looks make a rate for the node and for each container', () => {
  const [before, after] = [readLook(text(100, 5_000_000), 0), readLook(text(103, 5_010_000), 0)]
  deepStrictEqual(usageOf(before.node, after.node), {
    atMs: 5_010_000,
    windowMs: 10_000,
    cpuCores: 0.6,
    memoryBytes: 4096,
  })
  const container = usageOf(before.containers.get('n/p/c'), after.containers.get('n/p/c'))
  deepStrictEqual([container?.cpuCores, container?.memoryBytes], [0.3, 1024])
  // A container with only one of its values is left out.
  strictEqual(after.containers.size, 1)
})

test('a restarted container is measured from its start, and one moment is not enough', () => {
  const before = readLook(text(100, 5_000_000), 0).containers.get('n/p/c')
  const restarted = readLook(text(2, 5_010_000, 5006), 0).containers.get('n/p/c')
  deepStrictEqual(usageOf(before, restarted), { atMs: 5_010_000, windowMs: 4000, cpuCores: 0.5, memoryBytes: 1024 })
  strictEqual(usageOf(before, before), undefined)
  strictEqual(usageOf(before, undefined), undefined)
})
