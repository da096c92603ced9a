// Names of everything a cluster has on the machine outside its directory. Each contains the cluster's tag (config.ts),
// so clusters side by side do not touch each other's, and `kutter down` finds everything.
import { join } from 'node:path'
import type { LocalNode } from './config.ts'

/** The bridge of a node's pods. The names of all links of the cluster begin with it. */
export const bridgeOf = (tag: string): string => `kt${tag}`
/** The bridge between the nodes of this machine. */
export const nodeBridgeOf = (tag: string): string => `${bridgeOf(tag)}n`
/** The machine's end of the cable to a node in a namespace. */
export const cableOf = (tag: string, { index }: LocalNode): string => `${bridgeOf(tag)}-${index}`
/** The prefix of all network namespaces of the cluster. */
export const namespacePrefix = (tag: string): string => `kutter-${tag}-`
/** The network namespace of a node. */
export const namespaceOf = (tag: string, node: string): string => `${namespacePrefix(tag)}${node}`
/** The nftables table of the cluster's Services. */
export const tableOf = (tag: string): string => `kutter-${tag}`
/** The nftables table of the cluster's network policies. */
export const policyTableOf = (tag: string): string => `${tableOf(tag)}-policy`
/** The nftables table that lets nodes in namespaces reach other networks. */
export const nodeTableOf = (tag: string): string => `${tableOf(tag)}-nodes`
/** The nftables table that refuses what is for addresses of load balancers and leads to no Service. */
export const balancerTableOf = (tag: string): string => `${tableOf(tag)}-balancer`
/** The link on which a node keeps the addresses of load balancers that it announces. */
export const balancerLinkOf = (tag: string): string => `${bridgeOf(tag)}v`
/** The same two for the virtual address of the servers. */
export const virtualTableOf = (tag: string): string => `${tableOf(tag)}-virtual`
export const virtualLinkOf = (tag: string): string => `${bridgeOf(tag)}w`
/** The cgroup that holds those of all nodes of the cluster. */
export const cgroupOf = (tag: string): string => `/kutter-${tag}`
/** The cgroup that holds those of a node's pods. */
export const nodeCgroupOf = (tag: string, node: string): string => `${cgroupOf(tag)}/${node}`

/** The directories and files below the directory of a node. */
export function nodeDirs(dir: string) {
  return {
    containerd: join(dir, 'c'),
    cniConf: join(dir, 'cni', 'conf'),
    cniState: join(dir, 'cni', 'state'),
    pki: join(dir, 'pki'),
    registry: join(dir, 'registry'),
    ingress: join(dir, 'ingress'),
    gateway: join(dir, 'gateway'),
    wireguard: join(dir, 'wireguard'),
    pauseArchive: join(dir, 'pause.tar'),
    /** The API servers that the node has learned of. */
    servers: join(dir, 'servers.json'),
  }
}
