// The CNI configuration of the pod network. Source: containernetworking/plugins (bridge, host-local).
import { formatIP, parseCidr } from '../api/ip.ts'

interface PodNetwork {
  /** The name of the bridge, of at most 15 characters. */
  bridge: string
  /** The node's ranges of pod addresses, such as `10.244.0.0/24`, at most one of each family. */
  podCidrs: readonly string[]
  /** The directory in which host-local records the assigned addresses. */
  stateDir: string
  mtu: number
}

/** The address of the bridge, which is the first of the range. */
export function gatewayOf(podCidr: string): string {
  const { family, base } = parseCidr(podCidr)!
  return formatIP(family, base + 1n)
}

/** The configuration list. It does not contain the portmap plugin, since host ports are rules of the proxy. */
export function podNetworkText({ bridge, podCidrs, stateDir, mtu }: PodNetwork): string {
  const plugin = {
    type: 'bridge',
    bridge,
    isGateway: true,
    // The proxy's table masquerades traffic that leaves the cluster, since it has the cluster's ranges.
    ipMasq: false,
    hairpinMode: true,
    mtu,
    ipam: {
      type: 'host-local',
      ranges: podCidrs.map(subnet => [{ subnet }]),
      routes: podCidrs.map(range => ({ dst: parseCidr(range)?.family === 6 ? '::/0' : '0.0.0.0/0' })),
      dataDir: stateDir,
    },
  }
  return `${JSON.stringify({ cniVersion: '1.0.0', name: 'kutter', plugins: [plugin] }, null, 2)}\n`
}
