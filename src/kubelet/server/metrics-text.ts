// The answers of the kubelet's /metrics paths, as Prometheus text.
// Source: kubernetes pkg/kubelet/metrics/collectors (resource_metrics), cadvisor metrics/prometheus.go.
import { nameOf, namespaceOf } from '../pod/spec.ts'
import type { PodWorker } from '../pod/worker.ts'
import type { ContainerUsage } from '../runtime/runtime.ts'

type Containers = ReadonlyMap<string, ContainerUsage>

const quote = (text: string) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`
const labels = (entries: Record<string, string>) =>
  `{${Object.entries(entries)
    .map(([key, value]) => `${key}=${quote(value)}`)
    .join(',')}}`
const metric = (name: string, type: string, lines: string[]) =>
  lines.length ? `# TYPE ${name} ${type}\n${lines.join('\n')}\n` : ''

function eachContainer(pods: PodWorker[], containers: Containers) {
  return pods.flatMap(worker =>
    worker.seen.containers.flatMap(c => {
      const usage = c.state === 'running' ? containers.get(c.id) : undefined
      return usage
        ? [
            {
              usage,
              seen: c,
              names: { container: c.name, namespace: namespaceOf(worker.pod), pod: nameOf(worker.pod) },
            },
          ]
        : []
    }),
  )
}

/** /metrics/resource */
export function resourceMetrics(
  pods: PodWorker[],
  containers: Containers,
  node: { cpuNs: number; workingSetBytes: number },
  atMs: number,
): string {
  const all = eachContainer(pods, containers)
  return [
    metric('node_cpu_usage_seconds_total', 'counter', [`node_cpu_usage_seconds_total ${node.cpuNs / 1e9} ${atMs}`]),
    metric('node_memory_working_set_bytes', 'gauge', [`node_memory_working_set_bytes ${node.workingSetBytes} ${atMs}`]),
    metric(
      'container_cpu_usage_seconds_total',
      'counter',
      all.map(c => `container_cpu_usage_seconds_total${labels(c.names)} ${c.usage.cpuNs / 1e9} ${c.usage.atMs}`),
    ),
    metric(
      'container_memory_working_set_bytes',
      'gauge',
      all.map(c => `container_memory_working_set_bytes${labels(c.names)} ${c.usage.workingSetBytes} ${c.usage.atMs}`),
    ),
    metric(
      'container_start_time_seconds',
      'gauge',
      all.map(c => `container_start_time_seconds${labels(c.names)} ${c.seen.startedAtMs / 1000}`),
    ),
    metric('scrape_error', 'gauge', ['scrape_error 0']),
  ].join('')
}

/** /metrics/cadvisor */
export function cadvisorMetrics(pods: PodWorker[], containers: Containers): string {
  const all = eachContainer(pods, containers)
  const one = (name: string, type: string, of: (u: ContainerUsage) => number) =>
    metric(
      name,
      type,
      all.map(c => `${name}${labels({ ...c.names, image: c.seen.image, name: c.seen.id })} ${of(c.usage)}`),
    )
  return [
    one('container_cpu_usage_seconds_total', 'counter', u => u.cpuNs / 1e9),
    one('container_memory_usage_bytes', 'gauge', u => u.usageBytes),
    one('container_memory_working_set_bytes', 'gauge', u => u.workingSetBytes),
    one('container_memory_rss', 'gauge', u => u.rssBytes),
    one('container_fs_usage_bytes', 'gauge', u => u.writableBytes),
  ].join('')
}

/** /metrics: the kubelet's own metrics. */
export function ownMetrics(workers: ReadonlyMap<string, PodWorker>, nodeName: string): string {
  const all = [...workers.values()]
  const count = (state: string) =>
    all.reduce((total, w) => total + w.seen.containers.filter(c => c.state === state).length, 0)
  return [
    metric('kubelet_node_name', 'gauge', [`kubelet_node_name${labels({ node: nodeName })} 1`]),
    metric('kubelet_running_pods', 'gauge', [
      `kubelet_running_pods ${all.filter(w => w.seen.sandboxes.some(s => s.ready)).length}`,
    ]),
    metric(
      'kubelet_running_containers',
      'gauge',
      ['created', 'running', 'exited', 'unknown'].map(
        state => `kubelet_running_containers${labels({ container_state: state })} ${count(state)}`,
      ),
    ),
    metric('process_resident_memory_bytes', 'gauge', [`process_resident_memory_bytes ${process.memoryUsage.rss()}`]),
  ].join('')
}
