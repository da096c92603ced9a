// The edge of the cluster: how requests from outside get to Services. Ingress is served on every node; the addresses of
// load balancers are each announced by one.
export { startIngress, stopIngress } from './ingress/index.ts'
export { removeAnnouncements, startBalancer } from './loadbalancer/index.ts'
