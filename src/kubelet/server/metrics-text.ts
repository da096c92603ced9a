// The answers of the kubelet's /metrics, /metrics/resource and /metrics/probes, as Prometheus text; for those of
// /metrics/cadvisor see cadvisor.ts. What is counted over time is in the registry of the process (base/metrics.ts).
// Source: kubernetes pkg/kubelet/metrics, pkg/kubelet/metrics/collectors/resource_metrics.go, pkg/kubelet/prober.
import { familyText, type Sample } from '../../base/exposition.ts'
import { metricsText } from '../../base/metrics.ts'
import { isTerminal } from '../../kinds/core/pod-phase.ts'
import { nameOf, namespaceOf, uidOf } from '../pod/spec.ts'
import type { PodWorker } from '../pod/worker.ts'
import { pluginFor } from '../volumes/index.ts'
import type { VolumeUsage } from '../volumes/volume.ts'
import type { GroupSeen } from './groups.ts'

interface NodeFacts {
  cpuNs: number
  workingSetBytes: number
  swapBytes: number
}

/** /metrics/resource */
export function resourceText(groups: readonly GroupSeen[], node: NodeFacts, atMs: number): string {
  const containers = groups.filter(({ labels }) => labels.container)
  const pods = groups.filter(({ labels }) => !labels.name)
  const rows = (which: 'container' | 'pod', value: (group: GroupSeen) => number): Sample[] =>
    (which === 'container' ? containers : pods).map(group => {
      const { container, namespace, pod } = group.labels
      const labels = { ...(which === 'container' && { container }), namespace, pod }
      return { labels, value: value(group), atMs }
    })
  const three = (name: string, type: 'counter' | 'gauge', help: string, ofNode: number, of: (g: GroupSeen) => number) =>
    [
      familyText(`node_${name}`, type, `${help} by the node.`, [{ value: ofNode, atMs }]),
      familyText(`pod_${name}`, type, `${help} by a pod.`, rows('pod', of)),
      familyText(`container_${name}`, type, `${help} by a container.`, rows('container', of)),
    ].join('')
  const workingSet = (group: GroupSeen) => group.usage.workingSetBytes
  const started = containers.map(({ labels: { container, namespace, pod }, startedAtMs = 0 }) => ({
    labels: { container, namespace, pod },
    value: startedAtMs / 1000,
  }))
  return [
    three('cpu_usage_seconds_total', 'counter', 'CPU time used', node.cpuNs / 1e9, g => g.usage.cpuNs / 1e9),
    three('memory_working_set_bytes', 'gauge', 'Memory in use', node.workingSetBytes, workingSet),
    three('swap_usage_bytes', 'gauge', 'Swap in use', node.swapBytes, g => g.detail.memory.swapBytes),
    familyText('container_start_time_seconds', 'gauge', 'When a container was started, as Unix time.', started),
    familyText('scrape_error', 'gauge', '1 if the measurement failed.', [{ value: 0 }]),
    familyText('resource_scrape_error', 'gauge', '1 if the measurement failed.', [{ value: 0 }]),
  ].join('')
}

/** /metrics/probes */
export function probesText(workers: Iterable<PodWorker>): string {
  const samples = Array.from(workers).flatMap(worker =>
    Array.from(worker.probes.counts, ([, { container, type, result, count }]) => ({
      labels: {
        container,
        namespace: namespaceOf(worker.pod),
        pod: nameOf(worker.pod),
        pod_uid: uidOf(worker.pod),
        probe_type: type,
        result,
      },
      value: count,
    })),
  )
  return familyText('prober_probe_total', 'counter', 'Probes of containers by type and result.', samples)
}

/** /metrics: what the kubelet says of itself and of its pods. */
export function ownText(workers: ReadonlyMap<string, PodWorker>, nodeName: string): string {
  const all = [...workers.values()]
  const states = ['created', 'running', 'exited', 'unknown'] as const
  const inState = (state: string) =>
    all.reduce((total, w) => total + w.seen.containers.filter(c => c.state === state).length, 0)
  const one = (name: string, help: string, value: number) => familyText(name, 'gauge', help, [{ value }])
  return [
    familyText('kubelet_node_name', 'gauge', 'The name of the node; the value is always 1.', [
      { labels: { node: nodeName }, value: 1 },
    ]),
    one(
      'kubelet_running_pods',
      'Pods with a running sandbox.',
      all.filter(w => w.seen.sandboxes.some(s => s.ready)).length,
    ),
    familyText(
      'kubelet_running_containers',
      'gauge',
      'Containers by state.',
      states.map(state => ({ labels: { container_state: state }, value: inState(state) })),
    ),
    familyText('kubelet_desired_pods', 'gauge', 'Pods that are to run on the node.', [
      { labels: { static: '' }, value: all.filter(w => !isTerminal(w.pod)).length },
    ]),
    familyText('kubelet_active_pods', 'gauge', 'Pods that count for the resources of the node.', [
      { labels: { static: '' }, value: all.filter(w => !w.over).length },
    ]),
    familyText('volume_manager_total_volumes', 'gauge', 'Volumes of pods by plugin and state.', volumes(all)),
    metricsText(),
  ].join('')
}

/** A part of /metrics: how full the volumes behind claims are. Source: collectors/volume_stats.go. */
export function volumesText(usages: readonly VolumeUsage[]): string {
  const one = (name: string, help: string, value: (usage: VolumeUsage) => number) =>
    familyText(
      `kubelet_volume_stats_${name}`,
      'gauge',
      help,
      usages.map(usage => ({
        labels: { namespace: usage.claim.namespace, persistentvolumeclaim: usage.claim.name },
        value: value(usage),
      })),
    )
  return [
    one('capacity_bytes', 'The size of a volume.', usage => usage.capacityBytes),
    one('available_bytes', 'What of a volume is free.', usage => usage.availableBytes),
    one('used_bytes', 'What of a volume is used.', usage => usage.usedBytes),
    one('inodes', 'The inodes of a volume.', usage => usage.inodes),
    one('inodes_free', 'The free inodes of a volume.', usage => usage.inodesFree),
    one('inodes_used', 'The used inodes of a volume.', usage => usage.inodesUsed),
  ].join('')
}

function volumes(workers: readonly PodWorker[]): Sample[] {
  const counts = new Map<string, number>()
  for (const { pod, seen, over } of workers)
    for (const volume of over ? [] : (pod.spec.volumes ?? [])) {
      const plugin = `kubernetes.io/${pluginFor(volume)?.name ?? 'unknown'}`
      for (const state of ['desired_state_of_world', ...(seen.sandboxes.length ? ['actual_state_of_world'] : [])])
        counts.set(`${plugin} ${state}`, (counts.get(`${plugin} ${state}`) ?? 0) + 1)
    }
  return Array.from(counts, ([key, value]) => {
    const [plugin_name = '', state = ''] = key.split(' ')
    return { labels: { plugin_name, state }, value }
  })
}
