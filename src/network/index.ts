// The pod network of one node: a bridge, to which the CNI plugins connect every pod with an address out of the node's
// range. Routes lead to the pods of other nodes (routes.ts). Traffic that leaves the cluster is masqueraded by the
// proxy's table.
export { gatewayOf } from './cni.ts'
export { announceNetwork, makeBridge, stopPodNetwork } from './bridge.ts'
export { deletePolicyTablesText, type Policies, startPolicies } from './policy/index.ts'
export { overlayLink, removeOverlay } from './overlay.ts'
export { keepNetworks } from './networks.ts'
export { keepPodRoutes, podRoutes, refuseUnencrypted, removePodRoutes } from './routes.ts'
export { removeWireguard, wireguardLink, wireguardProblem, wireguardProcesses } from './wireguard.ts'
