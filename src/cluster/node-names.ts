// What a cluster's things on the machine are called: each name carries the cluster's tag (config.ts), so that clusters
// side by side never touch each other's.
import { join } from 'node:path'
import type { LocalNode } from './config.ts'

/** The bridge of a node's pods. Every link of the cluster on the machine begins with it. */
export const bridgeOf = (tag: string): string => `kt${tag}`
/** The bridge between the nodes of this machine. */
export const nodeBridgeOf = (tag: string): string => `${bridgeOf(tag)}n`
/** The machine's end of the cable to a node in a namespace. */
export const cableOf = (tag: string, { index }: LocalNode): string => `${bridgeOf(tag)}-${index}`
/** What all network namespaces of the cluster begin with. */
export const namespacePrefix = (tag: string): string => `kutter-${tag}-`
/** The network namespace of a node. */
export const namespaceOf = (tag: string, node: string): string => `${namespacePrefix(tag)}${node}`
/** The table of a cluster's services. */
export const tableOf = (tag: string): string => `kutter-${tag}`
/** The table that lets nodes in namespaces reach the world. */
export const nodeTableOf = (tag: string): string => `${tableOf(tag)}-nodes`
/** The cgroup below which the nodes of a cluster are. */
export const cgroupOf = (tag: string): string => `/kutter-${tag}`
/** The cgroup below which a node's pods are. */
export const nodeCgroupOf = (tag: string, node: string): string => `${cgroupOf(tag)}/${node}`

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
