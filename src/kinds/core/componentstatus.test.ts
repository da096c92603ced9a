import { deepStrictEqual } from 'node:assert'
import { test } from 'node:test'
import { decode } from '../../api/schema/decode.ts'
import { cellsOf, columnDefinitions } from '../../api/table.ts'
import { ComponentStatus } from './componentstatus.ts'

test('the health of a component is shown with what its check said', () => {
  deepStrictEqual(
    columnDefinitions(ComponentStatus).map(column => column.name),
    ['Name', 'Status', 'Message', 'Error'],
  )
  const cells = (...conditions: object[]) =>
    cellsOf(ComponentStatus, decode(ComponentStatus.schema, { metadata: { name: 'c' }, conditions }), 0)
  const healthy = { type: 'Healthy', status: 'True', message: 'ok' }
  deepStrictEqual(cells(healthy), ['c', 'Healthy', 'ok', ''])
  deepStrictEqual(cells({ type: 'Healthy', status: 'False', error: 'no answer' }), ['c', 'Unhealthy', '', 'no answer'])
  deepStrictEqual(cells({ type: 'Other', status: 'True' }, { ...healthy, status: 'Unknown' }), [
    'c',
    'Unknown',
    'ok',
    '',
  ])
  deepStrictEqual(cells(), ['c', 'Unknown', '', ''])
})
