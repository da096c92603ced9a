// The pod that a workload makes again and again.
import type { Of } from '../../api/kind.ts'
import { ObjectMeta } from '../../api/meta.ts'
import { struct } from '../../api/schema/build.ts'
import { PodSpec } from './podspec.ts'

export const PodTemplateSpec = struct('core.v1.PodTemplateSpec', 'Template that pods are created from.', {
  metadata: ObjectMeta.value({ proto: 1, doc: 'Labels and annotations of the pods. Other metadata is ignored.' }),
  spec: PodSpec.value({ proto: 2, doc: 'Desired state of the pods.' }),
})
export type PodTemplateSpec = Of<typeof PodTemplateSpec>
