// What annotations say of volumes and claims.
// Source: component-helpers/storage/volume (helpers.go), pkg/apis/core/annotation_key_constants.go.

/** Annotations by which controllers, schedulers and provisioners agree about a claim or a volume. */
export const volumeAnnotations = {
  /** On a claim: it is bound, and its spec names the volume. */
  bindCompleted: 'pv.kubernetes.io/bind-completed',
  /** On either: the controller chose the other one, no user did. */
  boundByController: 'pv.kubernetes.io/bound-by-controller',
  /** On a volume: the provisioner that made it, and that deletes it. */
  provisionedBy: 'pv.kubernetes.io/provisioned-by',
  /** On a claim: the provisioner that is to make its volume. */
  provisioner: 'volume.kubernetes.io/storage-provisioner',
  /** The same, as older provisioners read it. */
  oldProvisioner: 'volume.beta.kubernetes.io/storage-provisioner',
  /** On a claim: the node that the scheduler has chosen for its first consumer. */
  selectedNode: 'volume.kubernetes.io/selected-node',
} as const

/** Where the class stood before it had a field. */
export const betaClass = 'volume.beta.kubernetes.io/storage-class'

interface HasClass {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> }
  readonly spec: { readonly storageClassName?: string }
}

/** The class of a claim or a volume; '' for none. */
export const storageClassOf = ({ metadata, spec }: HasClass): string =>
  metadata.annotations?.[betaClass] ?? spec.storageClassName ?? ''
