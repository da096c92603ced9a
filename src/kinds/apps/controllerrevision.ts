// A snapshot of a workload’s template, to go back to.
import { defineKind, type Of, parseApiVersion } from '../../api/kind.ts'
import { present } from '../../api/checks.ts'
import { unchanged } from '../unchanged.ts'
import { int64, json } from '../../api/schema/build.ts'

export const ControllerRevision = defineKind({
  group: 'apps',
  version: 'v1',
  kind: 'ControllerRevision',
  plural: 'controllerrevisions',
  scope: 'Namespaced',
  doc: 'ControllerRevision stores an immutable snapshot of the template of a StatefulSet or DaemonSet, to roll back to.',
  columns: [
    {
      name: 'Controller',
      type: 'string',
      value: o => {
        const c = o.metadata.ownerReferences?.find(r => r.controller)
        if (!c) return '<none>'
        const { group } = parseApiVersion(c.apiVersion)
        return `${c.kind.toLowerCase()}${group && `.${group}`}/${c.name}`
      },
    },
    { name: 'Revision', type: 'string', value: o => o.revision },
  ],
  explicit: true,
  *validate({ revision, data }, at, old) {
    if (!old) yield* present(data, at.field('data'), 'data is mandatory')
    if (revision < 0) yield at.field('revision').invalid(revision, 'must be greater than or equal to 0')
  },
  *validateUpdate(next, old, at) {
    yield* unchanged(next, old, ['data'], at)
  },
  fields: {
    data: json({ proto: 2, always: true, required: true, doc: 'Serialized state of the revision. Cannot be changed.' }),
    revision: int64({ proto: 3, always: true, doc: 'Number of the revision. A later state has a higher number.' }),
  },
})
export type ControllerRevision = Of<typeof ControllerRevision>
