// The messages of events about resizes: a phrase and the resources of the containers as JSON.
// Source: kubernetes pkg/kubelet/events/pod_resize.go.
import type { Container } from '../../kinds/core/container.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { isResizable } from './granted.ts'

/** For example `Pod resize started: {"containers":[{"name":"a","resources":{…}}],"generation":2}`. */
export function resizeMessage(phrase: string, pod: Pod, error = ''): string {
  const list = (containers: readonly Container[]) =>
    containers
      .filter(container => isResizable(pod, container))
      .map(({ name, resources = {} }) => {
        const { limits, requests } = resources
        return { name, resources: { ...(limits && { limits }), ...(requests && { requests }) } }
      })
  const [init, main] = [list(pod.spec.initContainers ?? []), list(pod.spec.containers)]
  const summary = {
    ...(init.length && { initContainers: init }),
    ...(main.length && { containers: main }),
    generation: pod.metadata.generation ?? 0,
    ...(error && { error }),
  }
  return `Pod resize ${phrase}: ${JSON.stringify(summary)}`
}
