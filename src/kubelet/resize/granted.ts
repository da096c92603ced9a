// What a node has granted to a pod, which is not what its spec asks for while a resize waits. The granted resources are
// not kept apart: they stand in the spec of a second pod, on which the kubelet works, while the pod of the API is the
// wanted one. A new kubelet finds them in the pod's status. Pure.
// Source: KEP-1287, kubernetes pkg/kubelet/allocation/allocation_manager.go, pkg/kubelet/types/constants.go.
import { sameJson } from '../../api/equal.ts'
import type { Container, ResourceRequirements } from '../../kinds/core/container.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import type { ContainerStatus } from '../../kinds/core/podstatus.ts'

export type Resources = Pick<ResourceRequirements, 'requests' | 'limits'>

/** What can be resized. */
const resizable = ['cpu', 'memory'] as const
export type Resizable = (typeof resizable)[number]

/** The containers that can be resized: they run as long as the pod. */
export const isResizable = (pod: Pod, { name, restartPolicy }: Container): boolean =>
  restartPolicy === 'Always' || pod.spec.containers.some(container => container.name === name)

/** CPU and memory alone. */
export const resizableOf = (resources: Resources | undefined): Resources => ({
  requests: only(resources?.requests),
  limits: only(resources?.limits),
})

const only = (amounts: Readonly<Record<string, string>> = {}): Record<string, string> =>
  Object.fromEntries(resizable.flatMap(name => (Object.hasOwn(amounts, name) ? [[name, amounts[name]!]] : [])))

/** `wanted` with the resources that `granted`, an earlier state of the same pod, has. The very pod if they are the same. */
export function withGranted(wanted: Pod, granted: Pod): Pod {
  const known = new Map([...granted.spec.containers, ...(granted.spec.initContainers ?? [])].map(c => [c.name, c]))
  return changed(wanted, {
    pod: granted.spec.resources,
    of: container => (known.get(container.name) ?? container).resources,
  })
}

/**
 * `pod` with the resources that its status has: what an earlier kubelet granted. What the status does not say is as in
 * the spec.
 */
export function withReported(pod: Pod): Pod {
  const { status } = pod
  const known = new Map(
    [...(status.containerStatuses ?? []), ...(status.initContainerStatuses ?? [])].map(s => [s.name, s]),
  )
  return changed(pod, {
    pod: reported(pod.spec.resources, status),
    of: container => reported(container.resources, known.get(container.name)) ?? container.resources,
  })
}

function reported<R extends Resources>(
  said: R | undefined,
  status: Pick<ContainerStatus, 'allocatedResources' | 'resources'> | undefined,
): R | undefined {
  if (!said || !status?.resources) return said
  const requests = only(status.allocatedResources ?? status.resources.requests)
  const limits = only(status.resources.limits)
  return {
    ...said,
    ...(said.requests && { requests: { ...said.requests, ...requests } }),
    ...(said.limits && { limits: { ...said.limits, ...limits } }),
  }
}

interface Given {
  pod: Pod['spec']['resources']
  of(container: Container): Container['resources']
}

function changed(pod: Pod, given: Given): Pod {
  const list = (containers: readonly Container[]) =>
    containers.map(container => {
      const resources = isResizable(pod, container) ? given.of(container) : container.resources
      return sameJson(resources, container.resources) ? container : { ...container, resources }
    })
  const containers = list(pod.spec.containers)
  const initContainers = pod.spec.initContainers && list(pod.spec.initContainers)
  const isSame = (now: readonly Container[] = [], before: readonly Container[] = []) =>
    now.every((container, i) => container === before[i])
  const samePod = sameJson(given.pod, pod.spec.resources)
  if (samePod && isSame(containers, pod.spec.containers) && isSame(initContainers, pod.spec.initContainers)) return pod
  return {
    ...pod,
    spec: {
      ...pod.spec,
      containers,
      ...(initContainers && { initContainers }),
      ...(!samePod && given.pod && { resources: given.pod }),
    },
  }
}
