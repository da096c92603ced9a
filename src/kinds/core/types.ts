// Small pieces used by several core kinds.
import type { Of } from '../../api/kind.ts'
import { int32, string, struct } from '../../api/schema/build.ts'

export const EvictionResponder = struct('core.v1.EvictionResponder', '', {
  name: string({ proto: 1, always: true, required: true }),
  priority: int32({ proto: 2, optional: true, required: true }),
})
export type EvictionResponder = Of<typeof EvictionResponder>
