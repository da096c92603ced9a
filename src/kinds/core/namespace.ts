// A namespace: names are unique within it, and deleting it deletes what is in it.
import { defineKind, type Of } from '../../api/kind.ts'
import { list, listByKey, string, struct, time } from '../../api/schema/build.ts'
import { validateFinalizers, validateSecurityLabels } from './namespace-rules.ts'
import { dnsLabelErrors } from '../../api/names.ts'

export const NamespaceSpec = struct('core.v1.NamespaceSpec', 'Attributes of a namespace.', {
  finalizers: list(string({}), {
    proto: 1,
    doc: 'Finalizers that must be removed before the namespace is removed. The finalizer kubernetes stands for deleting its content.',
  }),
})
export type NamespaceSpec = Of<typeof NamespaceSpec>

export const NamespaceCondition = struct(
  'core.v1.NamespaceCondition',
  'One aspect of the current state of a namespace.',
  {
    type: string({ proto: 1, always: true, doc: 'Type of the condition, such as NamespaceDeletionContentFailure.' }),
    status: string({ proto: 2, always: true, doc: 'Status of the condition: True, False or Unknown.' }),
    lastTransitionTime: time({ proto: 4, always: true, doc: 'Time when the status of the condition last changed.' }),
    reason: string({ proto: 5, doc: 'Machine-readable reason in CamelCase for the last transition of the condition.' }),
    message: string({ proto: 6, doc: 'Human-readable message with details about the last transition.' }),
  },
)
export type NamespaceCondition = Of<typeof NamespaceCondition>

export const NamespaceStatus = struct('core.v1.NamespaceStatus', 'Most recently observed state of a namespace.', {
  phase: string({
    proto: 1,
    enum: ['Active', 'Terminating'],
    doc: 'Phase of the namespace: Active, or Terminating while its content is being deleted. No objects can be created in a terminating namespace.',
  }),
  conditions: listByKey('type', NamespaceCondition, {
    proto: 2,
    mergeKey: 'type',
    doc: 'Conditions that describe problems and progress of the deletion.',
  }),
})
export type NamespaceStatus = Of<typeof NamespaceStatus>

export const Namespace = defineKind({
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  scope: 'Cluster',
  shortNames: ['ns'],
  verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
  subresources: ['finalize'],
  status: true,
  doc: 'Namespace is a scope for the names of objects. Deleting it deletes all objects in it.',
  selectable: { 'status.phase': n => n.status.phase ?? '', name: n => n.metadata.name ?? '' },
  columns: [{ name: 'Status', type: 'string', value: '.status.phase' }],
  // It keeps finalizers of its own in spec.
  isHeld: n => (n.spec.finalizers?.length ?? 0) > 0,
  terminating(n) {
    n.status.phase = 'Terminating'
  },
  validateName: dnsLabelErrors,
  defaults: n => {
    n.metadata.labels = {
      ...n.metadata.labels,
      ...(n.metadata.name && { 'kubernetes.io/metadata.name': n.metadata.name }),
    }
  },
  prepare: (n, old) => {
    if (old) return
    n.status = { phase: 'Active' }
    // Deleting waits until the namespace controller has emptied the namespace and taken this away.
    if (!n.spec.finalizers?.includes('kubernetes')) n.spec.finalizers = [...(n.spec.finalizers ?? []), 'kubernetes']
  },
  explicit: true,
  *validate({ metadata, spec }, at) {
    yield* validateFinalizers(spec.finalizers, at.field('spec', 'finalizers'))
    yield* validateSecurityLabels(metadata.labels, at.field('metadata', 'labels'))
  },
  *validateStatus({ metadata, status }, _old, at) {
    const field = at.field('status', 'Phase')
    if (!metadata.deletionTimestamp && status.phase !== 'Active')
      yield field.invalid(status.phase ?? '', "may only be 'Active' if `deletionTimestamp` is empty")
    if (metadata.deletionTimestamp && status.phase !== 'Terminating')
      yield field.invalid(status.phase ?? '', "may only be 'Terminating' if `deletionTimestamp` is not empty")
  },
  fields: {
    spec: NamespaceSpec.value({ proto: 2, doc: 'Attributes of the namespace.' }),
    status: NamespaceStatus.value({ proto: 3, doc: 'Most recently observed state of the namespace.' }),
  },
})
export type Namespace = Of<typeof Namespace>
