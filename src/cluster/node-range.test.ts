// Ranges of nodes do not overlap between slots or with the machine's routes; added nodes get free names and addresses.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cidrContains, parseCidr } from '../api/ip.ts'
import { type ClusterConfig, nodeNames, withNode, withNodes } from './config.ts'
import { addressIn, nodeRangesOf, parseRoutes } from './node-range.ts'

test('no two slots share a range, and none overlaps with ranges of pods or Services', () => {
  const all = Array.from({ length: 60 }, (_, slot) => [
    ...nodeRangesOf(slot),
    `10.${244 - slot}.0.0/16`,
    `10.${96 + slot}.0.0/16`,
  ]).flat()
  assert.equal(new Set(all).size, all.length)
  for (const a of all)
    for (const b of all) if (a !== b) assert.ok(!cidrContains(parseCidr(a)!, b.split('/')[0]!), `${a} meets ${b}`)
})

test('routes are parsed from hexadecimal numbers with the last byte first', () => {
  const text = [
    'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
    'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0',
    'eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
    'tun0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0',
  ].join('\n')
  assert.deepEqual(parseRoutes(text), [
    { to: '192.0.2.0/24', link: 'eth0' },
    { to: '10.0.0.0/8', link: 'tun0' },
  ])
})

test('an added node gets the lowest free name and index, or the name it was given', () => {
  const config = { name: 'x', nodeName: 'host', nodes: [] } as unknown as ClusterConfig
  const three = withNodes(config, 3)
  assert.deepEqual(nodeNames(three), ['host', 'node-2', 'node-3'])
  assert.deepEqual(withNodes(three, 2), three)
  const without = { ...three, nodes: three.nodes.filter(n => n.name !== 'node-2') }
  assert.deepEqual(withNode(without, 'blue').nodes, [
    { name: 'node-3', index: 3 },
    { name: 'blue', index: 2 },
  ])
  assert.deepEqual(withNode(without).nodes.at(-1), { name: 'node-2', index: 2 })
  assert.equal(addressIn('10.32.0.0/24', 3), '10.32.0.3')
})
