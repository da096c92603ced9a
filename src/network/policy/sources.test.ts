// What a pod may send as its source: cables as the CNI library describes them, and their rules as they come and go.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { cableOf, cableRules, Cables, SourceGuard } from './sources.ts'

const result = (more: object = {}, link = 'veth521a7012') =>
  JSON.stringify({
    kind: 'cniCacheV1',
    networkName: 'kutter',
    cniArgs: [
      ['K8S_POD_NAMESPACE', 'default'],
      ['K8S_POD_NAME', 'web'],
    ],
    result: {
      interfaces: [
        { mac: '22:3e:14:11:05:08', name: 'kt1' },
        { mac: '22:3e:14:11:05:08', name: link },
        { mac: '76:15:d2:7e:43:de', name: 'eth0', sandbox: '/run/netns/cni-1' },
      ],
      ips: [{ address: '10.244.0.2/24' }, { address: 'fd00:10:244:0::2/64' }],
    },
    ...more,
  })
const ips = ['10.244.0.2', 'fd00:10:244::2']
const cable = { namespace: 'default', name: 'web', link: 'veth521a7012', mac: '76:15:d2:7e:43:de', ips }

test('the result of a CNI plugin names the cable of a pod', () => {
  assert.deepEqual(cableOf(result(), 'kt1'), cable)
  assert.equal(cableOf(result(), 'kt2'), undefined)
  for (const text of [
    '',
    '{',
    '{}',
    'null',
    '[]',
    result({ cniArgs: [] }),
    result({}, 'x; drop'),
    result({ result: {} }),
  ])
    assert.equal(cableOf(text, 'kt1'), undefined, text)
})

test('a file of the directory is read once, and forgotten with the file', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'kutter-cables-'))
  try {
    const cables = new Cables('kt1', dir)
    assert.deepEqual(await cables.list(), [])
    writeFileSync(join(dir, 'kutter-1-eth0'), result())
    writeFileSync(join(dir, 'cni-loopback-1-lo'), result())
    assert.deepEqual(await cables.list(), [cable])
    rmSync(join(dir, 'kutter-1-eth0'))
    assert.deepEqual(await cables.list(), [])
    assert.deepEqual(await new Cables('kt1', join(dir, 'missing')).list(), [])
  } finally {
    rmSync(dir, { recursive: true })
  }
})

test('a pod may send with its own addresses, and no others', () => {
  assert.deepEqual(cableRules(cable), [
    'ether saddr != 76:15:d2:7e:43:de drop',
    'arp saddr ether 76:15:d2:7e:43:de arp saddr ip { 10.244.0.2, 0.0.0.0 } accept',
    'ip saddr { 10.244.0.2 } accept',
    'icmpv6 type nd-neighbor-advert ip6 saddr { fd00:10:244::2, fe80::7415:d2ff:fe7e:43de, :: } @th,64,128 0xfd000010024400000000000000000002 accept',
    'icmpv6 type nd-neighbor-advert ip6 saddr { fd00:10:244::2, fe80::7415:d2ff:fe7e:43de, :: } @th,64,128 0xfe800000000000007415d2fffe7e43de accept',
    'icmpv6 type { nd-neighbor-solicit, nd-router-solicit, mld-listener-report, mld2-listener-report } ip6 saddr { fd00:10:244::2, fe80::7415:d2ff:fe7e:43de, :: } accept',
    'icmpv6 type { nd-neighbor-advert, nd-router-advert, nd-redirect } drop',
    'ip6 saddr { fd00:10:244::2 } ip6 daddr != fe80::/10 accept',
    'drop',
  ])
  // A pod without an address of a family sends nothing of it.
  assert.ok(!cableRules({ ...cable, ips: ['10.244.0.2'] }).some(rule => /ip6|icmpv6/.test(rule)))
  assert.ok(!cableRules({ ...cable, ips: ['fd00::2'] }).some(rule => /^(arp|ip) /.test(rule)))
})

test('cables come and go with their pods, by transactions that the kernel takes', t => {
  const guard = new SourceGuard('bridge t')
  const pod = { namespace: 'default', name: 'web', ips: [...ips].reverse() }
  assert.deepEqual(guard.guard([pod], []), [pod])
  assert.ok(guard.ruleset.isEmpty)
  assert.deepEqual(guard.guard([pod], [cable]), [])
  const first = guard.ruleset.transaction()
  assert.match(first.text, /add element bridge t cables \{ "veth521a7012" : goto from-veth521a7012 \}\n$/)
  first.applied()
  guard.guard([pod], [cable])
  assert.equal(guard.ruleset.transaction().text, '')
  // The pod has another sandbox, with the same address.
  guard.guard([pod], [{ ...cable, link: 'veth2', mac: '76:15:d2:7e:43:df' }])
  const second = guard.ruleset.transaction()
  assert.match(second.text, /^delete element bridge t cables \{ "veth521a7012" : goto from-veth521a7012 \}\n/)
  second.applied()
  guard.guard([], [cable])
  const third = guard.ruleset.transaction()
  third.applied()
  assert.ok(guard.ruleset.isEmpty)
  const input = guard.frame + first.text + second.text + third.text
  const { status, stderr, error } = spawnSync('unshare', ['-n', 'nft', '-f', '-'], { input, encoding: 'utf8' })
  if (error || /Operation not permitted/.test(stderr)) return t.skip('needs nft and root')
  assert.equal(status, 0, stderr)
})
