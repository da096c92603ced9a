// Network policies to be seen with real packets, and a reading of them that has nothing in common with the one in
// src/network: who may reach whom, word by word as the API describes it.
import { BlockList } from 'node:net'

export const namespaces = ['x', 'y', 'z'] as const
export const names = ['a', 'b', 'c'] as const
export const ports = [80, 81, 82] as const
export const protocols = ['TCP', 'UDP'] as const

type Labels = Readonly<Record<string, string>>
interface Selector {
  matchLabels?: Labels
  matchExpressions?: readonly {
    key: string
    operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
    values?: readonly string[]
  }[]
}
interface Peer {
  podSelector?: Selector
  namespaceSelector?: Selector
  ipBlock?: { cidr: string; except?: readonly string[] }
}
interface Port {
  protocol?: string
  port?: number | string
  endPort?: number
}
interface Spec {
  podSelector?: Selector
  policyTypes?: readonly ('Ingress' | 'Egress')[]
  ingress?: readonly { from?: readonly Peer[]; ports?: readonly Port[] }[]
  egress?: readonly { to?: readonly Peer[]; ports?: readonly Port[] }[]
}
export type Policy = readonly [namespace: string, spec: Spec]

/** A pod as policies see it. */
export interface Who {
  namespace: string
  name: string
  labels: Labels
  ips: { 4: string; 6: string }
}
export interface Way {
  protocol: (typeof protocols)[number]
  port: number
  family: 4 | 6
}

/** The named ports of a pod's container: one name has another number in the pods c. */
export const namedPorts = (name: string) => [
  { name: 'web', protocol: 'TCP', containerPort: 80 },
  { name: 'api', protocol: 'TCP', containerPort: name === 'c' ? 82 : 81 },
  { name: 'names', protocol: 'UDP', containerPort: 82 },
]

export const labelsOf = (namespace: string, name: string): Labels => ({
  pod: name,
  ...(namespace === 'x' && { team: name === 'a' ? 'red' : 'blue' }),
})

/** Whether policies let a connection through. */
export function allows(policies: readonly Policy[], from: Who, to: Who, way: Way): boolean {
  if (from.namespace === to.namespace && from.name === to.name) return true
  return mayLeave(policies, from, to, way) && mayEnter(policies, from, to, way)
}

function mayLeave(policies: readonly Policy[], from: Who, to: Who, way: Way): boolean {
  const about = policies.filter(
    ([namespace, spec]) =>
      isSelected(namespace, spec, from) &&
      (spec.policyTypes ? spec.policyTypes.includes('Egress') : spec.egress?.length),
  )
  if (!about.length) return true
  return about.some(([namespace, { egress = [] }]) =>
    egress.some(rule => isPeer(rule.to, namespace, to, way) && isPort(rule.ports, to, way)),
  )
}

function mayEnter(policies: readonly Policy[], from: Who, to: Who, way: Way): boolean {
  const about = policies.filter(
    ([namespace, spec]) => isSelected(namespace, spec, to) && (spec.policyTypes?.includes('Ingress') ?? true),
  )
  if (!about.length) return true
  return about.some(([namespace, { ingress = [] }]) =>
    ingress.some(rule => isPeer(rule.from, namespace, from, way) && isPort(rule.ports, to, way)),
  )
}

const isSelected = (namespace: string, { podSelector = {} }: Spec, who: Who) =>
  who.namespace === namespace && fits(podSelector, who.labels)

function isPeer(peers: readonly Peer[] | undefined, namespace: string, who: Who, { family }: Way): boolean {
  if (!peers?.length) return true
  return peers.some(({ podSelector, namespaceSelector, ipBlock }) => {
    if (ipBlock) {
      const ranges = [ipBlock.cidr, ...(ipBlock.except ?? [])]
      const [isIn, ...isExcepted] = ranges.map(range => contains(range, who.ips[family], family))
      return isIn && !isExcepted.includes(true)
    }
    const isThere = namespaceSelector
      ? fits(namespaceSelector, { ns: who.namespace, 'kubernetes.io/metadata.name': who.namespace })
      : who.namespace === namespace
    return isThere && fits(podSelector ?? {}, who.labels)
  })
}

