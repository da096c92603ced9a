// A secret: small confidential data for pods, as files or environment variables.
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, bytes, map, string } from '../../api/schema/build.ts'
import { validateImmutableData } from './data-rules.ts'
import { validateSecret } from './secret-rules.ts'

/** Which half of a pair of keys is none. */
function withoutPem(data: Readonly<Record<string, string>>): string | undefined {
  const has = (key: string) => Buffer.from(data[key] ?? '', 'base64').includes('-----BEGIN ')
  return has('tls.crt') ? (has('tls.key') ? undefined : 'key') : 'certificate'
}

export const Secret = defineKind({
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  scope: 'Namespaced',
  doc: 'Secret holds confidential data, such as passwords and keys, that pods can use as environment variables or as files in volumes.',
  selectable: { type: s => s.type },
  columns: [
    { name: 'Type', type: 'string', value: '.type' },
    { name: 'Data', type: 'string', value: o => Object.keys(o.data ?? {}).length },
  ],
  defaults: s => {
    // stringData is only a way to write; it is stored as data.
    for (const [key, text] of Object.entries(s.stringData ?? {}))
      s.data = { ...s.data, [key]: Buffer.from(text).toString('base64') }
    delete s.stringData
  },
  explicit: true,
  *warnings({ type, data }) {
    const part = type === 'kubernetes.io/tls' && withoutPem(data ?? {})
    if (part) yield `tls: failed to find any PEM data in ${part} input`
  },
  validate: validateSecret,
  *validateUpdate(next, old, at) {
    if (next.type !== old.type) yield at.field('type').invalid(next.type, 'field is immutable')
    yield* validateImmutableData(next, old, at, ['data'])
  },
  fields: {
    immutable: bool({
      proto: 5,
      optional: true,
      doc: 'If true, the data cannot be changed, and the field itself cannot be unset. Defaults to false.',
    }),
    data: map(bytes({}), {
      proto: 2,
      doc: 'Data by key, encoded as base64. Keys may contain letters, digits, “-”, “_” and “.”. At most 1 MiB in total.',
    }),
    stringData: map(string({}), {
      proto: 4,
      doc: 'Data as plain text by key. On each write it is merged into data, where it overwrites existing keys. It is never returned.',
    }),
    type: string({
      proto: 3,
      default: 'Opaque',
      doc: 'Type of the data, such as Opaque or kubernetes.io/tls. Some types require certain keys. Cannot be changed. Defaults to Opaque.',
    }),
  },
})
export type Secret = Of<typeof Secret>
