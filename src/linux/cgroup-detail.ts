// What the kernel counts about a control group beyond its usage: throttling, kinds of memory, input and output, limits.
// The names and units of v1 and v2 differ; both are read into one form. Files that are missing count as 0.
// Source: the kernel's admin-guide/cgroup-v2 and admin-guide/cgroup-v1.

export interface CgroupDetail {
  cpu: {
    /** The periods of the CPU quota that have passed while the group wanted to run, and in how many it had to wait. */
    periods: number
    throttledPeriods: number
    throttledNs: number
  }
  memory: {
    cacheBytes: number
    mappedBytes: number
    swapBytes: number
    peakBytes: number
    failures: number
    oomKills: number
  }
  /** By device, `MAJOR:MINOR`. */
  io: ReadonlyMap<string, IoCounts>
  limits: {
    /** In the unit of v1, where 1024 is one core. */
    cpuShares: number
    /** Undefined without a limit. */
    cpuQuotaUs: number | undefined
    cpuPeriodUs: number
    memoryBytes: number | undefined
    pids: number | undefined
  }
}

interface IoCounts {
  readBytes: number
  writtenBytes: number
  reads: number
  writes: number
}

/** Reads a file of a group, given its controller; undefined when there is none. */
type Read = (controller: string, file: string) => Promise<string | undefined>

/** Lines of `name value` as numbers by name. */
export const tableOf = (text: string | undefined): ReadonlyMap<string, number> =>
  new Map(
    (text ?? '').split('\n').map(line => {
      const [name = '', value] = line.split(' ')
      return [name, Number(value)]
    }),
  )

const numberOf = (text: string | undefined) => Number(text ?? 0)

/** `max` is no limit, and so is what v1 has instead: the largest multiple of a page. */
const limitOf = (text: string | undefined): number | undefined => {
  const value = text?.trim()
  if (value === undefined || value === 'max' || Number(value) < 0 || Number(value) >= 2 ** 62) return undefined
  return Number(value)
}

export async function detailOfV2(read: Read): Promise<CgroupDetail> {
  const [cpu, memory, swap, peak, events, io, max, weight, memoryMax, pids] = await Promise.all(
    [
      'cpu.stat',
      'memory.stat',
      'memory.swap.current',
      'memory.peak',
      'memory.events',
      'io.stat',
      'cpu.max',
      'cpu.weight',
      'memory.max',
      'pids.max',
    ].map(file => read(file.slice(0, file.indexOf('.')), file)),
  )
  const [cpuTable, memoryTable, eventTable] = [tableOf(cpu), tableOf(memory), tableOf(events)]
  const [quota, period] = (max ?? 'max 100000').trim().split(' ')
  return {
    cpu: {
      periods: cpuTable.get('nr_periods') ?? 0,
      throttledPeriods: cpuTable.get('nr_throttled') ?? 0,
      throttledNs: (cpuTable.get('throttled_usec') ?? 0) * 1000,
    },
    memory: {
      cacheBytes: memoryTable.get('file') ?? 0,
      mappedBytes: memoryTable.get('file_mapped') ?? 0,
      swapBytes: numberOf(swap),
      peakBytes: numberOf(peak),
      failures: eventTable.get('max') ?? 0,
      oomKills: eventTable.get('oom_kill') ?? 0,
    },
    io: ioOfV2(io ?? ''),
    limits: {
      // The reverse of what the OCI runtimes do with shares.
      cpuShares: Math.ceil(2 + ((numberOf(weight ?? '100') - 1) * 262142) / 9999),
      cpuQuotaUs: limitOf(quota),
      cpuPeriodUs: numberOf(period),
      memoryBytes: limitOf(memoryMax),
      pids: limitOf(pids),
    },
  }
}

/** Lines of `8:0 rbytes=1 wbytes=2 rios=3 wios=4 …`. */
function ioOfV2(text: string): ReadonlyMap<string, IoCounts> {
  const counts = new Map<string, IoCounts>()
  for (const line of text.split('\n')) {
    const [device = '', ...pairs] = line.trim().split(' ')
    const table = new Map(pairs.map(pair => [pair.split('=')[0], Number(pair.split('=')[1])]))
    const of = (name: string) => table.get(name) ?? 0
    if (pairs.length)
      counts.set(device, { readBytes: of('rbytes'), writtenBytes: of('wbytes'), reads: of('rios'), writes: of('wios') })
  }
  return counts
}

export async function detailOfV1(read: Read): Promise<CgroupDetail> {
  const [cpu, memory, peak, failures, oom, bytes, counts, shares, quota, period, memoryMax, pids] = await Promise.all([
    read('cpu', 'cpu.stat'),
    read('memory', 'memory.stat'),
    read('memory', 'memory.max_usage_in_bytes'),
    read('memory', 'memory.failcnt'),
    read('memory', 'memory.oom_control'),
    read('blkio', 'blkio.throttle.io_service_bytes_recursive'),
    read('blkio', 'blkio.throttle.io_serviced_recursive'),
    read('cpu', 'cpu.shares'),
    read('cpu', 'cpu.cfs_quota_us'),
    read('cpu', 'cpu.cfs_period_us'),
    read('memory', 'memory.limit_in_bytes'),
    read('pids', 'pids.max'),
  ])
  const [cpuTable, memoryTable] = [tableOf(cpu), tableOf(memory)]
  return {
    cpu: {
      periods: cpuTable.get('nr_periods') ?? 0,
      throttledPeriods: cpuTable.get('nr_throttled') ?? 0,
      throttledNs: cpuTable.get('throttled_time') ?? 0,
    },
    memory: {
      cacheBytes: memoryTable.get('total_cache') ?? 0,
      mappedBytes: memoryTable.get('total_mapped_file') ?? 0,
      swapBytes: memoryTable.get('total_swap') ?? 0,
      peakBytes: numberOf(peak),
      failures: numberOf(failures),
      oomKills: tableOf(oom).get('oom_kill') ?? 0,
    },
    io: ioOfV1(bytes ?? '', counts ?? ''),
    limits: {
      cpuShares: numberOf(shares ?? '1024'),
      cpuQuotaUs: limitOf(quota),
      cpuPeriodUs: numberOf(period ?? '100000'),
      memoryBytes: limitOf(memoryMax),
      pids: limitOf(pids),
    },
  }
}

/** Lines of `8:0 Read 1`, `8:0 Write 2`, of bytes and of operations. */
function ioOfV1(bytes: string, operations: string): ReadonlyMap<string, IoCounts> {
  const result = new Map<string, IoCounts>()
  for (const [text, read, write] of [
    [bytes, 'readBytes', 'writtenBytes'],
    [operations, 'reads', 'writes'],
  ] as const)
    for (const line of text.split('\n')) {
      const [device = '', what, value] = line.split(' ')
      if (what !== 'Read' && what !== 'Write') continue
      const entry = result.get(device) ?? { readBytes: 0, writtenBytes: 0, reads: 0, writes: 0 }
      entry[what === 'Read' ? read : write] = Number(value)
      result.set(device, entry)
    }
  return result
}
