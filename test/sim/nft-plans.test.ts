// Large plans for the kernel: ten thousand random Services, and a thousand random network policies, each as one
// transaction and then changed by another. nft reads them in check mode, so that the kernel judges every line without
// having any of it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { Service } from '../../src/kinds/core/service.ts'
import { EndpointSlice } from '../../src/kinds/discovery/endpointslice.ts'
import { NetworkPolicy } from '../../src/kinds/networking/networkpolicy.ts'
import { objectOf, podOf } from '../../src/kinds/testing.ts'
import { compilePolicy } from '../../src/network/policy/compile.ts'
import { PolicyModel } from '../../src/network/policy/model.ts'
import { emptyFragment, type Fragment } from '../../src/proxy/fragment.ts'
import { HairpinCounts } from '../../src/proxy/hairpin.ts'
import { hostPortFragment } from '../../src/proxy/host-ports.ts'
import { planService } from '../../src/proxy/plan.ts'
import { pickText, tableText } from '../../src/proxy/table.ts'
import { transactionText } from '../../src/proxy/transaction.ts'

const [services, hostPorts, policies, pods] = [10_000, 200, 1_000, 400]
const maxText = 256 * 1024 * 1024
const limitMs = 60_000
const seed = Number(process.env.KUTTER_SEED ?? 20_261)

const inNamespace = (input: string) =>
  spawnSync('unshare', ['-n', 'nft', '-c', '-f', '-'], {
    input,
    encoding: 'utf8',
    maxBuffer: maxText,
    timeout: limitMs,
    killSignal: 'SIGKILL',
  })
const skip = inNamespace('add table inet x\n').status === 0 ? false : 'needs nft and a network namespace'

function accepted(what: string, text: string): void {
  const { status, stderr } = inNamespace(text)
  assert.equal(status, 0, `seed ${seed}, ${what}: ${stderr.slice(0, 2_000)}`)
}

/** Chooses at random. */
class Dice {
  readonly #random: Random
  constructor(random: Random) {
    this.#random = random
  }
  below(limit: number): number {
    return Math.floor(this.#random.float() * limit)
  }
  of<const T>(all: readonly T[]): T {
    return all[this.below(all.length)]!
  }
  maybe<T>(value: () => T): T | undefined {
    return this.below(2) ? value() : undefined
  }
  some<T>(most: number, make: (i: number) => T): T[] {
    return Array.from({ length: this.below(most + 1) }, (_, i) => make(i))
  }
}

const pair = (i: number) => `${i >> 8}.${i & 255}`
const podIP = (i: number, family: 4 | 6) => (family === 4 ? `10.244.${pair(i)}` : `fd00:10:244::${i.toString(16)}`)

function fragmentOf(dice: Dice, i: number): Fragment {
  const type = dice.of(['ClusterIP', 'ClusterIP', 'NodePort', 'LoadBalancer'])
  const isOutside = type !== 'ClusterIP'
  const protocols = dice.of([['TCP'], ['UDP'], ['TCP', 'UDP'], ['SCTP']])
  const local = () => dice.of(['Cluster', 'Local'])
  const families = dice.of([['IPv4'], ['IPv6'], ['IPv4', 'IPv6']] as const)
  const clusterIPs = families.map(family =>
    family === 'IPv4' ? `10.${96 + (i >> 16)}.${pair(i & 0xffff)}` : `fd00:10:96::${i.toString(16)}`,
  )
  const service = objectOf(Service, {
    metadata: { name: `s${i}`, namespace: `n${i % 50}` },
    spec: {
      type,
      clusterIP: clusterIPs[0]!,
      clusterIPs,
      internalTrafficPolicy: local(),
      ...(isOutside && { externalTrafficPolicy: local() }),
      ports: protocols.map((protocol, n) => ({
        name: `p${n}`,
        protocol,
        port: 80,
        // There are fewer ports than Services, and each has one owner.
        ...(isOutside && i < 2_700 && { nodePort: 30_000 + i }),
      })),
      ...dice.maybe(() => ({
        externalIPs: families.map(family => (family === 'IPv4' ? `198.18.${pair(i)}` : `2001:db8::${i.toString(16)}`)),
      })),
      ...(dice.below(100) === 0 && {
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 1 + dice.below(86_400) } },
      }),
      ...(type === 'LoadBalancer' &&
        dice.below(50) === 0 && {
          loadBalancerSourceRanges: dice.some(4, () =>
            dice.of(['10.0.0.0/8', ' 10.1.0.0/16', '0.0.0.0/0', '2001:db8::/32', '::/0', '192.0.2.7/32']),
          ),
        }),
    },
    status: { loadBalancer: { ingress: type === 'LoadBalancer' ? [{ ip: `198.19.${pair(i)}`, ipMode: 'VIP' }] : [] } },
  })
  const slices = families.map(family =>
    objectOf(EndpointSlice, {
      metadata: { name: `s${i}-${family}` },
      addressType: family,
      ports: protocols.map((protocol, n) => ({ name: `p${n}`, protocol, port: 8080 })),
      endpoints: dice.some(5, () => ({
        addresses: [podIP(dice.below(5_000), family === 'IPv4' ? 4 : 6)],
        nodeName: dice.of(['here', 'there']),
        conditions: { ready: dice.below(4) > 0, serving: dice.below(2) > 0, terminating: dice.below(2) > 0 },
      })),
    }),
  )
  return planService(service, slices, context)
}

