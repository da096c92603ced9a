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
  doc: 'Binding assigns a pod to a node. It is created through the binding subresource of the pod, usually by a scheduler.',
  fields: {
    target: ObjectReference.value({ proto: 2, doc: 'Node that the pod is assigned to.' }),
  },
})
export type Binding = Of<typeof Binding>
