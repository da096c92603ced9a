// What the planning of load balancing reads from a Service, and what it finds for one.
import type { Service } from '../../kinds/core/service.ts'
import { keyOf } from '../harness.ts'

export interface Outcome {
  /** In the order of the families of the Service. Without any it stays pending. */
  addresses: readonly string[]
  /** Why it has no address, or not the one that it asks for. */
  problem?: string
}

export const nameOf = ({ metadata }: Service): string => keyOf(metadata.namespace ?? '', metadata.name ?? '')

/** A port of nodes or addresses, as messages show it. */
export const portKey = (protocol: string, port: number): string => `${protocol} ${port}`

/** The addresses that a Service has. */
export const presentOf = ({ status }: Service): string[] =>
  (status.loadBalancer.ingress ?? []).flatMap(({ ip }) => ip || [])

/** The families in which a Service is to have an address, the primary one first. */
export function familiesOf({ spec }: Service): (4 | 6)[] {
  const families = (spec.ipFamilies ?? []).map(family => (family === 'IPv6' ? 6 : 4))
  return families.length ? families : [4]
}
