// The removal of a pod from its node.
import type { NodeContext } from './context.ts'

/** Removes everything that runtime and node have of a pod: containers, sandboxes, volumes, logs. It can be repeated. */
export async function removePod(context: NodeContext, uid: string): Promise<void> {
  const { runtime, host, objects } = context
  const seen = await runtime.pod(uid)
  await Promise.all(seen.containers.map(c => runtime.removeContainer(c.id)))
  for (const sandbox of seen.sandboxes) {
    await runtime.stopSandbox(sandbox.id)
    await runtime.removeSandbox(sandbox.id)
  }
  await host.tearDown(uid)
  await host.remove(uid)
  objects.release(uid)
}
