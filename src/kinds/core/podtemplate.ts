// A pod template kept as an object of its own.
import { defineKind, type Of } from '../../api/kind.ts'
import { PodTemplateSpec } from './podtemplatespec.ts'
import { validateTemplate } from './template-rules.ts'
import { defaultPodSpec } from './pod-defaults.ts'

export const PodTemplate = defineKind({
  group: '',
  version: 'v1',
  kind: 'PodTemplate',
  plural: 'podtemplates',
  scope: 'Namespaced',
  doc: 'A pod template kept as an object of its own.',
  returnsDeleted: true,
  defaults: t => defaultPodSpec(t.template.spec),
  explicit: true,
  validate: ({ template }, at) => validateTemplate(template, at.field('template')),
  fields: {
    template: PodTemplateSpec.value({ proto: 2, doc: 'The pod to make.' }),
  },
})
export type PodTemplate = Of<typeof PodTemplate>
