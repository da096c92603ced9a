// The claim that each pod of a workload gets.
import { defineKind, type Of } from '../../api/kind.ts'
import { same } from '../unchanged.ts'
import { ObjectMeta } from '../../api/meta.ts'
import { struct } from '../../api/schema/build.ts'
import { ResourceClaimSpec } from './types.ts'

export const ResourceClaimTemplateSpec = struct('resource.v1.ResourceClaimTemplateSpec', 'The claim to make.', {
  metadata: ObjectMeta.value({ proto: 1, doc: 'Labels and annotations of the claim.' }),
  spec: ResourceClaimSpec.value({ proto: 2, doc: 'What the claim asks for.' }),
})
export type ResourceClaimTemplateSpec = Of<typeof ResourceClaimTemplateSpec>

export const ResourceClaimTemplate = defineKind({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceClaimTemplate',
  plural: 'resourceclaimtemplates',
  scope: 'Namespaced',
  doc: 'The claim that each pod of a workload gets.',
  *validateUpdate(next, old, at) {
    if (!same(next.spec, old.spec)) yield at.field('spec').invalid(next.spec, 'field is immutable')
  },
  fields: {
    spec: ResourceClaimTemplateSpec.value({ proto: 2, doc: 'What is wanted.' }),
  },
})
export type ResourceClaimTemplate = Of<typeof ResourceClaimTemplate>
