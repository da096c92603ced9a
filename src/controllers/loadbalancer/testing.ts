// Services and nodes for the tests of load balancing.
import type { Draft } from '../../api/kind.ts'
import type { Node } from '../../kinds/core/node.ts'
import { Service } from '../../kinds/core/service.ts'
import type { ServicePort } from '../../kinds/core/servicespec.ts'
import { nodeOf, objectOf } from '../../kinds/testing.ts'

interface Balanced {
  ports?: readonly (number | Draft<ServicePort>)[]
  /** The addresses in its status. */
  has?: readonly string[]
  /** The second in which it was created. */
  age?: number
  annotations?: Readonly<Record<string, string>>
  spec?: Draft<Service['spec']>
  isDeleted?: boolean
}

/** A Service of type LoadBalancer, with port 80 and created at second 0 unless it says otherwise. */
export const balanced = (name: string, o: Balanced = {}): Service =>
  objectOf(Service, {
    metadata: {
      name,
      creationTimestamp: `2026-01-01T00:00:${String(o.age ?? 0).padStart(2, '0')}Z`,
      ...(o.annotations && { annotations: o.annotations }),
      ...(o.isDeleted && { deletionTimestamp: '2026-01-02T00:00:00Z' }),
    },
    spec: {
      type: 'LoadBalancer',
      ports: (o.ports ?? [80]).map(port => (typeof port === 'number' ? { port } : port)),
      ipFamilies: ['IPv4'],
      ...o.spec,
    },
    status: { loadBalancer: { ingress: (o.has ?? []).map(ip => ({ ip })) } },
  })

/** A node with an internal address unless it has others. */
export const nodeAt = (
  name: string,
  addresses: Readonly<Record<string, string>>,
  o: { isReady?: boolean; labels?: Record<string, string> } = {},
): Node =>
  nodeOf({
    metadata: { name, ...(o.labels && { labels: o.labels }) },
    status: {
      addresses: Object.entries(addresses).map(([type, address]) => ({ type, address })),
      conditions: [{ type: 'Ready', status: (o.isReady ?? true) ? 'True' : 'False' }],
    },
  })
