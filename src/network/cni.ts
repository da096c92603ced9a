// The CNI configuration of the pod network. Source: containernetworking/plugins (bridge, host-local).
import { formatIP, parseCidr } from '../api/ip.ts'

interface PodNetwork {
  /** The name of the bridge, of at most 15 characters. */
  bridge: string
  /** The node's range of pod addresses, such as `10.244.0.0/24`. */
  podCidr: string
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
export function podNetworkText({ bridge, podCidr, stateDir, mtu }: PodNetwork): string {
  const plugin = {
    type: 'bridge',
    bridge,
    isGateway: true,
    // The proxy's table masquerades traffic that leaves the cluster, since it has the cluster's ranges.
    ipMasq: false,
    hairpinMode: true,
    mtu,
    ipam: { type: 'host-local', ranges: [[{ subnet: podCidr }]], routes: [{ dst: '0.0.0.0/0' }], dataDir: stateDir },
  }
  return `${JSON.stringify({ cniVersion: '1.0.0', name: 'kutter', plugins: [plugin] }, null, 2)}\n`
}
