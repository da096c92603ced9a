// Warns about new objects that have no effect because no part of the cluster serves them. There is no warning if the
// object names a class, since a controller that the user has installed may serve that class.
import type { Ingress } from '../../kinds/networking/ingress.ts'
import { legacyClassAnnotation } from '../../kinds/networking/ingress-serving.ts'
import { type AdmissionPlugin, isFor } from './chain.ts'
import type { AdmissionRequest } from './request.ts'

export function unserved(): AdmissionPlugin {
  return {
    name: 'Unserved',
    validate(request) {
      // A dry run stores nothing.
      if (request.type !== 'CREATE' || request.operation.options.dryRun) return
      const text = warningOf(request)
      if (text) request.warn?.(text)
    },
  }
}

function warningOf(request: AdmissionRequest): string | undefined {
  if (isFor(request, 'networking.k8s.io', 'ingresses') && !namesClass(request.object as Ingress))
    return 'no ingress controller serves this Ingress: it names no class, and the cluster has no default one'
  return undefined
}

const namesClass = ({ metadata, spec }: Ingress) =>
  spec.ingressClassName !== undefined || metadata.annotations?.[legacyClassAnnotation] !== undefined
