// The prober of one pod: a loop for each probe of each running container. While there is a startup probe that has not
// succeeded, only it runs. A readiness probe decides whether the container gets traffic. A failed liveness or startup
// probe condemns the container to a restart.
//
//   container runs ─▶ startup (until it succeeds once) ─▶ liveness  ─fails─▶ condemned: killed, restarted
//                       └─fails─▶ condemned             └▶ readiness ─fails─▶ not ready (and back)
//
// - The three results (`notReady`, `notStarted`, `condemned`) are kept by container id, so that a restarted container
//   begins without them. `changed` is called after each change of one by a loop, not by `sync`.
// - Only `sync` starts and stops loops. Each result has at most one loop for a container, which probes one at a time:
//   the next probe begins a period after the last one ended.
// - A result changes after as many equal outcomes in a row as its threshold; an outcome `unknown`, of a probe that
//   could not be run, neither counts nor interrupts the row.
// - A condemned container stays so until it has ended. While the pod ends, only readiness is probed.
// - `stop` ends all loops. An outcome that arrives after that is dropped.
// - A container that was running when the kubelet started keeps the readiness and the start of its pod's status, so
//   that a restart of the kubelet does not take ready pods out of services.
//
// Example with periodSeconds 10 and failureThreshold 3 for liveness: success at 0 s, failures at 10, 20, 30 s:
// condemned at 30 s. With a success at 20 s, the row begins again.
// Source: kubernetes pkg/kubelet/prober/worker.go.
import type { Probe } from '../../kinds/core/probe.ts'
import { type NodeContext, podEvent } from '../pod/context.ts'
import { findContainer, isSidecar, type ReadContainer } from '../pod/spec.ts'
import type { ContainerSeen, PodSeen } from '../runtime/runtime.ts'
import { runProbe } from './actions.ts'
import type { Pod } from '../../kinds/core/pod.ts'

type ProbeType = 'startup' | 'liveness' | 'readiness'
/** The words of outcomes in metrics. */
const results = { success: 'successful', failure: 'failed', unknown: 'unknown' } as const

interface ProbeCount {
  container: string
  type: string
  result: string
  count: number
}

const names = { startup: 'Startup', liveness: 'Liveness', readiness: 'Readiness' }

export class PodProbes {
  /** The ids of containers whose readiness probe failed or has not succeeded yet. */
  readonly notReady = new Set<string>()
  /** The ids of containers whose startup probe has not succeeded yet. */
  readonly notStarted = new Set<string>()
  /** Containers to be restarted, by id, with the message of the event and the probe's own grace period. */
  readonly condemned = new Map<string, { message: string; graceSeconds?: number }>()
  /** How often each probe had each result, for /metrics/probes. */
  readonly counts = new Map<string, ProbeCount>()
  readonly #loops = new Map<string, AbortController>()
  readonly #known = new Set<string>()
  readonly #context: NodeContext
  readonly #changed: () => void

  constructor(context: NodeContext, changed: () => void) {
    this.#context = context
    this.#changed = changed
  }

