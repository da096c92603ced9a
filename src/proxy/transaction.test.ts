// Transactions: whatever fragments turn into whatever others, the kernel accepts every line in its order, and has the
// new fragments afterwards. The kernel is a model that refuses what nftables refuses.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fc } from '../base/testing.ts'
import { Service } from '../kinds/core/service.ts'
import { EndpointSlice } from '../kinds/discovery/endpointslice.ts'
import { objectOf, podOf } from '../kinds/testing.ts'
import { makeIp, makeNft } from '../linux/index.ts'
import { emptyFragment, type Fragment } from './fragment.ts'
import { HairpinCounts } from './hairpin.ts'
import { hostPortFragment } from './host-ports.ts'
import { planService } from './plan.ts'
import { pickText, tableText } from './table.ts'
import { transactionText } from './transaction.ts'

const context = { nodeName: 'here', podCidrs: ['10.244.0.0/16', 'fd00:10:244::/56'] }
const options = { ...context, table: 't', serviceCidrs: [], bridge: 'b', pods: true, nodePortAddresses: [] }
/** The collections of the frame. */
const collections = [...tableText(options).matchAll(/^add (?:map|set) inet t (\S+)/gm)].map(([, name]) => name!)

/** A table as the kernel has it. Each line must be valid when it comes. */
class Table {
  chains = new Map<string, string[]>()
  sets = new Map<string, string>()
  elements = new Map<string, Map<string, string>>(collections.map(name => [name, new Map()]))

  apply(text: string): void {
    for (const line of text.split('\n').filter(Boolean)) this.#line(line)
  }

  #line(line: string): void {
    const [, verb, what, name = '', rest = ''] =
      /^(add|delete|flush) (element|set|chain|rule) inet t (\S+) ?(.*)$/.exec(line) ??
      assert.fail(`what is this? ${line}`)
    switch (`${verb} ${what}`) {
      case 'add set':
        assert.ok(!this.sets.has(name), `the set ${name} exists: ${line}`)
        this.sets.set(name, rest)
        break
      case 'delete set':
        assert.ok(this.sets.delete(name), line)
        this.#checkUnused(`@${name}`, line)
        break
      case 'add chain':
        this.chains.set(name, this.chains.get(name) ?? [])
        break
      case 'flush chain':
        assert.ok(this.chains.has(name), line)
        this.chains.set(name, [])
        break
      case 'delete chain':
        assert.deepEqual(this.chains.get(name), [], `not empty: ${line}`)
        this.chains.delete(name)
        this.#checkUnused(`goto ${name}`, line)
        break
      case 'add rule':
        this.#checkReferences(rest, line)
        this.chains.get(name)!.push(rest)
        break
      default:
        this.#changeElements(verb!, name, rest, line)
    }
  }

  #changeElements(verb: string, name: string, rest: string, line: string): void {
    const elements = this.elements.get(name) ?? assert.fail(line)
    for (const part of /^\{ (.*) \}$/.exec(rest)![1]!.split(', ')) {
      const [key = '', value = ''] = part.split(' : ')
      if (verb === 'delete') {
        assert.equal(elements.get(key), value, `there is no element ${key}: ${line}`)
        elements.delete(key)
      } else {
        assert.ok(!elements.has(key), `the element ${key} exists: ${line}`)
        this.#checkReferences(value, line)
        elements.set(key, value)
      }
    }
  }

  #checkReferences(text: string, line: string): void {
    for (const [, chain] of text.matchAll(/goto ([^\s,]+)/g))
      assert.ok(this.chains.has(chain!), `no chain ${chain}: ${line}`)
    for (const [, set] of text.matchAll(/@(\S+)/g)) assert.ok(this.sets.has(set!), `no set ${set}: ${line}`)
  }

  #checkUnused(text: string, line: string): void {
    const pattern = new RegExp(`${text}(?![\\w-])`)
    for (const [chain, rules] of this.chains)
      for (const rule of rules) assert.ok(!pattern.test(rule), `still used in ${chain}: ${line}`)
    for (const elements of this.elements.values())
      for (const value of elements.values()) assert.ok(!pattern.test(value), `still used by an element: ${line}`)
  }

  /** What is in the table beyond its frame. */
  content() {
    const chains = [...this.chains].sort()
    const elements = [...this.elements].map(([name, m]) => [name, [...m].sort()]).sort()
    return { chains, sets: [...this.sets].sort(), elements }
  }
}

