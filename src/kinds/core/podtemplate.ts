// DESCRIBE
import { defineKind, type Of } from '../../api/kind.ts'
import { PodTemplateSpec } from './podtemplatespec.ts'

export const PodTemplate = defineKind({
  group: '',
  version: 'v1',
  kind: 'PodTemplate',
  plural: 'podtemplates',
  scope: 'Namespaced',
  doc: '',
  fields: {
    template: PodTemplateSpec.value({ proto: 2 }),
  },
})
export type PodTemplate = Of<typeof PodTemplate>
