// The class of Ingresses that name none. Source: plugin/pkg/admission/network/defaultingressclass.
import type { Mutable } from '../../api/schema/node.ts'
import { defaultIngressClass as defaultOf } from '../../kinds/default-class.ts'
import { Ingress } from '../../kinds/networking/ingress.ts'
import { IngressClass } from '../../kinds/networking/ingressclass.ts'
import { legacyClassAnnotation } from '../../kinds/networking/ingress-serving.ts'
import type { Storage } from '../storage.ts'
import type { AdmissionPlugin } from './chain.ts'

/** DefaultIngressClass: gives a new Ingress that names no class the default one. */
export function defaultIngressClass(storage: Storage): AdmissionPlugin {
  const classes = storage.mirror(IngressClass)
  return {
    name: 'DefaultIngressClass',
    mutate({ type, operation, object }) {
      if (type !== 'CREATE' || operation.kind !== Ingress || operation.subresource) return
      const { metadata, spec } = object as Mutable<Ingress>
      if (spec.ingressClassName !== undefined || metadata.annotations?.[legacyClassAnnotation] !== undefined) return
      const name = defaultOf(classes.list())?.metadata.name
      if (name !== undefined) spec.ingressClassName = name
    },
  }
}
