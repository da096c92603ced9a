// The reference by which an object names its controller. Source: apimachinery pkg/apis/meta/v1/controller_ref.go.
import type { KubeObject } from '../api/kind.ts'
import type { OwnerReference } from '../api/meta.ts'
import type { DeepReadonly } from '../api/schema/node.ts'

type Any = DeepReadonly<KubeObject>

/** The reference that makes `owner` the controller of an object. */
export const ownerReference = (owner: Any): OwnerReference => ({
  apiVersion: owner.apiVersion,
  kind: owner.kind,
  name: owner.metadata.name ?? '',
  uid: owner.metadata.uid ?? '',
  controller: true,
  blockOwnerDeletion: true,
})

export const controllerOf = (object: Any): DeepReadonly<OwnerReference> | undefined =>
  object.metadata.ownerReferences?.find(r => r.controller)

export const isControlledBy = (object: Any, owner: Any): boolean => controllerOf(object)?.uid === owner.metadata.uid
