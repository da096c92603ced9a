// The pools of devices, put together from ResourceSlices, and what a node can reach of them.
//
// A driver publishes a pool as one or more slices of one generation; slices of older generations are being replaced and
// do not count. A pool of which slices are missing is incomplete, and one that contradicts itself is invalid: no devices
// are allocated from either, so that nothing is decided on half of what the driver says.
// Source: dynamic-resource-allocation structured/internal/incubating/pools_incubating.go.
import type { NodeSelector } from '../../kinds/core/affinity.ts'
import { matchesTerms } from '../../kinds/core/node-selection.ts'
import type { Node } from '../../kinds/core/node.ts'
import type { ResourceSlice } from '../../kinds/resource/resourceslice.ts'
import type { DeviceId } from '../../kinds/resource/device-taints.ts'
import type { Device } from '../../kinds/resource/resourceslicespec.ts'

/** A device and where it is. `key` is unique among all devices. */
export interface PooledDevice {
  key: string
  id: DeviceId
  device: Device
  slice: ResourceSlice
  pool: WholePool
  /** Devices of a pool with the same text are alike to every request. Computed when it is first needed. */
  readonly sort: string
}

/** All of a pool, for all nodes. */
export interface WholePool {
  key: string
  driver: string
  name: string
  /** Why nothing can be allocated from it. */
  problem: 'incomplete' | 'invalid' | undefined
  devices: readonly PooledDevice[]
  slices: readonly ResourceSlice[]
  /** Names of counter sets, with the amounts of their counters. */
  counters: ReadonlyMap<string, ReadonlyMap<string, string>>
  /** Whether a device has conditions that a pod waits for. Such devices are the last choice. */
  hasConditions: boolean
}

/** What a node can reach of a pool. */
export interface ReachedPool {
  pool: WholePool
  devices: readonly PooledDevice[]
}

const poolKey = (driver: string, pool: string): string => `${driver}/${pool}`
export const deviceKey = ({ driver, pool, device }: DeviceId): string => `${driver}/${pool}/${device}`

/** A key for pools that nodes other than one may reach. */
const anyNode = ''

/** All pools. Follows the slices, and puts a pool together again only when one of its slices has changed. */
export class Pools {
  /** The slices of each pool by their names, of every generation. */
  readonly #slices = new Map<string, Map<string, ResourceSlice>>()
  readonly #pools = new Map<string, WholePool>()
  /** How many slices of each pool are for one node, or for any. */
  readonly #byNode = new Map<string, Map<string, number>>()
  #reached = new WeakMap<Node, readonly ReachedPool[]>()

  set(slice: ResourceSlice): void {
    const key = keyOfPool(slice)
    const name = slice.metadata.name ?? ''
    let slices = this.#slices.get(key)
    if (!slices) this.#slices.set(key, (slices = new Map()))
    const before = slices.get(name)
    if (before) this.#count(before, -1)
    slices.set(name, slice)
    this.#count(slice, 1)
    this.#changed(key)
  }

  delete(slice: ResourceSlice): void {
    const key = keyOfPool(slice)
    const slices = this.#slices.get(key)
    const before = slices?.get(slice.metadata.name ?? '')
    if (!slices || !before) return
    slices.delete(slice.metadata.name ?? '')
    if (!slices.size) this.#slices.delete(key)
    this.#count(before, -1)
    this.#changed(key)
  }

  /** The pools of which a node can reach devices, in the order in which they are tried. */
  at(node: Node): readonly ReachedPool[] {
    let reached = this.#reached.get(node)
    if (!reached) this.#reached.set(node, (reached = this.#reach(node)))
    return reached
  }

  /** A device wherever it is; undefined if no slice has it any more. */
  find(id: DeviceId): PooledDevice | undefined {
    const key = deviceKey(id)
    return this.#pool(poolKey(id.driver, id.pool))?.devices.find(device => device.key === key)
  }

  #changed(key: string): void {
    this.#pools.delete(key)
    this.#reached = new WeakMap()
  }

  #count(slice: ResourceSlice, change: number): void {
    const node = slice.spec.nodeName || anyNode
    const key = keyOfPool(slice)
    let pools = this.#byNode.get(node)
    if (!pools) this.#byNode.set(node, (pools = new Map()))
    const count = (pools.get(key) ?? 0) + change
    if (count) pools.set(key, count)
    else pools.delete(key)
    if (!pools.size) this.#byNode.delete(node)
  }

  #pool(key: string): WholePool | undefined {
    const slices = this.#slices.get(key)
    if (!slices) return undefined
    let pool = this.#pools.get(key)
    if (!pool) this.#pools.set(key, (pool = putTogether(key, [...slices.values()])))
    return pool
  }

  #reach(node: Node): readonly ReachedPool[] {
    const keys = new Set(this.#byNode.get(node.metadata.name ?? '')?.keys())
    for (const key of this.#byNode.get(anyNode)?.keys() ?? []) keys.add(key)
    const reached: ReachedPool[] = []
    for (const key of keys) {
      const pool = this.#pool(key)!
      if (!pool.slices.some(slice => reachesAny(slice, node))) continue
      reached.push({ pool, devices: pool.devices.filter(entry => reachesDevice(entry, node)) })
    }
    return reached.sort(
      (a, b) => Number(a.pool.hasConditions) - Number(b.pool.hasConditions) || (a.pool.key < b.pool.key ? -1 : 1),
    )
  }
}

