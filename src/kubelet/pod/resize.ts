// The resize of one pod: what applies to its containers, and what its conditions say of a resize. The node decides
// whether it grants one (resize/resizes.ts); the plan has the step that applies it.
//
//   spec changed ─▶ wanted ─ granted ─▶ in progress ─ applied to all ─▶ (nothing)
//                     │ ▲                  │    ▲
//                     ▼ │                  ▼    │
//                   pending              failed, tried again after 10 seconds
//
// Source: KEP-1287, kubernetes pkg/kubelet/kuberuntime/kuberuntime_manager.go (doPodResizeAction).
import { messageOf } from '../../base/errors.ts'
import { quantityValue } from '../../api/quantity.ts'
import { containerResources } from '../config/resources.ts'
import { podLimits } from '../../kinds/core/pod-resources.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import type { ResizeCondition, ResizeMemory } from '../resize/applied.ts'
import type { Pending } from '../resize/decide.ts'
import { type Resources, resizableOf } from '../resize/granted.ts'
import { resizeMessage } from '../resize/messages.ts'
import type { PodSeen } from '../runtime/runtime.ts'
import { type NodeContext, podEvent } from './context.ts'
import type { StepTo } from './plan.ts'
import { findContainer } from './spec.ts'

const retryMs = 10_000

export class PodResize {
  readonly #context: NodeContext
  readonly #applied = new Map<string, Resources>()
  #pending: (Pending & { generation: number }) | undefined
  #progress: { generation: number; error: string } | undefined
  #podPending = false
  #retryAt = 0

  /** @param pod as an earlier kubelet may have left it, in the middle of a resize */
  constructor(context: NodeContext, pod: Pod) {
    this.#context = context
    const begun = pod.status.conditions?.find(c => c.type === 'PodResizeInProgress')
    if (!begun) return
    this.#progress = { generation: begun.observedGeneration ?? 0, error: begun.message ?? '' }
    this.#podPending = true
  }

  get memory(): ResizeMemory {
    return { applied: this.#applied, podPending: this.#podPending, retryAt: this.#retryAt }
  }

  /** Moves the time of the next try, since the time has been set on by `ms`. */
  shift(ms: number): void {
    this.#retryAt += ms
  }

  get conditions(): ResizeCondition[] {
    const [pending, progress] = [this.#pending, this.#progress]
    const list: ResizeCondition[] = []
    if (pending) {
      const { reason, message, generation } = pending
      list.push({ type: 'PodResizePending', reason, message, observedGeneration: generation })
    }
    if (progress) {
      const failure = progress.error && { reason: 'Error', message: progress.error }
      list.push({ type: 'PodResizeInProgress', ...failure, observedGeneration: progress.generation })
    }
    return list
  }

  /** To be called when the node has granted what `pod` asks for. */
  granted(pod: Pod): void {
    this.#pending = undefined
    this.#progress = { generation: generationOf(pod), error: '' }
    this.#podPending = true
    this.#retryAt = 0
    this.#event(pod, 'Normal', 'ResizeStarted', resizeMessage('started', pod))
  }

  /** To be called when the node does not grant what `wanted` asks for, as often as it decides so. */
  refused(wanted: Pod, pending: Pending): void {
    const before = this.#pending
    const generation = generationOf(wanted)
    this.#pending = { ...pending, generation }
    if (before?.reason === pending.reason && before.message === pending.message && before.generation === generation)
      return
    const reason = `Resize${pending.reason}`
    this.#event(wanted, 'Warning', reason, resizeMessage(pending.reason, wanted, pending.message))
  }

  /** To be called when the pod asks for what it has. */
  unwanted(): void {
    this.#pending = undefined
  }

  /** To be called after each plan. `isApplied`: nothing is left to do for what was granted. */
  planned(pod: Pod, isApplied: boolean): void {
    if (!this.#progress || !isApplied || this.#podPending) return
    const { generation } = this.#progress
    this.#progress = undefined
    const then = { ...pod, metadata: { ...pod.metadata, generation } }
    this.#event(pod, 'Normal', 'ResizeCompleted', resizeMessage('completed', then))
  }

  /** Drops what is kept of containers that the runtime does not have any more. */
  keep(seen: PodSeen): void {
    const ids = new Set(seen.containers.map(container => container.id))
    for (const id of this.#applied.keys()) if (!ids.has(id)) this.#applied.delete(id)
  }

  /** Applies the granted resources to the pod and to running containers. Does not throw: a failure becomes a condition. */
  async apply(pod: Pod, { containers }: StepTo<'resize'>, signal: AbortSignal): Promise<void> {
    const { clock, host } = this.#context
    this.#podPending = false
    try {
      await this.#checkMemory(pod, containers)
      // A container may not have more than its pod, whether it grows or shrinks.
      await host.limit(pod, 'loose')
      try {
        for (const { id, name } of containers) await this.#update(pod, id, name, signal)
      } finally {
        await host.limit(pod, 'exact')
      }
    } catch (error) {
      signal.throwIfAborted()
      this.#podPending = true
      this.#retryAt = clock.now() + retryMs
      this.#failed(pod, messageOf(error))
    }
  }

  async #update(pod: Pod, id: string, name: string, signal: AbortSignal): Promise<void> {
    const { runtime, settings } = this.#context
    signal.throwIfAborted()
    const container = findContainer(pod, name)?.container
    if (!container) return
    await runtime.updateContainer(id, containerResources(pod, container, settings.memory))
    this.#applied.set(id, resizableOf(container.resources))
  }

  /** Memory in use cannot be taken away: the kernel would kill what uses it. Throws if a limit is below the usage. */
  async #checkMemory(pod: Pod, containers: StepTo<'resize'>['containers']): Promise<void> {
    const { runtime, host } = this.#context
    const podLimit = quantityValue(podLimits(pod.spec).memory)
    const podUsage = podLimit && (await host.memoryUsage(pod))
    if (podLimit && podUsage >= podLimit)
      throw new Error(`attempting to set pod memory limit (${podLimit}) below current usage (${podUsage})`)
    const limits = containers.flatMap(({ id, name }) => {
      const limit = quantityValue(findContainer(pod, name)?.container.resources?.limits?.memory)
      return limit ? [{ id, name, limit }] : []
    })
    if (!limits.length) return
    const usages = new Map((await runtime.usage()).map(usage => [usage.id, usage.usageBytes]))
    for (const { id, name, limit } of limits) {
      const usage = usages.get(id) ?? 0
      if (usage >= limit)
        throw new Error(
          `attempting to set container ${JSON.stringify(name)} memory limit (${limit}) below current usage (${usage})`,
        )
    }
  }

  #failed(pod: Pod, error: string): void {
    const before = this.#progress
    this.#progress = { generation: before?.generation ?? generationOf(pod), error }
    if (before?.error !== error) this.#event(pod, 'Warning', 'ResizeError', resizeMessage('error', pod, error))
  }

  #event(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string): void {
    podEvent(this.#context, pod, type, reason, message)
  }
}

const generationOf = ({ metadata }: Pod): number => metadata.generation ?? 0
