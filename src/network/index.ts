// The pod network of one node: a bridge with an address of its own, on which CNI puts every pod, with addresses out
// of the node's range. Pods of other nodes are reached by routes (routes.ts); who may leave the cluster is the
// proxy's table.
export { gatewayOf } from './cni.ts'
export { announceNetwork, makeBridge, stopPodNetwork } from './bridge.ts'
export { keepPodRoutes, podRoutes, removePodRoutes } from './routes.ts'
