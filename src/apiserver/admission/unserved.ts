// Warns of what is stored and has no effect, since no part of the cluster serves it. What names a class is left to
// whoever serves that class.
import type { Ingress } from '../../kinds/networking/ingress.ts'
import type { Service } from '../../kinds/core/service.ts'
import { type AdmissionPlugin, isFor } from './chain.ts'
import type { AdmissionRequest } from './request.ts'

export function unserved(): AdmissionPlugin {
  return {
    name: 'Unserved',
    validate(request) {
      // A trial stores nothing.
      if (request.type !== 'CREATE' || request.operation.options.dryRun) return
      const text = warningOf(request)
      if (text) request.warn?.(text)
    },
  }
}

function warningOf(request: AdmissionRequest): string | undefined {
  if (isFor(request, 'networking.k8s.io', 'networkpolicies'))
    return 'network policies are not enforced in this cluster yet: the traffic of the selected pods is not restricted'
  if (isFor(request, 'networking.k8s.io', 'ingresses') && !(request.object as Ingress).spec.ingressClassName)
    return 'no ingress controller serves this Ingress: it names no class, and this cluster has no controller of its own yet'
  if (isFor(request, '', 'services') && needsLoadBalancer(request.object as Service))
    return 'this cluster has no load balancer yet: the Service gets no external address, its node ports work'
  return undefined
}

const needsLoadBalancer = ({ spec }: Service) => spec.type === 'LoadBalancer' && spec.loadBalancerClass === undefined
