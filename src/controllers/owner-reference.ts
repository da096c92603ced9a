// The reference by which an object names its controller. Source: apimachinery pkg/apis/meta/v1/controller_ref.go.
import type { KubeObject } from '../api/kind.ts'
import type { OwnerReference } from '../api/meta.ts'

/** The reference that makes `owner` the controller of an object. */
export const ownerReference = (owner: KubeObject): OwnerReference => ({
  apiVersion: owner.apiVersion,
  kind: owner.kind,
  name: owner.metadata.name ?? '',
  uid: owner.metadata.uid ?? '',
  controller: true,
  blockOwnerDeletion: true,
})

export const controllerOf = (object: KubeObject): OwnerReference | undefined =>
  object.metadata.ownerReferences?.find(r => r.controller)

export const isControlledBy = (object: KubeObject, owner: KubeObject): boolean =>
  controllerOf(object)?.uid === owner.metadata.uid
