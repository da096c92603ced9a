// Encryption between nodes: keys, peers as a table, and the configuration of the device.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Node } from '../kinds/core/node.ts'
import { encryptionAnnotation, encryptionOf, encryptionText } from '../kinds/core/node-encryption.ts'
import type { Route } from '../linux/index.ts'
import { planEncrypted } from './routes.ts'
import { configText, ownKey, planPeers, wireguardLink, wireguardProblem } from './wireguard.ts'

const scratch = mkdtempSync(join(tmpdir(), 'kutter-wireguard-'))
after(() => rmSync(scratch, { recursive: true }))
const keyOf = (letter: string) => `${letter.repeat(43)}=`

interface Facts {
  key?: string
  ranges?: string[]
  address?: string
  made?: string
}
const node = (name: string, { key, ranges = [], address = '192.0.2.9', made = '2026-01-01T00:00:00Z' }: Facts): Node =>
  ({
    metadata: { name, creationTimestamp: made, annotations: key ? { [encryptionAnnotation]: key } : {} },
    spec: { podCIDRs: ranges },
    status: { addresses: address ? [{ type: 'InternalIP', address }] : [] },
  }) as unknown as Node

test('a node keeps its key, which only it can read, and the public part follows from it', async () => {
  const [first, same] = await Promise.all([ownKey(scratch), ownKey(scratch)])
  assert.deepEqual(same, first)
  assert.equal(
    (JSON.parse(readFileSync(join(scratch, 'wireguard.json'), 'utf8')) as { privateKey: string }).privateKey,
    first.privateKey,
  )
  assert.equal(statSync(join(scratch, 'wireguard.json')).mode & 0o777, 0o600)
  assert.deepEqual(encryptionOf(node('a', { key: encryptionText(first) })), {
    port: first.port,
    publicKey: first.publicKey,
  })
  assert.equal(Buffer.from(first.privateKey, 'base64').length, 32)
  assert.notEqual((await ownKey(join(scratch, 'other'))).privateKey, first.privateKey)
})

test('what is no key in an annotation counts as none', () => {
  for (const text of [
    '',
    'x',
    `0 ${keyOf('A')}`,
    `65536 ${keyOf('A')}`,
    `1 ${keyOf('A')}\nEndpoint = 1`,
    `1 ${keyOf('A')} `,
  ])
    assert.equal(encryptionOf(node('a', { key: text })), undefined, text)
})

const peers: { what: string; nodes: Node[]; keys: string[]; silent: string[] }[] = [
  {
    what: 'a node alone',
    nodes: [node('self', { key: `1 ${keyOf('S')}`, ranges: ['10.1.0.0/24'] })],
    keys: [],
    silent: [],
  },
  {
    what: 'others with and without a key',
    nodes: [
      node('a', { key: `1 ${keyOf('A')}`, ranges: ['10.1.1.0/24', 'fd00:1::/64'] }),
      node('b', { ranges: ['10.1.2.0/24'] }),
    ],
    keys: [keyOf('A')],
    silent: ['b'],
  },
  {
    what: 'nodes without a range or an address',
    nodes: [
      node('a', { key: `1 ${keyOf('A')}` }),
      node('b', { key: `1 ${keyOf('B')}`, ranges: ['10.1.1.0/24'], address: '' }),
    ],
    keys: [],
    silent: [],
  },
  {
    what: 'a key that two nodes claim belongs to the older one',
    nodes: [
      node('a', { key: `1 ${keyOf('K')}`, ranges: ['10.1.1.0/24'], made: '2026-02-01T00:00:00Z' }),
      node('z', { key: `1 ${keyOf('K')}`, ranges: ['10.1.2.0/24'], made: '2026-01-01T00:00:00Z' }),
    ],
    keys: [keyOf('K')],
    silent: ['a'],
  },
  {
    what: "another node's claim of this node's own key",
    nodes: [
      node('self', { key: `1 ${keyOf('S')}`, ranges: ['10.1.0.0/24'] }),
      node('z', { key: `1 ${keyOf('S')}`, ranges: ['10.1.2.0/24'], made: '2026-03-01T00:00:00Z' }),
    ],
    keys: [],
    silent: ['z'],
  },
]
for (const { what, nodes, keys, silent } of peers)
  test(`peers: ${what}`, () => {
    const plan = planPeers(nodes, 'self')
    assert.deepEqual(
      plan.peers.map(({ publicKey }) => publicKey),
      keys,
    )
    assert.deepEqual(plan.silent, silent)
    assert.deepEqual(planPeers([...nodes].reverse(), 'self'), plan)
  })

