// DESCRIBE
import { defineKind, type Of } from '../../api/kind.ts'
import { int64, json } from '../../api/schema/build.ts'

export const ControllerRevision = defineKind({
  group: 'apps',
  version: 'v1',
  kind: 'ControllerRevision',
  plural: 'controllerrevisions',
  scope: 'Namespaced',
  doc: '',
  fields: {
    data: json({ proto: 2, always: true, required: true }),
    revision: int64({ proto: 3, always: true }),
  },
})
export type ControllerRevision = Of<typeof ControllerRevision>
