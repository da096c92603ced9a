// A request to delete a pod unless a disruption budget forbids it.
import { defineKind, type Of } from '../../api/kind.ts'
import { DeleteOptions } from '../../api/meta.ts'

export const Eviction = defineKind({
  group: 'policy',
  version: 'v1',
  kind: 'Eviction',
  plural: '',
  scope: 'Namespaced',
  verbs: ['create'],
  doc: 'A request to delete a pod unless a disruption budget forbids it.',
  fields: {
    deleteOptions: DeleteOptions.field({ proto: 2, doc: 'How to delete the pod.' }),
  },
})
export type Eviction = Of<typeof Eviction>
