// Decides whether a node grants the resources that a resize asks for, in which order it decides on several resizes, and
// what a running container needs so that the granted resources apply to it. Pure.
// Source: KEP-1287, kubernetes pkg/kubelet/allocation (sortPendingResizes), pkg/kubelet/kuberuntime
// (computePodResizeAction).
import { compareQuantities, quantityMilli, quantityValue } from '../../api/quantity.ts'
import { parseTime } from '../../api/time.ts'
import type { Container } from '../../kinds/core/container.ts'
import type { Node } from '../../kinds/core/node.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { qosClass } from '../../kinds/core/pod-defaults.ts'
import { podRequests } from '../../kinds/core/pod-resources.ts'
import { resourceRejection } from '../admission/admission.ts'
import { isStatic } from '../admission/critical.ts'
import type { Resizable, Resources } from './granted.ts'

/** Why a resize is not granted: not now, or never on this node. */
export interface Pending {
  reason: 'Deferred' | 'Infeasible'
  message: string
}

const amounts = { cpu: quantityMilli, memory: quantityValue } as const
const names: readonly Resizable[] = ['cpu', 'memory']

/**
 * Why the node does not grant what `wanted` asks for. Undefined when it does.
 * @param node the Node object; undefined when it was deleted, and then everything is granted
 * @param others what was granted to the other pods on the node that have not ended
 */
export function planResize(wanted: Pod, node: Node | undefined, others: readonly Pod[]): Pending | undefined {
  if (isStatic(wanted)) return { reason: 'Infeasible', message: 'In-place resize of static-pods is not supported' }
  if (!node) return undefined
  const requests = podRequests(wanted.spec)
  for (const name of names) {
    const allocatable = node.status.allocatable?.[name]
    if (allocatable === undefined || requests[name] === undefined) continue
    const [requested, capacity] = [amounts[name](requests[name]), amounts[name](allocatable)]
    if (requested > capacity) {
      const message = `Node didn't have enough capacity: ${name}, requested: ${requested}, capacity: ${capacity}`
      return { reason: 'Infeasible', message }
    }
  }
  const rejection = resourceRejection(wanted, node, others)
  return rejection && { reason: 'Deferred', message: rejection.message }
}

/** What containers may have for themselves, and then keep as it is. */
export type Exclusive = Readonly<Record<Resizable, boolean>>

/** Why a pod with CPUs or memory of its own is not resized. Source: kubernetes pkg/kubelet/allocation/handlers.go. */
export function planExclusive({ wanted, pod }: Resize, exclusive: Exclusive): Pending | undefined {
  if (qosClass(wanted.spec) !== 'Guaranteed') return undefined
  const amount = (of: Pod, name: Resizable) => podRequests(of.spec)[name] ?? '0'
  const name = names.find(each => exclusive[each] && compareQuantities(amount(wanted, each), amount(pod, each)) !== 0)
  if (!name) return undefined
  const policy = name === 'cpu' ? 'CPU Manager policy "static"' : 'Memory Manager policy "Static"'
  return { reason: 'Infeasible', message: `Resize is infeasible for Guaranteed Pods alongside ${policy}` }
}

/** A pod with the resources that it asks for, and with those that it was granted. */
export interface Resize {
  readonly wanted: Pod
  readonly pod: Pod
}

/**
 * The order in which resizes are decided: first those that ask for nothing more, then by priority, then Guaranteed pods
 * before others, then those that have waited longer.
 */
export function byUrgency(a: Resize, b: Resize): number {
  return (
    Number(asksForMore(a)) - Number(asksForMore(b)) ||
    (b.wanted.spec.priority ?? 0) - (a.wanted.spec.priority ?? 0) ||
    Number(isGuaranteed(b)) - Number(isGuaranteed(a)) ||
    waitsSince(a) - waitsSince(b)
  )
}

function asksForMore({ wanted, pod }: Resize): boolean {
  const [now, before] = [podRequests(wanted.spec), podRequests(pod.spec)]
  return names.some(name => compareQuantities(now[name] ?? '0', before[name] ?? '0') > 0)
}

const isGuaranteed = ({ wanted }: Resize) => qosClass(wanted.spec) === 'Guaranteed'

const waitsSince = ({ wanted }: Resize) =>
  parseTime(wanted.status.conditions?.find(c => c.type === 'PodResizePending')?.lastTransitionTime) ?? Infinity

/** What must be done so that the resources of a container apply: nothing, change them while it runs, or restart it. */
type Change = 'none' | 'update' | 'restart'

/**
 * @param container with the granted resources
 * @param applied what applies to it now
 */
export function changeOf(container: Pick<Container, 'resources' | 'resizePolicy'>, applied: Resources): Change {
  const differing = names.filter(name =>
    (['requests', 'limits'] as const).some(
      field => compareQuantities(container.resources?.[field]?.[name] ?? '0', applied[field]?.[name] ?? '0') !== 0,
    ),
  )
  if (!differing.length) return 'none'
  const policies = container.resizePolicy ?? []
  const restarts = differing.some(name =>
    policies.some(({ resourceName, restartPolicy }) => resourceName === name && restartPolicy === 'RestartContainer'),
  )
  return restarts ? 'restart' : 'update'
}
