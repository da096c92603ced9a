// Slices, classes and claims for tests of the search for devices.
import type { Draft } from '../../api/kind.ts'
import { Node } from '../../kinds/core/node.ts'
import { DeviceClass } from '../../kinds/resource/deviceclass.ts'
import type { DeviceTaintRule } from '../../kinds/resource/devicetaintrule.ts'
import type { AllocationResult } from '../../kinds/resource/resourceclaimstatus.ts'
import { ResourceClaim } from '../../kinds/resource/resourceclaim.ts'
import { ResourceSlice } from '../../kinds/resource/resourceslice.ts'
import type { ResourceSliceSpec } from '../../kinds/resource/resourceslicespec.ts'
import { objectOf } from '../../kinds/testing.ts'
import { allocate, type Budget, decisionBudget } from './allocate.ts'
import { Pools } from './pools.ts'
import type { Reachable, Unallocated } from './requests.ts'
import { allocationOf } from './result.ts'
import { Usage } from './usage.ts'

export const driver = 'd.example.com'
type Spec = Draft<ResourceSliceSpec>
export type DeviceDraft = NonNullable<Spec['devices']>[number]

/** A slice of node `n`, a pool of its own unless `spec` says otherwise. */
export const sliceOf = (name: string, spec: Spec): ResourceSlice =>
  objectOf(ResourceSlice, {
    metadata: { name },
    spec: {
      driver,
      ...(!spec.nodeSelector && !spec.allNodes && !spec.perDeviceNodeSelection && { nodeName: 'n' }),
      ...spec,
      pool: { name: 'p', generation: 1, resourceSliceCount: 1, ...spec.pool },
    },
  })

export const classOf = (name: string, spec: Draft<DeviceClass['spec']> = {}): DeviceClass =>
  objectOf(DeviceClass, { metadata: { name }, spec })

export const claimOf = (name: string, devices: object): Unallocated => {
  const claim = objectOf(ResourceClaim, { metadata: { name }, spec: { devices } })
  return { key: `default/${name}`, spec: claim.spec }
}

/** A plain request for devices of the class `any`. */
export const request = (name: string, exactly: object = {}) => ({
  name,
  exactly: { deviceClassName: 'any', ...exactly },
})

export interface Setting {
  slices: readonly ResourceSlice[]
  claims: readonly Unallocated[]
  classes?: readonly DeviceClass[]
  rules?: readonly DeviceTaintRule[]
  /** Allocations of other claims. */
  used?: readonly AllocationResult[]
  node?: Node
  budget?: Budget
}

export const nodeNamed = (name: string, labels: Record<string, string> = {}): Node =>
  objectOf(Node, { metadata: { name, labels } })

/** The allocations of the claims, or the message of a node without a solution. */
export function solve({ slices, claims, classes = [], rules = [], used = [], node = nodeNamed('n'), budget }: Setting) {
  const pools = new Pools()
  for (const slice of slices) pools.set(slice)
  const usage = new Usage()
  for (const allocation of used) usage.add(allocation)
  const known = new Map([classOf('any'), ...classes].map(one => [one.metadata.name, one]))
  const reachable: Reachable = { pools: pools.at(node), classOf: name => known.get(name), rules }
  const found = allocate(claims, reachable, usage, budget ?? { left: decisionBudget })
  if ('unfit' in found) return found.unfit
  let ids = 0
  const made = { node: node.metadata.name ?? '', makeId: () => `share-${++ids}` }
  return claims.map((claim, i) => allocationOf(claim, found[i]!, made))
}

/** The solution in short: for each claim its devices as `request=device`. */
export function short(setting: Setting): string {
  const found = solve(setting)
  if (typeof found === 'string') return found
  return found
    .map(({ devices }) => (devices.results ?? []).map(({ request: of, device }) => `${of}=${device}`).join(' '))
    .join(' | ')
}
