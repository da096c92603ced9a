// The counts and limits of control groups, as files of both versions have them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CgroupDetail, detailOfV1, detailOfV2 } from './cgroup-detail.ts'

const v2: Record<string, string> = {
  'cpu/cpu.stat': 'usage_usec 900\nnr_periods 20\nnr_throttled 3\nthrottled_usec 1500\n',
  'memory/memory.stat': 'anon 1\nfile 4096\nfile_mapped 2048\n',
  'memory/memory.swap.current': '512\n',
  'memory/memory.peak': '8192\n',
  'memory/memory.events': 'low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\n',
  'io/io.stat': '8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n254:0 \n',
  'cpu/cpu.max': '20000 100000\n',
  'cpu/cpu.weight': '39\n',
  'memory/memory.max': '16384\n',
  'pids/pids.max': '100\n',
}
const v1: Record<string, string> = {
  'cpu/cpu.stat': 'nr_periods 20\nnr_throttled 3\nthrottled_time 1500000\n',
  'memory/memory.stat': 'cache 1\ntotal_cache 4096\ntotal_mapped_file 2048\ntotal_swap 512\n',
  'memory/memory.max_usage_in_bytes': '8192\n',
  'memory/memory.failcnt': '7\n',
  'memory/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 1\n',
  'blkio/blkio.throttle.io_service_bytes_recursive': '8:0 Read 10\n8:0 Write 20\n8:0 Sync 30\nTotal 30\n',
  'blkio/blkio.throttle.io_serviced_recursive': '8:0 Read 1\n8:0 Write 2\nTotal 3\n',
  'cpu/cpu.shares': '1000\n',
  'cpu/cpu.cfs_quota_us': '20000\n',
  'cpu/cpu.cfs_period_us': '100000\n',
  'memory/memory.limit_in_bytes': '16384\n',
  'pids/pids.max': '100\n',
}
const expected: CgroupDetail = {
  cpu: { periods: 20, throttledPeriods: 3, throttledNs: 1_500_000 },
  memory: { cacheBytes: 4096, mappedBytes: 2048, swapBytes: 512, peakBytes: 8192, failures: 7, oomKills: 1 },
  io: new Map([['8:0', { readBytes: 10, writtenBytes: 20, reads: 1, writes: 2 }]]),
  limits: { cpuShares: 1000, cpuQuotaUs: 20_000, cpuPeriodUs: 100_000, memoryBytes: 16_384, pids: 100 },
}

const reader = (files: Record<string, string>) => async (controller: string, file: string) =>
  files[`${controller}/${file}`]

test('both versions of control groups give the same counts and limits', async () => {
  const { io, limits, ...rest } = await detailOfV2(reader(v2))
  assert.deepEqual({ ...rest, limits: { ...limits, cpuShares: 1000 } }, { ...rest, limits: expected.limits })
  assert.deepEqual([rest.cpu, rest.memory, io], [expected.cpu, expected.memory, expected.io])
  // A weight stands for a range of shares.
  assert.ok(limits.cpuShares >= 990 && limits.cpuShares <= 1024, String(limits.cpuShares))
  assert.deepEqual(await detailOfV1(reader(v1)), expected)
})

test('what has no limit has none, and what is missing counts as 0', async () => {
  const none = { cpuQuotaUs: undefined, cpuPeriodUs: 100_000, memoryBytes: undefined, pids: undefined }
  const unlimited = { ...v2, 'cpu/cpu.max': 'max 100000\n', 'memory/memory.max': 'max\n', 'pids/pids.max': 'max\n' }
  assert.deepEqual((await detailOfV2(reader(unlimited))).limits, { ...none, cpuShares: expectedShares })
  const large = { 'cpu/cpu.cfs_quota_us': '-1\n', 'memory/memory.limit_in_bytes': '9223372036854771712\n' }
  const found = await detailOfV1(reader(large))
  assert.deepEqual(found.limits, { ...none, cpuShares: 1024 })
  assert.deepEqual(found.cpu, { periods: 0, throttledPeriods: 0, throttledNs: 0 })
  assert.equal(found.io.size, 0)
})

const expectedShares = (await detailOfV2(reader(v2))).limits.cpuShares
