// Who reaches whom: random policies, pods and namespaces become a ruleset, packets are carried through it as nftables
// reads it, and the result is compared with what policies say in their own words. The kernel checks every ruleset, too,
// where there is nft.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fc } from '../../base/testing.ts'
import { cidrContains, parseCidr } from '../../api/ip.ts'
import type { Draft } from '../../api/kind.ts'
import { matches } from '../../api/labels.ts'
import { NetworkPolicy } from '../../kinds/networking/networkpolicy.ts'
import { objectOf } from '../../kinds/testing.ts'
import { compilePolicy } from './compile.ts'
import { type NetworkPod, PolicyModel } from './model.ts'

interface Packet {
  from: string
  to: string
  protocol: 'tcp' | 'udp' | 'sctp' | 'icmp'
  port: number
  /** What conntrack has of it; a packet without is the first one of its flow. */
  flow?: { state: 'established' | 'related'; direction: 'original' | 'reply'; flags?: 'syn' | 'ack' }
}

/** The table of the kernel after a number of transactions. */
class Kernel {
  readonly chains = new Map<string, string[]>()
  readonly sets = new Map<string, Map<string, string>>()

  /** Carries out a transaction. Throws for a line that the kernel would not take. */
  apply(text: string): void {
    for (const line of text.split('\n').filter(Boolean)) {
      const [, verb, what = '', rest = ''] = /^(add|delete|flush) (\w+) inet t ?(.*)$/.exec(line) ?? []
      const [name = ''] = rest.split(' ')
      if (verb === undefined) assert.fail(`not understood: ${line}`)
      if (what === 'table') {
        this.chains.clear()
        this.sets.clear()
      } else if (what === 'chain' && verb === 'add') this.chains.set(name, this.chains.get(name) ?? [])
      else if (what === 'chain' && verb === 'flush') this.chains.set(name, [])
      else if (what === 'chain') {
        assert.ok(!this.#leadsTo(name), `${name} is deleted, and something leads to it`)
        assert.ok(this.chains.delete(name), line)
      } else if (what === 'set' || what === 'map') {
        if (verb === 'add') this.sets.set(name, this.sets.get(name) ?? new Map())
        else {
          assert.ok(!this.#uses(name), `${name} is deleted, and a rule uses it`)
          assert.ok(this.sets.delete(name), line)
        }
      } else if (what === 'rule') this.#addRule(name, rest.slice(name.length + 1), line)
      else this.#elements(verb, name, rest, line)
    }
  }

  #addRule(chain: string, rule: string, line: string): void {
    for (const [, set = ''] of rule.matchAll(/@([\w-]+)/g)) assert.ok(this.sets.has(set), `${line}: no set`)
    const rules = this.chains.get(chain)
    assert.ok(rules, line)
    rules.push(rule)
  }

  #elements(verb: string, name: string, rest: string, line: string): void {
    const set = this.sets.get(name)
    assert.ok(set, line)
    for (const text of /\{ (.*) \}/.exec(rest)?.[1]?.split(', ') ?? []) {
      const [key = '', value = ''] = text.split(' : ')
      if (verb === 'delete') assert.ok(set.delete(key), `${line}: ${key} is not there`)
      else {
        assert.ok(!set.has(key) || set.get(key) === value, `${line}: ${key} is there`)
        if (value) assert.ok(this.chains.has(value.replace('goto ', '')), `${line}: no chain`)
        set.set(key, value)
      }
    }
  }

  #leadsTo = (chain: string) => [...this.sets.values()].some(set => [...set.values()].includes(`goto ${chain}`))
  #uses = (set: string) =>
    [...this.chains.values()].some(rules => rules.some(rule => rule.split(' ').includes(`@${set}`)))

  /** Whether a packet passes. */
  passes(packet: Packet, isToNode = false): boolean {
    const hooks = isToNode ? ['local'] : ['egress', 'ingress']
    return hooks.every(hook => this.#walk(hook, packet) !== 'drop')
  }

  #walk(chain: string, packet: Packet): 'accept' | 'drop' | undefined {
    for (const rule of this.chains.get(chain) ?? assert.fail(`there is no chain ${chain}`)) {
      const verdict = this.#rule(rule, packet)
      if (verdict) return verdict
    }
    return undefined
  }

