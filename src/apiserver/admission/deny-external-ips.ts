// DenyServiceExternalIPs: no Service gets a new external IP. It is off unless somebody enables it.
// Source: plugin/pkg/admission/network/denyserviceexternalips.
import { Service } from '../../kinds/core/service.ts'
import { forbidden } from '../errors.ts'
import type { AdmissionPlugin } from './chain.ts'

export function denyExternalIPs(): AdmissionPlugin {
  return {
    name: 'DenyServiceExternalIPs',
    validate({ type, operation, object, old }) {
      if ((type !== 'CREATE' && type !== 'UPDATE') || operation.kind !== Service || operation.subresource) return
      const before = new Set((old as Service | undefined)?.spec.externalIPs)
      if ((object as Service).spec.externalIPs?.some(ip => !before.has(ip)))
        throw forbidden(Service, operation.name, 'Use of external IPs is denied by admission control')
    },
  }
}