function contains(cidr: string, ip: string, family: 4 | 6): boolean {
  const [address = '', bits] = cidr.split('/')
  // A list of the one family also finds addresses of the other, as mapped ones.
  if (address.includes(':') !== (family === 6)) return false
  const list = new BlockList()
  list.addSubnet(address, Number(bits), family === 6 ? 'ipv6' : 'ipv4')
  return list.check(ip, family === 6 ? 'ipv6' : 'ipv4')
}

function isPort(given: readonly Port[] | undefined, to: Who, { protocol, port }: Way): boolean {
  if (!given?.length) return true
  return given.some(one => {
    if ((one.protocol ?? 'TCP') !== protocol) return false
    if (one.port === undefined) return true
    if (typeof one.port === 'number') return port >= one.port && port <= (one.endPort ?? one.port)
    return namedPorts(to.name).some(
      named => named.name === one.port && named.protocol === protocol && named.containerPort === port,
    )
  })
}

function fits({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Labels): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key]
      if (operator === 'Exists') return value !== undefined
      if (operator === 'DoesNotExist') return value === undefined
      const isAmong = value !== undefined && values.includes(value)
      return operator === 'In' ? isAmong : !isAmong
    })
  )
}

const pod = (name: string): Selector => ({ matchLabels: { pod: name } })
const ns = (name: string): Selector => ({ matchLabels: { ns: name } })
const single = (ip: string) => `${ip}/${ip.includes(':') ? 128 : 32}`

interface Case {
  what: string
  /** The policies, some of which name addresses. */
  policies(ip: (pod: string, family: 4 | 6) => string): readonly Policy[]
}

