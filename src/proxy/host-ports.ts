// Host ports: ports of the node that lead to one pod. They are in the same table as Services, one fragment for each
// pod. A pod that has ended, or that uses the node's own network, needs none.
import { createHash } from 'node:crypto'
import type { Pod } from '../kinds/core/pod.ts'
import { isTerminal } from '../kinds/core/pod-phase.ts'
import { add, emptyFragment, type Fragment } from './plan.ts'
import { masqueradeMark } from './table.ts'

/** The fragment for the host ports of a pod on this node. Pure. */
export function hostPortFragment(pod: Pod): Fragment {
  const fragment = emptyFragment()
  const ip = pod.status.podIP
  if (!ip || pod.spec.hostNetwork || isTerminal(pod)) return fragment
  // Sidecars run as long as the other containers.
  const sidecars = (pod.spec.initContainers ?? []).filter(c => c.restartPolicy === 'Always')
  for (const port of [...pod.spec.containers, ...sidecars].flatMap(c => c.ports ?? [])) {
    if (!port.hostPort) continue
    const protocol = port.protocol.toLowerCase()
    const chain = `host-${createHash('sha256').update(`${pod.metadata.uid}/${protocol}/${port.hostPort}`).digest('hex').slice(0, 8)}-${port.hostPort}`
    fragment.chains.set(chain, [
      `meta mark set meta mark or ${masqueradeMark}`,
      `meta l4proto ${protocol} dnat ip to ${ip}:${port.containerPort}`,
    ])
    if (port.hostIP && port.hostIP !== '0.0.0.0')
      add(fragment, 'service-ips', `${port.hostIP} . ${protocol} . ${port.hostPort}`, `goto ${chain}`)
    else add(fragment, 'node-ports', `${protocol} . ${port.hostPort}`, `goto ${chain}`)
  }
  return fragment
}
