// Devices for tests of the whole cluster: slices as a driver would publish them, a class, claims, and pods with claims.
import type { Draft } from '../../src/api/kind.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { claimFinalizer } from '../../src/kinds/resource/claim-use.ts'
import { DeviceClass } from '../../src/kinds/resource/deviceclass.ts'
import { ResourceClaim } from '../../src/kinds/resource/resourceclaim.ts'
import { ResourceClaimTemplate } from '../../src/kinds/resource/resourceclaimtemplate.ts'
import { ResourceSlice } from '../../src/kinds/resource/resourceslice.ts'
import type { ResourceSliceSpec } from '../../src/kinds/resource/resourceslicespec.ts'
import type { Sim } from './cluster.ts'

export const namespace = 'default'
export const driver = 'gpu.example.com'

type Devices = NonNullable<Draft<ResourceSliceSpec>['devices']>
type Request = NonNullable<NonNullable<Draft<ResourceClaim['spec']>['devices']>['requests']>[number]

/** The class `gpu`, of all devices of the driver. */
export const makeClass = ({ client }: Sim, more: Draft<DeviceClass['spec']> = {}): Promise<DeviceClass> =>
  client.create(DeviceClass, {
    metadata: { name: 'gpu' },
    spec: { selectors: [{ cel: { expression: `device.driver == "${driver}"` } }], ...more },
  })

/** The devices of a node, as a pool of one slice. */
export const publish = ({ client }: Sim, nodeName: string, devices: Devices): Promise<ResourceSlice> =>
  client.create(ResourceSlice, {
    metadata: { name: `${nodeName}-slice` },
    spec: { driver, nodeName, pool: { name: nodeName, generation: 1, resourceSliceCount: 1 }, devices },
  })

export const named = (count: number): { name: string }[] =>
  Array.from({ length: count }, (_, i) => ({ name: `gpu-${i}` }))

export const gpus = (count: number): Request => ({ name: 'gpus', exactly: { deviceClassName: 'gpu', count } })

export const makeClaim = ({ client }: Sim, name: string, ...requests: Request[]): Promise<ResourceClaim> =>
  client.create(ResourceClaim, { metadata: { name, namespace }, spec: { devices: { requests } } })

export const makeTemplate = ({ client }: Sim, name: string, ...requests: Request[]): Promise<ResourceClaimTemplate> =>
  client.create(ResourceClaimTemplate, { metadata: { name, namespace }, spec: { spec: { devices: { requests } } } })

/** A pod with one claim, by the claim's name or by that of a template. */
export const podWith = (
  name: string,
  source: { resourceClaimName: string } | { resourceClaimTemplateName: string },
  more: Draft<Pod['spec']> = {},
): Draft<Pod> => ({
  metadata: { name, namespace },
  spec: {
    containers: [{ name: 'c', image: 'app:1', resources: { claims: [{ name: 'devices' }] } }],
    resourceClaims: [{ name: 'devices', ...source }],
    terminationGracePeriodSeconds: 0,
    ...more,
  },
})

export const podCalled = ({ client }: Sim, name: string): Pod | undefined => client.mirror(Pod).get(namespace, name)
export const nodeOf = (sim: Sim, name: string): string | undefined => podCalled(sim, name)?.spec.nodeName
export const whyOf = (sim: Sim, name: string): string | undefined =>
  podCalled(sim, name)?.status.conditions?.find(condition => condition.type === 'PodScheduled')?.message
export const claims = ({ client }: Sim): ResourceClaim[] => client.mirror(ResourceClaim).list(namespace)
export const claimCalled = ({ client }: Sim, name: string): ResourceClaim | undefined =>
  client.mirror(ResourceClaim).get(namespace, name)

/** The names of a claim's devices. */
export const devicesOf = (claim: ResourceClaim | undefined): string[] =>
  (claim?.status.allocation?.devices.results ?? []).map(({ pool, device }) => `${pool}/${device}`)

/** Whether nothing of an allocation is left in a claim. */
export const isFree = ({ status, metadata }: ResourceClaim): boolean =>
  !status.allocation && !status.reservedFor?.length && !metadata.finalizers?.includes(claimFinalizer)
