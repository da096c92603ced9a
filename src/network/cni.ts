// The pod network as the CNI plugins are told about it. Source: containernetworking/plugins (bridge, host-local).
import { formatIP, parseCidr } from '../api/ip.ts'

interface PodNetwork {
  /** Name of the bridge; at most 15 characters. */
  bridge: string
  /** The node's range, as `10.244.0.0/24`. */
  podCidr: string
  /** Where host-local keeps which address is whose. */
  stateDir: string
  mtu: number
}

/** The bridge's own address: the first of the range. */
export function gatewayOf(podCidr: string): string {
  const { family, base } = parseCidr(podCidr)!
  return formatIP(family, base + 1n)
}

/** The CNI configuration list. Host ports are not here: they are rules of the proxy. */
export function podNetworkText({ bridge, podCidr, stateDir, mtu }: PodNetwork): string {
  const plugin = {
    type: 'bridge',
    bridge,
    isGateway: true,
    // What leaves the cluster is masqueraded by the proxy's table, which knows what belongs to the cluster.
    ipMasq: false,
    hairpinMode: true,
    mtu,
    ipam: { type: 'host-local', ranges: [[{ subnet: podCidr }]], routes: [{ dst: '0.0.0.0/0' }], dataDir: stateDir },
  }
  return `${JSON.stringify({ cniVersion: '1.0.0', name: 'kutter', plugins: [plugin] }, null, 2)}\n`
}
