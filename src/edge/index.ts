// The edge of the cluster: how requests from outside get to Services. So far that is Ingress, served on every node.
export { startIngress, stopIngress } from './ingress/index.ts'
