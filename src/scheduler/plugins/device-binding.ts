// Writes what a pod takes of devices: the allocations into its claims, with a finalizer that keeps them and a
// reservation for the pod, and the claim for its extended resources. Undoes it if the pod is not bound.
// Source: plugins/dynamicresources/dynamicresources.go (PreBind, bindClaim, Unreserve, PostFilter).
import { isReason, messageOf } from '../../base/errors.ts'
import { timeText } from '../../api/time.ts'
import { EventRecorder } from '../../client/index.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { claimFinalizer, extendedClaimAnnotation, isReservedFor } from '../../kinds/resource/claim-use.ts'
import { ResourceClaim } from '../../kinds/resource/resourceclaim.ts'
import type { AllocationResult } from '../../kinds/resource/resourceclaimstatus.ts'
import type { Ledger } from '../devices/ledger.ts'
import { type DeviceState, extendedUid } from '../devices/planner.ts'
import { claimKey } from '../devices/pod-claims.ts'
import { readinessOf, waitsForConditions } from '../devices/readiness.ts'
import type { Handle } from '../framework.ts'
import type { NodeInfo, PodInfo } from '../info.ts'
import { claimCreates } from '../metrics.ts'
import { untilSeen } from './until.ts'

/** How often a write that meets another is made again. */
const maxTries = 5

const refOf = ({ metadata }: ResourceClaim) => ({ namespace: metadata.namespace ?? '', name: metadata.name ?? '' })
const revisionOf = ({ metadata }: ResourceClaim) => Number(metadata.resourceVersion ?? 0)

export class DeviceBinding {
  readonly #handle: Handle
  readonly #ledger: Ledger
  readonly #timeoutMs: number

  constructor(handle: Handle, ledger: Ledger, timeoutMs: number) {
    this.#handle = handle
    this.#ledger = ledger
    this.#timeoutMs = timeoutMs
  }

  /** Resolves when all claims are the pod's and their devices are ready. Throws if one cannot be. */
  async bind(state: DeviceState, info: PodInfo, node: NodeInfo): Promise<void> {
    for (const { claim } of state.claims) {
      if (isReservedFor(claim, info.uid)) state.bound.push(claim)
      else state.bound.push(await this.#claim(claim, info, state.reserved?.allocations.get(claim.metadata.uid ?? '')))
    }
    if (state.reserved?.extended) await this.#extended(state, info)
    if (state.bound.some(waitsForConditions)) await this.#untilReady(state.bound, info, node)
  }

  /** Writes the allocation, if the claim has none yet, and the reservation. */
  async #claim(claim: ResourceClaim, info: PodInfo, allocation: AllocationResult | undefined): Promise<ResourceClaim> {
    const uid = claim.metadata.uid ?? ''
    let current = claim
    for (let tries = 1; ; tries++) {
      try {
        const written = await this.#write(current, info, allocation)
        if (allocation) this.#ledger.settle(uid, revisionOf(written))
        return written
      } catch (error) {
        if (!isReason(error, 'Conflict') || tries === maxTries) {
          const what = allocation ? 'add allocation and reservation to' : 'add reservation to'
          throw new Error(`${what} claim ${claimKey(claim)}: ${messageOf(error)}`, { cause: error })
        }
      }
      current = await this.#handle.client.get(ResourceClaim, refOf(claim))
      if (current.metadata.uid !== uid) throw new Error(`claim ${claimKey(claim)} was replaced by another`)
    }
  }

