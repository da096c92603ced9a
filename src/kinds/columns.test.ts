// What `kubectl get` prints of each kind, as printers.go has it. The objects and their cells are in printed.yaml.
import { deepStrictEqual } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import type { Kind, KubeObject } from '../api/kind.ts'
import type { Draft } from '../api/schema/node.ts'
import { cellsOf, columnDefinitions } from '../api/table.ts'
import { builtinKinds } from './all.ts'
import { kindCalled, objectOf } from './testing.ts'

interface Row {
  /** With its version where several have the name. */
  kind: string
  object: Draft<KubeObject>
  cells: (string | number | boolean)[]
}

const rows = parse(readFileSync(new URL('printed.yaml', import.meta.url), 'utf8'), { version: '1.1' }) as Row[]
const now = Date.UTC(2026, 0, 1, 12)
const creationTimestamp = '2026-01-01T10:30:00Z'

for (const { kind: name, object: draft, cells } of rows)
  test(`${name} is printed as ${cells.join(' | ')}`, () => {
    const kind: Kind = kindCalled(name)
    const object = objectOf(kind, { ...draft, metadata: { creationTimestamp, ...draft.metadata } })
    deepStrictEqual(cellsOf(kind, object, now), cells)
    deepStrictEqual(columnDefinitions(kind).length, cells.length)
  })

test('every kind that has columns of its own is printed', () => {
  const printed = new Set(rows.map(row => kindCalled(row.kind)))
  const missing = builtinKinds.filter(kind => kind.columns.length && !printed.has(kind)).map(kind => kind.kind)
  deepStrictEqual(missing, [])
})
