// What the kubelet counts over time, under the names, labels, types and buckets of upstream.
// Source: kubernetes pkg/kubelet/metrics/metrics.go.
import { X509Certificate } from 'node:crypto'
import { type Clock, realClock } from '../base/clock.ts'
import { counter, exponentialBuckets, gauge, histogram, measure } from '../base/metrics.ts'
import type { Cri } from './cri/index.ts'

const usual = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const calls = exponentialBuckets(0.005, 2.5, 14)
const starts = [
  0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600,
]
const pulls = [1, 5, 10, 20, 30, 60, 180, 300, 600, 900, 1200, 1800, 2700, 3600]

const operations = counter('kubelet_runtime_operations_total', 'Calls to the container runtime.')
const operationErrors = counter('kubelet_runtime_operations_errors_total', 'Calls to the runtime that failed.')
const operationTimes = histogram('kubelet_runtime_operations_duration_seconds', 'Time of calls to the runtime.', calls)
const rounds = histogram('kubelet_pod_worker_duration_seconds', 'Time of one round over a pod.', usual)
const relists = histogram('kubelet_pleg_relist_duration_seconds', 'Time to compare all pods with the runtime.', usual)
const relistPauses = histogram('kubelet_pleg_relist_interval_seconds', 'Time between two such comparisons.', usual)
const relistedAt = gauge('kubelet_pleg_last_seen_seconds', 'When they were last compared, as Unix time.')
const podStarts = histogram(
  'kubelet_pod_start_duration_seconds',
  'Time from the first sight of a pod to Running.',
  starts,
)
const pullTimes = histogram('kubelet_image_pull_duration_seconds', 'Time to pull an image.', pulls)
const podsStarted = counter('kubelet_started_pods_total', 'Sandboxes of pods that were started.')
const podErrors = counter('kubelet_started_pods_errors_total', 'Sandboxes of pods that could not be started.')
const containersStarted = counter('kubelet_started_containers_total', 'Containers that were started.')
const evictions = counter('kubelet_evictions', 'Pods that were evicted, by what was short.')
const preemptions = counter('kubelet_preemptions', 'Pods that ended for a critical one, by what was short.')
const registrations = counter('kubelet_device_plugin_registration_total', 'Device plugins that were taken into use.')
const allotments = histogram(
  'kubelet_device_plugin_alloc_duration_seconds',
  'Time in which a device plugin answers what a container gets with its devices.',
  usual,
)
const claimTimes = histogram(
  'dra_operations_duration_seconds',
  'Time in which the claims of a pod are prepared or unprepared.',
  usual,
)
const driverTimes = histogram('dra_grpc_operations_duration_seconds', 'Time of calls to DRA drivers.', usual)
const claimsInUse = gauge('dra_resource_claims_in_use', 'Claims that are prepared on this node, by driver.')
const containerErrors = counter('kubelet_started_containers_errors_total', 'Containers that could not be started.')

const groupTimes = histogram('kubelet_cgroup_manager_duration_seconds', 'Time to write control groups.', usual)
const volumeTimes = histogram(
  'storage_operation_duration_seconds',
  'Time of what is done with volumes.',
  [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 25, 50, 120, 300, 600],
)

/** When the certificates of this node expire, in ms since the epoch. */
const expiries = new Map<'client' | 'server', number>()
for (const which of ['client', 'server'] as const)
  measure(
    `kubelet_certificate_manager_${which}_ttl_seconds`,
    `Seconds until the ${which === 'client' ? 'client' : 'serving'} certificate of the node expires.`,
    'gauge',
    () => (expiries.has(which) ? [{ value: Math.round((expiries.get(which)! - realClock.now()) / 1000) }] : []),
  )

/** Notes which certificate the node uses now. */
export const certificateInUse = (which: 'client' | 'server', pem: string): void =>
  void expiries.set(which, Date.parse(new X509Certificate(pem).validTo))

/** The words for calls of CRI, where they are not simply the name with underscores. */
const words: Readonly<Record<string, string>> = {
  runPodSandbox: 'run_podsandbox',
  stopPodSandbox: 'stop_podsandbox',
  removePodSandbox: 'remove_podsandbox',
  podSandboxStatus: 'podsandbox_status',
  listPodSandbox: 'list_podsandbox',
  updateContainerResources: 'update_container',
}
const wordFor = (method: string) => words[method] ?? method.replace(/[A-Z]/g, c => `_${c.toLowerCase()}`)

