// DESCRIBE
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, bytes, map, string } from '../../api/schema/build.ts'

export const Secret = defineKind({
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  scope: 'Namespaced',
  doc: '',
  fields: {
    immutable: bool({ proto: 5, optional: true }),
    data: map(bytes({}), { proto: 2 }),
    stringData: map(string({}), { proto: 4 }),
    type: string({ proto: 3 }),
  },
})
export type Secret = Of<typeof Secret>