const context = {
  nodeName: 'here',
  nodeIPs: ['192.0.2.7', '2001:db8::7'],
  podCidrs: ['10.244.0.0/16', 'fd00:10:244::/56'],
}
const table = {
  ...context,
  table: 't',
  serviceCidrs: ['10.96.0.0/12', 'fd00:10:96::/112'],
  bridge: 'b',
  nodesBridge: 'n',
  pods: true,
  nodePortAddresses: ['192.0.2.0/24'],
}

const hostPortOf = (dice: Dice, i: number): Fragment =>
  hostPortFragment(
    podOf({
      metadata: { name: `p${i}` },
      spec: {
        containers: [
          {
            name: 'c',
            image: 'x',
            ports: [
              {
                containerPort: 80,
                hostPort: 10_000 + i,
                ...dice.maybe(() => ({ hostIP: dice.of(['0.0.0.0', '192.0.2.7', '2001:db8::7']) })),
              },
            ],
          },
        ],
      },
      status: { phase: 'Running', podIP: podIP(i, 4), podIPs: [{ ip: podIP(i, 4) }, { ip: podIP(i, 6) }] },
    }),
  )

test('the kernel takes ten thousand random Services, and what they turn into', { skip }, () => {
  const dice = new Dice(seededRandom(seed))
  const hairpin = new HairpinCounts()
  const has = new Set<string>()
  const texts = [tableText(table)]
  const turn = (changes: readonly { before: Fragment; after: Fragment }[]) => {
    const shared = hairpin.share(changes)
    for (const { after } of changes)
      for (const [id, pick] of after.picks) {
        if (!has.has(id)) texts.push(pickText(table, pick))
        has.add(id)
      }
    texts.push(transactionText('t', shared.changes))
    shared.commit()
  }
  const firsts = [
    ...Array.from({ length: services }, (_, i) => fragmentOf(dice, i)),
    ...Array.from({ length: hostPorts }, (_, i) => hostPortOf(dice, i)),
  ]
  turn(firsts.map(after => ({ before: emptyFragment(), after })))
  // A part of them changes, and another goes.
  turn(
    firsts.slice(0, services).flatMap((before, i) => {
      if (dice.below(5)) return []
      return [{ before, after: dice.below(3) ? fragmentOf(dice, i) : emptyFragment() }]
    }),
  )
  accepted('Services', texts.join(''))
})

