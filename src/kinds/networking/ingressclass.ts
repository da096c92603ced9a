// An ingress class: which controller serves an ingress.
import { named, type Problems, requiredName, supported } from '../../api/checks.ts'
import { dnsLabelErrors, dnsSubdomainErrors, domainPathErrors, pathSegmentErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { unchanged } from '../unchanged.ts'
import { string, struct } from '../../api/schema/build.ts'

export const IngressClassParametersReference = struct(
  'networking.v1.IngressClassParametersReference',
  'Reference to an object with parameters for an ingress controller.',
  {
    apiGroup: string({
      proto: 1,
      optional: true,
      doc: 'API group of the referenced object. Empty for the core group.',
    }),
    kind: string({ proto: 2, always: true, required: true, doc: 'Kind of the referenced object.' }),
    name: string({ proto: 3, always: true, required: true, doc: 'Name of the referenced object.' }),
    scope: string({
      proto: 4,
      default: 'Cluster',
      optional: true,
      enum: ['Cluster', 'Namespace'],
      doc: 'Whether the referenced object is cluster-scoped or namespaced: Cluster or Namespace. Defaults to Cluster.',
    }),
    namespace: string({
      proto: 5,
      optional: true,
      doc: 'Namespace of the referenced object. Required if scope is Namespace, and not allowed otherwise.',
    }),
  },
)
export type IngressClassParametersReference = Of<typeof IngressClassParametersReference>

export const IngressClassSpec = struct(
  'networking.v1.IngressClassSpec',
  'Controller of an IngressClass and its parameters.',
  {
    controller: string({
      proto: 1,
      doc: 'Name of the controller that implements Ingresses of this class, as a domain with a path such as example.com/ingress. At most 250 characters. Cannot be changed.',
    }),
    parameters: IngressClassParametersReference.field({
      proto: 2,
      doc: 'Object with additional parameters for the controller.',
    }),
  },
)
export type IngressClassSpec = Of<typeof IngressClassSpec>

const maxControllerBytes = 250

function* validateParameters(parameters: IngressClassParametersReference, at: Path): Problems {
  const { apiGroup, scope, namespace } = parameters
  if (apiGroup !== undefined) yield* named(dnsSubdomainErrors, apiGroup, at.field('apiGroup'))
  for (const field of ['kind', 'name'] as const)
    yield* requiredName(pathSegmentErrors, parameters[field], at.field(field))
  yield* supported(scope, ['Cluster', 'Namespace'], at.field('scope'))
  const path = at.field('namespace')
  if (scope === 'Namespace' && namespace === undefined) yield path.required("`parameters.scope` is set to 'Namespace'")
  else if (scope === 'Namespace') yield* named(dnsLabelErrors, namespace!, path)
  else if (scope === 'Cluster' && namespace !== undefined)
    yield path.forbidden("`parameters.scope` is set to 'Cluster'")
}

export const IngressClass = defineKind({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IngressClass',
  plural: 'ingressclasses',
  scope: 'Cluster',
  doc: 'IngressClass represents the controller that implements Ingresses of this class. The annotation ingressclass.kubernetes.io/is-default-class makes it the default.',
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
  explicit: true,
  *validate({ spec }, at) {
    const { controller = '', parameters } = spec
    if (Buffer.byteLength(controller) > maxControllerBytes)
      yield at.field('spec', 'controller').tooLong(maxControllerBytes)
    yield* requiredName(domainPathErrors, controller, at.field('spec', 'controller'))
    if (parameters) yield* validateParameters(parameters, at.field('spec', 'parameters'))
  },
  *validateUpdate(next, old, at) {
    yield* unchanged(next.spec, old.spec, ['controller'], at.field('spec'))
  },
  fields: {
    spec: IngressClassSpec.value({ proto: 2, doc: 'Controller of the class and its parameters.' }),
  },
})
export type IngressClass = Of<typeof IngressClass>
