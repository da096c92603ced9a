// The decision that a pod runs on a node.
import { defineKind, type Of } from '../../api/kind.ts'
import { ObjectReference } from './reference.ts'

export const Binding = defineKind({
  group: '',
  version: 'v1',
  kind: 'Binding',
  plural: 'bindings',
  scope: 'Namespaced',
  verbs: ['create'],
  doc: 'The decision that a pod runs on a node.',
  fields: {
    target: ObjectReference.value({ proto: 2, doc: 'The node that the pod is bound to.' }),
  },
})
export type Binding = Of<typeof Binding>
