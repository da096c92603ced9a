// Lifecycle hooks: postStart runs right after the start of a container, preStop before it gets SIGTERM.
// Source: kubernetes pkg/kubelet/lifecycle/handlers.go, KEP-3960 (sleep).
import type { LifecycleHandler } from '../../kinds/core/probe.ts'
import { httpGet } from '../probes/http.ts'
import { portOf } from '../probes/ports.ts'
import type { NodeContext } from './context.ts'
import { onHostNetwork, type ReadContainer } from './spec.ts'
import type { Pod } from '../../kinds/core/pod.ts'

interface HookRequest {
  pod: Pod
  container: ReadContainer
  id: string
  hook: LifecycleHandler
  podIP: string | undefined
  signal: AbortSignal
}

const hookTimeoutMs = 3_600_000

/** Runs a hook. Throws with the message for the event when it fails. */
export async function runHook(
  context: NodeContext,
  { pod, container, id, hook, podIP, signal }: HookRequest,
): Promise<void> {
  if (hook.exec) {
    const command = hook.exec.command ?? []
    const { exitCode, stdout, stderr } = await context.runtime.execSync(id, command, 0, signal)
    if (exitCode === 0) return
    const said = Buffer.concat([stdout, stderr]).toString()
    throw new Error(
      `Exec lifecycle hook (${JSON.stringify(command)}) for Container "${container.name}" in Pod "${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})" failed - error: command '${command.join(' ')}' exited with ${exitCode}: ${said}, message: ${JSON.stringify(said)}`,
    )
  }
  if (hook.httpGet) {
    const host = hook.httpGet.host || (onHostNetwork(pod) ? context.facts.nodeIPs[0] : podIP) || ''
    const port = portOf(container, hook.httpGet.port)
    const result = await httpGet({
      action: hook.httpGet,
      host,
      port,
      timeoutMs: hookTimeoutMs,
      clock: context.clock,
      signal,
      agent: 'kube-lifecycle/1.36',
    })
    if ('problem' in result) throw new Error(result.problem)
    if (result.status >= 400) throw new Error(`HTTP lifecycle hook answered ${result.status}`)
    return
  }
  if (hook.sleep) await context.clock.sleep(hook.sleep.seconds * 1000, signal)
}
