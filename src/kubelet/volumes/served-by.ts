// Volumes that this kubelet cannot mount: why not, and what serves such volumes today. Kubernetes has moved the types of
// clouds and vendors to CSI drivers, and removed others. Source: kubernetes csi-translation-lib, and the release notes
// of the versions that are named here.

/** The CSI driver to which Kubernetes hands a type of volume. */
const drivers: Readonly<Record<string, string>> = {
  awsElasticBlockStore: 'ebs.csi.aws.com',
  azureDisk: 'disk.csi.azure.com',
  azureFile: 'file.csi.azure.com',
  cinder: 'cinder.csi.openstack.org',
  gcePersistentDisk: 'pd.csi.storage.gke.io',
  portworxVolume: 'pxd.portworx.com',
  vsphereVolume: 'csi.vsphere.vmware.com',
}

/** The version of Kubernetes that removed a type, and the CSI driver for the same storage, if there is one. */
const removed: Readonly<Record<string, [version: string, driver?: string]>> = {
  cephfs: ['1.31', 'cephfs.csi.ceph.com'],
  flocker: ['1.25'],
  glusterfs: ['1.26'],
  photonPersistentDisk: ['1.28'],
  quobyte: ['1.25', 'csi.quobyte.com'],
  rbd: ['1.31', 'rbd.csi.ceph.com'],
  scaleIO: ['1.22', 'csi-vxflexos.dellemc.com'],
  storageos: ['1.25'],
}

/** What is needed for a type that Kubernetes mounts by programs or modules which a node here does not have. */
const unsupported: Readonly<Record<string, string>> = {
  fc: 'Fibre Channel disks are not supported; use a CSI driver, or a local volume for the block device',
  flexVolume:
    'FlexVolume drivers are not supported, and are deprecated in Kubernetes; use the CSI driver of the vendor',
  gitRepo:
    'git-repo volume plugin has been disabled, as it is in Kubernetes since 1.33; clone the repository in an init container into an emptyDir',
  iscsi: 'iSCSI disks are not supported; use a CSI driver, or a local volume for the block device',
}

/** The error of a volume that no try will mount, so that its pod says why it waits. */
export class UnservedVolume extends Error {
  /** @param sources the fields of the volume that say where it comes from, such as `rbd` */
  constructor(sources: readonly string[]) {
    super(whyUnserved(sources))
    this.name = 'UnservedVolume'
  }
}

function whyUnserved(sources: readonly string[]): string {
  for (const source of sources) {
    const driver = drivers[source]
    if (driver !== undefined)
      return `volumes of the type ${source} are served by the CSI driver ${driver}: install it, and use a volume of the type csi with it`
    const gone = removed[source]
    if (gone) {
      const [version, instead] = gone
      const use = instead === undefined ? '' : `; the CSI driver ${instead} serves the same storage`
      return `Kubernetes has removed volumes of the type ${source} in ${version}${use}`
    }
    const why = unsupported[source]
    if (why !== undefined) return why
  }
  return `no volume plugin matched for the source ${sources.join(', ')}`
}
