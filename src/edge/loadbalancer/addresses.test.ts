// What changes in the kernel for the addresses that a node announces.
import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { planAddresses, refusalText } from './addresses.ts'

const place = { ledger: 'ktv', nodeIPs: ['10.0.0.2'], podBridge: 'kt' }
const at = (link: string, text: string, scope = 'global') => {
  const [address = '', bits] = text.split('/')
  return { link, address, prefixLength: Number(bits), scope }
}
const links = [
  at('lo', '127.0.0.1/8', 'host'),
  at('eth0', '10.0.0.2/24'),
  at('eth1', '192.0.2.3/24'),
  at('eth1', 'fe80::1/64', 'link'),
  at('kt', '10.244.0.1/24'),
]
function plan(wanted: string[], ...more: ReturnType<typeof at>[]) {
  const { changes, news, lost } = planAddresses(new Set(wanted), [...links, ...more], place)
  return { commands: [...changes.values()].flat(), news, lost }
}

test('an address goes onto the ledger first, and then onto the link to its network', () => {
  deepStrictEqual(plan(['192.0.2.10']), {
    commands: ['address add 192.0.2.10/32 dev ktv', 'address add 192.0.2.10/32 dev eth1'],
    news: ['192.0.2.10'],
    lost: [],
  })
})

test('one of no network goes onto the link of the node', () => {
  deepStrictEqual(plan(['198.51.100.1']).commands[1], 'address add 198.51.100.1/32 dev eth0')
  deepStrictEqual(plan(['fd00::5']).commands, [
    'address add fd00::5/128 dev ktv noprefixroute',
    'address add fd00::5/128 dev eth0 noprefixroute',
  ])
  const { lost } = planAddresses(new Set(['198.51.100.1']), [], place)
  deepStrictEqual(lost, ['198.51.100.1'])
})

test('what is there stays, and what is not wanted goes from its link first', () => {
  const there = [at('ktv', '192.0.2.10/32'), at('eth1', '192.0.2.10/32')]
  deepStrictEqual(plan(['192.0.2.10'], ...there), { commands: [], news: [], lost: [] })
  deepStrictEqual(plan([], ...there).commands, [
    'address delete 192.0.2.10/32 dev eth1',
    'address delete 192.0.2.10/32 dev ktv',
  ])
})

test('what a crash has left halfway is completed or removed', () => {
  const half = at('ktv', '192.0.2.10/32')
  deepStrictEqual(plan(['192.0.2.10'], half).commands, ['address add 192.0.2.10/32 dev eth1'])
  deepStrictEqual(plan([], half).commands, ['address delete 192.0.2.10/32 dev ktv'])
})

test('an address on another link than that of its network moves', () => {
  const wrong = [at('ktv', '192.0.2.10/32'), at('eth0', '192.0.2.10/32')]
  deepStrictEqual(plan(['192.0.2.10'], ...wrong).commands, [
    'address delete 192.0.2.10/32 dev eth0',
    'address add 192.0.2.10/32 dev eth1',
  ])
})

test('addresses that are not of the cluster are left alone', () => {
  deepStrictEqual(plan([], at('eth1', '192.0.2.10/32')).commands, [])
})

test('the table refuses what is for the addresses, and goes with the last of them', () => {
  const rules = (...addresses: string[]) =>
    refusalText('t', addresses)
      .split('\n')
      .filter(line => line.includes('daddr'))
  deepStrictEqual(rules('192.0.2.1', 'fd00::1', '192.0.2.2'), [
    'add rule inet t input ip daddr { 192.0.2.1, 192.0.2.2 } meta l4proto != icmp jump refuse',
    'add rule inet t input ip6 daddr { fd00::1 } meta l4proto != icmpv6 jump refuse',
  ])
  strictEqual(refusalText('t', []), 'add table inet t\ndelete table inet t\n')
})

test('the ports of Gateways are let in, and answers to the node itself', () => {
  const text = refusalText(
    't',
    ['192.0.2.1', 'fd00::1'],
    new Map([
      ['192.0.2.1', [80, 443]],
      ['fd00::1', [80]],
      ['192.0.2.9', []],
    ]),
  )
  const rules = text.split('\n').filter(line => line.includes('input ') && !line.includes('chain'))
  deepStrictEqual(rules, [
    'add rule inet t input ct state established,related accept',
    'add rule inet t input ip daddr 192.0.2.1 tcp dport { 80, 443 } accept',
    'add rule inet t input ip6 daddr fd00::1 tcp dport { 80 } accept',
    'add rule inet t input ip daddr { 192.0.2.1 } meta l4proto != icmp jump refuse',
    'add rule inet t input ip6 daddr { fd00::1 } meta l4proto != icmpv6 jump refuse',
  ])
})
