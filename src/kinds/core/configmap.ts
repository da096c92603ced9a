// A config map: configuration for pods, as files or environment variables.
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
  doc: 'A config map: configuration for pods, as files or environment variables.',
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
      if (c.data?.[key] !== undefined)
        yield at.field('data').key(key).invalid(key, 'duplicate of key present in binaryData')
    const texts = Object.values(c.data ?? {}).reduce((sum, text) => sum + Buffer.byteLength(text), 0)
    // The whole object has no name of its own.
    if (texts + decodedBytes(Object.values(c.binaryData ?? {})) > maxDataBytes) yield at.key('').tooLong(maxDataBytes)
  },
  *validateUpdate(next, old, at) {
    yield* validateImmutableData(next, old, at, ['data', 'binaryData'])
  },
  fields: {
    immutable: bool({ proto: 4, optional: true, doc: 'True to forbid any change of the data.' }),
    data: map(string({}), { proto: 2, doc: 'Values as text, by key.' }),
    binaryData: map(bytes({}), { proto: 3, doc: 'Values as base64, by key; for what is no text.' }),
  },
})
export type ConfigMap = Of<typeof ConfigMap>