interface Given {
  /** Which of three Services there are, with the number of endpoints, the first of them on this node. */
  services: (
    | { endpoints: number; local: boolean; affinity: number; dual: boolean; nodePort: number | undefined }
    | undefined
  )[]
  /** The host port of a pod. */
  hostPort: number | undefined
}

function fragmentsOf({ services, hostPort }: Given): Fragment[] {
  const planned = services.map((given, i) => {
    if (!given) return emptyFragment()
    const clusterIP = `10.96.0.${i + 10}`
    const ports = [
      { name: 'http', port: 80, targetPort: 8080, ...(given.nodePort && { nodePort: given.nodePort + i }) },
    ]
    const service = objectOf(Service, {
      metadata: { name: `s${i}` },
      spec: {
        type: given.nodePort ? 'NodePort' : 'ClusterIP',
        ...(given.nodePort && given.local && { externalTrafficPolicy: 'Local' }),
        clusterIP,
        clusterIPs: [clusterIP, ...(given.dual ? [`fd00:10:96::${i + 10}`] : [])],
        ports,
        ...(given.affinity && {
          sessionAffinity: 'ClientIP',
          sessionAffinityConfig: { clientIP: { timeoutSeconds: given.affinity } },
        }),
      },
    })
    const slices = (['IPv4', 'IPv6'] as const).map(addressType =>
      objectOf(EndpointSlice, {
        metadata: { name: `s${i}-${addressType}` },
        addressType,
        ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
        // Services share endpoints, as those with equal selectors do.
        endpoints: Array.from({ length: given.endpoints }, (_, n) => ({
          addresses: [addressType === 'IPv4' ? `10.244.0.${n + 1}` : `fd00:10:244::${n + 1}`],
          nodeName: n === 0 ? 'here' : 'there',
          conditions: { ready: true },
        })),
      }),
    )
    return planService(service, slices, context)
  })
  const ports = hostPort ? [{ containerPort: 80, hostPort }] : []
  const pod = podOf({
    metadata: { name: 'p', uid: 'u' },
    spec: { containers: [{ name: 'c', image: 'x', ports }] },
    status: { phase: 'Running', podIP: '10.244.0.9' },
  })
  return [...planned, hostPortFragment(pod)]
}

const service = fc.record({
  endpoints: fc.nat({ max: 3 }),
  local: fc.boolean(),
  affinity: fc.constantFrom(0, 60, 600),
  dual: fc.boolean(),
  nodePort: fc.option(fc.constantFrom(30080, 30090), { nil: undefined }),
})
const given: fc.Arbitrary<Given> = fc.record({
  services: fc.tuple(...[0, 1, 2].map(() => fc.option(service, { nil: undefined }))),
  hostPort: fc.option(fc.constantFrom(8080, 8081), { nil: undefined }),
})

test('any fragments turn into any others in lines that the kernel accepts', () => {
  fc.assert(
    fc.property(fc.array(given, { minLength: 2, maxLength: 6 }), states => {
      const table = new Table()
      const hairpin = new HairpinCounts()
      let before = fragmentsOf({ services: [undefined, undefined, undefined], hostPort: undefined })
      for (const state of states) {
        const after = fragmentsOf(state)
        const shared = hairpin.share(before.map((fragment, i) => ({ before: fragment, after: after[i]! })))
        table.apply(transactionText('t', shared.changes))
        shared.commit()
        const fresh = new Table()
        const all = new HairpinCounts().share(after.map(fragment => ({ before: emptyFragment(), after: fragment })))
        fresh.apply(transactionText('t', all.changes))
        assert.deepEqual(table.content(), fresh.content())
        before = after
      }
    }),
    { numRuns: 150 },
  )
})

