// DynamicResources: a pod with ResourceClaims gets a node that can reach devices for all of them.
//
//   preEnqueue  the claims are there
//   prepare     none of them is out of reach for every node
//   filter      the devices of allocated claims can be reached; devices for the others are searched on the node
//   postFilter  a claim whose devices no node suits gives them back, so that it can get others
//   reserve     the devices that were found count as in use
//   preBind     they are written into the claims, which are reserved for the pod (device-binding.ts)
//   unreserve   both are undone
//
// Extended resources that classes of devices stand for are one more claim, which is made in preBind.
// Source: plugins/dynamicresources (dynamicresources.go, extendeddynamicresources.go).
import { sameJson } from '../../api/equal.ts'
import { Node } from '../../kinds/core/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { claimNamesOf } from '../../kinds/resource/claim-use.ts'
import { DeviceClass } from '../../kinds/resource/deviceclass.ts'
import { DeviceTaintRule } from '../../kinds/resource/devicetaintrule.ts'
import { ResourceClaim } from '../../kinds/resource/resourceclaim.ts'
import { ResourceSlice } from '../../kinds/resource/resourceslice.ts'
import { DevicePlanner, type DeviceState } from '../devices/planner.ts'
import { claimsOf } from '../devices/pod-claims.ts'
import { durationField } from '../duration-field.ts'
import { definePlugin, freed, type Handle, type PluginMaker, skip, spreadScores, wake } from '../framework.ts'
import type { PodInfo } from '../info.ts'
import { DeviceBinding } from './device-binding.ts'

const filterTimeoutMs = 10_000
const bindingTimeoutMs = 600_000

export const dynamicResources: PluginMaker = {
  name: 'DynamicResources',
  read(args) {
    // The time of a search is checked and not used, since a search has a limit of steps instead.
    if (durationField(args, 'filterTimeout', filterTimeoutMs) < 0) args.problem('filterTimeout', 'must not be negative')
    const timeoutMs = durationField(args, 'bindingTimeout', bindingTimeoutMs)
    if (timeoutMs < 1000) args.problem('bindingTimeout', 'must be at least 1s')
    return handle => make(handle, timeoutMs)
  },
}

function make(handle: Handle, timeoutMs: number) {
  const planner = new DevicePlanner(handle, timeoutMs)
  const binding = new DeviceBinding(handle, planner.ledger, timeoutMs)
  const { claims } = planner.ledger
  /** The state of the pod that is being decided on, for points that are not given it. */
  let current: { uid: string; state: DeviceState } | undefined
  const stateOf = ({ uid }: PodInfo) => (current?.uid === uid ? current.state : undefined)
  return definePlugin<DeviceState, DeviceState>({
    name: 'DynamicResources',
    preEnqueue({ pod }) {
      if (!pod.spec.resourceClaims?.length) return true
      const found = claimsOf(pod, claims)
      return 'waits' in found ? found.waits : true
    },
    prepare(pod) {
      current = undefined
      const state = planner.prepare(pod)
      if (!state) return skip
      if ('rejected' in state) return state
      current = { uid: pod.uid, state }
      return state
    },
    filter: (state, node) => planner.filter(state, node),
    postFilter(pod) {
      const state = stateOf(pod)
      if (!state) return { message: 'no new claims to deallocate' }
      return binding.giveBack(state, pod).then(message => ({ message }))
    },
    prepareScore: pod => {
      const state = stateOf(pod)
      return state?.hasAlternatives ? state : skip
    },
    score: (state, node) => planner.score(state, node),
    normalize: (_, scores) => spreadScores(scores),
    reserve: (pod, node, state) => (state ? planner.reserve(state, pod, node) : true),
    unreserve: (pod, _, state) => state && binding.undo(state, pod),
    async preBind(pod, node, state) {
      if (state) await binding.bind(state, pod, node)
    },
    wakeOn: [
      // A claim of the pod has changed, or another one has freed its devices.
      wake(ResourceClaim, ({ pod }, after, before) => {
        if (before?.status.allocation && !after?.status.allocation) return true
        if (!after) return false
        const found = claimsOf(pod, claims)
        if ('waits' in found || !found.some(({ metadata }) => metadata.uid === after.metadata.uid)) return false
        return !before || !sameJson(before.status, after.status)
      }),
      wake(Pod, ({ uid }, after, before) => {
        if (after?.metadata.uid === uid) return before !== undefined && claimsDiffer(after, before)
        // Of a pod that could not be bound, devices are free that no claim has had.
        return freed(after, before) && usesDevices(before!)
      }),
      wake(Node, (_, after, before) => after !== undefined && (!before || matters(after, before))),
      wake(DeviceClass, (_, after) => after !== undefined),
      wake(ResourceSlice, () => true),
      wake(DeviceTaintRule, () => true),
    ],
  })
}

const claimsDiffer = (after: Pod, before: Pod) =>
  after.status !== before.status && !sameJson(claimNamesOf(after), claimNamesOf(before))

const usesDevices = ({ spec, status }: Pod) =>
  (spec.resourceClaims?.length ?? 0) > 0 ||
  status.extendedResourceClaimStatus !== undefined ||
  spec.containers.some(({ resources }) => Object.keys(resources?.requests ?? {}).some(name => name.includes('/')))

/** Which devices a node can reach depends on its labels; what device plugins offer stands in its allocatable. */
const matters = (after: Node, before: Node) =>
  (after.metadata.labels !== before.metadata.labels && !sameJson(after.metadata.labels, before.metadata.labels)) ||
  (after.status.allocatable !== before.status.allocatable &&
    !sameJson(after.status.allocatable, before.status.allocatable))
