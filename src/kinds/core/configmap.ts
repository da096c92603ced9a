// DESCRIBE
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, bytes, map, string } from '../../api/schema/build.ts'

export const ConfigMap = defineKind({
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  scope: 'Namespaced',
  shortNames: ['cm'],
  doc: '',
  fields: {
    immutable: bool({ proto: 4, optional: true }),
    data: map(string({}), { proto: 2 }),
    binaryData: map(bytes({}), { proto: 3 }),
  },
})
export type ConfigMap = Of<typeof ConfigMap>
