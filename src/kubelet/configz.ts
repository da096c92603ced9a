// The answer of /configz: the configuration in effect in the form of a KubeletConfiguration, with what is fixed here, such
// as who may call the kubelet. Benchmarks of security read it. Source: kubernetes pkg/kubelet (configz), CIS benchmark 4.2.
import { durationText } from '../api/time.ts'
import { cpusetText } from './cpus/plan.ts'
import { amountText, type Threshold } from './eviction/signals.ts'
import { type KubeletConfig, thresholdsOf } from './kubelet-config.ts'
import { keepMs } from './server/auth.ts'

interface ConfigFacts {
  clusterDNS: string
  clusterDomain: string
  maxPods: number
  pidsLimit: number
}

const duration = (ms: number) => durationText(ms * 1e6)

/** Thresholds by signal: a quantity, or a percentage. */
const thresholdTexts = (list: readonly Threshold[]): Record<string, string> =>
  Object.fromEntries(
    list.map(({ signal, value }) => [
      signal,
      'quantity' in value ? amountText('memory', value.quantity) : `${value.share * 100}%`,
    ]),
  )

/** The options that are on. */
const switches = (of: Readonly<Record<string, boolean>>): Record<string, string> =>
  Object.fromEntries(Object.entries(of).flatMap(([name, isOn]) => (isOn ? [[name, 'true']] : [])))

/** @param facts what is in effect where the configuration says nothing */
export function shownConfig(config: KubeletConfig, facts: ConfigFacts): object {
  const thresholds = thresholdsOf(config, false)
  const { images, reserved } = config
  return {
    kind: 'KubeletConfiguration',
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    enableServer: true,
    readOnlyPort: 0,
    authentication: {
      webhook: { enabled: true, cacheTTL: duration(keepMs.token) },
      anonymous: { enabled: false },
    },
    authorization: {
      mode: 'Webhook',
      webhook: { cacheAuthorizedTTL: duration(keepMs.allowed), cacheUnauthorizedTTL: duration(keepMs.denied) },
    },
    streamingConnectionIdleTimeout: duration(config.streamIdleMs),
    clusterDomain: facts.clusterDomain,
    clusterDNS: [facts.clusterDNS],
    maxPods: config.maxPods ?? facts.maxPods,
    podPidsLimit: config.podPidsLimit ?? facts.pidsLimit,
    cgroupDriver: 'cgroupfs',
    cgroupsPerQOS: true,
    cpuManagerPolicy: config.cpuManagerPolicy,
    cpuManagerPolicyOptions: switches({
      'full-pcpus-only': config.cpuPolicyOptions.fullCores,
      'strict-cpu-reservation': config.cpuPolicyOptions.strictReservation,
    }),
    ...(config.reservedCpus.length && { reservedSystemCPUs: cpusetText(config.reservedCpus) }),
    memoryManagerPolicy: config.memoryManagerPolicy,
    reservedMemory: Array.from(config.reservedMemory, ([numaNode, amounts]) => ({
      numaNode,
      limits: Object.fromEntries(Array.from(amounts, ([name, bytes]) => [name, amountText('memory', bytes)])),
    })),
    topologyManagerPolicy: config.topologyManagerPolicy,
    topologyManagerScope: config.topologyManagerScope,
    topologyManagerPolicyOptions: switches({ 'prefer-closest-numa-nodes': config.prefersClosestNodes }),
    failSwapOn: config.failSwapOn,
    memorySwap: { swapBehavior: config.swapBehavior },
    ...(config.memoryThrottlingFactor !== undefined && {
      featureGates: { MemoryQoS: true },
      memoryThrottlingFactor: config.memoryThrottlingFactor,
      memoryReservationPolicy: config.reservesMemory ? 'TieredReservation' : 'None',
    }),
    seccompDefault: true,
    enforceNodeAllocatable: config.enforcesAllocatable ? ['pods'] : ['none'],
    kubeReserved: {
      ...(reserved.cpuMilli && { cpu: `${reserved.cpuMilli}m` }),
      ...(reserved.memoryBytes && { memory: amountText('memory', reserved.memoryBytes) }),
      ...(reserved.storageBytes && { 'ephemeral-storage': amountText('memory', reserved.storageBytes) }),
      ...(reserved.pids && { pid: String(reserved.pids) }),
    },
    evictionHard: thresholdTexts(thresholds.filter(({ graceMs }) => graceMs === 0)),
    evictionSoft: thresholdTexts(thresholds.filter(({ graceMs }) => graceMs > 0)),
    evictionPressureTransitionPeriod: duration(config.evictionPressureTransitionMs),
    evictionMaxPodGracePeriod: config.evictionMaxPodGraceSeconds,
    imageGCHighThresholdPercent: images.highPercent,
    imageGCLowThresholdPercent: images.lowPercent,
    imageMinimumGCAge: duration(images.minAgeMs),
    imageMaximumGCAge: duration(images.maxAgeMs),
    localStorageCapacityIsolation: config.localStorageCapacityIsolation,
    allowedUnsafeSysctls: [...config.allowedUnsafeSysctls],
    ...(config.staticPodPath !== undefined && { staticPodPath: config.staticPodPath }),
  }
}
