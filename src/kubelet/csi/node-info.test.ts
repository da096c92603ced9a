// What CSINode and Node have of a driver, and what is written when a driver comes, comes again, changes or goes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { driverEntry, planDrivers, planNode } from './node-info.ts'

const info = (nodeId: string, segments: Record<string, string> = {}, maxVolumesPerNode = 0) => ({
  nodeId,
  maxVolumesPerNode,
  accessibleTopology: { segments },
})

test('an entry has the keys of the topology, and a limit if the driver has one', () => {
  assert.deepEqual(driverEntry('d.io', info('n', { 'z/b': '1', 'z/a': '2' }, 5)), {
    name: 'd.io',
    nodeID: 'n',
    topologyKeys: ['z/a', 'z/b'],
    allocatable: { count: 5 },
  })
  for (const [max, count] of [
    [0, undefined],
    [-1, undefined],
    [2 ** 40, 2 ** 31 - 1],
  ] as const)
    assert.equal(driverEntry('d', info('n', {}, max)).allocatable?.count, count)
  const without = { nodeId: 'n', maxVolumesPerNode: 0, accessibleTopology: null }
  assert.deepEqual(driverEntry('d', without), { name: 'd', nodeID: 'n', topologyKeys: [] })
})

test('entries are added, changed and removed', () => {
  const other = { name: 'other', nodeID: 'o', topologyKeys: [] }
  const old = { name: 'd', nodeID: 'n', topologyKeys: ['a', 'b'] }
  const table: [string, Parameters<typeof planDrivers>[2], ReturnType<typeof planDrivers>][] = [
    ['the same', { ...old, topologyKeys: ['b', 'a'] }, undefined],
    [
      'another limit',
      { ...old, allocatable: { count: 3 } },
      { drivers: [other, { ...old, allocatable: { count: 3 } }] },
    ],
    // The API refuses the change of an entry, so it is removed first.
    ['another id', { ...old, nodeID: 'm' }, { first: [other], drivers: [other, { ...old, nodeID: 'm' }] }],
    ['gone', undefined, { drivers: [other] }],
  ]
  for (const [what, entry, plan] of table) assert.deepEqual(planDrivers([other, old], 'd', entry), plan, what)
  assert.deepEqual(planDrivers([other], 'd', old), { drivers: [other, old] })
  assert.equal(planDrivers([other], 'd', undefined), undefined)
})

test('a node has the ids of its drivers and the labels of their topology', () => {
  const key = 'csi.volume.kubernetes.io/nodeid'
  const node = (annotations?: Record<string, string>, labels?: Record<string, string>) => ({
    metadata: { ...(annotations && { annotations }), ...(labels && { labels }) },
  })
  const both = node({ [key]: '{"d":"n","e":"m"}' }, { zone: 'a' })
  const written = (annotation: string | null, labels?: object) => ({
    metadata: { annotations: { [key]: annotation }, ...(labels && { labels }) },
  })
  assert.deepEqual(planNode(node(), 'd', info('n', { zone: 'a' })), written('{"d":"n"}', { zone: 'a' }))
  assert.equal(planNode(both, 'd', info('n', { zone: 'a' })), undefined)
  assert.deepEqual(planNode(both, 'd', info('x')), written('{"e":"m","d":"x"}'))
  assert.deepEqual(planNode(both, 'd', undefined), written('{"e":"m"}'))
  assert.deepEqual(planNode(node({ [key]: '{"d":"n"}' }), 'd', undefined), written(null))
  assert.equal(planNode(node(), 'd', undefined), undefined)
  for (const damaged of ['{', '7', 'null', '{"d":1}'])
    assert.deepEqual(planNode(node({ [key]: damaged }), 'd', info('n')), written('{"d":"n"}'))
  assert.throws(
    () => planNode(both, 'd', info('n', { zone: 'b' })),
    /^Error: detected topology value collision: driver reported "zone":"b" but existing label is "zone":"a"$/,
  )
})