  /** Starts and stops loops for the running containers. Must be called before a status is computed from `seen`. */
  sync(pod: Pod, seen: PodSeen, ending: boolean): void {
    const running = new Set(seen.containers.filter(c => c.state === 'running').map(c => c.id))
    for (const container of seen.containers) {
      if (container.state !== 'running') continue
      const found = findContainer(pod, container.name)
      if (!found || found.role === 'ephemeral' || (found.role === 'init' && !isSidecar(found.container))) continue
      this.#meet(pod, found.container, container)
      this.#keep(pod, found.container, container, seen, ending)
    }
    for (const [key, loop] of this.#loops) {
      const [type, id] = key.split(' ') as [ProbeType, string]
      if (running.has(id) && !(ending && type !== 'readiness')) continue
      loop.abort()
      this.#loops.delete(key)
    }
    for (const id of this.#known) if (!running.has(id)) this.#forget(id)
  }

  stop(): void {
    for (const loop of this.#loops.values()) loop.abort()
    this.#loops.clear()
  }

  #forget(id: string): void {
    this.#known.delete(id)
    this.notReady.delete(id)
    this.notStarted.delete(id)
    this.condemned.delete(id)
  }

  // The first results of a container, from the status if a former kubelet wrote one.
  #meet(pod: Pod, spec: ReadContainer, container: ContainerSeen): void {
    if (this.#known.has(container.id)) return
    this.#known.add(container.id)
    const before = [...(pod.status.containerStatuses ?? []), ...(pod.status.initContainerStatuses ?? [])].find(s =>
      s.containerID?.endsWith(container.id),
    )
    if (spec.startupProbe && !before?.started) this.notStarted.add(container.id)
    if (spec.readinessProbe && !before?.ready) this.notReady.add(container.id)
  }

  #keep(pod: Pod, spec: ReadContainer, container: ContainerSeen, seen: PodSeen, ending: boolean): void {
    const wanted: [ProbeType, Probe | undefined][] = this.notStarted.has(container.id)
      ? [['startup', spec.startupProbe]]
      : [
          ['liveness', ending ? undefined : spec.livenessProbe],
          ['readiness', spec.readinessProbe],
        ]
    for (const [type, probe] of wanted) {
      const key = `${type} ${container.id}`
      if (!probe || this.#loops.has(key)) continue
      const loop = new AbortController()
      this.#loops.set(key, loop)
      const podIP = seen.sandboxes.find(s => s.id === container.sandboxId)?.ips[0] ?? ''
      void this.#loop(pod, spec, container, type, probe, podIP, loop.signal)
    }
  }

  async #loop(
    pod: Pod,
    spec: ReadContainer,
    container: ContainerSeen,
    type: ProbeType,
    probe: Probe,
    podIP: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, runtime, facts } = this.#context
    const initialMs = (probe.initialDelaySeconds ?? 0) * 1000
    // It may have started before this kubelet, and the time may have been set back since.
    const delayMs = Math.min(initialMs, container.startedAtMs + initialMs - clock.now())
    const periodMs = (probe.periodSeconds || 10) * 1000
    let row = 0
    let last = ''
    try {
      if (delayMs > 0) await clock.sleep(delayMs, signal)
      while (!signal.aborted) {
        const outcome = await runProbe({
          probe,
          pod,
          container: spec,
          containerId: container.id,
          podIP,
          nodeIP: facts.nodeIPs[0] ?? '',
          runtime,
          clock,
          signal,
        })
        if (signal.aborted) return
        this.#count(spec.name, type, outcome.result)
        if (outcome.result === 'success' && outcome.warning !== undefined) {
          const message = `${names[type]} probe warning: ${outcome.warning}`
          podEvent(this.#context, pod, 'Warning', 'ProbeWarning', message, spec.name)
        } else if (outcome.result !== 'success') {
          const how = outcome.result === 'failure' ? 'probe failed' : 'probe errored and resulted in unknown state'
          podEvent(
            this.#context,
            pod,
            'Warning',
            'Unhealthy',
            `${names[type]} ${how}: ${outcome.output.trimEnd()}`,
            spec.name,
          )
        }
        if (outcome.result !== 'unknown') {
          row = outcome.result === last ? row + 1 : 1
          last = outcome.result
          const enough = outcome.result === 'success' ? probe.successThreshold || 1 : probe.failureThreshold || 3
          if (row >= enough && this.#conclude(type, spec, container, probe, outcome.result === 'success')) return
        }
        await clock.sleep(periodMs, signal)
      }
    } catch (error) {
      if (!signal.aborted)
        this.#context.log.error('a probe failed and is not run any more', {
          pod: pod.metadata.name,
          container: spec.name,
          error,
        })
    }
  }

  #count(container: string, probe: ProbeType, outcome: keyof typeof results): void {
    const [type, result] = [names[probe], results[outcome]]
    const key = `${container} ${type} ${result}`
    const count = (this.counts.get(key)?.count ?? 0) + 1
    this.counts.set(key, { container, type, result, count })
  }

  /** Takes over a result after enough equal outcomes. Returns true when the loop ends with it. */
  #conclude(type: ProbeType, spec: ReadContainer, { id }: ContainerSeen, probe: Probe, good: boolean): boolean {
    if (type === 'readiness') {
      const before = !this.notReady.has(id)
      if (good) this.notReady.delete(id)
      else this.notReady.add(id)
      if (before !== good) this.#changed()
      return false
    }
    if (!good) {
      const grace = probe.terminationGracePeriodSeconds
      this.condemned.set(id, {
        message: `Container ${spec.name} failed ${type} probe, will be restarted`,
        ...(grace !== undefined && { graceSeconds: grace }),
      })
      this.#changed()
      return true
    }
    if (type === 'startup') {
      this.notStarted.delete(id)
      this.#changed()
      return true
    }
    return false
  }
}
