// Takes one node off this machine: its pods, its containerd, its network, its rules.
import { join } from 'node:path'
import type { Log } from '../base/log.ts'
import { deleteTableText } from '../proxy/index.ts'
import { stopEverything } from '../kubelet/containerd/index.ts'
import { makeNft, realMounts } from '../linux/index.ts'
import { stopPodNetwork } from '../network/index.ts'

/** The bridge of a cluster's first node. */
export const bridgeOf = (tag: string): string => `kt${tag}`
/** The table of a cluster's services. */
export const tableOf = (tag: string): string => `kutter-${tag}`
/** The cgroup below which a node's pods are. */
export const cgroupOf = (tag: string): string => `/kutter-${tag}`

/** Where things are below a node's directory. */
export function nodeDirs(dir: string) {
  return {
    containerd: join(dir, 'c'),
    cniConf: join(dir, 'cni', 'conf'),
    cniState: join(dir, 'cni', 'state'),
    pki: join(dir, 'pki'),
    registry: join(dir, 'registry'),
    pauseArchive: join(dir, 'pause.tar'),
  }
}

export async function teardownNode({
  dir,
  tag,
  log,
  purge,
}: {
  dir: string
  tag: string
  node: string
  log: Log
  purge: boolean
}): Promise<void> {
  const dirs = nodeDirs(dir)
  await stopEverything({ dir: dirs.containerd, log, cgroups: [cgroupOf(tag)], purge })
  await realMounts.unmountAll(dir)
  await stopPodNetwork({ bridge: bridgeOf(tag), confDir: dirs.cniConf, stateDir: dirs.cniState })
  const nft = makeNft()
  if ((await nft.tables()).includes(`ip ${tableOf(tag)}`)) await nft.apply(deleteTableText(tableOf(tag)))
}
