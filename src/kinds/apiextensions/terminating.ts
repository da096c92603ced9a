// The deletion of a definition: its objects are removed first, which a finalizer waits for.
// Source: apiextensions-apiserver pkg/registry/customresourcedefinition/etcd.go (Delete).
import type { Mutable } from '../../api/schema/node.ts'
import type { KubeObject } from '../../api/kind.ts'
import type { CustomResourceDefinitionStatus } from './definition-types.ts'

/** Held by a terminating definition until its objects are gone. */
export const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io'

/** Marks a definition whose deletion has begun. */
export function beginTermination(definition: Mutable<KubeObject & { status: CustomResourceDefinitionStatus }>): void {
  const { metadata, status } = definition
  const conditions = status.conditions ?? []
  if (conditions.some(({ type, status: value }) => type === 'Terminating' && value === 'True')) return
  if (!metadata.finalizers?.includes(cleanupFinalizer))
    metadata.finalizers = [...(metadata.finalizers ?? []), cleanupFinalizer]
  status.conditions = [
    ...conditions.filter(({ type }) => type !== 'Terminating'),
    {
      type: 'Terminating',
      status: 'True',
      lastTransitionTime: metadata.deletionTimestamp ?? '',
      reason: 'InstanceDeletionPending',
      message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
    },
  ]
}
