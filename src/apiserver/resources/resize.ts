// Resizing a pod in place: changes the CPU and memory of its containers and of the pod as a whole, and nothing else. A resize may not remove a
// request or limit, or change the pod's QoS class.
// Source: pkg/apis/core/validation (ValidatePodResize), pkg/registry/core/pod (podResizeStrategy).
import { invalidError, type Path, type Problem, root } from '../../api/path.ts'
import { qosClass } from '../../kinds/core/pod-defaults.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { Mutable } from '../../api/schema/node.ts'

type Container = Pod['spec']['containers'][number]
type Sized = { readonly resources?: Container['resources'] }

const resizable = new Set(['cpu', 'memory'])
const spec = root.field('spec')

/** Takes over the resources of `sent`. Throws Invalid for changes that a resize may not make. */
export function setResources(pod: Mutable<Pod>, sent: Pod): void {
  const before = qosClass(pod.spec)
  const problems: Problem[] = []
  const pairs: [Mutable<Container>, Container, Path][] = []
  const { containers } = pod.spec
  if (sent.spec.containers.length !== containers.length)
    problems.push(spec.field('containers').forbidden('containers may not be added or removed on resize'))
  else
    for (const [i, container] of containers.entries()) {
      const now = sent.spec.containers[i]!
      if (now.name === container.name) pairs.push([container, now, spec.field('containers').index(i)])
      else problems.push(spec.field('containers').forbidden('containers may not be renamed or reordered on resize'))
    }
  // Of the init containers, only sidecars are running and can be resized.
  for (const [i, container] of (pod.spec.initContainers ?? []).entries()) {
    const now = sent.spec.initContainers?.find(c => c.name === container.name)
    if (now && container.restartPolicy === 'Always')
      pairs.push([container as Mutable<Container>, now as Container, spec.field('initContainers').index(i)])
  }
  for (const [container, now, at] of pairs) {
    problems.push(...removed(container, now, at.field('resources')))
    if (onlyOthersChange(container, now)) problems.push(spec.forbidden('only cpu and memory resources are mutable'))
    container.resources = structuredClone(now.resources) as Mutable<Container['resources']>
  }
  problems.push(...removed(pod.spec, sent.spec, spec.field('resources')))
  if (onlyOthersChange(pod.spec, sent.spec)) problems.push(spec.forbidden('only cpu and memory resources are mutable'))
  if (sent.spec.resources) pod.spec.resources = structuredClone(sent.spec.resources) as Mutable<Container['resources']>
  const after = qosClass(pod.spec)
  if (after !== before) problems.push(spec.invalid(before, 'Pod QOS Class may not change as a result of resizing'))
  if (problems.length) throw invalidError(Pod, pod.metadata.name ?? '', problems)
}

function* removed(before: Sized, now: Sized, at: Path): Iterable<Problem> {
  for (const [field, what] of [
    ['requests', 'resource requests cannot be removed'],
    ['limits', 'resource limits cannot be removed'],
  ] as const)
    if (Object.keys(before.resources?.[field] ?? {}).some(name => !(name in (now.resources?.[field] ?? {}))))
      yield at.field(field).forbidden(what)
}

/** Whether a resource changes that cannot be resized. */
function onlyOthersChange(before: Sized, now: Sized): boolean {
  return (['requests', 'limits'] as const).some(field => {
    const [a, b] = [before.resources?.[field] ?? {}, now.resources?.[field] ?? {}]
    return [...new Set([...Object.keys(a), ...Object.keys(b)])].some(
      name => !resizable.has(name) && a[name] !== b[name],
    )
  })
}