const keyOfPool = ({ spec }: ResourceSlice) => poolKey(spec.driver, spec.pool.name)

interface Reach {
  readonly nodeName?: string
  readonly allNodes?: boolean
  readonly nodeSelector?: NodeSelector
}

/** Whether a node is one of those that a slice or a device is for. */
function reaches({ nodeName, allNodes, nodeSelector }: Reach, node: Node): boolean {
  if (nodeName) return nodeName === node.metadata.name
  if (allNodes) return true
  return nodeSelector ? matchesTerms(node, nodeSelector.nodeSelectorTerms ?? []) : false
}

/** Whether a slice has something for a node. Counters are part of a pool wherever it is reached. */
function reachesAny({ spec }: ResourceSlice, node: Node): boolean {
  if (spec.sharedCounters?.length) return true
  return spec.perDeviceNodeSelection ? (spec.devices ?? []).some(device => reaches(device, node)) : reaches(spec, node)
}

const reachesDevice = ({ device, slice: { spec } }: PooledDevice, node: Node): boolean =>
  reaches(spec.perDeviceNodeSelection ? device : spec, node)

function putTogether(key: string, all: readonly ResourceSlice[]): WholePool {
  const generation = Math.max(...all.map(({ spec }) => spec.pool.generation))
  const slices = all
    .filter(({ spec }) => spec.pool.generation === generation)
    .sort(
      (a, b) => compare(hasConditions(a), hasConditions(b)) || compare(a.metadata.name ?? '', b.metadata.name ?? ''),
    )
  const { driver, pool } = slices[0]!.spec
  const whole: WholePool = {
    key,
    driver,
    name: pool.name,
    problem: undefined,
    devices: [],
    slices,
    counters: new Map(),
    hasConditions: slices.some(hasConditions),
  }
  if (slices.some(({ spec }) => spec.pool.resourceSliceCount !== slices.length))
    return { ...whole, problem: 'incomplete' }
  const counters = countersOf(slices)
  if (!counters || hasTwins(slices) || !areCountersThere(slices, counters)) return { ...whole, problem: 'invalid' }
  whole.counters = counters
  whole.devices = slices.flatMap(slice => (slice.spec.devices ?? []).map(device => pooled(device, slice, whole)))
  return whole
}

const compare = <T extends string | boolean>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0)
const hasConditions = ({ spec }: ResourceSlice) => (spec.devices ?? []).some(device => device.bindingConditions?.length)

function pooled(device: Device, slice: ResourceSlice, pool: WholePool): PooledDevice {
  const id = { driver: pool.driver, pool: pool.name, device: device.name }
  let sort: string | undefined
  return {
    key: deviceKey(id),
    id,
    device,
    slice,
    pool,
    get sort() {
      const { name: _, ...rest } = device
      return (sort ??= JSON.stringify([slice.metadata.name, rest]))
    },
  }
}

/** The counter sets of a pool. Undefined when a name is there twice. */
function countersOf(slices: readonly ResourceSlice[]): Map<string, ReadonlyMap<string, string>> | undefined {
  const sets = new Map<string, ReadonlyMap<string, string>>()
  for (const { spec } of slices)
    for (const { name, counters } of spec.sharedCounters ?? []) {
      if (sets.has(name)) return undefined
      sets.set(name, new Map(Object.entries(counters ?? {}).map(([counter, { value }]) => [counter, value])))
    }
  return sets
}

function hasTwins(slices: readonly ResourceSlice[]): boolean {
  const names = slices.flatMap(({ spec }) => (spec.devices ?? []).map(device => device.name))
  return new Set(names).size < names.length
}

/** Whether devices take only from counters that there are. */
const areCountersThere = (slices: readonly ResourceSlice[], sets: WholePool['counters']): boolean =>
  slices.every(({ spec }) =>
    (spec.devices ?? []).every(device =>
      (device.consumesCounters ?? []).every(({ counterSet, counters }) =>
        Object.keys(counters ?? {}).every(counter => sets.get(counterSet)?.has(counter)),
      ),
    ),
  )
