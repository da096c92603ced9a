// Amounts of resources as arrays of numbers, in which each resource has a fixed index; this is faster than maps, as
// every decision compares many. CPU is in thousandths, memory in bytes, everything else in units.
// Source: component-helpers/resource (PodRequests), scheduler/framework/types.go.
import { quantityMilli, quantityValue } from '../api/quantity.ts'
import type { Container } from '../kinds/core/container.ts'
import type { Pod } from '../kinds/core/pod.ts'
import type { PodSpec } from '../kinds/core/podspec.ts'

export const cpu = 0
export const memory = 1
export const podCount = 3

/** The names of resources by index. Extended resources get the next index when they are first seen. */
const names = ['cpu', 'memory', 'ephemeral-storage', 'pods']
const indexes = new Map(names.map((name, i) => [name, i]))
const maxResources = 1000

export const resourceName = (index: number): string => names[index]!

/** The index of a resource, which is new for a new name. Undefined when there are too many names. */
export function resourceIndex(name: string): number | undefined {
  const known = indexes.get(name)
  if (known !== undefined) return known
  if (names.length >= maxResources) return undefined
  indexes.set(name, names.length)
  return names.push(name) - 1
}

export type Amounts = number[]
type Quantities = Readonly<Record<string, string>> | undefined

/** Quantities by name as numbers by index. */
export function amounts(quantities: Quantities): Amounts {
  const result: Amounts = [0, 0, 0, 0]
  for (const name in quantities) {
    const index = resourceIndex(name)
    if (index === undefined) continue
    while (result.length <= index) result.push(0)
    result[index] = index === cpu ? quantityMilli(quantities[name]) : quantityValue(quantities[name])
  }
  return result
}

/** What scoring assumes for a container without requests. Source: pkg/scheduler/util (GetNonzeroRequests). */
const assumedMilliCpu = 100
const assumedMemory = 200 * 1024 * 1024

interface PodAmounts {
  requests: Amounts
  /** CPU and memory for scoring, with assumed values for containers without requests. */
  scored: readonly [number, number]
}

/**
 * What a pod needs: the sum of its containers and sidecars, or the largest init container with the sidecars before it,
 * whichever is more, plus the overhead. Requests of the pod as a whole replace the sums. During a resize of a running
 * pod, the larger of its requests and its allocated resources counts.
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
    const index = resourceIndex(name)
    if (index === undefined) continue
    while (requests.length <= index) requests.push(0)
    requests[index] = amounts({ [name]: spec.resources.requests[name]! })[index]!
    if (index <= memory) scored[index] = requests[index]
  }
  const overhead = amounts(spec.overhead)
  add(requests, overhead)
  requests[podCount] = 1
  return { requests, scored: [scored[0]! + overhead[cpu]!, scored[1]! + overhead[memory]!] }
}

interface Given {
  amounts: ReadonlyMap<string, Amounts>
  /** The node can never fulfill the resize, so the allocated resources count. */
  infeasible: boolean
}

/** The allocated resources of running containers, as far as the kubelet has reported them. */
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
