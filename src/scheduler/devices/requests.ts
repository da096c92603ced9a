// The requests of a claim in the one form that the search works with: a list of alternatives for each, of which a plain
// request has one. Source: dynamic-resource-allocation structured/internal/incubating (validateDeviceRequest).
import type { ResourceClaim } from '../../kinds/resource/resourceclaim.ts'
import type { DeviceClass } from '../../kinds/resource/deviceclass.ts'
import type { DeviceTaintRule } from '../../kinds/resource/devicetaintrule.ts'
import { taintsOf, toleratesDevice } from '../../kinds/resource/device-taints.ts'
import type { DeviceRequest, DeviceSelector, DeviceSubRequest, ExactDeviceRequest } from '../../kinds/resource/types.ts'
import { consumption } from './capacity.ts'
import type { PooledDevice, ReachedPool } from './pools.ts'
import { matchesSelector } from './selectors.ts'

/** The most devices of one claim. */
export const maxResults = 32

/** A claim that has no devices yet. */
export interface Unallocated {
  /** Its namespace and name, for messages. */
  key: string
  spec: ResourceClaim['spec']
}

/** What a device would be allocated for: a request, or one of its alternatives. */
export interface Want {
  claim: Unallocated
  request: string
  part: string | undefined
  deviceClass: DeviceClass
  /** How many devices. With `all`, all that match and not one less. */
  count: number
  all: readonly PooledDevice[] | undefined
  admin: boolean
  asked: Asked
}

type Asked = ExactDeviceRequest & Partial<DeviceSubRequest>

/** The name by which results and settings refer to it. */
export const wantName = ({ request, part }: Pick<Want, 'request' | 'part'>): string =>
  part === undefined ? request : `${request}/${part}`

export interface Reachable {
  pools: readonly ReachedPool[]
  classOf(name: string): DeviceClass | undefined
  rules: readonly DeviceTaintRule[]
}

/** The message of a node that can have no devices for a claim, whatever is free. */
export interface Unfit {
  unfit: string
}

/** Amounts of capacity that a matching device gives, or false for one that does not match. */
export type Match = Readonly<Record<string, string>> | false

/**
 * The requests of a claim as lists of alternatives, in order of preference.
 * @throws Error if the claim asks for what nothing can give it on any node
 */
export function wantsOf(claim: Unallocated, reachable: Reachable): readonly (readonly Want[])[] | Unfit {
  const requests: (readonly Want[])[] = []
  let least = 0
  for (const request of claim.spec.devices.requests ?? []) {
    const alternatives: Want[] = []
    for (const asked of partsOf(request)) {
      const want = wantOf(claim, request, asked, reachable)
      if ('unfit' in want) return want
      alternatives.push(want)
    }
    requests.push(alternatives)
    least += Math.min(...alternatives.map(({ count }) => count))
  }
  if (least > maxResults)
    throw new Error(`claim ${claim.key}: number of requested devices ${least} exceeds the claim limit of ${maxResults}`)
  return requests
}

const partsOf = ({ exactly, firstAvailable = [] }: DeviceRequest): readonly Asked[] =>
  exactly ? [exactly] : firstAvailable

function wantOf(claim: Unallocated, request: DeviceRequest, asked: Asked, reachable: Reachable): Want | Unfit {
  const deviceClass = reachable.classOf(asked.deviceClassName)
  const name = request.exactly ? request.name : `${request.name}/${asked.name}`
  if (!deviceClass)
    throw new Error(`claim ${claim.key}, request ${name}: could not retrieve device class ${asked.deviceClassName}`)
  const want: Want = {
    claim,
    request: request.name,
    part: request.exactly ? undefined : asked.name,
    deviceClass,
    count: asked.count ?? 1,
    all: undefined,
    admin: asked.adminAccess === true,
    asked,
  }
  return asked.allocationMode === 'All' ? wantAll(want, name, reachable) : want
}

/** All devices that match, for a request that wants each of them. That takes pools of which everything is there. */
function wantAll(want: Want, name: string, reachable: Reachable): Want | Unfit {
  const all: PooledDevice[] = []
  for (const { pool, devices } of reachable.pools) {
    const state = pool.problem === 'invalid' ? 'invalid' : 'being updated'
    if (pool.problem)
      return {
        unfit: `claim ${want.claim.key}, request ${name}: asks for all devices, but resource pool ${pool.key} is currently ${state}`,
      }
    for (const entry of devices) if (isSelected(want, entry) && amountsOf(want, entry)) all.push(entry)
  }
  return { ...want, all, count: all.length }
}

/**
 * Whether a request can have a device, as far as the device itself goes.
 * @throws Error when a selector fails
 */
export function matchOf(want: Want, entry: PooledDevice, { rules }: Reachable): Match {
  if (!isSelected(want, entry)) return false
  for (const taint of taintsOf(entry.id, entry.device, rules)) {
    const prevents = taint.effect === 'NoSchedule' || taint.effect === 'NoExecute'
    if (prevents && !want.asked.tolerations?.some(toleration => toleratesDevice(toleration, taint))) return false
  }
  return amountsOf(want, entry) ?? false
}

const amountsOf = ({ asked }: Want, { device }: PooledDevice) => consumption(device, asked.capacity)

function isSelected({ deviceClass, asked, claim }: Want, entry: PooledDevice): boolean {
  const { selectors } = deviceClass.spec
  return (
    areMet(selectors, entry, () => `class ${deviceClass.metadata.name}`) &&
    areMet(asked.selectors, entry, () => `claim ${claim.key}`)
  )
}

function areMet(selectors: readonly DeviceSelector[] | undefined, entry: PooledDevice, whose: () => string): boolean {
  for (const [i, { cel }] of (selectors ?? []).entries()) {
    try {
      if (!matchesSelector(cel?.expression ?? '', entry.device, entry.id.driver)) return false
    } catch (cause) {
      throw new Error(`${whose()}: selector #${i}: ${(cause as Error).message}`, { cause })
    }
  }
  return true
}
