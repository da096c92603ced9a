// Removes nodes from this machine: pods, containerd, network, nftables rules, cgroups.
import type { Log } from '../base/log.ts'
import { realClock } from '../base/clock.ts'
import { removeAnnouncements, stopIngress } from '../edge/index.ts'
import { stopEverything } from '../kubelet/containerd/index.ts'
import { deleteTableText, findCgroups, makeNft, realMounts } from '../linux/index.ts'
import {
  deletePolicyTablesText,
  removePodRoutes,
  removeWireguard,
  wireguardLink,
  stopPodNetwork,
  overlayLink,
  removeOverlay,
} from '../network/index.ts'
import { removeNodeNetwork } from './node-net.ts'
import {
  balancerLinkOf,
  balancerTableOf,
  bridgeOf,
  cgroupOf,
  nodeCgroupOf,
  nodeDirs,
  policyTableOf,
  tableOf,
  virtualLinkOf,
  virtualTableOf,
} from './node-names.ts'

interface NodeTeardown {
  /** The node's directory. */
  dir: string
  tag: string
  node: string
  log: Log
  purge: boolean
}

/** Ends a node's pods and containerd. Links and tables in its network namespace disappear with the namespace. */
export async function teardownNode({ dir, tag, node, log, purge }: NodeTeardown): Promise<void> {
  const { containerd, ingress, gateway } = nodeDirs(dir)
  await Promise.all([ingress, gateway].map(one => stopIngress(one, realClock)))
  await stopEverything({ dir: containerd, log, cgroups: [nodeCgroupOf(tag, node)], purge })
  await realMounts.unmountAll(dir)
}

/** Removes everything the cluster has in the machine's own network, and its cgroup. No node may be running any more. */
export async function teardownMachine(
  tag: string,
  { podCidrs = [] }: { podCidrs?: readonly string[] },
  nodeDirectories: readonly string[],
): Promise<void> {
  for (const dir of nodeDirectories) {
    const { cniConf, cniState } = nodeDirs(dir)
    await stopPodNetwork({ bridge: bridgeOf(tag), confDir: cniConf, stateDir: cniState })
  }
  await removePodRoutes(podCidrs)
  await removeWireguard(wireguardLink(bridgeOf(tag)))
  for (const family of [4, 6] as const) await removeOverlay(overlayLink(bridgeOf(tag), family))
  await removeAnnouncements(balancerLinkOf(tag), balancerTableOf(tag))
  await removeAnnouncements(virtualLinkOf(tag), virtualTableOf(tag))
  await removeNodeNetwork(tag)
  await (await findCgroups()).remove(cgroupOf(tag), { kill: true })
  const nft = makeNft()
  const tables = await nft.tables()
  if (tables.some(table => table.split(' ')[1] === tableOf(tag))) await nft.apply(deleteTableText(tableOf(tag)))
  const policies = deletePolicyTablesText(policyTableOf(tag), tables)
  if (policies) await nft.apply(policies)
}