  async #write(claim: ResourceClaim, info: PodInfo, allocation: AllocationResult | undefined): Promise<ResourceClaim> {
    const { client, clock } = this.#handle
    if (claim.metadata.deletionTimestamp) throw new Error('it got deleted in the meantime')
    if (allocation && claim.status.allocation) throw new Error('it got allocated elsewhere in the meantime')
    if (isReservedFor(claim, info.uid)) return claim
    const { finalizers = [] } = claim.metadata
    const kept =
      !allocation || finalizers.includes(claimFinalizer)
        ? claim
        : await client.update(ResourceClaim, {
            ...claim,
            metadata: { ...claim.metadata, finalizers: [...finalizers, claimFinalizer] },
          })
    const { status } = kept
    const given = allocation ?? status.allocation
    const consumer = { resource: 'pods', name: info.pod.metadata.name ?? '', uid: info.uid }
    return client.updateStatus(ResourceClaim, kept, {
      ...status,
      ...(given && { allocation: { allocationTimestamp: timeText(clock.now()), ...given } }),
      reservedFor: [...(status.reservedFor ?? []), consumer],
    })
  }

  /** Makes the claim for extended resources, and writes into the pod which container uses what of it. */
  async #extended({ reserved, bound }: DeviceState, info: PodInfo): Promise<void> {
    const { client } = this.#handle
    const { requests, mappings, allocation } = reserved!.extended!
    const { namespace, pod, uid } = info
    const owner = { apiVersion: 'v1', kind: 'Pod', name: pod.metadata.name ?? '', uid, controller: true }
    let claim: ResourceClaim
    try {
      claim = await client.create(ResourceClaim, {
        metadata: {
          namespace,
          generateName: `${pod.metadata.name}-extended-resources-`,
          annotations: { [extendedClaimAnnotation]: 'true' },
          ownerReferences: [owner],
        },
        spec: { devices: { requests } },
      })
      claimCreates.add({ status: 'success' })
    } catch (error) {
      claimCreates.add({ status: 'failure' })
      throw new Error(`create claim for extended resources: ${messageOf(error)}`, { cause: error })
    }
    this.#ledger.rename(extendedUid(pod), claim.metadata.uid ?? '')
    bound.push(claim)
    bound[bound.length - 1] = await this.#claim(claim, info, allocation)
    const extendedResourceClaimStatus = { requestMappings: mappings, resourceClaimName: claim.metadata.name ?? '' }
    await client.patch(
      Pod,
      { namespace, name: pod.metadata.name ?? '' },
      'strategic',
      { metadata: { uid }, status: { extendedResourceClaimStatus } },
      { subresource: 'status' },
    )
  }

  async #untilReady(bound: readonly ResourceClaim[], { pod }: PodInfo, { name: node }: NodeInfo): Promise<void> {
    const message = `waiting for binding conditions for device on node ${node}`
    new EventRecorder(this.#handle.client, { component: pod.spec.schedulerName }).event(
      pod,
      'Normal',
      'BindingConditionsPending',
      message,
    )
    const { claims } = this.#ledger
    const isReady = (written: ResourceClaim) => {
      const seen = claims.item(written.metadata.namespace, written.metadata.name ?? '')
      // Before the mirror has what was just written, it shows nothing that counts.
      if (claims.revision < revisionOf(written)) return false
      if (seen?.object.metadata.uid !== written.metadata.uid) throw new Error(`claim ${claimKey(written)} is gone`)
      const readiness = readinessOf(seen!.object)
      if (typeof readiness === 'object') throw new Error(readiness.failed)
      return readiness === 'ready'
    }
    await untilSeen(this.#handle, {
      condition: () => bound.every(isReady),
      mirrors: [claims],
      name: 'pods that wait for devices',
      timeoutMs: this.#timeoutMs,
      late: 'device binding timeout',
    })
  }

  /** Gives back what was reserved, and what was written for the pod. */
  undo(state: DeviceState, { uid }: PodInfo): void {
    for (const claim of state.reserved?.allocations.keys() ?? []) this.#ledger.drop(claim)
    for (const claim of state.bound.splice(0)) {
      this.#ledger.drop(claim.metadata.uid ?? '')
      const isExtended = claim.metadata.annotations?.[extendedClaimAnnotation] === 'true'
      if (isExtended) void this.#try('claim not deleted', claim, () => this.#delete(claim))
      else if (isReservedFor(claim, uid)) void this.#try('claim still reserved', claim, () => this.#release(claim, uid))
    }
  }

  /**
   * Deallocates a claim that no other pod uses and some node could not serve, so that the pod can get other devices.
   * Returns what to report.
   */
  async giveBack({ unsuited, stale }: DeviceState, { uid }: PodInfo): Promise<string> {
    for (const claim of unsuited) {
      const { reservedFor = [] } = claim.status
      if (reservedFor.length > 1 || (reservedFor.length === 1 && reservedFor[0]!.uid !== uid)) continue
      try {
        await this.#handle.client.updateStatus(ResourceClaim, claim, {})
        return 'deallocation of ResourceClaim completed'
      } catch (error) {
        // Somebody else has changed it, which wakes the pod.
        if (!isReason(error, 'Conflict', 'NotFound')) throw error
      }
    }
    if (!stale) return 'still not schedulable'
    await this.#delete(stale)
    return 'deletion of ResourceClaim completed'
  }

  async #release(claim: ResourceClaim, uid: string): Promise<void> {
    const body = { metadata: { uid: claim.metadata.uid }, status: { reservedFor: [{ $patch: 'delete', uid }] } }
    await this.#handle.client.patch(ResourceClaim, refOf(claim), 'strategic', body, { subresource: 'status' })
  }

  /** Deletes a claim of the scheduler's own, without waiting for anybody who could remove its finalizer. */
  async #delete(claim: ResourceClaim): Promise<void> {
    const { client } = this.#handle
    for (let tries = 1; ; tries++) {
      const current = await client.find(ResourceClaim, refOf(claim))
      if (current?.metadata.uid !== claim.metadata.uid) return
      const { finalizers = [], ...metadata } = current!.metadata
      const rest = finalizers.filter(one => one !== claimFinalizer)
      try {
        if (rest.length < finalizers.length)
          await client.update(ResourceClaim, { ...current!, metadata: { ...metadata, finalizers: rest } })
        await client.delete(ResourceClaim, refOf(claim), { uid: claim.metadata.uid ?? '' })
        return
      } catch (error) {
        if (isReason(error, 'NotFound')) return
        if (!isReason(error, 'Conflict') || tries === maxTries) throw error
      }
    }
  }

  /** A failure only costs time: the controller of claims finds what is left over. */
  async #try(what: string, claim: ResourceClaim, write: () => Promise<void>): Promise<void> {
    try {
      await write()
    } catch (error) {
      if (!this.#handle.signal.aborted && !isReason(error, 'NotFound'))
        this.#handle.log.warn(what, { claim: claimKey(claim), why: messageOf(error) })
    }
  }
}
