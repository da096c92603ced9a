// What is next for a claim and for a volume, so that each bound pair names each other.
//
//   claim:   Pending ── a volume fits ──► Bound ── its volume is gone, or another claim's ──► Lost
//              │ class with a provisioner, and no need to wait: the provisioner is asked, and makes a volume that
//              └ names the claim
//   volume:  Available ── bound ──► Bound ── its claim is gone ──► Released ── reclaim policy ──► deleted, or kept
//
// A binding is four writes, of which any may be the last before a crash: the volume names the claim, the volume is Bound,
// the claim names the volume, the claim is Bound. The next reconcile completes it.
//
// Source: pkg/controller/volume/persistentvolume/pv_controller.go.
import type { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import type { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { storageClassOf, volumeAnnotations as names } from '../../kinds/core/volume-annotations.ts'
import { bestVolume, isBoundTo, mismatch } from '../../kinds/core/volume-match.ts'
import type { StorageClass } from '../../kinds/storage/storageclass.ts'

type Claim = PersistentVolumeClaim
type Volume = PersistentVolume

interface Note {
  type: 'Normal' | 'Warning'
  reason: string
  message: string
}

export type ClaimStep =
  | { do: 'bind'; volume: Volume }
  /** The claim waits; for what, the event says. */
  | { do: 'wait'; event?: Note }
  | { do: 'lose'; event: Note }
  /** The claim gets the default class. */
  | { do: 'setClass'; name: string }
  | { do: 'provision'; provisioner: string; event: Note }

interface ClaimWorld {
  volume(name: string): Volume | undefined
  volumes(): Iterable<Volume>
  storageClass(name: string): StorageClass | undefined
  defaultClass(): StorageClass | undefined
  /** Names of pods that use the claim and have no node yet. */
  waitingPods(): readonly string[]
}

const has = ({ metadata }: Claim | Volume, annotation: string) => metadata.annotations?.[annotation] !== undefined
const note = (type: Note['type'], reason: string, message: string): Note => ({ type, reason, message })

export function planClaim(claim: Claim, world: ClaimWorld): ClaimStep {
  if (has(claim, names.bindCompleted)) return planBound(claim, world)
  const { volumeName } = claim.spec
  if (!volumeName) return planUnbound(claim, world)
  const volume = world.volume(volumeName)
  if (!volume) return { do: 'wait' }
  if (isBoundTo(volume, claim)) return { do: 'bind', volume }
  if (volume.spec.claimRef) {
    const message = `volume ${JSON.stringify(volumeName)} already bound to a different claim.`
    return { do: 'wait', event: note('Warning', 'FailedBinding', message) }
  }
  const why = mismatch(volume, claim)
  if (why === undefined) return { do: 'bind', volume }
  const message = `Cannot bind to requested volume ${JSON.stringify(volumeName)}: ${why}`
  return { do: 'wait', event: note('Warning', 'VolumeMismatch', message) }
}

function planBound(claim: Claim, world: ClaimWorld): ClaimStep {
  const lose = (reason: string, message: string): ClaimStep => ({ do: 'lose', event: note('Warning', reason, message) })
  const { volumeName } = claim.spec
  if (!volumeName)
    return lose('ClaimLost', 'Bound claim has lost reference to PersistentVolume. Data on the volume is lost!')
  const volume = world.volume(volumeName)
  if (!volume) return lose('ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!')
  const { claimRef } = volume.spec
  if (!claimRef || claimRef.uid === claim.metadata.uid) return { do: 'bind', volume }
  return lose('ClaimMisbound', 'Two claims are bound to the same volume, this one is bound incorrectly')
}

function planUnbound(claim: Claim, world: ClaimWorld): ClaimStep {
  const className = storageClassOf(claim)
  const storageClass = className ? world.storageClass(className) : undefined
  const waits = storageClass?.volumeBindingMode === 'WaitForFirstConsumer' && !has(claim, names.selectedNode)
  const volume = bestVolume(claim, world.volumes(), { delayed: waits })
  if (volume) return { do: 'bind', volume }
  if (!className && claim.spec.storageClassName === undefined) {
    const name = world.defaultClass()?.metadata.name
    if (name !== undefined) return { do: 'setClass', name }
  }
  if (waits) return { do: 'wait', event: waitingFor(world.waitingPods()) }
  if (className) return planProvision(className, storageClass)
  const message = 'no persistent volumes available for this claim and no storage class is set'
  return { do: 'wait', event: note('Normal', 'FailedBinding', message) }
}

function waitingFor(pods: readonly string[]): Note {
  if (!pods.length)
    return note('Normal', 'WaitForFirstConsumer', 'waiting for first consumer to be created before binding')
  const whom = pods.length > 1 ? `pods ${pods.join(',')}` : `pod ${pods[0]}`
  return note('Normal', 'WaitForPodScheduled', `waiting for ${whom} to be scheduled`)
}

function planProvision(name: string, storageClass: StorageClass | undefined): ClaimStep {
  const fail = (message: string): ClaimStep => ({
    do: 'wait',
    event: note('Warning', 'ProvisioningFailed', message),
  })
  if (!storageClass) return fail(`storageclass.storage.k8s.io ${JSON.stringify(name)} not found`)
  const { provisioner } = storageClass
  // These were parts of Kubernetes. Volumes of the one that remains, no-provisioner, are made by hand.
  if (provisioner.startsWith('kubernetes.io/')) return fail(`no volume plugin matched name: ${provisioner}`)
  const message = `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`
  return { do: 'provision', provisioner, event: note('Normal', 'ExternalProvisioning', message) }
}

export type VolumeStep =
  | { do: 'available' }
  | { do: 'bound' }
  /** The claim is not ready, or its own turn completes the binding. */
  | { do: 'nothing'; event?: Note }
  /** The volume is bound to a claim that has another one. */
  | { do: 'unbind' }
  /** The claim is gone, and the data is kept, or deleted by the provisioner that made the volume. */
  | { do: 'release' }
  | { do: 'fail'; event: Note }

/** @param claim the claim of that name and uid which the volume names, if it exists */
export function planVolume(volume: Volume, claim: Claim | undefined): VolumeStep {
  const { claimRef, persistentVolumeReclaimPolicy: policy } = volume.spec
  if (!claimRef?.uid) return { do: 'available' }
  if (!claim) return planRelease(volume)
  if (!claim.spec.volumeName) {
    if (volume.spec.volumeMode === undefined || sameMode(volume, claim)) return { do: 'nothing' }
    const message = `Cannot bind PersistentVolume to requested PersistentVolumeClaim ${JSON.stringify(claim.metadata.name)} due to incompatible volumeMode.`
    return { do: 'nothing', event: note('Warning', 'VolumeMismatch', message) }
  }
  if (claim.spec.volumeName === volume.metadata.name) return { do: 'bound' }
  // Another volume came first for the claim. One that was made for it serves no other.
  return has(volume, names.provisionedBy) && policy === 'Delete' ? planRelease(volume) : { do: 'unbind' }
}

const sameMode = (volume: Volume, claim: Claim) => volume.spec.volumeMode === (claim.spec.volumeMode ?? 'Filesystem')

function planRelease(volume: Volume): VolumeStep {
  const name = JSON.stringify(volume.metadata.name)
  const fail = (reason: string, message: string): VolumeStep => ({
    do: 'fail',
    event: note('Warning', reason, message),
  })
  switch (volume.spec.persistentVolumeReclaimPolicy) {
    case 'Recycle':
      return fail('VolumeFailedRecycle', 'No recycler plugin found for the volume!')
    case 'Delete':
      // A provisioner deletes what it made. Nobody can delete what was made by hand.
      return has(volume, names.provisionedBy)
        ? { do: 'release' }
        : fail(
            'VolumeFailedDelete',
            `error getting deleter volume plugin for volume ${name}: no deletable volume plugin matched`,
          )
    default:
      return { do: 'release' }
  }
}
