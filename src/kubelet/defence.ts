// How a node defends itself against running out of memory, disk and process ids, and against the shutdown of its
// machine, put together: what is measured, what is evicted and ended, and which images are removed. docs/decisions/eviction.md has the reasons for the thresholds.
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Pod } from '../kinds/core/pod.ts'
import { normalizeImage } from './credentials.ts'
import { EvictionManager } from './eviction/manager.ts'
import type { Meter } from './eviction/meter.ts'
import { watchOoms } from './eviction/oom.ts'
import { type Condition, keptFree, sharedDisk } from './eviction/signals.ts'
import { removeDeadContainers } from './gc/containers.ts'
import { ImageCollector } from './gc/images.ts'
import { type KubeletConfig, thresholdsOf } from './kubelet-config.ts'
import { livePods } from './on-node.ts'
import { type NodeContext, nodeEvent } from './pod/context.ts'
import { allContainers } from './pod/spec.ts'
import type { Workers } from './pods.ts'
import { logindSource, type ShutdownSource } from './shutdown/logind.ts'
import { NodeShutdown } from './shutdown/shutdown.ts'

interface DefenceOptions {
  context: NodeContext
  nodeName: string
  workers: Workers
  config: KubeletConfig
  /** Undefined on a node that nothing can be measured of, which defends itself by admission alone. */
  meter: Meter | undefined
  /** What announces that the machine shuts down. Default: systemd-logind, where it is there. */
  shutdownSource: ShutdownSource | undefined
  /** Called when the conditions of the node changed. */
  onChange: () => void
  clock: Clock
  signal: AbortSignal
}

export interface Defence {
  /** The conditions of the node that keep pods away. */
  conditions(): readonly Condition[]
  /** Whether the machine is about to shut down. */
  isShuttingDown(): boolean
  /** What is kept free of the capacity, and so cannot be requested by pods. */
  keptFree(signal: 'memory.available' | 'nodefs.available', capacity: number): number
  /** Measures the node for the first time. */
  look(): Promise<void>
  /** Begins to evict and to remove. Must be called when all pods have workers. */
  start(): void
}

export async function makeDefence(o: DefenceOptions): Promise<Defence> {
  const { context, workers, config, meter, nodeName, clock, signal } = o
  const isShared = meter !== undefined && !(await meter.hasOwnDisk())
  const thresholds = thresholdsOf(config, isShared)
  const kept = {
    keptFree: (name: 'memory.available' | 'nodefs.available', of: number) => keptFree(thresholds, name, of),
  }
  const shutdown = new NodeShutdown({
    context,
    nodeName,
    workers,
    phases: config.shutdownPhases,
    source: o.shutdownSource ?? (context.runtime.real ? logindSource() : undefined),
    onChange: o.onChange,
    signal,
  })
  const common = { ...kept, isShuttingDown: () => shutdown.isShuttingDown }
  if (!meter) return { ...common, conditions: () => [], async look() {}, start: () => shutdown.start() }
  const event = (reason: string, message: string) => nodeEvent(context, nodeName, 'Warning', reason, message)
  const images = new ImageCollector({
    runtime: context.runtime,
    policy: config.images,
    disk: async () => (await meter.observe()).get('imagefs.available'),
    ofAtMost: isShared && config.isImagePolicyDefault ? sharedDisk.bytes : undefined,
    wanted: () => imagesOf(livePods(workers)),
    event,
    clock,
    log: context.log,
    signal,
  })
  const manager = new EvictionManager({
    context,
    nodeName,
    workers,
    meter,
    settings: {
      thresholds,
      transitionMs: config.evictionPressureTransitionMs,
      maxPodGraceSeconds: config.evictionMaxPodGraceSeconds,
      localLimits: config.localStorageCapacityIsolation,
      isShared,
    },
    async reclaim() {
      await removeDeadContainers(context, workers)
      await images.removeUnused()
    },
    onChange: o.onChange,
    signal,
  })
  return {
    ...common,
    conditions: () => manager.conditions,
    look: () => manager.look(),
    start() {
      manager.start()
      images.start()
      shutdown.start()
      if (context.runtime.real)
        watchOoms({ event, clock, log: context.log, signal }).catch((error: unknown) =>
          context.log.warn('kills by the kernel are not reported', { why: messageOf(error) }),
        )
    },
  }
}

/** The full names of the images that pods have in their containers and volumes. */
function imagesOf(pods: readonly Pod[]): ReadonlySet<string> {
  const names = pods.flatMap(pod => [
    ...allContainers(pod).map(c => c.image),
    ...(pod.spec.volumes ?? []).map(volume => volume.image?.reference),
  ])
  return new Set(names.flatMap(name => (name ? (normalizeImage(name) ?? []) : [])))
}
