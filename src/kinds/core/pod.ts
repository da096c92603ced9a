// DESCRIBE
import { defineKind, type Of } from '../../api/kind.ts'
import { PodSpec } from './podspec.ts'
import { PodStatus } from './podstatus.ts'

export const Pod = defineKind({
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  scope: 'Namespaced',
  shortNames: ['po'],
  categories: ['all'],
  subresources: [
    'attach',
    'binding',
    'ephemeralcontainers',
    'eviction',
    'exec',
    'log',
    'portforward',
    'proxy',
    'resize',
  ],
  status: true,
  doc: '',
  fields: {
    spec: PodSpec.value({ proto: 2 }),
    status: PodStatus.value({ proto: 3 }),
  },
})
export type Pod = Of<typeof Pod>
