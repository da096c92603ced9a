// Which kernel parameters a pod may set: those whose effect is limited to the pod, and those that the node's
// configuration allows. Source: kubernetes pkg/kubelet/sysctl (safe_sysctls.go, allowlist.go).
import type { Pod } from '../../kinds/core/pod.ts'
import { onHostNetwork } from '../pod/spec.ts'

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

/** Why the pod may not set one of its parameters, if so. `allowed` has names, or beginnings of names with `*`. */
export function sysctlRejection(pod: Pod, allowed: readonly string[]): { reason: string; message: string } | undefined {
  const isAllowed = (name: string) =>
    safeSysctls.has(name) ||
    allowed.some(pattern => (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern))
  for (const { name } of pod.spec.securityContext?.sysctls ?? []) {
    const plain = name.replaceAll('/', '.')
    const shared = plain.startsWith('net.') ? onHostNetwork(pod) && 'net' : pod.spec.hostIPC === true && 'ipc'
    const why = !isAllowed(plain) ? 'not allowlisted' : shared && `not allowed with host ${shared} enabled`
    if (why) return { reason: 'SysctlForbidden', message: `forbidden sysctl: ${JSON.stringify(plain)} ${why}` }
  }
  return undefined
}
