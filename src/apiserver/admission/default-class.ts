// Classes that are marked as the default one. The newest counts where several are, and of those of one moment the first
// by name. Source: pkg/volume/util/storageclass.go, plugin/pkg/admission/network/defaultingressclass.
import type { KubeObject } from '../../api/kind.ts'
import type { Mutable } from '../../api/schema/node.ts'
import { Ingress } from '../../kinds/networking/ingress.ts'
import { IngressClass } from '../../kinds/networking/ingressclass.ts'
import type { Storage } from '../storage.ts'
import type { AdmissionPlugin } from './chain.ts'

/** The default class, which one of the annotations marks. */
export function defaultOf<T extends KubeObject>(classes: readonly T[], annotations: readonly string[]): T | undefined {
  const marked = classes.filter(({ metadata }) => annotations.some(key => metadata.annotations?.[key] === 'true'))
  const created = ({ metadata }: T) => metadata.creationTimestamp ?? ''
  const name = ({ metadata }: T) => metadata.name ?? ''
  return marked.sort((a, b) =>
    created(a) === created(b) ? (name(a) < name(b) ? -1 : 1) : created(a) < created(b) ? 1 : -1,
  )[0]
}

const classAnnotation = 'kubernetes.io/ingress.class'

/** DefaultIngressClass: gives a new Ingress that names no class the default one. */
export function defaultIngressClass(storage: Storage): AdmissionPlugin {
  const classes = storage.mirror(IngressClass)
  return {
    name: 'DefaultIngressClass',
    mutate({ type, operation, object }) {
      if (type !== 'CREATE' || operation.kind !== Ingress || operation.subresource) return
      const { metadata, spec } = object as Mutable<Ingress>
      if (spec.ingressClassName !== undefined || metadata.annotations?.[classAnnotation] !== undefined) return
      const name = defaultOf(classes.list(), ['ingressclass.kubernetes.io/is-default-class'])?.metadata.name
      if (name !== undefined) spec.ingressClassName = name
    },
  }
}
