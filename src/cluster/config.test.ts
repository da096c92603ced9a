// The configuration of clusters in a data directory: what a new one gets, what a later command changes, and what stays.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { cidrContains, parseCidr } from '../api/ip.ts'
import {
  type ClusterConfig,
  clusterTag,
  ensureConfig,
  nodeNameOf,
  pathsOf,
  readConfig,
  releaseSlot,
  withNode,
  withNodes,
} from './config.ts'
import { commandLine } from './hint.ts'

// Slots are claimed for the whole machine, in a directory of root.
const skip = process.getuid?.() === 0 ? false : 'needs root'

function dataDir(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), 'kutter-config-'))
  t.after(() => {
    for (const name of readdirSync(dir)) {
      const paths = pathsOf(dir, name)
      const config = readConfig(paths)
      if (config) releaseSlot(config.slot, paths.root)
    }
    rmSync(dir, { recursive: true, force: true })
  })
  const ensure = (name: string, wanted: object = {}) => ensureConfig(pathsOf(dir, name), { name, ...wanted })
  return { dir, ensure }
}

test('a host name becomes the name of a node', () => {
  const table: [host: string, node: string][] = [
    ['web-1', 'web-1'],
    ['Web.Example.COM', 'web.example.com'],
    ['my_host', 'my-host'],
    ['-edge-', 'edge'],
    ['a..b', 'a.b'],
    ['a-.-b', 'a.b'],
    ['_a._b', 'a.b'],
    ['köln', 'k-ln'],
    ['...', 'node-1'],
    ['', 'node-1'],
    // A label must have room for it.
    ['x'.repeat(64), 'x'.repeat(63)],
    [`${'x'.repeat(62)}-y`, 'x'.repeat(62)],
  ]
  for (const [host, node] of table) assert.equal(nodeNameOf(host), node, host)
})

test('every cluster of a data directory has files of its own, and its own tag', () => {
  const paths = pathsOf('/data', 'one')
  assert.equal(paths.root, '/data/one')
  assert.equal(paths.config, '/data/one/cluster.json')
  assert.equal(paths.kubeconfigOf('scheduler'), '/data/one/scheduler.kubeconfig')
  assert.equal(paths.node('node-2'), '/data/one/agents/node-2')
  const tags = [clusterTag(paths, 'one'), clusterTag(paths, 'two'), clusterTag(pathsOf('/other', 'one'), 'one')]
  assert.equal(new Set(tags).size, 3)
  for (const tag of tags) assert.match(tag, /^[0-9a-f]{6}$/)
})

test('a suggested command acts on the cluster that the message is about', () => {
  const of = (root: string, data: string) => commandLine('kutter', 'down --purge', { root, dataDir: data })
  assert.equal(of('/var/lib/kutter/default', '/var/lib/kutter'), 'kutter down --purge')
  assert.equal(of('/var/lib/kutter/two', '/var/lib/kutter'), 'kutter down --purge --name two')
  assert.equal(of('/tmp/x/default', '/tmp/x'), 'kutter down --purge --data-dir /tmp/x')
  assert.equal(of('/tmp/x/two', '/tmp/x'), 'kutter down --purge --name two --data-dir /tmp/x')
})

test('two clusters share no port, no range and no address', { skip }, async t => {
  const { ensure } = dataDir(t)
  const one = await ensure('one')
  const two = await ensure('two')
  for (const field of ['slot', 'port', 'kubeletPort', 'podCidrs', 'serviceCidrs', 'dnsAddress', 'nodeCidrs'] as const)
    assert.notDeepEqual(one[field], two[field], field)
  assert.ok(one.dnsAddress.startsWith(one.serviceCidrs[0]!.split('.', 2).join('.')))
  assert.deepEqual(one.nodePorts, [30000, 32767])
  assert.deepEqual([one.domain, one.nodes], ['cluster.local', []])
})

