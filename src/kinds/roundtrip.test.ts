// Every kind against Kubernetes' own fully populated objects: JSON and protobuf must survive byte for byte.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { decode } from '../api/schema/decode.ts'
import type { Json } from '../api/schema/node.ts'
import { decodeEnvelope, decodeProto, encodeEnvelope, encodeProto } from '../api/schema/proto.ts'
import { builtinKinds } from './all.ts'

const fixtures = new URL('../../../shared/kubernetes/roundtrip/', import.meta.url)
const absent = existsSync(fixtures) ? false : 'the round-trip objects are not on this machine'

for (const kind of builtinKinds) {
  const base = `${kind.group || 'core'}.${kind.version}.${kind.kind}`
  const file = (ending: string) => new URL(`${base}.${ending}`, fixtures)
  const skip = absent || (existsSync(file('json')) ? false : `no fixture ${base}`)

  test(`${base}: JSON, and protobuf to and from it`, { skip }, () => {
    const text = readFileSync(file('json'), 'utf8')
    const unknown: string[] = []
    const value = decode(kind.schema, JSON.parse(text), { onUnknown: path => unknown.push(path) })
    assert.deepEqual(unknown, [])
    assert.equal(JSON.stringify(value, null, 2), text.trimEnd())

    const pb = readFileSync(file('pb'))
    const envelope = decodeEnvelope(pb)
    assert.deepEqual(
      { kind: envelope.kind, apiVersion: envelope.apiVersion },
      { kind: kind.kind, apiVersion: kind.apiVersion },
    )
    const fromProto = {
      ...(decodeProto(kind.schema, envelope.raw) as Record<string, Json>),
      kind: kind.kind,
      apiVersion: kind.apiVersion,
    }
    assert.deepEqual(fromProto, value)
    assert.deepEqual(encodeEnvelope(kind.apiVersion, kind.kind, encodeProto(kind.schema, value)), pb)
  })
}
