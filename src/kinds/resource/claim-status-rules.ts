// What the status of a ResourceClaim may say: which devices it has, who uses it, and what drivers report of the devices.
// Source: pkg/apis/resource/validation (validateResourceClaimStatusUpdate and below).
import { immutable, type Problems, supported } from '../../api/checks.ts'
import { sameJson } from '../../api/equal.ts'
import { goStruct } from '../../api/go-value.ts'
import { parseCidr } from '../../api/ip.ts'
import type { Path } from '../../api/path.ts'
import type { Mutable } from '../../api/schema/node.ts'
import { validateNodeSelector } from '../core/affinity-rules.ts'
import { validateDriverName } from '../core/volume-source-rules.ts'
import { namesOf, validateReference, validateReferences } from './claim-rules.ts'
import {
  validateBinding,
  validateConfiguration,
  validateDeviceName,
  validateEach,
  validatePoolName,
  validateRaw,
  validateSet,
} from './device-rules.ts'
import {
  type AllocatedDeviceStatus,
  AllocationResult,
  type DeviceAllocationConfiguration,
  type DeviceRequestAllocationResult,
  type NetworkDeviceData,
  type ResourceClaimConsumerReference,
  type ResourceClaimStatus,
} from './resourceclaimstatus.ts'
import type { ResourceClaimSpec } from './types.ts'

interface Claim {
  readonly metadata: { readonly deletionTimestamp?: string }
  readonly spec: ResourceClaimSpec
  readonly status: ResourceClaimStatus
}

/** Entries of status.reservedFor. */
export const maxReservations = 256
const maxResults = 32
const maxConfigs = 64
const maxConditions = 8
const maxDataBytes = 10 * 1024
const maxIPs = 16
const maxInterfaceBytes = 256
const maxAddressBytes = 128
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

interface Placed {
  readonly driver: string
  readonly pool: string
  readonly device: string
  readonly shareID?: string
}

const keyOf = ({ driver, pool, device, shareID }: Placed) =>
  `${driver}/${pool}/${device}${shareID === undefined ? '' : `/${shareID}`}`

export function* validateClaimStatus(next: Claim, old: Claim, at: Path): Problems {
  const { allocation, reservedFor = [], devices = [] } = next.status
  const path = at.field('status')
  const users = path.field('reservedFor')
  yield* validateSet(reservedFor, maxReservations, validateUser, ({ uid }) => uid, users)
  const allocated = new Set((allocation?.devices.results ?? []).map(keyOf))
  yield* validateSet(devices, -1, (one, where) => validateDevice(one, allocated, where), keyOf, path.field('devices'))
  if (reservedFor.length && !allocation) yield users.forbidden('may not be specified when `allocated` is not set')
  if (reservedFor.length && allocation && next.metadata.deletionTimestamp) {
    const before = old.status.reservedFor ?? []
    if (reservedFor.some(user => !before.some(one => sameJson(one, user))))
      yield users.forbidden('new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set')
  }
  if (!allocation) return
  const where = path.field('allocation')
  if (!old.status.allocation) yield* validateAllocation(allocation, next, where)
  else if (!sameJson(allocation, old.status.allocation))
    yield where.invalid(goStruct(AllocationResult, allocation), immutable)
}

function* validateUser({ resource, name, uid }: ResourceClaimConsumerReference, at: Path): Problems {
  if (!resource) yield at.field('resource').required()
  if (!name) yield at.field('name').required()
  if (!uid) yield at.field('uid').required()
}

function* validateAllocation({ devices, nodeSelector }: AllocationResult, { spec }: Claim, at: Path): Problems {
  const names = namesOf(spec.devices)
  const path = at.field('devices')
  yield* validateEach(
    devices.results ?? [],
    maxResults,
    (result, where) => validateResult(result, names, where),
    path.field('results'),
  )
  yield* validateEach(
    devices.config ?? [],
    maxConfigs,
    (config, where) => validateAllocatedConfiguration(config, names, where),
    path.field('config'),
  )
  if (nodeSelector) yield* validateNodeSelector(nodeSelector, at.field('nodeSelector'))
}

function* validateResult(result: DeviceRequestAllocationResult, names: ReadonlySet<string>, at: Path): Problems {
  yield* validateReference(result.request, names, at.field('request'))
  yield* validatePlace(result, at)
  yield* validateBinding(result, at)
}

function* validatePlace({ driver, pool, device, shareID }: Placed, at: Path): Problems {
  yield* validateDriverName(driver, at.field('driver'))
  yield* validatePoolName(pool, at.field('pool'))
  yield* validateDeviceName(device, at.field('device'))
  if (shareID !== undefined && !uuid.test(shareID))
    yield at
      .field('shareID')
      .invalid(shareID, 'must be a lowercase UUID in the format xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx')
}

function* validateAllocatedConfiguration(
  config: DeviceAllocationConfiguration,
  names: ReadonlySet<string>,
  at: Path,
): Problems {
  yield* supported(config.source, ['FromClaim', 'FromClass'], at.field('source'))
  yield* validateReferences(config.requests, names, at.field('requests'))
  yield* validateConfiguration(config, at)
}

function* validateDevice(status: AllocatedDeviceStatus, allocated: ReadonlySet<string>, at: Path): Problems {
  yield* validatePlace(status, at)
  if (!allocated.has(keyOf(status))) yield at.invalid(keyOf(status), 'must be an allocated device in the claim')
  const { conditions = [], data, networkData } = status
  if (conditions.length > maxConditions) yield at.field('conditions').tooMany(conditions.length, maxConditions)
  if (data !== undefined && data !== null) yield* validateRaw(data, maxDataBytes, at.field('data'))
  if (networkData) yield* validateNetwork(networkData, at.field('networkData'))
}

function* validateNetwork(
  { interfaceName = '', hardwareAddress = '', ips = [] }: NetworkDeviceData,
  at: Path,
): Problems {
  if (Buffer.byteLength(interfaceName) > maxInterfaceBytes) yield at.field('interfaceName').tooLong(maxInterfaceBytes)
  if (Buffer.byteLength(hardwareAddress) > maxAddressBytes) yield at.field('hardwareAddress').tooLong(maxAddressBytes)
  yield* validateSet(ips, maxIPs, validateInterfaceAddress, ip => ip, at.field('ips'))
}

function* validateInterfaceAddress(text: string, at: Path): Problems {
  if (!parseCidr(text))
    yield at.invalid(text, 'must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)')
}

/** Drops what drivers have reported of devices that the claim does not have any more. */
export function dropDeallocated({ status }: Pick<Mutable<Claim>, 'status'>, old: Pick<Claim, 'status'>): void {
  if (!status.devices?.length || !old.status.allocation) return
  const kept = new Set((status.allocation?.devices.results ?? []).map(keyOf))
  const gone = new Set((old.status.allocation.devices.results ?? []).map(keyOf).filter(key => !kept.has(key)))
  const devices = status.devices.filter(device => !gone.has(keyOf(device)))
  if (devices.length) status.devices = devices
  else delete status.devices
}
