// Protection of volumes, claims and classes: while something uses one that was deleted, a finalizer keeps it. Admission
// adds the finalizer (StorageObjectInUseProtection), and these controllers remove it when nothing uses the object.
//
// - A claim is in use while a pod of its namespace names it, or owns it through an ephemeral volume. A pod that was never
//   scheduled, or has ended, does not use its claims.
// - A volume is in use while it is bound to a claim.
// - A class of attributes is in use while a claim or a volume names it.
//
// Source: pkg/controller/volume (pvcprotection, pvprotection, vacprotection).
import type { KubeObject } from '../api/kind.ts'
import { PersistentVolume } from '../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../kinds/core/persistentvolumeclaim.ts'
import { Pod } from '../kinds/core/pod.ts'
import { claimsOf } from '../kinds/core/pod-claims.ts'
import { isTerminal } from '../kinds/core/pod-phase.ts'
import { VolumeAttributesClass } from '../kinds/storage/volumeattributesclass.ts'
import { defineController, keyOf, watch } from './harness.ts'

/**
 * Removes the finalizer of a deleted object that is not in use, and adds it to another one that has lost it.
 * @param write stores the metadata of the object
 */
async function protect(
  { metadata }: KubeObject,
  finalizer: string,
  isUsed: () => boolean | Promise<boolean>,
  write: (metadata: KubeObject['metadata']) => Promise<unknown>,
): Promise<void> {
  const { finalizers = [], deletionTimestamp } = metadata
  const has = finalizers.includes(finalizer)
  if (deletionTimestamp === undefined) {
    if (!has) await write({ ...metadata, finalizers: [...finalizers, finalizer] })
  } else if (has && !(await isUsed())) {
    await write({ ...metadata, finalizers: finalizers.filter(one => one !== finalizer) })
  }
}

const usedClaims = (pod: Pod) => (pod.spec.nodeName && !isTerminal(pod) ? claimsOf(pod) : [])

export const pvcProtectionController = defineController({
  name: 'pvc-protection-controller',
  reconciles: PersistentVolumeClaim,
  watches: [watch(Pod, claimsOf)],
  async reconcile(claim, ctx) {
    const { namespace = '', name = '' } = claim.metadata
    const inMirror = () => ctx.cache(Pod).byIndex('claims', usedClaims, keyOf(namespace, name)).length > 0
    const isUsed = async () => {
      if (inMirror()) return true
      // The mirror may be behind, so the API server is asked before the claim is let go.
      const { items: pods } = await ctx.client.list(Pod, { namespace })
      return pods.some(pod => usedClaims(pod).includes(keyOf(namespace, name)))
    }
    const write = (metadata: typeof claim.metadata) => ctx.update(PersistentVolumeClaim, { ...claim, metadata })
    await protect(claim, 'kubernetes.io/pvc-protection', isUsed, write)
  },
})

export const pvProtectionController = defineController({
  name: 'pv-protection-controller',
  reconciles: PersistentVolume,
  reconcile: (volume, ctx) =>
    protect(
      volume,
      'kubernetes.io/pv-protection',
      () => volume.status.phase === 'Bound',
      metadata => ctx.update(PersistentVolume, { ...volume, metadata }),
    ),
})

const classOfVolume = ({ spec }: PersistentVolume) =>
  spec.volumeAttributesClassName ? [spec.volumeAttributesClassName] : []
const classesOfClaim = ({ spec, status }: PersistentVolumeClaim) =>
  [
    spec.volumeAttributesClassName,
    status.currentVolumeAttributesClassName,
    status.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ].filter(name => name !== undefined)

export const classProtectionController = defineController({
  name: 'volumeattributesclass-protection-controller',
  reconciles: VolumeAttributesClass,
  watches: [watch(PersistentVolume, classOfVolume), watch(PersistentVolumeClaim, classesOfClaim)],
  async reconcile(object, ctx) {
    const { name = '' } = object.metadata
    const isUsed = () => {
      const volumes = ctx.cache(PersistentVolume).byIndex('classes', classOfVolume, name)
      const claims = ctx.cache(PersistentVolumeClaim).byIndex('classes', classesOfClaim, name)
      return volumes.length > 0 || claims.length > 0
    }
    const write = (metadata: typeof object.metadata) => ctx.update(VolumeAttributesClass, { ...object, metadata })
    await protect(object, 'kubernetes.io/vac-protection', isUsed, write)
  },
})