  #rule(rule: string, packet: Packet): 'accept' | 'drop' | undefined {
    const { from, to, protocol, port, flow } = packet
    let rest = rule
    const take = (pattern: RegExp) => {
      const match = pattern.exec(rest)
      if (match) rest = rest.slice(match[0].length)
      return match
    }
    const isIn = (set: string, key: string) => this.sets.get(set)?.has(key)
    for (;;) {
      const field = (name: string) => (name === 'saddr' ? from : to)
      let found: RegExpExecArray | null
      if ((found = take(/^ct state (\w+) /))) {
        if (found[1] !== flow?.state) return undefined
      } else if ((found = take(/^ct direction (\w+) /))) {
        if (found[1] !== flow?.direction) return undefined
      } else if (take(/^tcp flags & \(syn \| ack\) != syn /)) {
        if (protocol !== 'tcp' || flow?.flags === 'syn') return undefined
      } else if ((found = take(/^ip saddr \. ip daddr @([\w-]+) /))) {
        if (!isIn(found[1]!, `${from} . ${to}`)) return undefined
      } else if ((found = take(/^ip daddr \. th dport @([\w-]+) /))) {
        if (!isIn(found[1]!, `${to} . ${port}`)) return undefined
      } else if ((found = take(/^ip (saddr|daddr) vmap @([\w-]+)$/))) {
        const verdict = this.sets.get(found[2]!)?.get(field(found[1]!))
        return verdict ? this.#walk(verdict.replace('goto ', ''), packet) : undefined
      } else if ((found = take(/^ip (saddr|daddr) @([\w-]+) /))) {
        if (!isIn(found[2]!, field(found[1]!))) return undefined
      } else if ((found = take(/^ip (saddr|daddr) != \{ ([^}]*) \} /))) {
        if (found[2]!.split(', ').some(range => cidrContains(parseCidr(range)!, field(found![1]!)))) return undefined
      } else if ((found = take(/^ip (saddr|daddr) ([\d./]+) /))) {
        const range = found[2]!.includes('/') ? found[2]! : `${found[2]!}/32`
        if (!cidrContains(parseCidr(range)!, field(found[1]!))) return undefined
      } else if ((found = take(/^meta l4proto (\w+) /))) {
        if (found[1] !== protocol) return undefined
      } else if ((found = take(/^(tcp|udp|sctp) dport \{ ([^}]*) \} /))) {
        const ranges = found[2]!.split(', ').map(range => range.split('-').map(Number))
        if (found[1] !== protocol || !ranges.some(([low = 0, high = low]) => port >= low && port <= high))
          return undefined
      } else if ((found = take(/^(tcp|udp) dport (\d+) /))) {
        if (found[1] !== protocol || Number(found[2]) !== port) return undefined
      } else if ((found = take(/^(accept|drop)$/))) return found[1] as 'accept' | 'drop'
      else assert.fail(`not understood: ${rest}`)
    }
  }
}

interface World {
  namespaces: Map<string, Record<string, string>>
  pods: Map<string, NetworkPod>
  policies: Map<string, NetworkPolicy>
}

/** What the policies say, in their own words. Source: the API's description of NetworkPolicy. */
function isAllowed({ namespaces, pods, policies }: World, packet: Packet): boolean {
  const podAt = (ip: string) => [...pods.values()].find(pod => pod.ips.includes(ip))
  const [source, target] = [podAt(packet.from), podAt(packet.to)]
  if (packet.from === packet.to) return true
  const about = (pod: NetworkPod | undefined, type: string) =>
    pod?.isLocal
      ? [...policies.values()].filter(
          ({ metadata, spec }) =>
            metadata.namespace === pod.namespace &&
            matches(spec.podSelector, pod.labels) &&
            spec.policyTypes?.includes(type),
        )
      : []
  type Rule = NonNullable<NetworkPolicy['spec']['ingress']>[number] &
    NonNullable<NetworkPolicy['spec']['egress']>[number]
  const lets = (policy: NetworkPolicy, { ports, ...rule }: Rule, other: string, peer: NetworkPod | undefined) => {
    const peers = rule.from ?? rule.to
    const isPort = (ports ?? []).some(({ protocol, port, endPort }) => {
      if ((protocol ?? 'TCP').toLowerCase() !== packet.protocol) return false
      if (port === undefined) return true
      if (typeof port === 'number') return packet.port >= port && packet.port <= (endPort ?? port)
      return target?.ports.some(
        each => each.name === port && each.protocol === (protocol ?? 'TCP') && each.port === packet.port,
      )
    })
    const isPeer = (peers ?? []).some(({ ipBlock, podSelector, namespaceSelector }) => {
      if (ipBlock) {
        const isIn = (range: string) => cidrContains(parseCidr(range)!, other)
        return isIn(ipBlock.cidr) && !(ipBlock.except ?? []).some(isIn)
      }
      if (!peer) return false
      const isNamespace = namespaceSelector
        ? namespaces.has(peer.namespace) && matches(namespaceSelector, namespaces.get(peer.namespace))
        : peer.namespace === policy.metadata.namespace
      return isNamespace && (!podSelector || matches(podSelector, peer.labels))
    })
    return (isPort || !ports?.length) && (isPeer || !peers?.length)
  }
  const egress = about(source, 'Egress')
  const ingress = about(target, 'Ingress')
  return (
    (!egress.length || egress.some(p => (p.spec.egress ?? []).some(rule => lets(p, rule, packet.to, target)))) &&
    (!ingress.length || ingress.some(p => (p.spec.ingress ?? []).some(rule => lets(p, rule, packet.from, source))))
  )
}