test('the configuration names each peer once, with its ranges and where it is', () => {
  const nodes = [
    node('a', { key: `51820 ${keyOf('A')}`, ranges: ['10.1.1.0/24', 'fd00:1::/64'] }),
    node('b', { key: `51821 ${keyOf('B')}`, ranges: ['10.1.2.0/24'], address: '2001:db8::2' }),
  ]
  assert.equal(
    configText({ privateKey: keyOf('P'), port: 7 }, planPeers(nodes, 'self').peers),
    `[Interface]
PrivateKey = ${keyOf('P')}
ListenPort = 7

[Peer]
PublicKey = ${keyOf('A')}
Endpoint = 192.0.2.9:51820
AllowedIPs = 10.1.1.0/24, fd00:1::/64

[Peer]
PublicKey = ${keyOf('B')}
Endpoint = [2001:db8::2]:51821
AllowedIPs = 10.1.2.0/24
`,
  )
})

test('all pods of other nodes are reached through the device, and none in another way', () => {
  const route = (to: string, more: Partial<Route> = {}): Route => ({
    to,
    via: undefined,
    link: 'w1',
    source: '10.1.0.1',
    protocol: '157',
    ...more,
  })
  const plan = (routes: Route[], remote = ['10.1.1.0/24', '10.1.2.0/24'], source: string | undefined = '10.1.0.1') =>
    planEncrypted({ remote, podCidr: '10.1.0.0/16', routes, link: 'w1', source })
  const refusal = 'route replace prohibit 10.1.0.0/16 metric 4000000000 proto 157'
  const to = (range: string) => `route replace ${range} dev w1 src 10.1.0.1 proto 157`
  assert.deepEqual(plan([]), [refusal, to('10.1.1.0/24'), to('10.1.2.0/24')])
  const done = [route('10.1.0.0/16', { link: undefined }), route('10.1.1.0/24'), route('10.1.2.0/24')]
  assert.deepEqual(plan(done), [])
  // From the time before, a plain route and one of VXLAN; and one to a node that is gone.
  assert.deepEqual(
    plan([
      done[0]!,
      route('10.1.1.0/24', { link: 'eth0', via: '192.0.2.9' }),
      route('10.1.2.0/24', { link: 'ktv4', via: '10.1.2.0' }),
      route('10.1.3.0/24'),
    ]),
    [to('10.1.1.0/24'), to('10.1.2.0/24'), 'route delete 10.1.3.0/24'],
  )
  // A node without pods refuses all the same.
  assert.deepEqual(
    planEncrypted({ remote: ['10.1.1.0/24'], podCidr: '10.1.0.0/16', routes: [], link: 'w1', source: undefined }),
    [refusal],
  )
  // Routes of others stay.
  assert.deepEqual(plan([done[0]!, route('10.1.9.0/24', { protocol: 'static' })], []), [])
})

test('names of devices fit into the 15 characters of the kernel', () => {
  assert.ok(wireguardLink('kt123456', 254).length <= 15)
})

test('a machine without the programs cannot encrypt, and is shown how to', async () => {
  const bin = join(scratch, 'bin')
  mkdirSync(bin)
  symlinkSync('/bin/sh', join(bin, 'sh'))
  const path = process.env.PATH
  process.env.PATH = bin
  try {
    assert.match((await wireguardProblem()) ?? '', /apt-get install wireguard-tools$/)
    symlinkSync('/bin/true', join(bin, 'wg'))
    // Without ip(8), no kernel has it.
    assert.match(
      (await wireguardProblem()) ?? '',
      /this kernel does not have.*apt-get install wireguard-go wireguard-tools$/,
    )
  } finally {
    process.env.PATH = path
  }
})