test('a cluster has the families of addresses that it was made with', { skip }, async t => {
  const { dir, ensure } = dataDir(t)
  const families = (ranges: readonly string[]) => ranges.map(range => (range.includes(':') ? 6 : 4))
  const table = { ipv4: [4], ipv6: [6], dual: [4, 6] } as const
  for (const [ipFamily, expected] of Object.entries(table)) {
    const made = await ensure(ipFamily, { ipFamily: ipFamily as keyof typeof table })
    for (const field of ['podCidrs', 'serviceCidrs', 'nodeCidrs'] as const)
      assert.deepEqual(families(made[field]), expected, `${ipFamily} ${field}`)
    assert.ok(cidrContains(parseCidr(made.serviceCidrs[0]!)!, made.dnsAddress))
    assert.deepEqual(await ensure(ipFamily), made)
  }
  await assert.rejects(ensure('dual', { ipFamily: 'ipv4' }), /has the addresses of --ip-family dual, which stay/)
  // One that was made before there was a choice.
  const file = join(dir, 'ipv4', 'cluster.json')
  const { podCidrs, serviceCidrs, nodeCidrs, ...rest } = JSON.parse(readFileSync(file, 'utf8')) as ClusterConfig
  const old = { ...rest, podCidr: podCidrs[0], serviceCidr: serviceCidrs[0], nodeCidr: nodeCidrs[0] }
  writeFileSync(file, JSON.stringify(old))
  assert.deepEqual(await ensure('ipv4'), { ...rest, podCidrs, serviceCidrs, nodeCidrs })
})

test('a configuration stays as it is, but for what the next command chooses', { skip }, async t => {
  const { dir, ensure } = dataDir(t)
  const first = await ensure('one', { nodes: 2, nodeMonitorGracePeriod: '20s' })
  assert.deepEqual(first.nodes, [{ name: 'node-2', index: 2 }])
  assert.deepEqual(await ensure('one'), first)
  const changed = await ensure('one', { port: 7443, nodes: 3, disable: ['scheduler'], nodePorts: [31000, 31999] })
  assert.deepEqual(changed, {
    ...first,
    port: 7443,
    nodes: [
      { name: 'node-2', index: 2 },
      { name: 'node-3', index: 3 },
    ],
    disable: ['scheduler'],
    nodePorts: [31000, 31999],
  })
  // Fewer nodes than there are is no request to remove one, and an empty list enables every part again.
  const again = await ensure('one', { nodes: 1, disable: [] })
  assert.deepEqual(again, { ...changed, disable: [] })
  assert.deepEqual(readConfig(pathsOf(dir, 'one')), again)
  assert.equal(statSync(pathsOf(dir, 'one').config).mode & 0o777, 0o600)
})

test('a slot is free again when its cluster is gone, and only then', { skip }, async t => {
  const { dir, ensure } = dataDir(t)
  const one = await ensure('one')
  const paths = pathsOf(dir, 'one')
  releaseSlot(one.slot, '/some/other/cluster')
  assert.notEqual((await ensure('two')).slot, one.slot)
  rmSync(paths.root, { recursive: true })
  releaseSlot(one.slot, paths.root)
  assert.equal((await ensure('three')).slot, one.slot)
})

test('a damaged configuration, and one of a node that joined, are refused with what to do', { skip }, async t => {
  const { dir, ensure } = dataDir(t)
  const one = await ensure('one')
  const paths = pathsOf(dir, 'one')
  const whole = readFileSync(paths.config, 'utf8')
  for (const text of ['', '{', 'null', whole.slice(0, -20)]) {
    writeFileSync(paths.config, text)
    assert.throws(
      () => readConfig(paths),
      {
        message: `${paths.config} is damaged: it is not valid JSON. Restore a copy of it, or remove ${paths.root} to start over without its data.`,
      },
      text,
    )
  }
  writeFileSync(paths.config, JSON.stringify({ ...one, joined: { server: 'https://s:6443', nodeIP: '10.0.0.2' } }))
  await assert.rejects(
    ensure('one'),
    /belongs to a node of the cluster at https:\/\/s:6443; choose another --name, or remove it with: kutter down --purge --name one --data-dir /,
  )
  assert.equal(readConfig(pathsOf(dir, 'none')), undefined)
})

test('a machine has at most 254 addresses for nodes', { skip }, async t => {
  const { ensure } = dataDir(t)
  const full = withNodes(await ensure('one'), 254)
  assert.equal(full.nodes.at(-1)!.index, 254)
  assert.throws(() => withNode(full), /the cluster one cannot have more than 254 nodes on one machine/)
})