const namespaceOf = (i: number) => `n${i % 40}`
const selector = (dice: Dice) =>
  dice.of([
    {},
    { matchLabels: { app: `a${dice.below(20)}` } },
    { matchExpressions: [{ key: 'app', operator: 'NotIn', values: [`a${dice.below(20)}`] }] },
    { matchExpressions: [{ key: 'role', operator: dice.of(['Exists', 'DoesNotExist']) }] },
  ])
const peer = (dice: Dice) =>
  dice.of([
    () => ({ podSelector: selector(dice) }),
    () => ({ namespaceSelector: selector(dice) }),
    () => ({ podSelector: selector(dice), namespaceSelector: selector(dice) }),
    () => ({
      ipBlock: {
        cidr: '10.0.0.0/8',
        except: dice.some(3, () =>
          `10.${dice.below(4)}.0.0/${dice.of([14, 16, 24])}`.replace(/\.\d+\.0\.0\/14/, '.0.0.0/14'),
        ),
      },
    }),
    () => ({ ipBlock: { cidr: 'fd00::/8', except: dice.some(2, () => `fd00:${dice.below(9)}::/32`) } }),
  ])()
const port = (dice: Dice) => {
  const protocol = dice.of(['TCP', 'UDP', 'SCTP'])
  const from = 1 + dice.below(2_000)
  return dice.of([
    { protocol },
    { protocol, port: from },
    { protocol, port: from, endPort: from + dice.below(500) },
    { protocol, port: dice.of(['web', 'api']) },
  ])
}
const rule = (dice: Dice, side: 'from' | 'to') => ({
  ...dice.maybe(() => ({ [side]: dice.some(3, () => peer(dice)) })),
  ...dice.maybe(() => ({ ports: dice.some(4, () => port(dice)) })),
})

test('the kernel takes a thousand random policies, and what they turn into', { skip }, () => {
  const dice = new Dice(seededRandom(seed))
  const model = new PolicyModel({ table: 'inet t', families: [4, 6], dns: { addresses: ['10.244.0.1'], port: 10053 } })
  const setPod = (i: number) =>
    model.setPod(`u${i}`, {
      namespace: namespaceOf(dice.below(40)),
      labels: { app: `a${dice.below(20)}`, ...dice.maybe(() => ({ role: 'x' })) },
      ips: [podIP(i, 4), podIP(i, 6)],
      ports: dice.some(2, n => ({
        name: n ? 'web' : 'api',
        protocol: dice.of(['TCP', 'UDP']),
        port: 1 + dice.below(9_000),
      })),
      isLocal: i % 4 === 0,
    })
  const setPolicy = (i: number) => {
    const namespace = namespaceOf(i)
    const policyTypes = dice.of([['Ingress'], ['Egress'], ['Ingress', 'Egress']])
    const spec = {
      podSelector: selector(dice),
      policyTypes,
      ingress: dice.some(3, () => rule(dice, 'from')),
      egress: dice.some(3, () => rule(dice, 'to')),
    }
    const policy = objectOf(NetworkPolicy, { metadata: { namespace, name: `p${i}` }, spec })
    model.setPolicy(namespace, `${namespace}/p${i}`, compilePolicy(policy))
  }
  const texts = [model.frame]
  const turn = () => {
    const { text, applied } = model.ruleset.transaction()
    texts.push(text)
    applied()
  }
  for (let i = 0; i < 40; i++)
    model.setNamespace(namespaceOf(i), { app: `a${i % 20}`, ...dice.maybe(() => ({ role: 'x' })) })
  for (let i = 0; i < pods; i++) setPod(i)
  for (let i = 0; i < policies; i++) setPolicy(i)
  turn()
  for (let i = 0; i < pods; i++)
    if (!dice.below(5)) setPod(i)
    else if (!dice.below(9)) model.setPod(`u${i}`, undefined)
  for (let i = 0; i < policies; i++)
    if (!dice.below(5)) setPolicy(i)
    else if (!dice.below(9)) model.setPolicy(namespaceOf(i), `${namespaceOf(i)}/p${i}`, undefined)
  turn()
  accepted('policies', texts.join(''))
})
