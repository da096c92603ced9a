// The pod that a workload makes again and again.
import type { Of } from '../../api/kind.ts'
import { ObjectMeta } from '../../api/meta.ts'
import { struct } from '../../api/schema/build.ts'
import { PodSpec } from './podspec.ts'

export const PodTemplateSpec = struct(
  'core.v1.PodTemplateSpec',
  'The pod to make: its labels and annotations, and what it is to be.',
  {
    metadata: ObjectMeta.value({ proto: 1, doc: 'Labels and annotations of the pod.' }),
    spec: PodSpec.value({ proto: 2, doc: 'What the pod is to be.' }),
  },
)
export type PodTemplateSpec = Of<typeof PodTemplateSpec>
