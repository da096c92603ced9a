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
  doc: 'Eviction requests that a pod be evicted, that is deleted as far as its PodDisruptionBudget allows. It is created through the eviction subresource of the pod.',
  fields: {
    deleteOptions: DeleteOptions.field({ proto: 2, doc: 'Options for the deletion of the pod.' }),
  },
})
export type Eviction = Of<typeof Eviction>
