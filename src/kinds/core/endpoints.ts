// The addresses behind a service, in the older form.
import { defineKind, type Of } from '../../api/kind.ts'
import { list } from '../../api/schema/build.ts'
import { validateSubsets } from './endpoints-rules.ts'
import { endpointsText } from './endpoints-text.ts'
import { EndpointSubset } from './endpointsubset.ts'

export const Endpoints = defineKind({
  group: '',
  version: 'v1',
  kind: 'Endpoints',
  plural: 'endpoints',
  scope: 'Namespaced',
  deprecated: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  createOnUpdate: true,
  shortNames: ['ep'],
  doc: 'Deprecated: use EndpointSlice. Endpoints holds the addresses that implement a service.',
  explicit: true,
  validate: ({ subsets }, at) => validateSubsets(subsets, at.field('subsets')),
  columns: [{ name: 'Endpoints', type: 'string', value: o => endpointsText(o.subsets) }],
  fields: {
    subsets: list(EndpointSubset, {
      proto: 2,
      doc: 'Groups of addresses with the same ports. Together they are all endpoints of the service.',
    }),
  },
})
export type Endpoints = Of<typeof Endpoints>
