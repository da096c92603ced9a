// What is read from the discovery of another server, and what is left out.
import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import type { Json } from '../../api/schema/node.ts'
import { readGroupVersion, readResourceList } from './read-discovery.ts'

/** Any value as JSON, as another server may send it. */
const json = (value: unknown) => JSON.parse(JSON.stringify(value)) as Json

const list = (resources: unknown): Json =>
  json({
    kind: 'APIGroupDiscoveryList',
    items: [null, { metadata: 3 }, { metadata: { name: 'g' }, versions: [{ version: 'v1', resources }] }],
  })

test('only resources of the right form are read, without unknown fields', () => {
  const good = {
    resource: 'as',
    responseKind: { kind: 'A', group: 'g', more: 1 },
    scope: 'Namespaced',
    verbs: ['get', 7],
  }
  const bad = [null, 'x', {}, { resource: 'bs' }, { resource: 1, responseKind: { kind: 'B' } }]
  const subresources = [{ subresource: 'status', verbs: 'get' }, { verbs: ['get'] }, []]
  deepStrictEqual(readGroupVersion(list([...bad, { ...good, extra: true, subresources }]), 'g', 'v1'), [
    {
      resource: 'as',
      responseKind: { group: 'g', version: '', kind: 'A' },
      scope: 'Namespaced',
      singularResource: '',
      verbs: ['get'],
      subresources: [{ subresource: 'status', verbs: [] }],
    },
  ])
})

test('another document, group or version is no answer', () => {
  for (const [document, group, version] of [
    [list([]), 'h', 'v1'],
    [list([]), 'g', 'v2'],
    [{ kind: 'APIGroupList' }, 'g', 'v1'],
    [null, 'g', 'v1'],
    [[], 'g', 'v1'],
  ] as const)
    strictEqual(readGroupVersion(json(document), group, version), undefined)
  for (const document of [null, 'x', [], {}, { kind: 'Status' }])
    strictEqual(readResourceList(json(document)), undefined)
  deepStrictEqual(readGroupVersion(list('no list'), 'g', 'v1'), [])
})

test('what one server lists is limited', () => {
  const many = Array.from({ length: 3000 }, (_, i) => ({ name: `r${i}`, kind: 'R', verbs: [] }))
  strictEqual(readResourceList({ kind: 'APIResourceList', resources: many })?.length, 2000)
})
