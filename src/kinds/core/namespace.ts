// A namespace: names are unique within it, and deleting it deletes what is in it.
import { defineKind, type Of } from '../../api/kind.ts'
import { list, listByKey, string, struct, time } from '../../api/schema/build.ts'
import { dnsLabelErrors } from '../../api/validate.ts'

export const NamespaceSpec = struct('core.v1.NamespaceSpec', '', {
  finalizers: list(string({}), { proto: 1 }),
})
export type NamespaceSpec = Of<typeof NamespaceSpec>

export const NamespaceCondition = struct('core.v1.NamespaceCondition', '', {
  type: string({ proto: 1, always: true }),
  status: string({ proto: 2, always: true }),
  lastTransitionTime: time({ proto: 4, always: true }),
  reason: string({ proto: 5 }),
  message: string({ proto: 6 }),
})
export type NamespaceCondition = Of<typeof NamespaceCondition>

export const NamespaceStatus = struct('core.v1.NamespaceStatus', '', {
  phase: string({ proto: 1, enum: ['Active', 'Terminating'] }),
  conditions: listByKey('type', NamespaceCondition, { proto: 2, mergeKey: 'type' }),
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
  doc: 'A namespace: names are unique within it, and deleting it deletes what is in it.',
  selectable: { 'status.phase': n => n.status.phase ?? '', name: n => n.metadata.name ?? '' },
  columns: [{ name: 'Status', type: 'string', value: '.status.phase' }],
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
  fields: {
    spec: NamespaceSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: NamespaceStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type Namespace = Of<typeof Namespace>