export const table: readonly Case[] = [
  { what: 'no policy', policies: () => [] },
  { what: 'nothing comes into x', policies: () => [['x', { policyTypes: ['Ingress'] }]] },
  { what: 'nothing leaves y', policies: () => [['y', { policyTypes: ['Egress'] }]] },
  {
    what: 'z is closed both ways, and its pod a open to all again',
    policies: () => [
      ['z', { policyTypes: ['Ingress', 'Egress'] }],
      ['z', { podSelector: pod('a'), policyTypes: ['Ingress', 'Egress'], ingress: [{}], egress: [{}] }],
    ],
  },
  {
    what: 'pods of the own namespace, by a label and by none',
    policies: () => [
      ['x', { podSelector: pod('a'), ingress: [{ from: [{ podSelector: pod('b') }] }] }],
      ['y', { ingress: [{ from: [{ podSelector: {} }] }] }],
    ],
  },
  {
    what: 'whole namespaces',
    policies: () => [
      ['x', { ingress: [{ from: [{ namespaceSelector: ns('y') }] }] }],
      ['y', { ingress: [{ from: [{ namespaceSelector: {} }] }] }],
    ],
  },
  {
    what: 'selectors together and apart',
    policies: () => [
      ['x', { ingress: [{ from: [{ namespaceSelector: ns('y'), podSelector: pod('a') }] }] }],
      ['z', { ingress: [{ from: [{ namespaceSelector: ns('y') }, { podSelector: pod('a') }] }] }],
    ],
  },
  {
    what: 'expressions of every operator',
    policies: () => [
      [
        'x',
        {
          podSelector: { matchExpressions: [{ key: 'team', operator: 'Exists' }] },
          ingress: [
            {
              from: [
                { namespaceSelector: { matchExpressions: [{ key: 'ns', operator: 'NotIn', values: ['x', 'z'] }] } },
              ],
            },
            { from: [{ podSelector: { matchExpressions: [{ key: 'team', operator: 'In', values: ['red'] }] } }] },
          ],
        },
      ],
      [
        'y',
        {
          podSelector: { matchExpressions: [{ key: 'pod', operator: 'In', values: ['a', 'b'] }] },
          ingress: [
            {
              from: [
                {
                  namespaceSelector: {},
                  podSelector: {
                    matchExpressions: [
                      { key: 'team', operator: 'DoesNotExist' },
                      { key: 'pod', operator: 'NotIn', values: ['b'] },
                    ],
                  },
                },
              ],
            },
          ],
        },
      ],
    ],
  },
  {
    what: 'ranges of addresses with exceptions, of both families',
    policies: ip => [
      [
        'x',
        {
          podSelector: pod('a'),
          ingress: [
            { from: [{ ipBlock: { cidr: '0.0.0.0/0', except: [single(ip('y/a', 4)), single(ip('z/c', 4))] } }] },
            { from: [{ ipBlock: { cidr: '::/0', except: [single(ip('y/b', 6))] } }] },
          ],
        },
      ],
      // One family alone leaves the other closed.
      ['z', { podSelector: pod('b'), ingress: [{ from: [{ ipBlock: { cidr: single(ip('x/c', 4)) } }] }] }],
    ],
  },
  {
    what: 'ranges of ports',
    policies: () => [
      [
        'x',
        {
          ingress: [
            { ports: [{ port: 80, endPort: 81 }] },
            { from: [{ namespaceSelector: ns('z') }], ports: [{ protocol: 'UDP', port: 81, endPort: 90 }] },
          ],
        },
      ],
    ],
  },
  {
    what: 'ports by their names, which are not the same everywhere',
    policies: () => [
      ['x', { ingress: [{ ports: [{ port: 'api' }, { port: 'names', protocol: 'UDP' }, { port: 'missing' }] }] }],
    ],
  },
  {
    what: 'a protocol without a port, and another one alone',
    policies: () => [
      ['x', { ingress: [{ ports: [{ protocol: 'UDP' }] }] }],
      ['y', { ingress: [{ ports: [{ protocol: 'SCTP', port: 80 }] }] }],
    ],
  },
  {
    what: 'out to pods and namespaces',
    policies: () => [
      [
        'x',
        {
          policyTypes: ['Egress'],
          egress: [
            { to: [{ namespaceSelector: ns('y'), podSelector: pod('b') }], ports: [{ port: 81 }] },
            { to: [{ podSelector: {} }], ports: [{ protocol: 'UDP', port: 80 }] },
          ],
        },
      ],
    ],
  },
  {
    what: 'out to ports by the names of those who receive',
    policies: () => [['y', { policyTypes: ['Egress'], egress: [{ ports: [{ port: 'api' }] }] }]],
  },
  {
    what: 'out to ranges with exceptions',
    policies: ip => [
      [
        'z',
        {
          podSelector: pod('c'),
          policyTypes: ['Egress'],
          egress: [
            {
              to: [{ ipBlock: { cidr: '0.0.0.0/0', except: [single(ip('x/a', 4))] } }],
              ports: [{ port: 80, endPort: 81 }],
            },
            { to: [{ ipBlock: { cidr: single(ip('x/a', 6)) } }] },
          ],
        },
      ],
    ],
  },
  {
    what: 'policies for one pod add up, and both sides must agree',
    policies: () => [
      ['x', { podSelector: pod('a'), ingress: [{ from: [{ namespaceSelector: ns('y') }], ports: [{ port: 80 }] }] }],
      ['x', { podSelector: pod('a'), ingress: [{ from: [{ namespaceSelector: ns('z') }], ports: [{ port: 81 }] }] }],
      ['x', { ingress: [{ from: [{ podSelector: pod('c') }] }] }],
      ['y', { policyTypes: ['Egress'], egress: [{ to: [{ namespaceSelector: ns('x') }] }] }],
      ['y', { podSelector: pod('b'), policyTypes: ['Egress'], egress: [{ ports: [{ protocol: 'UDP', port: 82 }] }] }],
    ],
  },
]

/** In force while pods come and go. */
export const duringChurn: readonly Policy[] = [
  ['x', { ingress: [{ from: [{ namespaceSelector: ns('y'), podSelector: pod('a') }, { podSelector: {} }] }] }],
  ['y', { policyTypes: ['Egress'], egress: [{ to: [{ namespaceSelector: ns('x') }] }] }],
  ['z', { podSelector: pod('b'), ingress: [{ ports: [{ port: 'api' }] }] }],
]
