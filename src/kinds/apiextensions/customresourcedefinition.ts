// The definition of a kind that users add.
import { keptByStatus } from '../status-rules.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { createdColumn } from '../columns.ts'
import { beginTermination } from './terminating.ts'
import { defaultDefinition, prepareDefinition, validateDefinition } from './definition-rules.ts'
import { CustomResourceDefinitionSpec, CustomResourceDefinitionStatus } from './definition-types.ts'

export const CustomResourceDefinition = defineKind({
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  scope: 'Cluster',
  categories: ['api-extensions'],
  shortNames: ['crd', 'crds'],
  status: true,
  statusKeeps: keptByStatus,
  doc: 'CustomResourceDefinition adds a kind to the API. Its name must be <plural>.<group>.',
  generation: true,
  conditionalUpdate: true,
  columns: [createdColumn],
  explicit: true,
  defaults: ({ spec }) => defaultDefinition(spec),
  prepare: prepareDefinition,
  validate: validateDefinition,
  // The first deletion only marks it. After that its finalizer holds it until its objects are gone.
  isHeld: ({ metadata }) => metadata.deletionTimestamp === undefined,
  terminating: beginTermination,
  fields: {
    spec: CustomResourceDefinitionSpec.value({ proto: 2, doc: 'Names, versions and schemas of the kind.' }),
    status: CustomResourceDefinitionStatus.value({ proto: 3, doc: 'Most recently observed state of the definition.' }),
  },
})
export type CustomResourceDefinition = Of<typeof CustomResourceDefinition>
