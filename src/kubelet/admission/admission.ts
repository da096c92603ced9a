// Decides whether a node takes a pod that is bound to it. The scheduler has checked the same, but a pod can name its
// node itself, two schedulers can bind at once, and nodes change. A pod that does not fit fails, and its owner creates
// another one; a critical pod makes room for itself instead. Pure.
// Sources: kubernetes pkg/kubelet/lifecycle/predicate.go, pkg/kubelet/sysctl/allowlist.go, pkg/kubelet/eviction,
// pkg/kubelet/nodeshutdown.
import type { Node } from '../../kinds/core/node.ts'
import { matchesNodeAffinity } from '../../kinds/core/node-selection.ts'
import { podRequests } from '../../kinds/core/pod-resources.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { isExtended } from '../../kinds/core/resource-rules.ts'
import { tolerated } from '../../kinds/core/tolerations.ts'
import { allContainers, qosOf } from '../pod/spec.ts'
import { isCritical, isStatic } from './critical.ts'
import { amountOf, planPreemption, type Shortage } from './preemption.ts'
import { sysctlRejection } from './sysctls.ts'

/** `status.reason` and `status.message` of a pod that the node does not take. */
export interface Rejection {
  reason: string
  message: string
}

/** Undefined in `rejection` means that the node takes the pod, as soon as the victims have ended. */
export interface Admission {
  rejection: Rejection | undefined
  victims: readonly Pod[]
}

/** What the decision depends on in addition to the pod. */
export interface NodeNow {
  /** Undefined when the Node object is not there, and then only rules that do not need it apply. */
  node: Node | undefined
  /** Pods that are on the node and have not ended. */
  others: readonly Pod[]
  /** Conditions of the node that keep pods away, such as MemoryPressure. */
  pressures: readonly string[]
  isShuttingDown: boolean
  /** Whether the kernel has AppArmor, and it is enabled. */
  hasAppArmor: boolean
  /** Further kernel parameters that pods may set: names, or beginnings of names with `*`. */
  allowedSysctls: readonly string[]
}

const fits: Admission = { rejection: undefined, victims: [] }
const refused = (rejection: Rejection): Admission => ({ rejection, victims: [] })

/** Whether the node takes the pod, and which pods must end for it. */
export function planAdmission(pod: Pod, now: NodeNow): Admission {
  const early = pressureRejection(pod, now) ?? sysctlRejection(pod, now.allowedSysctls)
  if (early) return refused(early)
  const rest = now.node ? placeAdmission(pod, now.node, now.others) : fits
  if (!rest.rejection && !now.hasAppArmor && wantsAppArmor(pod))
    return refused({ reason: 'AppArmor', message: 'Cannot enforce AppArmor: AppArmor is not enabled on the host' })
  if (!rest.rejection && now.isShuttingDown)
    return refused({ reason: 'NodeShutdown', message: 'Pod was rejected as the node is shutting down.' })
  return rest
}

/** Whether the pod must not run without AppArmor. Source: kubernetes pkg/security/apparmor/validate.go. */
function wantsAppArmor(pod: Pod): boolean {
  return [pod.spec, ...allContainers(pod)].some(({ securityContext: context }) => {
    const type = context?.appArmorProfile?.type
    return type !== undefined && type !== 'Unconfined'
  })
}

/** Under pressure a node takes no pods but critical ones, and under memory pressure also those that request memory. */
function pressureRejection(pod: Pod, { pressures }: NodeNow): Rejection | undefined {
  if (!pressures.length || isCritical(pod)) return undefined
  if (pressures.length === 1 && pressures[0] === 'MemoryPressure') {
    const taint = { key: 'node.kubernetes.io/memory-pressure', effect: 'NoSchedule' }
    if (qosOf(pod) !== 'BestEffort' || tolerated(pod.spec.tolerations, taint)) return undefined
  }
  return { reason: 'Evicted', message: `The node had condition: [${pressures.join(' ')}]. ` }
}

function placeAdmission(pod: Pod, node: Node, others: readonly Pod[]): Admission {
  const system = systemRejection(pod, node)
  if (system) return refused(system)
  const missing = resourceShortages(pod, node, others)
  const misplaced = placeRejection(pod, node, others)
  if (isCritical(pod)) {
    // A want of resources is no reason to refuse it, so another reason comes first.
    if (misplaced) return refused(misplaced)
    return missing.length ? makeRoom(pod, others, missing) : fits
  }
  const rejection = missing[0]?.rejection ?? misplaced
  return rejection ? refused(rejection) : fits
}