test('the kernel takes the changes of random fragments, and has nothing of them in the end', {
  skip: skipsKernel(),
}, async () => {
  const netns = `kutter-proxy-test-${process.pid}`
  const ip = makeIp()
  await ip.addNamespace(netns)
  try {
    const nft = makeNft({ netns: `/run/netns/${netns}` })
    await nft.apply(tableText(options))
    const hairpin = new HairpinCounts()
    const picks = new Set<string>()
    const nothing: Given = { services: [undefined, undefined, undefined], hostPort: undefined }
    let before = fragmentsOf(nothing)
    for (const state of [...fc.sample(given, { numRuns: 60, seed: 1 }), nothing]) {
      const after = fragmentsOf(state)
      const shared = hairpin.share(before.map((fragment, i) => ({ before: fragment, after: after[i]! })))
      const needed = new Map(after.flatMap(fragment => [...fragment.picks]).filter(([id]) => !picks.has(id)))
      for (const id of needed.keys()) picks.add(id)
      const added = [...needed.values()].map(pick => pickText(options, pick)).join('')
      await nft.apply(added + transactionText('t', shared.changes))
      shared.commit()
      before = after
    }
    const items = await nft.list('inet', 't')
    const names = (kind: string) => items!.flatMap(item => (item[kind] as { name?: string } | undefined)?.name ?? [])
    assert.deepEqual(
      names('chain').filter(name => name.startsWith('svc-')),
      [],
    )
    assert.deepEqual(
      names('set').filter(name => name.startsWith('svc-')),
      [],
    )
    const filled = items!.filter(item => ((item.map ?? item.set) as { elem?: unknown } | undefined)?.elem)
    assert.deepEqual(filled.map(item => (item.map as { name: string }).name).sort(), ['local-picks', 'picks'])
    assert.ok(picks.size > 10, `${picks.size} ways to pick`)
  } finally {
    await ip.deleteNamespace(netns)
  }
})

function skipsKernel(): string | false {
  return spawnSync('nft', ['list', 'tables']).status !== 0 && 'needs nft and root'
}

test('what stays the same is not touched', () => {
  const state = {
    services: [{ endpoints: 2, local: false, affinity: 60, dual: false, nodePort: 30080 }],
    hostPort: 8080,
  }
  const [a, b] = [fragmentsOf(state), fragmentsOf(state)]
  assert.equal(
    transactionText(
      't',
      a.map((before, i) => ({ before, after: b[i]! })),
    ),
    '',
  )
  // With one endpoint more, the sets of clients stay, and only the chains that choose are written again.
  const more = fragmentsOf({ ...state, services: [{ ...state.services[0]!, endpoints: 3 }] })
  const text = transactionText('t', [{ before: a[0]!, after: more[0]! }])
  assert.equal(text.match(/add set/g)?.length, 2)
  assert.equal(/delete set|delete element/.test(text), false)
})

test('an address may move from one Service to another in one transaction', () => {
  const owner = (i: number) =>
    fragmentsOf({
      services: [0, 1].map(n =>
        n === i ? { endpoints: 1, local: false, affinity: 0, dual: false, nodePort: undefined } : undefined,
      ),
      hostPort: undefined,
    })
  const rename = (fragment: Fragment): Fragment => ({
    ...fragment,
    elements: new Map(
      [...fragment.elements].map(([name, m]) => [
        name,
        new Map([...m].map(([key, v]) => [key.replace('10.96.0.11', '10.96.0.10'), v])),
      ]),
    ),
  })
  const table = new Table()
  const [first] = owner(0)
  const second = rename(owner(1)[1]!)
  const withoutHairpin = (changes: { before: Fragment; after: Fragment }[]) =>
    new HairpinCounts().share(changes).changes.slice(0, -1)
  table.apply(transactionText('t', withoutHairpin([{ before: emptyFragment(), after: first! }])))
  table.apply(
    transactionText(
      't',
      withoutHairpin([
        { before: emptyFragment(), after: second },
        { before: first!, after: emptyFragment() },
      ]),
    ),
  )
  assert.equal(table.elements.get('services')!.get('10.96.0.10 . tcp . 80'), '1:1')
  assert.equal(table.elements.get('services')!.size, 1)
})

