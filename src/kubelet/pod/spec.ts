// Small questions about a pod's spec that planning, status and configuration share. An absent field has the default
// that the API server would have set.
import { createHash } from 'node:crypto'
import type { Container, EphemeralContainer } from '../../kinds/core/container.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { qosClass } from '../../kinds/core/pod-defaults.ts'
import type { ContainerSeen, PodSeen, SandboxSeen } from '../runtime/runtime.ts'

export type ReadContainer = Container | EphemeralContainer

export const uidOf = (pod: Pod): string => pod.metadata.uid ?? ''
export const nameOf = (pod: Pod): string => pod.metadata.name ?? ''
export const namespaceOf = (pod: Pod): string => pod.metadata.namespace ?? ''

/** The quality of service in the pod's status, or the one that follows from its spec. */
export const qosOf = (pod: Pod): ReturnType<typeof qosClass> => pod.status.qosClass ?? qosClass(pod.spec)

/** `name_namespace(uid)`, the form of a pod in messages of Kubernetes. */
export const podText = (pod: Pod): string => `${nameOf(pod)}_${namespaceOf(pod)}(${uidOf(pod)})`

export const isSidecar = (container: ReadContainer): boolean => container.restartPolicy === 'Always'
export const restartPolicyOf = (pod: Pod): string => pod.spec.restartPolicy ?? 'Always'
export const graceSecondsOf = (pod: Pod): number =>
  pod.metadata.deletionGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30

export const initContainers = (pod: Pod): readonly ReadContainer[] => pod.spec.initContainers ?? []
export const mainContainers = (pod: Pod): readonly ReadContainer[] => pod.spec.containers
export const ephemeralContainers = (pod: Pod): readonly ReadContainer[] => pod.spec.ephemeralContainers ?? []
export const allContainers = (pod: Pod): readonly ReadContainer[] => [
  ...initContainers(pod),
  ...mainContainers(pod),
  ...ephemeralContainers(pod),
]

export type Role = 'init' | 'main' | 'ephemeral'

/** A container of the pod by name. */
export function findContainer(pod: Pod, name: string): { container: ReadContainer; role: Role } | undefined {
  for (const [role, list] of [
    ['main', mainContainers(pod)],
    ['init', initContainers(pod)],
    ['ephemeral', ephemeralContainers(pod)],
  ] as const) {
    const container = list.find(c => c.name === name)
    if (container) return { container, role }
  }
  return undefined
}

/** The path of a container in events and errors, such as `spec.containers{name}`. */
export function fieldPathOf(pod: Pod, name: string): string {
  const role = findContainer(pod, name)?.role ?? 'main'
  return `spec.${role === 'main' ? 'containers' : role === 'init' ? 'initContainers' : 'ephemeralContainers'}{${name}}`
}

/** The newest container of this name, within the sandbox if one is given. */
export function newest(seen: PodSeen, name: string, sandbox?: SandboxSeen): ContainerSeen | undefined {
  return seen.containers.find(c => c.name === name && (!sandbox || c.sandboxId === sandbox.id))
}

/**
 * A hash that changes when the container must be replaced. Of a container in a running pod only the image can change.
 */
export function containerHash(container: ReadContainer): string {
  return createHash('sha256')
    .update(JSON.stringify([container.name, container.image]))
    .digest('hex')
    .slice(0, 8)
}

/** Whether a container that ended is restarted. Source: KEP-753 (sidecars), KEP-5307 (rules of containers). */
export function restarts(pod: Pod, container: ReadContainer, role: Role, exitCode: number): boolean {
  if (role === 'ephemeral') return false
  for (const rule of container.restartPolicyRules ?? []) {
    const { operator, values = [] } = rule.exitCodes ?? {}
    if (
      rule.action === 'Restart' &&
      (operator === 'In' ? values.includes(exitCode) : operator === 'NotIn' && !values.includes(exitCode))
    )
      return true
  }
  const policy = container.restartPolicy ?? restartPolicyOf(pod)
  if (policy === 'Never') return false
  // An init container that succeeded is never restarted, whatever the policy of the pod is.
  if (policy === 'OnFailure' || (role === 'init' && !isSidecar(container))) return exitCode !== 0
  return true
}

/** Whether the pod shares the node's network. */
export const onHostNetwork = (pod: Pod): boolean => pod.spec.hostNetwork === true
