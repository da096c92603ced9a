// Device taint eviction: deletes pods that use a device with a NoExecute taint which their claim does not tolerate. A
// claim that tolerates it for a limited time has that time from when the taint was added.
// Source: pkg/controller/devicetainteviction.
import { sameJson } from '../../api/equal.ts'
import { parseTime, timeText } from '../../api/time.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { claimNamesOf, isReservedFor } from '../../kinds/resource/claim-use.ts'
import { type DeviceId, taintsOf, toleratesDevice } from '../../kinds/resource/device-taints.ts'
import { DeviceTaintRule } from '../../kinds/resource/devicetaintrule.ts'
import { ResourceClaim } from '../../kinds/resource/resourceclaim.ts'
import type { DeviceRequestAllocationResult } from '../../kinds/resource/resourceclaimstatus.ts'
import { ResourceSlice } from '../../kinds/resource/resourceslice.ts'
import type { Device } from '../../kinds/resource/resourceslicespec.ts'
import type { DeviceTaint } from '../../kinds/resource/types.ts'
import type { Context } from '../context.ts'
import { type Controller, defineController, keyOf, watch } from '../harness.ts'

const poolKey = ({ driver, pool }: Pick<DeviceId, 'driver' | 'pool'>) => `${driver}/${pool}`
const resultsOf = ({ status }: ResourceClaim) => status.allocation?.devices.results ?? []
const poolsOfClaim = (claim: ResourceClaim) => [...new Set(resultsOf(claim).map(poolKey))]
const poolOfSlice = ({ spec }: ResourceSlice) => [poolKey({ driver: spec.driver, pool: spec.pool.name })]
const podsOf = ({ status, metadata }: ResourceClaim) =>
  (status.reservedFor ?? []).flatMap(({ apiGroup, resource, name }) =>
    !apiGroup && resource === 'pods' ? [keyOf(metadata.namespace ?? '', name)] : [],
  )
const taintsIn = (slice: ResourceSlice | undefined) =>
  slice?.spec.devices?.map(({ name, taints }) => [name, taints?.filter(({ effect }) => effect === 'NoExecute')])

export const deviceTaintEvictionController: Controller = defineController({
  name: 'device-taint-eviction-controller',
  reconciles: Pod,
  workers: 8,
  when: pod => pod.spec.nodeName !== undefined && claimNamesOf(pod).length > 0,
  watches: [
    watch(ResourceClaim, podsOf),
    watch(
      ResourceSlice,
      function* (slice, caches) {
        for (const key of poolOfSlice(slice))
          for (const claim of caches(ResourceClaim).byIndex('pools', poolsOfClaim, key)) yield* podsOf(claim)
      },
      (slice, before) => !sameJson(taintsIn(slice), taintsIn(before)),
    ),
    watch(DeviceTaintRule, function* (_, caches) {
      for (const { object } of caches(ResourceClaim).items()) yield* podsOf(object)
    }),
  ],
  async reconcile(pod, ctx) {
    if (pod.metadata.deletionTimestamp || !pod.spec.nodeName) return
    const rules = ctx.cache(DeviceTaintRule).list()
    const times: number[] = []
    for (const name of claimNamesOf(pod)) {
      const claim = ctx.cache(ResourceClaim).get(pod.metadata.namespace, name)
      if (!claim || !isReservedFor(claim, pod.metadata.uid ?? '')) continue
      for (const result of resultsOf(claim)) {
        const at = evictionTime(result, taintsOf(result, deviceOf(result, ctx), rules))
        if (at !== undefined) times.push(at)
      }
    }
    if (!times.length) return
    const again = Math.min(...times) - ctx.now()
    if (again > 0) return { again }
    await evict(pod, ctx)
  },
})

/** The device, in the newest generation of its pool. */
function deviceOf(id: DeviceId, ctx: Context): Device | undefined {
  const slices = ctx.cache(ResourceSlice).byIndex('pool', poolOfSlice, poolKey(id))
  const generation = Math.max(...slices.map(({ spec }) => spec.pool.generation))
  for (const { spec } of slices) {
    const device = spec.pool.generation === generation && spec.devices?.find(({ name }) => name === id.device)
    if (device) return device
  }
  return undefined
}

/** When the users of a device are evicted, in ms since the epoch; undefined for never. */
export function evictionTime(
  { tolerations = [] }: Pick<DeviceRequestAllocationResult, 'tolerations'>,
  taints: readonly DeviceTaint[],
): number | undefined {
  let earliest: number | undefined
  for (const taint of taints) {
    if (taint.effect !== 'NoExecute') continue
    const tolerating = tolerations.filter(toleration => toleratesDevice(toleration, taint))
    const seconds = tolerating.map(toleration => toleration.tolerationSeconds)
    if (seconds.includes(undefined)) continue
    const patience = seconds.length ? Math.max(0, Math.min(...(seconds as number[]))) : 0
    const at = (parseTime(taint.timeAdded) ?? 0) + patience * 1000
    earliest = Math.min(earliest ?? at, at)
  }
  return earliest
}

async function evict(pod: Pod, ctx: Context): Promise<void> {
  ctx.event(pod, 'Normal', 'DeviceTaintManagerEviction', 'Marking for deletion')
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'DeletionByDeviceTaintManager',
    message: 'Device Taint manager: deleting due to NoExecute taint',
    lastTransitionTime: timeText(ctx.now()),
  }
  await ctx.patch(Pod, pod, 'strategic', { status: { conditions: [condition] } }, { subresource: 'status' })
  await ctx.delete(Pod, pod)
}
