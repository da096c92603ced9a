// The edge of the cluster: how requests from outside get to Services. Ingresses and Gateways are served on every node; the addresses of
// load balancers are each announced by one.
export { startGateways } from './gateway/index.ts'
export { startIngress, stopIngress } from './ingress/index.ts'
export { removeAnnouncements, startBalancer } from './loadbalancer/index.ts'
export { startVirtualAddress } from './loadbalancer/virtual-address.ts'
