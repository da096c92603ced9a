// Removes the dead containers of pods that have ended, when the node needs their disk. Their logs go with them, and
// their states stay in the status. In other times such containers stay as long as their pod.
// Source: kubernetes pkg/kubelet/kuberuntime/kuberuntime_gc.go (evictContainers).
import { rm } from 'node:fs/promises'
import { messageOf } from '../../base/errors.ts'
import { isTerminal } from '../../kinds/core/pod-phase.ts'
import type { NodeContext } from '../pod/context.ts'
import type { Workers } from '../pods.ts'

/** Goes on after failures, which are logged: what is left is removed with the pod. */
export async function removeDeadContainers({ runtime, log }: NodeContext, workers: Workers): Promise<void> {
  for (const worker of workers.values()) {
    // Before the API has the last status of a pod, the kubelet needs the containers to compute it.
    if (!isTerminal(worker.pod)) continue
    const dead = worker.seen.containers.filter(({ state }) => state === 'exited')
    for (const { id, logPath } of dead) {
      try {
        await runtime.removeContainer(id)
        if (runtime.real && logPath) await rm(logPath, { force: true })
      } catch (error) {
        log.warn('a dead container could not be removed', { id, why: messageOf(error) })
      }
    }
    if (dead.length) worker.runtimeChanged()
  }
}