test('a host port leads to its pod, on all addresses of the node or on the one that it names', () => {
  const pod = (spec: object, status: object = {}) =>
    podOf({
      metadata: { name: 'p', uid: 'u' },
      spec: { containers: [{ name: 'c', image: 'x' }], ...spec },
      status: { phase: 'Running', podIP: '10.244.0.9', ...status },
    })
  const at = (ports: object[], more: object = {}) => pod({ containers: [{ name: 'c', image: 'x', ports }], ...more })
  const keys = (fragment: Fragment) =>
    [...fragment.elements].flatMap(([name, m]) =>
      /services/.test(name) ? [...m.keys()].map(key => `${name} ${key}`) : [],
    )
  assert.deepEqual(keys(hostPortFragment(at([{ containerPort: 80, hostPort: 8080 }]))), ['node-services tcp . 8080'])
  assert.deepEqual(keys(hostPortFragment(at([{ containerPort: 53, hostPort: 5353, protocol: 'UDP' }]))), [
    'node-services udp . 5353',
  ])
  assert.deepEqual(keys(hostPortFragment(at([{ containerPort: 80, hostPort: 8080, hostIP: '192.0.2.1' }]))), [
    'services 192.0.2.1 . tcp . 8080',
  ])
  assert.deepEqual(keys(hostPortFragment(at([{ containerPort: 80, hostPort: 8080, hostIP: '0.0.0.0' }]))), [
    'node-services tcp . 8080',
  ])
  const { elements } = hostPortFragment(at([{ containerPort: 80, hostPort: 8080 }]))
  assert.deepEqual([...elements.get('node-endpoints')!], [['tcp . 8080 . 0:0', '10.244.0.9 . 80']])
  // The same port by both protocols, and on two addresses, and for both families of the pod.
  const several = [
    { containerPort: 53, hostPort: 53, protocol: 'UDP', hostIP: '192.0.2.1' },
    { containerPort: 53, hostPort: 53, protocol: 'TCP', hostIP: '192.0.2.1' },
    { containerPort: 54, hostPort: 53, protocol: 'UDP', hostIP: '192.0.2.2' },
    { containerPort: 55, hostPort: 53, protocol: 'UDP' },
  ]
  const both = { podIPs: [{ ip: '10.244.0.9' }, { ip: 'fd00:10:244::9' }] }
  assert.deepEqual(keys(hostPortFragment(pod({ containers: [{ name: 'c', image: 'x', ports: several }] }, both))), [
    'services 192.0.2.1 . udp . 53',
    'services 192.0.2.1 . tcp . 53',
    'services 192.0.2.2 . udp . 53',
    'node-services udp . 53',
    'node-services6 udp . 53',
  ])
  const sidecar = { name: 's', image: 'x', restartPolicy: 'Always', ports: [{ containerPort: 9, hostPort: 9009 }] }
  const init = { name: 'i', image: 'x', ports: [{ containerPort: 9, hostPort: 9010 }] }
  assert.deepEqual(keys(hostPortFragment(pod({ initContainers: [sidecar, init] }))), ['node-services tcp . 9009'])
  const port = [{ containerPort: 80, hostPort: 8080 }]
  assert.deepEqual(keys(hostPortFragment(at([{ containerPort: 80 }]))), [])
  assert.deepEqual(keys(hostPortFragment(at(port, { hostNetwork: true }))), [])
  const ended = { ...at(port), status: { ...at(port).status, phase: 'Succeeded' as const } }
  assert.deepEqual(keys(hostPortFragment(ended)), [])
  const { podIP: _, podIPs: __, ...without } = at(port).status
  assert.deepEqual(keys(hostPortFragment({ ...at(port), status: without })), [])
})
