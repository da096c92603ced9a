import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chainsOf, type FirewallFacts, obstaclesOf, readFirewall, settingsToBeMade } from './firewall.ts'

const open: FirewallFacts = { chains: [], legacy: '', ufw: '', settings: new Map() }
const chain = (table: string, hook: string, policy: string) => ({ family: 'ip', table, hook, policy })

test('what is in the way of pods has one line that mends it', () => {
  const table: [what: string, facts: Partial<FirewallFacts>, mends: RegExp[]][] = [
    ['nothing', {}, []],
    ['a policy to accept', { chains: [chain('filter', 'forward', 'accept')] }, []],
    [
      'a policy to drop what is forwarded',
      { chains: [chain('filter', 'forward', 'drop')] },
      [/^iptables -P FORWARD ACCEPT$/],
    ],
    [
      'the same of the older program',
      { legacy: '-P INPUT ACCEPT\n-P FORWARD DROP\n' },
      [/^iptables -P FORWARD ACCEPT$/],
    ],
    [
      'a policy to drop what comes in',
      { chains: [chain('filter', 'input', 'drop')] },
      [/^iptables -I INPUT -s 10\.244\.0\.0\/16 -j ACCEPT$/],
    ],
    ['firewalld', { chains: [chain('firewalld', 'input', 'drop')] }, [/^firewall-cmd .* && firewall-cmd --reload$/]],
    [
      'ufw, whose own policies are no news',
      {
        ufw: '# comment\nENABLED=yes\n',
        chains: [chain('filter', 'forward', 'drop'), chain('filter', 'input', 'drop')],
      },
      [/^ufw default allow routed && ufw allow from /],
    ],
    ['ufw that is off', { ufw: 'ENABLED=no\n' }, []],
    [
      'a strict reverse path',
      { settings: new Map([['net/ipv4/conf/all/rp_filter', '1']]) },
      [/^sysctl -w net\.ipv4\.conf\.all\.rp_filter=2$/],
    ],
    ['a loose one', { settings: new Map([['net/ipv4/conf/all/rp_filter', '2']]) }, []],
  ]
  for (const [what, facts, mends] of table) {
    const found = obstaclesOf({ ...open, ...facts })
    assert.equal(found.length, mends.length, what)
    for (const [i, pattern] of mends.entries()) assert.match(found[i]!.mend, pattern, what)
  }
})

test('forwarding is what the start of a cluster sets', () => {
  const settings = new Map([
    ['net/ipv4/ip_forward', '0'],
    ['net/ipv6/conf/all/forwarding', '1'],
  ])
  assert.deepEqual(settingsToBeMade({ ...open, settings }), ['net.ipv4.ip_forward'])
})

test('facts are read from whatever there is', async () => {
  const json =
    '{"nftables": [{"metainfo": {}}, {"chain": {"family": "ip", "table": "filter", "hook": "forward", "policy": "drop"}}]}'
  assert.deepEqual(chainsOf(json), [chain('filter', 'forward', 'drop')])
  for (const other of ['', 'Error', '{}', '[]']) assert.deepEqual(chainsOf(other), [])
  assert.ok((await readFirewall()).settings.has('net/ipv4/ip_forward'))
})
