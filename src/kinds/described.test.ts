// kubectl explain shows the schema’s own sentences: no struct and no field of a built-in kind may lack one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Struct } from '../api/schema/node.ts'
import { builtinKinds } from './all.ts'

test('every struct and every field of the built-in kinds is described', () => {
  const seen = new Set<Struct>()
  const missing: string[] = []
  const walk = (struct: Struct): void => {
    if (seen.has(struct)) return
    seen.add(struct)
    if (!struct.doc) missing.push(struct.name)
    for (const [name, field] of Object.entries(struct.fields)) {
      if (!field.doc) missing.push(`${struct.name}.${name}`)
      let inner = field
      while (inner.item) inner = inner.item
      if (inner.struct) walk(inner.struct())
    }
  }
  for (const kind of builtinKinds) walk(kind.schema as Struct)
  assert.deepEqual(missing, [])
})