const names = ['x', 'y', 'z']
const ips = ['10.1.0.1', '10.1.0.2', '10.1.0.3', '10.1.0.4', '10.1.0.5']
const outside = '192.0.2.7'
const ports = [80, 81, 443]
const labels = fc.dictionary(fc.constantFrom('a', 'b'), fc.constantFrom('1', '2'), { maxKeys: 2 })
const selector = fc.oneof(
  fc.record({ matchLabels: labels }),
  fc.record({
    matchExpressions: fc.array(
      fc.oneof(
        fc.record({
          key: fc.constantFrom('a', 'b'),
          operator: fc.constantFrom('In', 'NotIn'),
          values: fc.constant(['1']),
        }),
        fc.record({ key: fc.constantFrom('a', 'b'), operator: fc.constantFrom('Exists', 'DoesNotExist') }),
      ),
      { maxLength: 2 },
    ),
  }),
)
const peer = fc.oneof(
  fc.record({ podSelector: selector }),
  fc.record({ namespaceSelector: selector }),
  fc.record({ podSelector: selector, namespaceSelector: selector }),
  fc.record({
    ipBlock: fc.constantFrom(
      { cidr: '10.1.0.0/29' },
      { cidr: '10.1.0.0/16', except: ['10.1.0.2/31', '10.1.0.3/32'] },
      { cidr: '192.0.2.0/24' },
      { cidr: '2001:db8::/32' },
    ),
  }),
)
const port = fc.oneof(
  fc.record({ port: fc.constantFrom<number | string>(80, 443, 'web', 'none') }),
  fc.record({ protocol: fc.constantFrom('TCP', 'UDP'), port: fc.constantFrom<number | string>(80, 81, 'web') }),
  fc.record({ protocol: fc.constantFrom('TCP', 'UDP') }),
  fc.constant({ port: 80, endPort: 81 }),
)
const some = <T>(of: fc.Arbitrary<T>) => fc.array(of, { maxLength: 3 })
const policyOf = fc.record({
  podSelector: selector,
  policyTypes: fc.constantFrom(['Ingress'], ['Egress'], ['Ingress', 'Egress']),
  ingress: some(fc.record({ from: some(peer), ports: some(port) })),
  egress: some(fc.record({ to: some(peer), ports: some(port) })),
})
type Spec = Draft<NetworkPolicy>['spec']

const change = fc.oneof(
  fc.record({
    do: fc.constant('namespace' as const),
    name: fc.constantFrom(...names),
    labels: fc.option(labels, { nil: undefined }),
  }),
  fc.record({
    do: fc.constant('pod' as const),
    at: fc.nat(ips.length - 1),
    pod: fc.option(
      fc.record({
        namespace: fc.constantFrom(...names),
        labels,
        port: fc.constantFrom(...ports),
        protocol: fc.constantFrom('TCP', 'UDP'),
        isLocal: fc.boolean(),
      }),
      { nil: undefined },
    ),
  }),
  fc.record({
    do: fc.constant('policy' as const),
    namespace: fc.constantFrom(...names),
    name: fc.constantFrom('p', 'q'),
    spec: fc.option(policyOf, { nil: undefined }),
  }),
  fc.record({ do: fc.constant('apply' as const) }),
)

const makeModel = () => new PolicyModel({ table: 'inet t', families: [4] })

function carryOut(model: PolicyModel, world: World, each: ReturnType<typeof change.generate>['value']): void {
  if (each.do === 'namespace') {
    if (each.labels) world.namespaces.set(each.name, each.labels)
    else world.namespaces.delete(each.name)
    model.setNamespace(each.name, each.labels)
  } else if (each.do === 'pod') {
    const uid = `u${each.at}`
    const { pod } = each
    const made = pod && {
      namespace: pod.namespace,
      labels: pod.labels,
      ips: [ips[each.at]!],
      ports: [{ name: 'web', protocol: pod.protocol, port: pod.port }],
      isLocal: pod.isLocal,
    }
    if (made) world.pods.set(uid, made)
    else world.pods.delete(uid)
    model.setPod(uid, made)
  } else if (each.do === 'policy') {
    const key = `${each.namespace}/${each.name}`
    const policy =
      each.spec && objectOf(NetworkPolicy, { metadata: { namespace: each.namespace }, spec: each.spec as Spec })
    if (policy) world.policies.set(key, policy)
    else world.policies.delete(key)
    model.setPolicy(each.namespace, key, policy && compilePolicy(policy))
  }
}

