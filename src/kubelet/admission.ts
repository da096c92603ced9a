// Decides whether a node takes a pod that is bound to it. The scheduler has checked the same, but a pod can name its
// node itself, two schedulers can bind at once, and nodes change. A pod that does not fit fails, and its owner creates
// another one. Pure. Sources: kubernetes pkg/kubelet/lifecycle/predicate.go, pkg/kubelet/sysctl/allowlist.go.
import { quantityMilli, quantityValue } from '../api/quantity.ts'
import type { Node } from '../kinds/core/node.ts'
import { matchesNodeAffinity } from '../kinds/core/node-selection.ts'
import { podRequests } from '../kinds/core/pod-resources.ts'
import { tolerated } from '../kinds/core/tolerations.ts'
import { onHostNetwork } from './pod/spec.ts'
import type { Pod } from '../kinds/core/pod.ts'

/** `status.reason` and `status.message` of a pod that the node does not take. */
export interface Rejection {
  reason: string
  message: string
}

/**
 * Why the node does not take the pod. Undefined when it does.
 * @param node the Node object; undefined when it was deleted, and then only rules that do not need it apply
 * @param others pods that are on the node and have not ended
 */
export function planAdmission(pod: Pod, node: Node | undefined, others: readonly Pod[]): Rejection | undefined {
  return (
    sysctlRejection(pod) ??
    (node && (systemRejection(pod, node) ?? resourceRejection(pod, node, others) ?? placeRejection(pod, node, others)))
  )
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
  return driven ? failed('TaintToleration', "node(s) had taints that the pod didn't tolerate") : undefined
}

function systemRejection({ spec }: Pod, node: Node): Rejection | undefined {
  const label = 'kubernetes.io/os'
  const [wanted, actual] = [spec.nodeSelector?.[label], node.metadata.labels?.[label]]
  if (wanted !== undefined && actual !== undefined && wanted !== actual)
    return {
      reason: 'PodOSSelectorNodeLabelDoesNotMatch',
      message: "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
    }
  if (spec.os && spec.os.name !== 'linux')
    return { reason: 'PodOSNotSupported', message: "Failed to admit pod as the OS field doesn't match node OS" }
  return undefined
}

const amountOf = (name: string, text: string | undefined) =>
  name === 'cpu' ? quantityMilli(text) : quantityValue(text)

/** Why the requests of a pod do not fit beside those of others. */
export function resourceRejection(pod: Pod, { status }: Node, others: readonly Pod[]): Rejection | undefined {
  const capacityOf = (name: string) => amountOf(name, status.allocatable?.[name])
  if (status.allocatable?.pods !== undefined && others.length + 1 > capacityOf('pods'))
    return outOf('pods', 1, others.length, capacityOf('pods'))
  const requests = others.map(other => podRequests(other.spec))
  for (const [name, text] of Object.entries(podRequests(pod.spec))) {
    const requested = amountOf(name, text)
    const used = requests.reduce((sum, of) => sum + amountOf(name, of[name]), 0)
    if (requested > 0 && requested > capacityOf(name) - used) return outOf(name, requested, used, capacityOf(name))
  }
  return undefined
}

const outOf = (name: string, requested: number, used: number, capacity: number): Rejection => ({
  reason: `OutOf${name}`,
  message: `Node didn't have enough resource: ${name}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
})

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

/** Kernel parameters whose effect is limited to the pod. */
const safeSysctls: ReadonlySet<string> = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
])

function sysctlRejection(pod: Pod): Rejection | undefined {
  for (const { name } of pod.spec.securityContext?.sysctls ?? []) {
    const plain = name.replaceAll('/', '.')
    const shared = plain.startsWith('net.') ? onHostNetwork(pod) && 'net' : pod.spec.hostIPC === true && 'ipc'
    const why = !safeSysctls.has(plain) ? 'not allowlisted' : shared && `not allowed with host ${shared} enabled`
    if (why) return { reason: 'SysctlForbidden', message: `forbidden sysctl: ${JSON.stringify(plain)} ${why}` }
  }
  return undefined
}
