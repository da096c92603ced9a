// A pod template kept as an object of its own.
import { warnOfTemplate } from './pod-warnings.ts'
import { joined, labelsText } from '../columns.ts'
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
  doc: 'PodTemplate stores a template of a pod as an object, for controllers that create pods from it.',
  returnsDeleted: true,
  defaults: t => defaultPodSpec(t.template.spec),
  age: false,
  generation: true,
  columns: [
    { name: 'Containers', type: 'string', value: o => joined(o.template.spec.containers.map(c => c.name)) },
    { name: 'Images', type: 'string', value: o => joined(o.template.spec.containers.map(c => c.image)) },
    { name: 'Pod Labels', type: 'string', value: o => labelsText(o.template.metadata.labels) },
  ],
  explicit: true,
  warnings: ({ template }, _old, at) => warnOfTemplate(template, at.field('template')),
  validate: ({ template }, at) => validateTemplate(template, at.field('template')),
  fields: {
    template: PodTemplateSpec.value({ proto: 2, doc: 'Template that pods are created from.' }),
  },
})
export type PodTemplate = Of<typeof PodTemplate>
