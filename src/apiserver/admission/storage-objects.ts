// Admission of volumes and claims: the default class of a claim, when a claim may grow, and the finalizers that keep
// volumes, claims and classes stored while something uses them.
// Source: plugin/pkg/admission/storage (storageclass/setdefault, persistentvolume/resize,
// storageobjectinuseprotection).
import { compareQuantities } from '../../api/quantity.ts'
import type { Mutable } from '../../api/schema/node.ts'
import { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { betaClass, storageClassOf } from '../../kinds/core/volume-annotations.ts'
import { defaultStorageClass as defaultClassOf } from '../../kinds/default-class.ts'
import { StorageClass } from '../../kinds/storage/storageclass.ts'
import { VolumeAttributesClass } from '../../kinds/storage/volumeattributesclass.ts'
import { forbidden } from '../errors.ts'
import type { Storage } from '../storage.ts'
import type { AdmissionPlugin } from './chain.ts'

/** Gives a new claim that names no class the default one. */
export function defaultStorageClass(storage: Storage): AdmissionPlugin {
  const classes = storage.mirror(StorageClass)
  return {
    name: 'DefaultStorageClass',
    mutate({ type, operation, object }) {
      if (type !== 'CREATE' || operation.kind !== PersistentVolumeClaim || operation.subresource) return
      const { metadata, spec } = object as Mutable<PersistentVolumeClaim>
      if (spec.storageClassName !== undefined || metadata.annotations?.[betaClass] !== undefined) return
      const name = defaultClassOf(classes.list())?.metadata.name
      if (name !== undefined) spec.storageClassName = name
    },
  }
}

/** Lets only claims grow whose class allows it. */
export function claimResize(storage: Storage): AdmissionPlugin {
  const classes = storage.mirror(StorageClass)
  return {
    name: 'PersistentVolumeClaimResize',
    validate({ type, operation, object, old }) {
      if (type !== 'UPDATE' || operation.kind !== PersistentVolumeClaim || operation.subresource) return
      const [next, before] = [object as PersistentVolumeClaim, old as PersistentVolumeClaim]
      const [size, was] = [next, before].map(claim => claim.spec.resources.requests?.storage ?? '0') as [string, string]
      if (compareQuantities(size, was) <= 0) return
      const refuse = (why: string) => forbidden(PersistentVolumeClaim, operation.name, why)
      if (before.status.phase !== 'Bound') throw refuse('Only bound persistent volume claims can be expanded')
      const name = storageClassOf(next)
      const found = name && name === storageClassOf(before) ? classes.get(undefined, name) : undefined
      if (!found?.allowVolumeExpansion)
        throw refuse(
          'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
        )
    },
  }
}

const protections = new Map<unknown, string>([
  [PersistentVolume, 'kubernetes.io/pv-protection'],
  [PersistentVolumeClaim, 'kubernetes.io/pvc-protection'],
  [VolumeAttributesClass, 'kubernetes.io/vac-protection'],
])

/** Adds the finalizer that the protection controllers (src/controllers/storage-protection.ts) remove after use. */
export function storageProtection(): AdmissionPlugin {
  return {
    name: 'StorageObjectInUseProtection',
    mutate({ type, operation, object }) {
      const finalizer = protections.get(operation.kind)
      if (type !== 'CREATE' || !finalizer || operation.subresource) return
      const { metadata } = object!
      if (!metadata.finalizers?.includes(finalizer)) metadata.finalizers = [...(metadata.finalizers ?? []), finalizer]
    },
  }
}
