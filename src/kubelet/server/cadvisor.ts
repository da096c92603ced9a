// /metrics/cadvisor: the metrics of control groups under the names, labels and types that cAdvisor gives them in the
// kubelet, which dashboards and alerts query. Source: cadvisor metrics/prometheus.go, docs/storage/prometheus.md.
import { familyText, type Labels, type Sample } from '../../base/exposition.ts'
import type { GroupSeen, NetworkCounts } from './groups.ts'

interface Family {
  name: string
  type: 'counter' | 'gauge'
  help: string
  /** The samples of a group: a value, or several with further labels. */
  of(group: GroupSeen): number | undefined | readonly { labels: Labels; value: number }[]
}

const counter = (name: string, help: string, of: Family['of']): Family => ({ name, type: 'counter', help, of })
const gauge = (name: string, help: string, of: Family['of']): Family => ({ name, type: 'gauge', help, of })

const seconds = (ns: number) => ns / 1e9

const io = (name: string, help: string, key: 'readBytes' | 'writtenBytes' | 'reads' | 'writes') =>
  counter(name, help, ({ detail }) =>
    Array.from(detail.io, ([device, counts]) => ({ labels: { device }, value: counts[key] })),
  )

const traffic = (direction: 'receive' | 'transmit', what: 'bytes' | 'packets' | 'errors' | 'dropped') => {
  const isReceived = direction === 'receive'
  const label = what === 'dropped' ? 'packets_dropped' : what
  const words = { bytes: 'Bytes', packets: 'Packets', errors: 'Errors', dropped: 'Packets dropped' }[what]
  const of = (counts: NetworkCounts) => (isReceived ? counts.received : counts.sent)[what]
  return counter(
    `container_network_${direction}_${label}_total`,
    `${words} while ${isReceived ? 'receiving' : 'sending'}, by interface.`,
    ({ network = [] }) => network.map(counts => ({ labels: { interface: counts.interface }, value: of(counts) })),
  )
}

const failures = ({ usage }: GroupSeen) =>
  (['container', 'hierarchy'] as const).flatMap(scope => [
    { labels: { failure_type: 'pgfault', scope }, value: usage.pageFaults },
    { labels: { failure_type: 'pgmajfault', scope }, value: usage.majorPageFaults },
  ])

