// Host ports: ports of the node that lead to one pod. They are in the same table as Services, one fragment for each
// pod. A pod that has ended, or that uses the node's own network, needs none. A port on one address of the node comes
// before the same port on all of them.
import type { Pod } from '../kinds/core/pod.ts'
import { isTerminal } from '../kinds/core/pod-phase.ts'
import { add, emptyFragment, type Entry, type Fragment, lead } from './fragment.ts'
import { type Family, familyOf, words } from './table.ts'

/** The fragment for the host ports of a pod on this node. Pure. */
export function hostPortFragment(pod: Pod, mayHave: (entry: string) => boolean = () => true): Fragment {
  const fragment = emptyFragment()
  if (pod.spec.hostNetwork || isTerminal(pod)) return fragment
  const ips = pod.status.podIPs?.map(({ ip }) => ip) ?? [pod.status.podIP ?? '']
  // Sidecars run as long as the other containers.
  const sidecars = (pod.spec.initContainers ?? []).filter(c => c.restartPolicy === 'Always')
  for (const port of [...pod.spec.containers, ...sidecars].flatMap(c => c.ports ?? [])) {
    if (!port.hostPort) continue
    for (const ip of ips) {
      const family = familyOf(ip)
      const entry = family && entryOf(family, port.protocol.toLowerCase(), port.hostPort, port.hostIP)
      if (!entry) continue
      const name = entry.isNode ? `${entry.key} . ${words[family].ip}` : entry.key
      if (!mayHave(name)) continue
      fragment.entries.set(name, [ip])
      const backend = { ip, port: port.containerPort, local: true }
      lead(fragment, entry, entry.isNode ? 'node-outside' : 'outside', [backend])
      if (entry.isNode) add(fragment, `host-ports${words[family].end}`, entry.key, '')
    }
  }
  return fragment
}

/** Where a host port comes in; undefined when its address is one of the other family. */
function entryOf(family: Family, protocol: string, port: number, hostIP = ''): Entry | undefined {
  if (!hostIP || hostIP === '0.0.0.0' || hostIP === '::') return { family, key: `${protocol} . ${port}`, isNode: true }
  return familyOf(hostIP) === family ? { family, key: `${hostIP} . ${protocol} . ${port}`, isNode: false } : undefined
}
