import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ClusterConfig } from './config.ts'
import {
  etcdArgs,
  etcdEnvironment,
  etcdLogText,
  etcdPortsOf,
  isRemovedMember,
  membersHere,
  ownEndpoints,
  rememberMembers,
} from './etcd-member.ts'

const config: ClusterConfig = {
  name: 'web',
  port: 6443,
  kubeletPort: 10250,
  nodeName: 'one',
  podCidrs: ['10.244.0.0/16'],
  serviceCidrs: ['10.96.0.0/16'],
  dnsAddress: '10.96.0.10',
  nodePorts: [30000, 32767],
  domain: 'cluster.local',
  slot: 2,
  nodeCidrs: ['10.34.0.0/24'],
  nodes: [{ name: 'node-2', index: 2, member: { cluster: 'one=https://a:1,node-2=https://b:1', hasRun: true } }],
  store: 'etcd',
  member: {},
}
const paths = { root: '/data/web', pki: '/data/web/pki' }

test('ports are those of etcd for the default cluster, and follow the slot for others', () => {
  assert.deepEqual(etcdPortsOf({ name: 'default', slot: 0 }), { client: 2379, peer: 2380 })
  assert.deepEqual(etcdPortsOf(config), { client: 12419, peer: 12420 })
})

test('only the first start of the first member forms a cluster', () => {
  const stateOf = (start: object, name = 'one') =>
    etcdArgs(config, paths, { name, start }, '192.0.2.7')
      .find(word => word.startsWith('--initial-cluster-state='))!
      .split('=')[1]
  assert.equal(stateOf({}), 'new')
  assert.equal(stateOf({ hasRun: true }), 'existing')
  assert.equal(stateOf({ cluster: 'one=https://a:1,node-2=https://b:1' }, 'node-2'), 'existing')
})

test('a member listens on loopback and its own address, and asks every peer and client for a certificate', () => {
  const args = etcdArgs(config, paths, { name: 'one', start: {} }, '192.0.2.7')
  for (const word of [
    '--name=one',
    '--data-dir=/data/web/etcd/one/data',
    '--listen-client-urls=https://127.0.0.1:12419,https://192.0.2.7:12419',
    '--listen-peer-urls=https://192.0.2.7:12420',
    '--initial-cluster=one=https://192.0.2.7:12420',
    '--client-cert-auth=true',
    '--peer-client-cert-auth=true',
    '--trusted-ca-file=/data/web/pki/etcd/ca.crt',
    '--cert-file=/data/web/pki/etcd/member-one.crt',
  ])
    assert.ok(args.includes(word), `${word} in ${args.join(' ')}`)
  const six = etcdArgs(config, paths, { name: 'one', start: {} }, 'fd00::7')
  assert.ok(six.includes('--listen-peer-urls=https://[fd00::7]:12420'))
})

test('members of a machine are those of the etcd of its own', () => {
  assert.deepEqual(
    membersHere(config).map(({ name }) => name),
    ['one', 'node-2'],
  )
  assert.deepEqual(membersHere({ ...config, store: 'etcd://192.0.2.1' }), [])
})

test('variables of the environment set no options of etcd', () => {
  assert.deepEqual(etcdEnvironment({ PATH: '/bin', ETCD_NAME: 'x', NOTIFY_SOCKET: '/run/s' }), { PATH: '/bin' })
})

test('the log of etcd is read for what it says', () => {
  const line = '{"level":"fatal","ts":"2026","caller":"a.go:1","msg":"discovery failed","error":"no such peer"}'
  assert.equal(etcdLogText(line), 'discovery failed: no such peer')
  assert.equal(etcdLogText('flag provided but not defined'), 'flag provided but not defined')
  assert.ok(
    isRemovedMember('{"msg":"server error","error":"the member has been permanently removed from the cluster"}'),
  )
  assert.ok(isRemovedMember('{"level":"warn","msg":"data-dir used by this member must be removed"}'))
  assert.ok(!isRemovedMember(line))
})

test('the addresses of members are remembered, and a damaged file is none', async () => {
  const root = mkdtempSync(join(tmpdir(), 'kutter-members-'))
  try {
    assert.deepEqual(ownEndpoints(config, { root }), ['127.0.0.1:12419'])
    await rememberMembers({ root }, ['b:2', 'a:1', 'b:2'])
    assert.deepEqual(ownEndpoints(config, { root }), ['127.0.0.1:12419', 'a:1', 'b:2'])
    await rememberMembers({ root }, [])
    assert.deepEqual(ownEndpoints(config, { root }).length, 3)
    writeFileSync(join(root, 'etcd', 'members.json'), '[1, "x/y", {')
    assert.deepEqual(ownEndpoints(config, { root }), ['127.0.0.1:12419'])
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})
