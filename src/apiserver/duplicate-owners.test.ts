import { deepStrictEqual } from 'node:assert'
import { test } from 'node:test'
import { dropDuplicateOwners } from './duplicate-owners.ts'

const owner = (uid: string, more: object = {}) => ({ apiVersion: 'v1', kind: 'A', name: 'a', uid, ...more })

test('duplicate owner references are removed', () => {
  const said =
    '.metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: '
  const afterwards = said.replace('entries;', 'entries after mutating admission happens;')
  const other = owner('1', { controller: false })
  const table: [owners: object[], admitted: boolean, left: object[], warnings: string[]][] = [
    [[owner('1'), owner('2')], false, [owner('1'), owner('2')], []],
    [[owner('1'), owner('1')], false, [owner('1')], [`${said}1`]],
    [[owner('1'), owner('1')], true, [owner('1')], [`${afterwards}1`]],
    [[owner('1'), owner('2'), owner('1'), owner('2'), owner('1')], false, [owner('1'), owner('2')], [`${said}1, 2, 1`]],
    // References to the same owner with other fields are kept.
    [[owner('1'), other], false, [owner('1'), other], []],
  ]
  for (const [owners, admitted, left, expected] of table) {
    const metadata = { ownerReferences: owners } as Parameters<typeof dropDuplicateOwners>[0]
    const warnings: string[] = []
    dropDuplicateOwners(metadata, admitted, text => warnings.push(text))
    deepStrictEqual([metadata.ownerReferences, warnings], [left, expected])
  }
})
