// The devices of the resources of a node, as their plugins list them, and what the node's status says of them. Pure.
// Source: pkg/kubelet/cm/devicemanager/manager.go (genericDeviceUpdateCallback, GetCapacity), topology_hints.go.
import { type Hint, hintsWhere, type Mask, maskOf, maxNumaNodes } from '../topology/hints.ts'

interface DeviceSeen {
  readonly isHealthy: boolean
  /** The NUMA nodes that it is near to. */
  readonly numaNodes: readonly number[]
}

export interface Stock {
  /** By id, in the order of the plugin. */
  readonly devices: ReadonlyMap<string, DeviceSeen>
  /** When its plugin ended, in ms of the steady clock. Undefined while it runs. */
  readonly stoppedAt: number | undefined
}

interface Counted {
  capacity: number
  allocatable: number
}

/** How long the devices of a plugin that has ended are expected back. Source: endpointStopGracePeriod. */
const graceMs = 300_000
/** The most devices of a plugin, and the most characters of an id. */
const [maxDevices, maxIdLength] = [65_536, 1_024]

export const healthyOf = ({ devices }: Pick<Stock, 'devices'>): Set<string> =>
  new Set(Array.from(devices).flatMap(([id, { isHealthy }]) => (isHealthy ? [id] : [])))

/** The health of a device in the status of a pod. Source: UpdateAllocatedResourcesStatus. */
export function healthOf(stock: Pick<Stock, 'devices'> | undefined, id: string): 'Healthy' | 'Unhealthy' | 'Unknown' {
  const device = stock?.devices.get(id)
  return !device ? 'Unknown' : device.isHealthy ? 'Healthy' : 'Unhealthy'
}

interface ListedDevice {
  id: string
  health: string
  topology: { nodes: { id: number }[] } | null
}

/** The devices that a plugin lists. Throws an error when there are too many. */
export function readDevices(listed: readonly ListedDevice[]): Map<string, DeviceSeen> {
  if (listed.length > maxDevices)
    throw new Error(`the plugin lists ${listed.length} devices, and may list ${maxDevices}`)
  const devices = new Map<string, DeviceSeen>()
  for (const { id, health, topology } of listed) {
    if (id.length > maxIdLength) throw new Error(`the plugin lists an id of more than ${maxIdLength} characters`)
    devices.set(id, { isHealthy: health === 'Healthy', numaNodes: topology?.nodes.map(node => node.id) ?? [] })
  }
  return devices
}

/** The devices of a plugin that has ended: none of them is healthy. */
export const unhealthy = (devices: Stock['devices']): Map<string, DeviceSeen> =>
  new Map(Array.from(devices, ([id, device]) => [id, { ...device, isHealthy: false }]))

/** Whether the plugin of a resource has been away for too long. */
export const isOver = ({ stoppedAt }: Pick<Stock, 'stoppedAt'>, now: number): boolean =>
  stoppedAt !== undefined && now - stoppedAt > graceMs

/** What a node has of each resource. A resource whose plugin has been away for too long has nothing. */
export function countStocks(stocks: ReadonlyMap<string, Stock>, now: number): Map<string, Counted> {
  const counted = new Map<string, Counted>()
  for (const [resource, stock] of stocks) {
    const none = { capacity: 0, allocatable: 0 }
    counted.set(
      resource,
      isOver(stock, now) ? none : { capacity: stock.devices.size, allocatable: healthyOf(stock).size },
    )
  }
  return counted
}

interface Asked {
  readonly count: number
  /** The ids that any pod has. */
  readonly inUse: ReadonlySet<string>
  /** The ids that the containers which ask have already. */
  readonly own: ReadonlySet<string>
  /** The ids that their pod has, and that are free again when they start. */
  readonly reusable: ReadonlySet<string>
}

/** The NUMA nodes that have enough devices. Undefined if the devices of the resource are near to none. */
export function deviceHints({ devices }: Pick<Stock, 'devices'>, asked: Asked): Hint[] | undefined {
  const { count, inUse, own, reusable } = asked
  const nodes = new Set<number>()
  for (const { numaNodes } of devices.values())
    for (const node of numaNodes) if (node >= 0 && node < maxNumaNodes) nodes.add(node)
  if (!nodes.size) return undefined
  const masks = Array.from(devices, ([id, { isHealthy, numaNodes }]) => ({ id, isHealthy, mask: maskOf(numaNodes) }))
  if (own.size && own.size !== count) return []
  const isFree = (id: string) => (own.size ? own.has(id) : !inUse.has(id) || reusable.has(id))
  const free = masks.filter(({ id, isHealthy }) => isHealthy && isFree(id))
  if (free.length < count) return []
  const enough = (of: typeof masks) => (mask: Mask) => of.filter(device => device.mask & mask).length >= count
  return hintsWhere(
    [...nodes].sort((a, b) => a - b),
    enough(masks),
    enough(free),
  )
}
