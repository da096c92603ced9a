// What a slice of devices may say: whose it is, which nodes can reach it, and what is on it.
// Source: pkg/apis/resource/validation (validateResourceSliceSpec and below).
import { sameJson } from '../../api/equal.ts'
import { asGiven } from '../../api/schema/empties.ts'
import { named, type Problems, present, supported } from '../../api/checks.ts'
import { goStruct, goStructs } from '../../api/go-value.ts'
import { dnsSubdomainErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import { compareQuantities } from '../../api/quantity.ts'
import { type NodeSelector, NodeSelectorTerm } from '../core/affinity.ts'
import { validateNodeSelector } from '../core/affinity-rules.ts'
import { validateDriverName } from '../core/volume-source-rules.ts'
import { immutableValue } from '../unchanged.ts'
import { validateCapacity } from './capacity-rules.ts'
import {
  validateAttributeName,
  validateBinding,
  validateDeviceName,
  validateEach,
  validatePoolName,
  validateSet,
  validateTaint,
} from './device-rules.ts'
import {
  type CounterSet,
  type Device,
  DeviceAttribute,
  type DeviceCounterConsumption,
  type NodeAllocatableResource,
  type ResourceSliceSpec,
} from './resourceslicespec.ts'

type Spec = ResourceSliceSpec

const maxDevices = 128
const maxDevicesWithMore = 64
const maxProperties = 32
const maxValues = 48
const maxValueBytes = 64
const maxTaints = 16
const maxConsumptions = 2
const maxCounters = 32
const maxCounterSets = 8
const maxKeyBytes = 63 + 1 + 32

export function* validateSlice(spec: Spec, old: Spec | undefined, at: Path): Problems {
  const { driver, pool } = spec
  yield* validateDriverName(driver, at.field('driver'))
  yield* validatePoolName(pool.name, at.field('pool', 'name'))
  if (pool.resourceSliceCount <= 0)
    yield at.field('pool', 'resourceSliceCount').invalid(pool.resourceSliceCount, 'must be greater than zero')
  if (pool.generation < 0)
    yield at.field('pool', 'generation').invalid(pool.generation, 'must be greater than or equal to zero')
  if (old) {
    yield* immutableValue(pool.name, old.pool.name, at.field('pool', 'name'))
    yield* immutableValue(driver, old.driver, at.field('driver'))
    yield* immutableValue(spec.nodeName, old.nodeName, at.field('nodeName'))
  }
  yield* validateNodes(spec, at)
  yield* validateContents(spec, old, at)
}

const oneWay = 'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required'

function* validateNodes(spec: Spec, at: Path): Problems {
  const { nodeName, nodeSelector } = spec
  if (nodeName) yield* named(dnsSubdomainErrors, nodeName, at.field('nodeName'))
  else if (nodeName === '') yield at.field('nodeName').invalid('', 'must be either unset or set to a non-empty string')
  if (nodeSelector) yield* validateSelector(nodeSelector, at.field('nodeSelector'))
  for (const field of ['allNodes', 'perDeviceNodeSelection'] as const)
    if (spec[field] === false) yield at.field(field).invalid(false, 'must be either unset or set to true')
  const set = (['nodeName', 'nodeSelector', 'allNodes', 'perDeviceNodeSelection'] as const).filter(field => spec[field])
  if (!set.length) yield at.required(oneWay)
  if (set.length > 1) yield at.invalid(listOf(set), `${oneWay}, but multiple fields are set`)
}

const listOf = (fields: readonly string[]) => `{${fields.map(field => `\`${field}\``).join(', ')}}`

/** One term only, so that selectors of several slices can be put together. */
function* validateSelector(selector: NodeSelector, at: Path): Problems {
  yield* validateNodeSelector(selector, at)
  const terms = asGiven(selector, 'nodeSelectorTerms')
  if (terms?.length !== 1)
    yield at
      .field('nodeSelectorTerms')
      .invalid(goStructs(NodeSelectorTerm, terms), 'must have exactly one node selector term')
}

function* validateContents(spec: Spec, old: Spec | undefined, at: Path): Problems {
  const { devices = [], sharedCounters = [], skipNodeOperations: skipped = [] } = spec
  if (spec.sharedCounters && spec.devices) yield at.invalid('', 'only one of `sharedCounters` or `devices` is allowed')
  const before = new Map((old?.devices ?? []).map(device => [device.name, device]))
  yield* validateSet(
    devices,
    devices.some(hasMore) ? maxDevicesWithMore : maxDevices,
    (device, where) => validateDevice(device, before.get(device.name), spec.perDeviceNodeSelection ?? false, where),
    device => device.name,
    at.field('devices'),
  )
  yield* validateSet(sharedCounters, maxCounterSets, validateCounterSet, set => set.name, at.field('sharedCounters'))
  const path = at.field('skipNodeOperations')
  const operations = ['*', 'NodePrepareResources', 'NodeUnprepareResources']
  for (const [i, operation] of skipped.entries()) yield* supported(operation, operations, path.index(i))
  if (skipped.includes('NodePrepareResources') && !skipped.some(s => s === 'NodeUnprepareResources' || s === '*'))
    yield path.invalid(skipped, 'NodePrepareResources cannot be skipped unless NodeUnprepareResources is also skipped')
}

const lists = ['bools', 'ints', 'strings', 'versions'] as const

/** Devices that cost more to look at, of which a slice has fewer. */
const hasMore = ({ taints, consumesCounters, attributes = {} }: Device): boolean =>
  (taints?.length ?? 0) > 0 ||
  (consumesCounters?.length ?? 0) > 0 ||
  Object.values(attributes).some(attribute => lists.some(field => attribute[field]))

function* validateDevice(device: Device, old: Device | undefined, choosesNodes: boolean, at: Path): Problems {
  const { attributes = {}, capacity = {}, consumesCounters = [] } = device
  yield* validateDeviceName(device.name, at.field('name'))
  const properties = Object.keys(attributes).length + Object.keys(capacity).length
  if (properties > maxProperties)
    yield at.invalid(properties, `the total number of attributes and capacities must not exceed ${maxProperties}`)
  const values = Object.values(attributes).reduce((sum, attribute) => sum + countOf(attribute), 0)
  if (values > maxValues) yield at.invalid(values, `the total number of attribute values must not exceed ${maxValues}`)
  for (const [name, attribute] of Object.entries(attributes)) {
    yield* validateAttributeName(name, at.field('attributes'))
    yield* validateAttribute(attribute, at.field('attributes').key(shortened(name)))
  }
  for (const [name, amount] of Object.entries(capacity)) {
    yield* validateAttributeName(name, at.field('capacity'))
    yield* validateCapacity(amount, device.allowMultipleAllocations ?? false, at.field('capacity').key(shortened(name)))
  }
  if (!old || !sameTaints(old, device))
    yield* validateEach(device.taints ?? [], maxTaints, validateTaint, at.field('taints'))
  yield* validateSet(
    consumesCounters,
    maxConsumptions,
    validateConsumption,
    c => c.counterSet,
    at.field('consumesCounters'),
  )
  yield* validateReach(device, choosesNodes, at)
  yield* validateBinding(device, at)
  yield* validateNodeResources(device, at.field('nodeAllocatableResources'))
}

const sameTaints = (a: Device, b: Device) => sameJson(a.taints, b.taints)

const countOf = (attribute: DeviceAttribute) =>
  Math.max(
    1,
    lists.reduce((sum, field) => sum + (attribute[field]?.length ?? 0), 0),
  )

/** A long key shows with its middle left out. */
function shortened(key: string): string {
  if (key.length <= maxKeyBytes) return key
  const rest = maxKeyBytes - '...'.length
  return `${key.slice(0, Math.floor((rest + 1) / 2))}...${key.slice(key.length - Math.floor(rest / 2))}`
}

const part = '(0|[1-9]\\d*)'
const label = '(0|[1-9]\\d*|\\d*[a-zA-Z-][0-9a-zA-Z-]*)'
const build = '[0-9a-zA-Z-]+'
const semver = new RegExp(`^${part}\\.${part}\\.${part}(-${label}(\\.${label})*)?(\\+${build}(\\.${build})*)?$`)

function* validateAttribute(attribute: DeviceAttribute, at: Path): Problems {
  const { string, version, strings = [], versions = [] } = attribute
  if (string !== undefined) yield* validateText(string, at.field('string'))
  if (version !== undefined) yield* validateVersion(version, at.field('version'))
  for (const [i, text] of strings.entries()) yield* validateText(text, at.field('strings').index(i))
  for (const [i, text] of versions.entries()) yield* validateVersion(text, at.field('versions').index(i))
  const set = Object.values(attribute).filter(value => value !== undefined).length
  if (set === 0) yield at.invalid('', 'exactly one value must be specified')
  if (set > 1) yield at.invalid(goStruct(DeviceAttribute, attribute), 'exactly one value must be specified')
}

function* validateText(text: string, at: Path): Problems {
  if (Buffer.byteLength(text) > maxValueBytes) yield at.tooLong(maxValueBytes)
}

function* validateVersion(text: string, at: Path): Problems {
  if (!semver.test(text)) yield at.invalid(text, 'must be a string compatible with semver.org spec 2.0.0')
  yield* validateText(text, at)
}

function* validateConsumption({ counterSet, counters }: DeviceCounterConsumption, at: Path): Problems {
  if (counterSet) yield* validateDeviceName(counterSet, at.field('counterSet'))
  else yield at.field('counterSet').required()
  yield* validateCounters(counters ?? {}, at.field('counters'))
}

function* validateCounterSet({ name, counters }: CounterSet, at: Path): Problems {
  if (name) yield* validateDeviceName(name, at.field('name'))
  else yield at.field('name').required()
  yield* validateCounters(counters ?? {}, at.field('counters'))
}

function* validateCounters(counters: object, at: Path): Problems {
  const names = Object.keys(counters)
  yield* present(names, at)
  if (names.length > maxCounters) return yield at.tooMany(names.length, maxCounters)
  for (const name of names) yield* validateDeviceName(name, at)
}

const perDevice =
  'exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec'

function* validateReach(device: Device, choosesNodes: boolean, at: Path): Problems {
  const { nodeName, nodeSelector, allNodes } = device
  if (!choosesNodes) {
    if (nodeName !== undefined || nodeSelector || allNodes !== undefined)
      yield at.invalid(
        undefined,
        '`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec',
      )
    return
  }
  if (nodeName) yield* named(dnsSubdomainErrors, nodeName, at.field('nodeName'))
  else if (nodeName === '') yield at.field('nodeName').invalid('', 'must not be empty')
  if (nodeSelector) yield* validateNodeSelector(nodeSelector, at.field('nodeSelector'))
  if (allNodes === false) yield at.field('allNodes').invalid(false, 'must be either unset or set to true')
  const set = (['nodeName', 'nodeSelector', 'allNodes'] as const).filter(field => device[field])
  if (!set.length) yield at.required(perDevice)
  if (set.length > 1) yield at.invalid(listOf(set), perDevice)
}