test('the rules let through what the policies say, whatever changed before', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), changes => {
      const [model, kernel] = [makeModel(), new Kernel()]
      const world: World = { namespaces: new Map(), pods: new Map(), policies: new Map() }
      const apply = () => {
        const { text, applied } = model.ruleset.transaction()
        kernel.apply(text)
        applied()
      }
      kernel.apply(model.frame)
      for (const each of changes) {
        carryOut(model, world, each)
        if (each.do === 'apply') apply()
      }
      apply()
      assert.equal(model.ruleset.isChanged, false)
      for (const from of [...ips, outside])
        for (const to of [...ips, outside])
          for (const protocol of ['tcp', 'udp'] as const)
            for (const port of ports) {
              const packet = { from, to, protocol, port }
              assert.equal(kernel.passes(packet), isAllowed(world, packet), JSON.stringify(packet))
            }
      // Without policies nothing is left, and a table that is built at once is the same.
      for (const key of world.policies.keys()) model.setPolicy(key.split('/')[0]!, key, undefined)
      apply()
      assert.ok(model.ruleset.isEmpty)
      assert.deepEqual([...kernel.chains.keys()], ['egress', 'ingress', 'local'])
      assert.deepEqual([...kernel.sets.keys()], ['in4', 'out4', 'self4'])
    }),
    { numRuns: 300 },
  )
})

test('connections that exist go on, replies pass, and every other packet is judged', () => {
  const [model, kernel] = [makeModel(), new Kernel()]
  const [from = '', to = ''] = ips
  const pod = { namespace: 'x', labels: {}, ports: [], isLocal: true }
  model.setPod('u0', { ...pod, ips: [from] })
  model.setPod('u1', { ...pod, ips: [to] })
  const shut = objectOf(NetworkPolicy, { metadata: { namespace: 'x' }, spec: { podSelector: {} } })
  model.setPolicy('x', 'x/shut', compilePolicy(shut))
  kernel.apply(model.frame + model.ruleset.transaction().text)
  const passes = (protocol: Packet['protocol'], flow?: Packet['flow']) =>
    kernel.passes({ from, to, protocol, port: 80, ...(flow && { flow }) })
  for (const protocol of ['tcp', 'udp', 'sctp', 'icmp'] as const) {
    const lasts = protocol === 'tcp' || protocol === 'sctp'
    const flags = protocol === 'tcp' && { flags: 'ack' as const }
    assert.equal(passes(protocol), false, `${protocol}, first`)
    assert.equal(passes(protocol, { state: 'established', direction: 'original', ...flags }), lasts, protocol)
    assert.equal(passes(protocol, { state: 'established', direction: 'reply', ...flags }), true, `${protocol}, reply`)
    for (const direction of ['original', 'reply'] as const)
      assert.equal(passes(protocol, { state: 'related', direction }), true, `${protocol}, related`)
  }
  assert.equal(passes('tcp', { state: 'established', direction: 'original', flags: 'syn' }), false, 'an old port')
  assert.equal(passes('tcp', { state: 'established', direction: 'reply', flags: 'syn' }), true, 'both begin')
})

test('the kernel takes the rules of random policies, for both families', { skip: !hasNft() && 'needs nft' }, () => {
  fc.assert(
    fc.property(fc.array(change, { minLength: 20, maxLength: 40 }), changes => {
      const model = new PolicyModel({
        table: 'inet kutter-test-none',
        families: [4, 6],
        dns: { addresses: ['10.1.0.254', 'fd00::1'], port: 10053 },
      })
      const world: World = { namespaces: new Map(), pods: new Map(), policies: new Map() }
      for (const each of changes) carryOut(model, world, each)
      model.setPod('v6', { namespace: 'x', labels: { a: '1' }, ips: ['10.1.0.9', 'fd00::9'], ports: [], isLocal: true })
      const { status, stderr } = spawnSync('nft', ['-c', '-f', '-'], {
        input: model.frame + model.ruleset.transaction().text,
      })
      assert.equal(status, 0, String(stderr))
    }),
    { numRuns: 20 },
  )
})

