// Which ports of the nodes Gateways cannot have, since something else of the cluster has them. Only Gateways without
// addresses of their own are in question.
import { isBalanced } from '../core/service-balancing.ts'
import type { Service } from '../core/service.ts'

/** Whether a Service may have ports of the nodes. */
export const hasNodePorts = ({ spec }: Service): boolean => spec.type === 'NodePort' || spec.type === 'LoadBalancer'

/** What of a Service decides which ports of the nodes it has. */
export const portFactsOf = (service: Service | undefined): string =>
  service && hasNodePorts(service)
    ? JSON.stringify([
        service.spec.type,
        service.spec.ports,
        isBalanced(service),
        !!service.status.loadBalancer.ingress?.length,
      ])
    : ''

/**
 * The ports of the nodes that are taken, and by what.
 * @param services those that may have ports of the nodes
 * @param ingressPorts the ports of Ingresses, if there are some
 */
export function portsTaken(services: readonly Service[], ingressPorts: readonly number[]): Map<number, string> {
  const taken = new Map(ingressPorts.map(port => [port, 'Ingresses']))
  for (const service of services) {
    const name = `the Service ${service.metadata.namespace}/${service.metadata.name}`
    const isThere = isBalanced(service) && service.status.loadBalancer.ingress?.length
    for (const { protocol, port, nodePort } of service.spec.ports ?? []) {
      if (protocol !== 'TCP') continue
      if (isThere) taken.set(port, name)
      if (nodePort) taken.set(nodePort, `${name} as its node port`)
    }
  }
  return taken
}
