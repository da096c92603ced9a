// An ingress class: which controller serves an ingress.
import { defineKind, type Of } from '../../api/kind.ts'
import { unchanged } from '../unchanged.ts'
import { string, struct } from '../../api/schema/build.ts'

export const IngressClassParametersReference = struct(
  'networking.v1.IngressClassParametersReference',
  'Points to an object with the controller’s settings.',
  {
    apiGroup: string({ proto: 1, optional: true, doc: 'Group of the object; empty for the core group.' }),
    kind: string({ proto: 2, always: true, required: true, doc: 'Kind of the object.' }),
    name: string({ proto: 3, always: true, required: true, doc: 'Name of the object.' }),
    scope: string({
      proto: 4,
      default: 'Cluster',
      optional: true,
      enum: ['Cluster', 'Namespace'],
      doc: 'Cluster or Namespace.',
    }),
    namespace: string({ proto: 5, optional: true, doc: 'Namespace of the object.' }),
  },
)
export type IngressClassParametersReference = Of<typeof IngressClassParametersReference>

export const IngressClassSpec = struct(
  'networking.v1.IngressClassSpec',
  'Which controller serves ingresses of a class.',
  {
    controller: string({ proto: 1, doc: 'Name of the controller, as a domain with a path; cannot change.' }),
    parameters: IngressClassParametersReference.field({ proto: 2, doc: 'Object with further settings.' }),
  },
)
export type IngressClassSpec = Of<typeof IngressClassSpec>

export const IngressClass = defineKind({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IngressClass',
  plural: 'ingressclasses',
  scope: 'Cluster',
  doc: 'An ingress class: which controller serves an ingress.',
  generation: true,
  columns: [
    { name: 'Controller', type: 'string', value: o => o.spec.controller ?? '' },
    {
      name: 'Parameters',
      type: 'string',
      value: o =>
        o.spec.parameters
          ? `${o.spec.parameters.kind}.${o.spec.parameters.apiGroup ?? ''}/${o.spec.parameters.name}`
          : '<none>',
    },
  ],
  *validate({ spec }, at) {
    const path = at.field('spec')
    if (!spec.controller) yield path.field('controller').required()
    if (!spec.parameters) return
    const { scope, namespace } = spec.parameters
    if (scope === 'Namespace' && !namespace)
      yield path.field('parameters', 'namespace').required("`parameters.scope` is set to 'Namespace'")
    if (scope === 'Cluster' && namespace)
      yield path.field('parameters', 'namespace').forbidden("`parameters.scope` is set to 'Cluster'")
  },
  *validateUpdate(next, old, at) {
    yield* unchanged(next.spec, old.spec, ['controller'], at.field('spec'))
  },
  fields: {
    spec: IngressClassSpec.value({ proto: 2, doc: 'What is wanted.' }),
  },
})
export type IngressClass = Of<typeof IngressClass>
