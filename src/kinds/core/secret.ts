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
  doc: 'A secret: small confidential data for pods, as files or environment variables.',
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
    immutable: bool({ proto: 5, optional: true, doc: 'True to forbid any change of the data.' }),
    data: map(bytes({}), { proto: 2, doc: 'Values as base64, by key.' }),
    stringData: map(string({}), { proto: 4, doc: 'Values as text; the server moves them to data.' }),
    type: string({ proto: 3, default: 'Opaque', doc: 'What the Secret is for, such as Opaque or kubernetes.io/tls.' }),
  },
})
export type Secret = Of<typeof Secret>
