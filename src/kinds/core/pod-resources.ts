// What a whole pod asks for, as quantities by name: all containers at once, or the largest init container with the
// sidecars started before it, whichever is more; then the overhead. Resources of the pod as a whole replace the sums.
// Source: k8s.io/component-helpers/resource (PodRequests, PodLimits), KEP-753, KEP-2837.
import { own } from '../../base/own.ts'
import { addQuantities, compareQuantities } from '../../api/quantity.ts'
import type { Container } from './container.ts'
import type { PodSpec } from './podspec.ts'

export type Quantities = Record<string, string>

export const podRequests = (spec: PodSpec): Quantities =>
  withOverhead({ ...total(spec, 'requests'), ...spec.resources?.requests }, spec.overhead, true)

/** Overhead adds only to limits that there are. */
export const podLimits = (spec: PodSpec): Quantities =>
  withOverhead({ ...total(spec, 'limits'), ...spec.resources?.limits }, spec.overhead, false)

function withOverhead(sums: Quantities, overhead: Readonly<Quantities> | undefined, always: boolean): Quantities {
  for (const [name, value] of Object.entries(overhead ?? {}))
    if (always || own(sums, name) !== undefined) sums[name] = addQuantities(sums[name] ?? '0', value)
  return sums
}

function total(spec: PodSpec, which: 'requests' | 'limits'): Quantities {
  const of = (container: Container) => container.resources?.[which] ?? {}
  const running: Quantities = {}
  const sidecars: Quantities = {}
  const starting: Quantities = {}
  for (const container of spec.containers ?? []) add(running, of(container))
  for (const container of spec.initContainers ?? []) {
    if (container.restartPolicy === 'Always') {
      add(running, of(container))
      add(sidecars, of(container))
      raise(starting, sidecars)
    } else {
      const now = { ...sidecars }
      add(now, of(container))
      raise(starting, now)
    }
  }
  raise(running, starting)
  return running
}

function add(to: Quantities, from: Readonly<Quantities>): void {
  for (const [name, value] of Object.entries(from)) to[name] = addQuantities(to[name] ?? '0', value)
}

function raise(to: Quantities, from: Readonly<Quantities>): void {
  for (const [name, value] of Object.entries(from))
    if (to[name] === undefined || compareQuantities(value, to[name]) > 0) to[name] = value
}
