// Ends one container: preStop hook, SIGTERM, and SIGKILL when the grace period is over. The hook's time counts against
// the grace period.
// Source: kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go (killContainer, executePreStopHook).
import { messageOf } from '../../base/errors.ts'
import { orAborted } from '../../base/waiters.ts'
import { type NodeContext, podEvent } from './context.ts'
import { runHook } from './hooks.ts'
import type { ContainerSeen } from '../runtime/runtime.ts'
import type { Step } from './plan.ts'
import { findContainer } from './spec.ts'
import type { Pod } from '../../kinds/core/pod.ts'

/** The time that a container has after SIGTERM even if its hook used up the grace period. */
const minGraceSeconds = 2

export async function killContainer(
  context: NodeContext,
  pod: Pod,
  podIP: string | undefined,
  step: Extract<Step, { do: 'kill' }>,
  signal: AbortSignal,
  announce: boolean,
): Promise<void> {
  const { container: seen, graceSeconds } = step
  if (announce) podEvent(context, pod, 'Normal', 'Killing', step.message, seen.name)
  const from = context.clock.now()
  if (step.preStop) await runPreStop(context, pod, podIP, step, signal)
  const left = graceSeconds - Math.floor((context.clock.now() - from) / 1000)
  await context.runtime.stopContainer(seen.id, graceSeconds === 0 ? 0 : Math.max(minGraceSeconds, left), signal)
}

/** Runs a container's preStop hook, if it has one, within the grace period. Throws only when `signal` aborts. */
export async function runPreStop(
  context: NodeContext,
  pod: Pod,
  podIP: string | undefined,
  { container: seen, graceSeconds }: { container: ContainerSeen; graceSeconds: number },
  signal: AbortSignal,
): Promise<void> {
  const { clock } = context
  const container = findContainer(pod, seen.name)?.container
  const hook = container?.lifecycle?.preStop
  if (hook && graceSeconds > 0) {
    const limit = new AbortController()
    const cancel = clock.after(graceSeconds * 1000, () =>
      limit.abort(new Error(`hook did not finish within ${graceSeconds} seconds`)),
    )
    const either = AbortSignal.any([signal, limit.signal])
    try {
      await orAborted(runHook(context, { pod, container, id: seen.id, hook, podIP, signal: either }), either)
    } catch (error) {
      signal.throwIfAborted()
      if (!limit.signal.aborted) podEvent(context, pod, 'Warning', 'FailedPreStopHook', 'PreStopHook failed', seen.name)
      context.log.debug('preStop hook failed', { pod: pod.metadata.name, container: seen.name, why: messageOf(error) })
    } finally {
      cancel()
    }
  }
}
