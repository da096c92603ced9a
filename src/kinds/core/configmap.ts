// A config map: configuration for pods, as files or environment variables.
import { own } from '../../base/own.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, bytes, map, string } from '../../api/schema/build.ts'
import { decodedBytes, maxDataBytes, validateDataKeys, validateImmutableData } from './data-rules.ts'

export const ConfigMap = defineKind({
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  scope: 'Namespaced',
  shortNames: ['cm'],
  doc: 'ConfigMap holds configuration data that pods can use as environment variables or as files in volumes.',
  columns: [
    {
      name: 'Data',
      type: 'string',
      value: o => Object.keys(o.data ?? {}).length + Object.keys(o.binaryData ?? {}).length,
    },
  ],
  explicit: true,
  *validate(c, at) {
    yield* validateDataKeys(c.data, at.field('data'))
    yield* validateDataKeys(c.binaryData, at.field('binaryData'))
    for (const key of Object.keys(c.binaryData ?? {}))
      if (own(c.data, key) !== undefined)
        yield at.field('data').key(key).invalid(key, 'duplicate of key present in binaryData')
    const texts = Object.values(c.data ?? {}).reduce((sum, text) => sum + Buffer.byteLength(text), 0)
    // The whole object has no name of its own.
    if (texts + decodedBytes(Object.values(c.binaryData ?? {})) > maxDataBytes) yield at.key('').tooLong(maxDataBytes)
  },
  *validateUpdate(next, old, at) {
    yield* validateImmutableData(next, old, at, ['data', 'binaryData'])
  },
  fields: {
    immutable: bool({
      proto: 4,
      optional: true,
      doc: 'If true, data and binaryData cannot be changed, and the field itself cannot be unset. Defaults to false.',
    }),
    data: map(string({}), {
      proto: 2,
      doc: 'Data as UTF-8 text by key. Keys may contain letters, digits, “-”, “_” and “.”, and must not also be in binaryData.',
    }),
    binaryData: map(bytes({}), {
      proto: 3,
      doc: 'Binary data by key, encoded as base64. Keys follow the same rules as in data, and must not also be there. Data and binaryData together may have at most 1 MiB.',
    }),
  },
})
export type ConfigMap = Of<typeof ConfigMap>