function hasNft(): boolean {
  return spawnSync('nft', ['list', 'tables']).status === 0
}

const deny = (namespace: string, spec: Spec) =>
  compilePolicy(objectOf(NetworkPolicy, { metadata: { namespace }, spec }))
const local = (namespace: string, ip: string, more: Partial<NetworkPod> = {}): NetworkPod => ({
  namespace,
  labels: {},
  ips: [ip],
  ports: [],
  isLocal: true,
  ...more,
})

test('DNS is let through where port 53 is, or where its pods are', () => {
  const table: [NonNullable<Spec>['egress'], boolean][] = [
    [[], false],
    [[{}], true],
    [[{ ports: [{ port: 53, protocol: 'UDP' }] }], true],
    [[{ ports: [{ port: 53 }] }], false],
    [[{ ports: [{ port: 1, endPort: 100, protocol: 'UDP' }] }], true],
    [[{ ports: [{ port: 54, protocol: 'UDP' }] }], false],
    [
      [{ to: [{ namespaceSelector: { matchLabels: { ns: 'system' } } }], ports: [{ port: 53, protocol: 'UDP' }] }],
      true,
    ],
    [[{ to: [{ namespaceSelector: {}, podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } }] }], true],
    [[{ to: [{ namespaceSelector: {}, podSelector: { matchLabels: { 'k8s-app': 'other' } } }] }], false],
    [[{ to: [{ podSelector: {} }] }], false],
  ]
  for (const [egress, isOpen] of table) {
    const model = new PolicyModel({ table: 'inet t', families: [4], dns: { addresses: ['10.1.0.254'], port: 10053 } })
    const kernel = new Kernel()
    model.setPod('p', local('x', '10.1.0.1'))
    model.setPolicy('x', 'x/p', deny('x', { podSelector: {}, policyTypes: ['Egress'], egress }))
    // The namespace of DNS comes last, or loses its label.
    model.setNamespace('kube-system', { ns: 'system' })
    kernel.apply(model.frame + model.ruleset.transaction().text)
    const packet = { from: '10.1.0.1', to: '10.1.0.254', protocol: 'udp', port: 10053 } as const
    assert.equal(kernel.passes(packet, true), isOpen, JSON.stringify(egress))
    assert.equal(kernel.passes({ ...packet, port: 10250, protocol: 'tcp' }, true), JSON.stringify(egress) === '[{}]')
  }
})

test('pods with the same rules share a chain, and an address that another pod takes over leads to its own', () => {
  const [model, kernel] = [makeModel(), new Kernel()]
  kernel.apply(model.frame)
  const apply = () => {
    const { text, applied } = model.ruleset.transaction()
    kernel.apply(text)
    applied()
    return text
  }
  for (const namespace of ['x', 'y'])
    model.setPolicy(namespace, `${namespace}/deny`, deny(namespace, { podSelector: {}, policyTypes: ['Ingress'] }))
  for (let i = 1; i <= 4; i++) model.setPod(`u${i}`, local(i % 2 ? 'x' : 'y', `10.1.0.${i}`))
  apply()
  assert.equal([...kernel.chains.keys()].filter(name => name.startsWith('in-')).length, 1)
  model.setPod('new', local('y', '10.1.0.1'))
  model.setPod('u1', undefined)
  apply()
  assert.equal(kernel.passes({ from: outside, to: '10.1.0.1', protocol: 'tcp', port: 80 }), false)
  model.setPod('new', undefined)
  apply()
  assert.equal(kernel.passes({ from: outside, to: '10.1.0.1', protocol: 'tcp', port: 80 }), true)
  // What is written of a pod and changes nothing costs nothing.
  model.setPod('u2', local('y', '10.1.0.2'))
  assert.equal(apply(), '')
})

test('a broken chain lets nothing through, and the rest works', () => {
  const [model, kernel] = [makeModel(), new Kernel()]
  model.setPod('p', local('x', '10.1.0.1'))
  model.setPolicy('x', 'x/p', deny('x', { podSelector: {}, policyTypes: ['Ingress'], ingress: [{}] }))
  const [chain = ''] = model.ruleset.chains
  const { text, applied } = model.ruleset.transaction(new Map([[chain, ['drop']]]))
  kernel.apply(model.frame + text)
  applied()
  const packet = { from: outside, to: '10.1.0.1', protocol: 'tcp', port: 80 } as const
  assert.equal(kernel.passes(packet), false)
  model.ruleset.forget()
  kernel.apply(model.frame + model.ruleset.transaction().text)
  assert.equal(kernel.passes(packet), true)
})
