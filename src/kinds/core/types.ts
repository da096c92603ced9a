// Small pieces used by several core kinds.
import type { Of } from '../../api/kind.ts'
import { int32, string, struct } from '../../api/schema/build.ts'

export const EvictionResponder = struct(
  'core.v1.EvictionResponder',
  'Component that responds to a request to evict a pod.',
  {
    name: string({
      proto: 1,
      always: true,
      required: true,
      doc: 'Name of the component, as a domain with a path such as example.com/mover.',
    }),
    priority: int32({
      proto: 2,
      optional: true,
      required: true,
      doc: 'Priority of the component. Components with a higher value are asked first.',
    }),
  },
)
export type EvictionResponder = Of<typeof EvictionResponder>
