// Removes a pod from its node, in two steps: `settlePod` when its containers have ended, and `removePod` when its
// object is to be deleted or is gone. In between, `kubectl logs` still works.
import { isReason } from '../../base/errors.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { NodeContext } from './context.ts'
import { nameOf, namespaceOf, uidOf } from './spec.ts'

/**
 * Stops the sandboxes of a pod, lets drivers undo what they prepared for its claims, and unmounts its volumes. The ended
 * containers and their logs stay.
 */
export async function settlePod(context: NodeContext, uid: string, signal: AbortSignal): Promise<void> {
  const { runtime, host, objects, images, dra } = context
  const seen = await runtime.pod(uid)
  for (const sandbox of seen.sandboxes) await runtime.stopSandbox(sandbox.id)
  await dra?.manager.unprepare(uid, signal)
  await host.tearDown(uid)
  objects.release(uid)
  images.forget(uid)
}

/** Removes everything that runtime and node have of a pod: containers, sandboxes, volumes, logs. It can be repeated. */
export async function removePod(context: NodeContext, uid: string): Promise<void> {
  const { runtime, host, objects, dra } = context
  const seen = await runtime.pod(uid)
  await Promise.all(seen.containers.map(c => runtime.removeContainer(c.id)))
  for (const sandbox of seen.sandboxes) {
    await runtime.stopSandbox(sandbox.id)
    await runtime.removeSandbox(sandbox.id)
  }
  await host.tearDown(uid)
  await host.remove(uid)
  objects.release(uid)
  // Last of all, since the driver of a claim may have gone for good.
  await dra?.manager.unprepare(uid)
}

/** Deletes the object of a pod of which nothing is left on the node. */
export async function deleteObject({ client }: NodeContext, pod: Pod): Promise<void> {
  try {
    const ref = { namespace: namespaceOf(pod), name: nameOf(pod) }
    await client.delete(Pod, ref, { gracePeriodSeconds: 0, uid: uidOf(pod) })
  } catch (error) {
    // The object was deleted before, or another pod has the name now.
    if (!isReason(error, 'NotFound', 'Conflict')) throw error
  }
}
