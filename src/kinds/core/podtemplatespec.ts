// The pod that a workload makes again and again.
import type { Of } from '../../api/kind.ts'
import { ObjectMeta } from '../../api/meta.ts'
import { struct } from '../../api/schema/build.ts'
import { PodSpec } from './podspec.ts'

export const PodTemplateSpec = struct('core.v1.PodTemplateSpec', '', {
  metadata: ObjectMeta.value({ proto: 1 }),
  spec: PodSpec.value({ proto: 2 }),
})
export type PodTemplateSpec = Of<typeof PodTemplateSpec>
