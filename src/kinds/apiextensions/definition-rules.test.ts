// What is wrong with definitions of kinds, field by field.
import { deepStrictEqual } from 'node:assert'
import { test } from 'node:test'
import type { KubeObject } from '../../api/kind.ts'
import { decode } from '../../api/schema/decode.ts'
import { validateObject, validateUpdate } from '../../api/validate.ts'
import { CustomResourceDefinition } from './customresourcedefinition.ts'

const version = { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }
const spec = { group: 'example.com', scope: 'Namespaced', names: { plural: 'foos', kind: 'Foo' }, versions: [version] }

function made(change: object, status: object = {}): KubeObject {
  const head = { kind: 'CustomResourceDefinition', apiVersion: 'apiextensions.k8s.io/v1' }
  const metadata = { name: 'foos.example.com', uid: 'u', resourceVersion: '1' }
  const body = { ...head, metadata, spec: { ...spec, ...change }, status }
  const object = decode(CustomResourceDefinition.schema, body, { defaults: true })
  CustomResourceDefinition.defaults?.(object)
  CustomResourceDefinition.prepare?.(object, undefined, '', () => {})
  return object
}

const lines = (problems: Iterable<{ field: string; body: string }>) => [...problems].map(p => `${p.field}: ${p.body}`)
const problemsOf = (change: object) => lines(validateObject(CustomResourceDefinition, made(change)))

/** What is wrong with a schema whose one property is `a`. */
function problemsOfProperty(a: object): string[] {
  const at = 'spec.validation.openAPIV3Schema.properties[a]'
  const openAPIV3Schema = { type: 'object', properties: { a } }
  return problemsOf({ versions: [{ ...version, schema: { openAPIV3Schema } }] }).map(line => line.replace(at, ''))
}

test('what is wrong with a definition', () => {
  const other = { ...version, name: 'v2', storage: false, schema: { openAPIV3Schema: { type: 'object', title: 't' } } }
  const table: [change: object, expected: string[]][] = [
    [{}, []],
    [{ scope: 'Odd' }, ['spec.scope: Unsupported value: "Odd": supported values: "Cluster", "Namespaced"']],
    [
      { names: { plural: 'foos', kind: 'Foo', listKind: 'Foo' } },
      ['spec.names.listKind: Invalid value: "Foo": kind and listKind may not be the same'],
    ],
    [
      { versions: [version, { ...other, deprecationWarning: 'w' }] },
      ['spec.versions[1].deprecationWarning: Invalid value: "w": can only be set for deprecated versions'],
    ],
    [{ versions: [version, { ...other, schema: {} }] }, ['spec.versions[1].schema.openAPIV3Schema: Required value']],
    [
      { versions: [{ ...version, selectableFields: [{ jsonPath: '.x' }] }] },
      ['spec.selectableFields[0].jsonPath: Invalid value: ".x": is an invalid path: does not refer to a valid field'],
    ],
    [
      { versions: [{ ...version, subresources: { scale: { specReplicasPath: '.x', statusReplicasPath: '' } } }] },
      [
        'spec.subresources.scale.specReplicasPath: Invalid value: ".x": should be a json path under .spec',
        'spec.subresources.scale.statusReplicasPath: Required value',
      ],
    ],
    [
      { conversion: { strategy: 'None', webhook: { conversionReviewVersions: ['v1'] } } },
      ['spec.conversion.conversionReviewVersions: Forbidden: should not be set when strategy is not set to Webhook'],
    ],
  ]
  for (const [change, expected] of table) deepStrictEqual(problemsOf(change), expected)
})

test('what is wrong with a schema', () => {
  const table: [property: object, expected: string[]][] = [
    [{}, ['.type: Required value: must not be empty for specified object fields']],
    [{ 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] }, []],
    [{ type: 'string', anyOf: [{ type: 'string' }] }, ['.anyOf[0].type: Forbidden: must be empty to be structural']],
    [{ type: 'array' }, ['.items: Required value: must be specified']],
    [{ type: 'string', $ref: '#/x' }, ['.$ref: Forbidden: $ref is not supported']],
    [{ type: 'string', maxLength: 1, default: 'xy' }, ['.default: Too long: may not be more than 1 byte']],
    [{ type: 'object', default: { b: 1 } }, ['.default: Invalid value: {"b":1}: must not have unknown fields']],
    [
      {
        type: 'array',
        items: { type: 'object', properties: { k: { type: 'string' } } },
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['k'],
      },
      [
        '.items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
      ],
    ],
  ]
  for (const [property, expected] of table) deepStrictEqual(problemsOfProperty(property), expected)
})

test('what may not change, and what stays stored', () => {
  const status = { storedVersions: ['v0'], conditions: [{ type: 'Established', status: 'True' }] }
  const problems = validateUpdate(CustomResourceDefinition, made({ scope: 'Cluster' }, status), made({}, status))
  deepStrictEqual(lines(problems), [
    'spec.scope: Invalid value: "Cluster": field is immutable',
    'status.storedVersions[0]: Invalid value: "v0": missing from spec.versions; v0 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v0 and removes v0 from status.storedVersions',
  ])
})