const families: readonly Family[] = [
  counter('container_cpu_usage_seconds_total', 'CPU time used.', ({ usage }) => [
    { labels: { cpu: 'total' }, value: seconds(usage.cpuNs) },
  ]),
  counter('container_cpu_cfs_periods_total', 'Periods of the CPU quota that have passed.', g =>
    g.detail.limits.cpuQuotaUs === undefined ? undefined : g.detail.cpu.periods,
  ),
  counter('container_cpu_cfs_throttled_periods_total', 'Periods in which the CPU quota was used up.', g =>
    g.detail.limits.cpuQuotaUs === undefined ? undefined : g.detail.cpu.throttledPeriods,
  ),
  counter('container_cpu_cfs_throttled_seconds_total', 'Time for which the CPU quota was used up.', g =>
    g.detail.limits.cpuQuotaUs === undefined ? undefined : seconds(g.detail.cpu.throttledNs),
  ),
  gauge('container_memory_usage_bytes', 'Memory in use, with the page cache.', g => g.usage.memoryBytes),
  gauge('container_memory_working_set_bytes', 'Memory without the inactive page cache.', g => g.usage.workingSetBytes),
  gauge('container_memory_rss', 'Anonymous memory.', g => g.usage.rssBytes),
  gauge('container_memory_cache', 'Memory of the page cache.', g => g.detail.memory.cacheBytes),
  gauge('container_memory_mapped_file', 'Memory of files that are mapped.', g => g.detail.memory.mappedBytes),
  gauge('container_memory_swap', 'Memory that is swapped out.', g => g.detail.memory.swapBytes),
  gauge('container_memory_max_usage_bytes', 'Most memory that was in use.', g => g.detail.memory.peakBytes),
  counter('container_memory_failcnt', 'Times that the memory limit was reached.', g => g.detail.memory.failures),
  counter('container_memory_failures_total', 'Page faults.', failures),
  counter('container_oom_events_total', 'Processes killed for lack of memory.', g => g.detail.memory.oomKills),
  io('container_fs_reads_bytes_total', 'Bytes read, by device.', 'readBytes'),
  io('container_fs_writes_bytes_total', 'Bytes written, by device.', 'writtenBytes'),
  io('container_fs_reads_total', 'Reads, by device.', 'reads'),
  io('container_fs_writes_total', 'Writes, by device.', 'writes'),
  gauge('container_fs_usage_bytes', 'Bytes in the writable layer.', g => g.writableBytes),
  traffic('receive', 'bytes'),
  traffic('receive', 'packets'),
  traffic('receive', 'errors'),
  traffic('receive', 'dropped'),
  traffic('transmit', 'bytes'),
  traffic('transmit', 'packets'),
  traffic('transmit', 'errors'),
  traffic('transmit', 'dropped'),
  gauge('container_processes', 'Processes.', g => g.processes),
  gauge('container_threads', 'Threads.', g => g.usage.pids),
  gauge('container_threads_max', 'Most threads that may run; 0 without a limit.', g => g.detail.limits.pids ?? 0),
  gauge('container_spec_cpu_shares', 'CPU shares; 1024 are one CPU.', g => g.detail.limits.cpuShares),
  gauge('container_spec_cpu_period', 'Period of the CPU quota in microseconds.', g => g.detail.limits.cpuPeriodUs),
  gauge('container_spec_cpu_quota', 'CPU quota in microseconds for each period.', g => g.detail.limits.cpuQuotaUs),
  gauge('container_spec_memory_limit_bytes', 'Memory limit; 0 without one.', g => g.detail.limits.memoryBytes ?? 0),
  gauge('container_start_time_seconds', 'When it was started, as Unix time.', g =>
    g.startedAtMs === undefined ? undefined : seconds(g.startedAtMs * 1e6),
  ),
]

interface MachineFacts {
  cores: number
  memoryBytes: number
  cpuNs: number
  workingSetBytes: number
  usageBytes: number
  /** The labels of the versions. */
  versions: Labels
}

export function cadvisorText(groups: readonly GroupSeen[], machine: MachineFacts, atMs: number): string {
  const samplesOf = ({ of }: Family): Sample[] =>
    groups.flatMap(group => {
      const found = of(group)
      if (found === undefined) return []
      const several = typeof found === 'number' ? [{ labels: {}, value: found }] : found
      return several.map(({ labels, value }) => ({ labels: { ...group.labels, ...labels }, value, atMs }))
    })
  // The root group has no limits; of the whole machine, dashboards query CPU time and memory.
  const none = { container: '', id: '/', image: '', name: '', namespace: '', pod: '' }
  const whole: Readonly<Record<string, Sample>> = {
    container_cpu_usage_seconds_total: { labels: { ...none, cpu: 'total' }, value: seconds(machine.cpuNs), atMs },
    container_memory_working_set_bytes: { labels: none, value: machine.workingSetBytes, atMs },
    container_memory_usage_bytes: { labels: none, value: machine.usageBytes, atMs },
  }
  const seen = groups.map(({ labels }) => ({ labels, value: seconds(atMs * 1e6), atMs }))
  return [
    familyText('cadvisor_version_info', 'gauge', 'Versions of the kernel, the system and the kubelet.', [
      { labels: machine.versions, value: 1 },
    ]),
    ...families.map(family => {
      const own = whole[family.name]
      return familyText(family.name, family.type, family.help, [...(own ? [own] : []), ...samplesOf(family)])
    }),
    familyText('container_last_seen', 'gauge', 'When it was last measured, as Unix time.', seen),
    familyText('container_scrape_error', 'gauge', '1 if the measurement failed.', [{ value: 0 }]),
    familyText('machine_cpu_cores', 'gauge', 'Logical CPUs of the machine.', [{ value: machine.cores }]),
    familyText('machine_memory_bytes', 'gauge', 'Memory of the machine.', [{ value: machine.memoryBytes }]),
  ].join('')
}