function makeRoom(pod: Pod, others: readonly Pod[], missing: readonly Shortage[]): Admission {
  const plan = planPreemption(pod, others, missing)
  if ('victims' in plan) return { rejection: undefined, victims: plan.victims }
  return refused({
    reason: 'UnexpectedAdmissionError',
    message: `Unexpected error while attempting to recover from admission failure: preemption: error finding a set of pods to preempt: ${plan.problem}`,
  })
}

const failed = (name: string, why: string): Rejection => ({
  reason: name,
  message: `Predicate ${name} failed: ${why}`,
})

function placeRejection(pod: Pod, node: Node, others: readonly Pod[]): Rejection | undefined {
  if (!matchesNodeAffinity(pod, node))
    return failed('NodeAffinity', "node(s) didn't match Pod's node affinity/selector")
  const taken = others.flatMap(hostPorts)
  if (hostPorts(pod).some(mine => taken.some(port => clash(mine, port))))
    return failed('NodePorts', "node(s) didn't have free ports for the requested pod ports")
  // Only NoExecute matters here, since NoSchedule concerns the scheduler alone.
  const driven = node.spec.taints?.some(t => t.effect === 'NoExecute' && !tolerated(pod.spec.tolerations, t))
  if (driven && !isStatic(pod)) return failed('TaintToleration', "node(s) had taints that the pod didn't tolerate")
  return undefined
}

function systemRejection({ metadata, spec }: Pod, node: Node): Rejection | undefined {
  const os = metadata.labels?.['kubernetes.io/os']
  if (os !== undefined && os !== 'linux')
    return {
      reason: 'PodOSSelectorNodeLabelDoesNotMatch',
      message: "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
    }
  if (spec.os && spec.os.name !== 'linux')
    return { reason: 'PodOSNotSupported', message: "Failed to admit pod as the OS field doesn't match node OS" }
  const isStrict = spec.securityContext?.supplementalGroupsPolicy === 'Strict'
  if (isStrict && !node.status.features?.supplementalGroupsPolicy)
    return {
      reason: 'SupplementalGroupsPolicyNotSupported',
      message: 'SupplementalGroupsPolicy=Strict is not supported in this node',
    }
  return undefined
}

/** Why the requests of a pod do not fit beside those of others. */
export const resourceRejection = (pod: Pod, node: Node, others: readonly Pod[]): Rejection | undefined =>
  resourceShortages(pod, node, others)[0]?.rejection

type Missing = Shortage & { rejection: Rejection }

/** What the node lacks for the pod: the number of pods first, then CPU, memory, disk, and then everything else. */
function resourceShortages(pod: Pod, { status }: Node, others: readonly Pod[]): Missing[] {
  const allocatable = status.allocatable ?? {}
  const capacityOf = (name: string) => amountOf(name, allocatable[name])
  const missing: Missing[] = []
  const check = (resource: string, requested: number, used: number) => {
    const capacity = capacityOf(resource)
    if (requested <= 0 || requested <= capacity - used) return
    const message = `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`
    const amount = requested - (capacity - used)
    missing.push({ resource, amount, rejection: { reason: `OutOf${resource}`, message } })
  }
  if (allocatable.pods !== undefined) check('pods', 1, others.length)
  const requests = others.map(other => podRequests(other.spec))
  const wanted = podRequests(pod.spec)
  for (const name of new Set(['cpu', 'memory', 'ephemeral-storage', ...Object.keys(wanted)])) {
    // Extended resources that the node does not have are for others to check: they may be of the whole cluster.
    if (isExtended(name) && allocatable[name] === undefined) continue
    check(
      name,
      amountOf(name, wanted[name]),
      requests.reduce((sum, of) => sum + amountOf(name, of[name]), 0),
    )
  }
  return missing
}

interface HostPort {
  ip: string
  protocol: string
  port: number
}

const anyAddress = '0.0.0.0'

function hostPorts({ spec }: Pod): HostPort[] {
  const sidecars = (spec.initContainers ?? []).filter(container => container.restartPolicy === 'Always')
  return [...spec.containers, ...sidecars].flatMap(container =>
    (container.ports ?? []).flatMap(({ hostPort, hostIP, protocol }) =>
      hostPort ? [{ ip: hostIP || anyAddress, protocol, port: hostPort }] : [],
    ),
  )
}

const clash = (a: HostPort, b: HostPort): boolean =>
  a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === anyAddress || b.ip === anyAddress)
