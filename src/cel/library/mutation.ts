// The types of objects that mutating policies make: `Object{spec: Object.spec{replicas: 3}}` says what is to be
// applied, `JSONPatch{op: 'add', path: '/spec/replicas', value: 3}` is one operation of a patch.
// Source: apiserver pkg/cel/mutation (typeresolver.go, jsonpatch.go, dynamic/objects.go).
import { goQuote } from '../../base/go-text.ts'
import type { ObjectTypes } from '../environment.ts'
import { unescapeField } from '../escaping.ts'
import * as t from '../types.ts'
import { List, Mapping, ObjectValue, failure, type Failure, type Value } from '../values.ts'

const patchFields: Readonly<Record<string, t.Type>> = { op: t.string, path: t.string, from: t.string, value: t.dyn }

const isObjectName = (name: string) => name === 'Object' || name.startsWith('Object.')

/** `JSONPatch`, and `Object` with everything below it, each of whose fields may be anything. Others as in `more`. */
export const mutationTypes = (more?: ObjectTypes): ObjectTypes => ({
  fieldType(typeName, field) {
    if (typeName === 'JSONPatch') return Object.hasOwn(patchFields, field) ? patchFields[field] : undefined
    return isObjectName(typeName) ? t.dyn : (more?.fieldType(typeName, field) ?? null)
  },
  named: name => (name === 'JSONPatch' || isObjectName(name) ? t.object(name) : more?.named?.(name)),
  create: (name, fields) => {
    const unescaped = new Map([...fields].map(([field, value]) => [unescapeField(field) ?? field, value]))
    return new ObjectValue(name, isObjectName(name) ? unescaped : fields)
  },
})

/** A failure when an object below another one has not the name of the field that it is in. */
export function misnamedObject(value: Value, expected = 'Object'): Failure | undefined {
  if (value instanceof List) {
    for (const element of value) {
      const fault = misnamedObject(element, expected)
      if (fault) return fault
    }
    return undefined
  }
  if (!(value instanceof Mapping)) return undefined
  if (value instanceof ObjectValue && value.typeName !== expected)
    return failure(
      `unexpected type name ${goQuote(value.typeName)}, expected ${goQuote(expected)}, which matches field name path from root Object type`,
    )
  for (const key of value.keys()) {
    const below = value instanceof ObjectValue ? `${expected}.${String(key)}` : expected
    const fault = misnamedObject(value.get(key)!, below)
    if (fault) return fault
  }
  return undefined
}
