// The metrics of control groups, from what the kernel counts to the lines of a scrape.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cadvisorText } from './cadvisor.ts'
import { type GroupSeen, networkIn } from './groups.ts'
import { resourceText } from './metrics-text.ts'

const dev = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  eth0:     10        2    3    4    0     0          0         0       50       6    7    8    0     0       0          0
`

test('the traffic of each interface is read, and that of the loopback is not', () => {
  assert.deepEqual(networkIn(dev), [
    {
      interface: 'eth0',
      received: { bytes: 10, packets: 2, errors: 3, dropped: 4 },
      sent: { bytes: 50, packets: 6, errors: 7, dropped: 8 },
    },
  ])
  assert.deepEqual(networkIn(''), [])
})

const group = (labels: Partial<GroupSeen['labels']>, more: Partial<GroupSeen> = {}): GroupSeen => ({
  labels: { container: '', id: '/kubepods/podu', image: '', name: '', namespace: 'd', pod: 'p', ...labels },
  usage: {
    cpuNs: 2e9,
    memoryBytes: 300,
    workingSetBytes: 200,
    rssBytes: 100,
    pageFaults: 5,
    majorPageFaults: 1,
    pids: 4,
  },
  detail: {
    cpu: { periods: 10, throttledPeriods: 2, throttledNs: 5e8 },
    memory: { cacheBytes: 1, mappedBytes: 2, swapBytes: 3, peakBytes: 400, failures: 5, oomKills: 6 },
    io: new Map([['8:0', { readBytes: 1, writtenBytes: 2, reads: 3, writes: 4 }]]),
    limits: { cpuShares: 512, cpuQuotaUs: 50_000, cpuPeriodUs: 100_000, memoryBytes: undefined, pids: 99 },
  },
  processes: 3,
  ...more,
})
const main = group(
  { container: 'main', id: '/kubepods/podu/c', image: 'x', name: 'c' },
  { startedAtMs: 1500, writableBytes: 7 },
)
const sandbox = group({ id: '/kubepods/podu/s', name: 's' }, { network: networkIn(dev) })
const machine = {
  cores: 2,
  memoryBytes: 1000,
  cpuNs: 9e9,
  workingSetBytes: 500,
  usageBytes: 600,
  versions: { kernelVersion: '6' },
}
const labels = 'container="main",id="/kubepods/podu/c",image="x",name="c",namespace="d",pod="p"'

test('a container has the lines that cAdvisor gives it', () => {
  const text = cadvisorText([group({}), sandbox, main], machine, 42_000)
  for (const line of [
    `container_cpu_usage_seconds_total{${labels},cpu="total"} 2 42000`,
    `container_cpu_cfs_throttled_periods_total{${labels}} 2 42000`,
    `container_cpu_cfs_throttled_seconds_total{${labels}} 0.5 42000`,
    `container_memory_working_set_bytes{${labels}} 200 42000`,
    `container_memory_failures_total{${labels},failure_type="pgmajfault",scope="hierarchy"} 1 42000`,
    `container_fs_writes_bytes_total{${labels},device="8:0"} 2 42000`,
    `container_spec_cpu_quota{${labels}} 50000 42000`,
    `container_spec_memory_limit_bytes{${labels}} 0 42000`,
    `container_start_time_seconds{${labels}} 1.5 42000`,
    `container_last_seen{${labels}} 42 42000`,
    'container_network_transmit_bytes_total{container="",id="/kubepods/podu/s",image="",name="s",namespace="d",pod="p",interface="eth0"} 50 42000',
    'container_network_receive_packets_dropped_total{container="",id="/kubepods/podu/s",image="",name="s",namespace="d",pod="p",interface="eth0"} 4 42000',
    'container_cpu_usage_seconds_total{container="",id="/",image="",name="",namespace="",pod="",cpu="total"} 9 42000',
    'machine_memory_bytes 1000',
  ])
    assert.ok(text.split('\n').includes(line), `${line}\n in \n${text}`)
})

test('every family has its help and type once, right before its lines', () => {
  const lines = cadvisorText([sandbox, main], machine, 0).trimEnd().split('\n')
  let current = ''
  const seen = new Set<string>()
  for (const [i, line] of lines.entries()) {
    if (line.startsWith('# HELP ')) {
      current = line.split(' ')[2]!
      assert.ok(!seen.has(current), `${current} comes twice`)
      seen.add(current)
      assert.match(lines[i + 1]!, new RegExp(`^# TYPE ${current} (counter|gauge)$`))
    } else if (!line.startsWith('# TYPE ')) assert.match(line, new RegExp(`^${current}(\\{.*\\})? [-+\\d.e]+( \\d+)?$`))
  }
})

test('autoscalers read the usage of the node, of pods and of containers', () => {
  const text = resourceText([group({}), sandbox, main], { cpuNs: 9e9, workingSetBytes: 500, swapBytes: 8 }, 42_000)
  for (const line of [
    'node_cpu_usage_seconds_total 9 42000',
    'node_swap_usage_bytes 8 42000',
    'pod_cpu_usage_seconds_total{namespace="d",pod="p"} 2 42000',
    'pod_memory_working_set_bytes{namespace="d",pod="p"} 200 42000',
    'container_memory_working_set_bytes{container="main",namespace="d",pod="p"} 200 42000',
    'container_start_time_seconds{container="main",namespace="d",pod="p"} 1.5',
    'resource_scrape_error 0',
  ])
    assert.ok(text.split('\n').includes(line), `${line}\n in \n${text}`)
})
