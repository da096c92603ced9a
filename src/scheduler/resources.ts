// What pods ask for and nodes have, as arrays of numbers: each resource has a fixed place. CPU counts in thousandths,
// everything else in units.
// Source: component-helpers/resource (PodRequests), scheduler/framework/types.go.
import { quantityMilli, quantityValue } from '../api/quantity.ts'
import type { Container } from '../kinds/core/container.ts'
import type { Pod } from '../kinds/core/pod.ts'
import type { PodSpec } from '../kinds/core/podspec.ts'

export const cpu = 0
export const memory = 1
export const podCount = 3

/** Names of resources by place, of which 2 has no name of its own; extended resources get the next when first seen. */
const names = ['cpu', 'memory', 'ephemeral-storage', 'pods']
const places = new Map(names.map((name, i) => [name, i]))
const maxResources = 1000

export const resourceName = (place: number): string => names[place]!

/** The place of a resource, a new one for a name not seen before; undefined when there are too many. */
export function placeOf(name: string): number | undefined {
  const known = places.get(name)
  if (known !== undefined) return known
  if (names.length >= maxResources) return undefined
  places.set(name, names.length)
  return names.push(name) - 1
}

export type Amounts = number[]
type Quantities = Readonly<Record<string, string>> | undefined

/** Quantities by name as numbers by place. */
export function amounts(quantities: Quantities): Amounts {
  const result: Amounts = [0, 0, 0, 0]
  for (const name in quantities) {
    const place = placeOf(name)
    if (place === undefined) continue
    while (result.length <= place) result.push(0)
    result[place] = place === cpu ? quantityMilli(quantities[name]) : quantityValue(quantities[name])
  }
  return result
}

/** What scoring takes a container to need when it does not say. */
const assumedMilliCpu = 100
const assumedMemory = 200 * 1024 * 1024

interface PodAmounts {
  requests: Amounts
  /** CPU and memory with assumptions in place of what is not said, for scoring. */
  scored: readonly [number, number]
}

/**
 * What a pod needs: all containers at once, or the largest init container with the sidecars before it, whichever
 * is more, and the overhead. Resources of the pod as a whole replace the sums. While a running pod is being resized,
 * the larger of what it asks for and what it has been given counts.
 */
export function podAmounts({ spec, status }: Pod): PodAmounts {
  const given = givenOf(status)
  const requests = total(spec, container => containerAmounts(container, given))
  const scored = total(spec, container => {
    const said = container.resources?.requests
    const own = containerAmounts(container, given)
    return [
      said?.cpu === undefined ? assumedMilliCpu : own[cpu]!,
      said?.memory === undefined ? assumedMemory : own[memory]!,
    ]
  })
  for (const name in spec.resources?.requests) {
    const place = placeOf(name)
    if (place === undefined) continue
    while (requests.length <= place) requests.push(0)
    requests[place] = amounts({ [name]: spec.resources.requests[name]! })[place]!
    if (place <= memory) scored[place] = requests[place]
  }
  const overhead = amounts(spec.overhead)
  add(requests, overhead)
  requests[podCount] = 1
  return { requests, scored: [scored[0]! + overhead[cpu]!, scored[1]! + overhead[memory]!] }
}

interface Given {
  amounts: ReadonlyMap<string, Amounts>
  /** What the pod asks for can never be given on its node: it keeps what it has. */
  infeasible: boolean
}

/** What running containers have been given, where a kubelet has said so. */
function givenOf(status: Pod['status']): Given | undefined {
  const found = new Map<string, Amounts>()
  for (const list of [status.containerStatuses, status.initContainerStatuses]) {
    for (const { name, resources, allocatedResources } of list ?? []) {
      if (!resources && !allocatedResources) continue
      const own = amounts(resources?.requests)
      max(own, amounts(allocatedResources))
      found.set(name, own)
    }
  }
  if (!found.size) return undefined
  const pending = status.conditions?.find(c => c.type === 'PodResizePending')
  return { amounts: found, infeasible: pending?.status === 'True' && pending.reason === 'Infeasible' }
}

function containerAmounts(container: Container, given: Given | undefined): Amounts {
  const own = amounts(container.resources?.requests)
  const has = given?.amounts.get(container.name)
  if (!has) return own
  if (given!.infeasible) return [...has]
  max(own, has)
  return own
}

function total(spec: PodSpec, of: (container: Container) => Amounts): Amounts {
  const running: Amounts = [0, 0, 0, 0]
  const sidecars: Amounts = [0, 0, 0, 0]
  const starting: Amounts = [0, 0, 0, 0]
  for (const container of spec.containers) add(running, of(container))
  for (const container of spec.initContainers ?? []) {
    const own = of(container)
    if (container.restartPolicy === 'Always') {
      add(running, own)
      add(sidecars, own)
      max(starting, sidecars)
    } else {
      const with_ = [...own]
      add(with_, sidecars)
      max(starting, with_)
    }
  }
  max(running, starting)
  return running
}

export function add(to: Amounts, from: Amounts): void {
  while (to.length < from.length) to.push(0)
  for (let i = 0; i < from.length; i++) to[i]! += from[i]!
}

export function subtract(to: Amounts, from: Amounts): void {
  while (to.length < from.length) to.push(0)
  for (let i = 0; i < from.length; i++) to[i]! -= from[i]!
}

function max(to: Amounts, from: Amounts): void {
  while (to.length < from.length) to.push(0)
  for (let i = 0; i < from.length; i++) to[i] = Math.max(to[i]!, from[i]!)
}