/** Calls that are counted by their name, with their errors and the time that they take. */
export function counted(cri: Cri, clock: Clock): Cri {
  return new Proxy(cri, {
    get(target, name) {
      const call: unknown = Reflect.get(target, name)
      if (typeof call !== 'function' || typeof name !== 'string') return call
      return async (...args: unknown[]): Promise<unknown> => {
        const labels = { operation_type: wordFor(name) }
        const from = clock.steady()
        operations.add(labels)
        try {
          return await Reflect.apply(call, target, args)
        } catch (error) {
          operationErrors.add(labels)
          throw error
        } finally {
          operationTimes.observe((clock.steady() - from) / 1000, labels)
        }
      }
    },
  })
}

const sync = { operation_type: 'sync' }
/** The label that stands for all drivers. Source: DRAResourceClaimsInUseAnyDriver. */
const anyDriver = '<any>'
/** A gauge that was set once stays, so a driver without claims is set to none. */
const driversSeen = new Set<string>()

/** What the parts of a kubelet count; durations are in milliseconds. */
export const counts = {
  round: (ms: number) => rounds.observe(ms / 1000, sync),
  /** @param pauseMs since the one before; undefined for the first one */
  relist(ms: number, pauseMs: number | undefined, now: number) {
    relists.observe(ms / 1000)
    if (pauseMs !== undefined) relistPauses.observe(pauseMs / 1000)
    relistedAt.set(now / 1000)
  },
  podRuns: (ms: number) => podStarts.observe(ms / 1000),
  /** @param done what was done with the limits or usage of a control group */
  group: (ms: number, done: 'create' | 'update') => groupTimes.observe(ms / 1000, { operation_type: done }),
  volume: (ms: number, operation_name: string, volume_plugin: string, failed: boolean) =>
    volumeTimes.observe(ms / 1000, {
      operation_name,
      volume_plugin,
      status: failed ? 'fail-unknown' : 'success',
      migrated: 'false',
    }),
  pull: (ms: number, bytes: number) => pullTimes.observe(ms / 1000, { image_size_in_bytes: sizeOf(bytes) }),
  sandbox: () => podsStarted.add(),
  sandboxFailed: () => podErrors.add(),
  evicted: (eviction_signal: string) => evictions.add({ eviction_signal }),
  pluginRegistered: (resource_name: string) => registrations.add({ resource_name }),
  allotted: (ms: number, resource_name: string) => allotments.observe(ms / 1000, { resource_name }),
  draOperation: (ms: number, operation_name: string, isError: boolean) =>
    claimTimes.observe(ms / 1000, { operation_name, is_error: String(isError) }),
  draCalled: (ms: number, driver_name: string, method_name: string, grpc_status_code: string) =>
    driverTimes.observe(ms / 1000, { driver_name, method_name, grpc_status_code }),
  claims(claims: Iterable<{ readonly isPrepared: boolean; readonly drivers: ReadonlyMap<string, unknown> }>) {
    const used = new Map([...driversSeen, anyDriver].map(driver => [driver, 0]))
    for (const { isPrepared, drivers } of claims)
      if (isPrepared) for (const driver of [...drivers.keys(), anyDriver]) used.set(driver, (used.get(driver) ?? 0) + 1)
    for (const [driver_name, count] of used) {
      driversSeen.add(driver_name)
      claimsInUse.set(count, { driver_name })
    }
  },
  preempted: () => preemptions.add({ preemption_signal: '' }),
  /** @param code the reason of the failure, if it failed */
  container(role: 'init' | 'main' | 'ephemeral', code?: string) {
    const container_type = { init: 'init_container', main: 'container', ephemeral: 'ephemeral_container' }[role]
    containersStarted.add({ container_type })
    if (code !== undefined) containerErrors.add({ container_type, code })
  },
}

const mib = 2 ** 20
const sizes: readonly [number, string][] = [
  [0, '0-10MB'],
  [10, '10MB-100MB'],
  [100, '100MB-500MB'],
  [500, '500MB-1GB'],
  [1024, '1GB-5GB'],
  [5 * 1024, '5GB-10GB'],
  [10 * 1024, '10GB-20GB'],
  [20 * 1024, '20GB-30GB'],
  [30 * 1024, '30GB-40GB'],
  [40 * 1024, '40GB-60GB'],
  [60 * 1024, '60GB-100GB'],
  [100 * 1024, 'GT100GB'],
]

/** The class of an image by its size. */
const sizeOf = (bytes: number): string => sizes.findLast(([from]) => bytes >= from * mib)![1]
