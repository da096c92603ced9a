// The claim that each pod of a workload gets.
import { sameJson } from '../../api/equal.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { immutable, validateAnnotations, validateLabels } from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import { defaultClaim, validateClaim } from './claim-rules.ts'
import { ObjectMeta } from '../../api/meta.ts'
import { struct } from '../../api/schema/build.ts'
import { ResourceClaimSpec } from './types.ts'

export const ResourceClaimTemplateSpec = struct(
  'resource.v1.ResourceClaimTemplateSpec',
  'Template that ResourceClaims are created from.',
  {
    metadata: ObjectMeta.value({
      proto: 1,
      doc: 'Labels and annotations of the claims. Other metadata is not allowed.',
    }),
    spec: ResourceClaimSpec.value({ proto: 2, doc: 'Requested devices of the claims.' }),
  },
)
export type ResourceClaimTemplateSpec = Of<typeof ResourceClaimTemplateSpec>

export const ResourceClaimTemplate = defineKind({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceClaimTemplate',
  plural: 'resourceclaimtemplates',
  scope: 'Namespaced',
  returnsDeleted: true,
  doc: 'ResourceClaimTemplate is a template from which a ResourceClaim is created for each pod that refers to it.',
  explicit: true,
  defaults: ({ spec }) => defaultClaim(spec.spec),
  *validate({ spec: { metadata, spec } }, at) {
    const path = at.field('spec', 'metadata')
    yield* validateLabels(metadata.labels, path.field('labels'))
    yield* validateAnnotations(metadata.annotations, path.field('annotations'))
    yield* validateClaim(spec, at.field('spec', 'spec'))
  },
  *validateUpdate(next, old, at) {
    if (!sameJson(next.spec, old.spec))
      yield at.field('spec').invalid(goStruct(ResourceClaimTemplateSpec, next.spec), immutable)
  },
  fields: {
    spec: ResourceClaimTemplateSpec.value({ proto: 2, doc: 'Template of the claims. Cannot be changed.' }),
  },
})
export type ResourceClaimTemplate = Of<typeof ResourceClaimTemplate>