function* validateNodeResources({ nodeAllocatableResources = {}, capacity = {} }: Device, at: Path): Problems {
  for (const [name, resource] of Object.entries(nodeAllocatableResources)) {
    const path = at.key(name)
    if (!/^(cpu|memory|ephemeral-storage|hugepages-.*)$/.test(name))
      yield path.invalid(name, 'must be a node allocatable resource name')
    if (!resource.mapping && !resource.overhead) yield path.required('at least one of mapping or overhead must be set')
    yield* validateMapping(resource, capacity, path.field('mapping'))
    const { overhead } = resource
    if (overhead && overhead.perPod === undefined && overhead.perContainer === undefined)
      yield path.field('overhead').invalid('', 'at least one of perPod or perContainer must be set')
    for (const field of ['perPod', 'perContainer'] as const) {
      const amount = overhead?.[field]
      if (amount !== undefined && compareQuantities(amount, '0') < 0)
        yield path.field('overhead', field).invalid(amount, 'must be non-negative')
    }
  }
}

function* validateMapping({ mapping }: NodeAllocatableResource, capacity: object, at: Path): Problems {
  const { capacityKey: key, capacityMultiplier } = mapping ?? {}
  if (key === '') yield at.field('capacityKey').invalid('', 'capacityKey must not be an empty string')
  else if (key !== undefined && !Object.hasOwn(capacity, key)) yield at.field('capacityKey').notFound(key)
  if (key !== undefined && capacityMultiplier === undefined)
    yield at.field('capacityMultiplier').required('capacityMultiplier is required when capacityKey is set')
  if (key === undefined && capacityMultiplier !== undefined)
    yield at.field('capacityKey').required('capacityKey is required when capacityMultiplier is set')
  for (const field of ['capacityMultiplier', 'deviceMultiplier'] as const) {
    const amount = mapping?.[field]
    if (amount !== undefined && compareQuantities(amount, '0') <= 0)
      yield at.field(field).invalid(amount, 'must be positive')
  }
}
