// Small pieces used by several core kinds.
import type { Of } from '../../api/kind.ts'
import { int32, string, struct } from '../../api/schema/build.ts'

export const EvictionResponder = struct(
  'core.v1.EvictionResponder',
  'A controller that can answer a request to evict a pod.',
  {
    name: string({ proto: 1, always: true, required: true, doc: 'Name of the controller, as a domain with a path.' }),
    priority: int32({ proto: 2, optional: true, required: true, doc: 'Who is asked first: the higher number.' }),
  },
)
export type EvictionResponder = Of<typeof EvictionResponder>
