// The storage that every cluster has: a class for directories of nodes, and the way by which the provisioner asks nodes for
// them. `--disable storage` leaves both out.
import { isReason } from '../base/errors.ts'
import type { Client } from '../client/index.ts'
import { directoryProvisioner, type NodeDirectories } from '../controllers/index.ts'
import { defaultStorageClass } from '../kinds/default-class.ts'
import { StorageClass } from '../kinds/storage/storageclass.ts'

const className = 'standard'

/** Creates the class if it is missing. It is the default one unless the cluster has another. */
export async function keepStorageClass(admin: Client): Promise<void> {
  const { items } = await admin.list(StorageClass)
  if (items.some(({ metadata }) => metadata.name === className)) return
  const isDefault = defaultStorageClass(items) === undefined
  const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' }
  try {
    await admin.create(StorageClass, {
      metadata: { name: className, ...(isDefault && { annotations }) },
      provisioner: directoryProvisioner,
      reclaimPolicy: 'Delete',
      allowVolumeExpansion: true,
      volumeBindingMode: 'WaitForFirstConsumer',
    })
  } catch (error) {
    if (!isReason(error, 'AlreadyExists')) throw error
  }
}

/** @param ask sends a request to the kubelet of a node, and returns the body of the answer */
export const directoriesOf = (
  ask: (node: string, path: string, method: string) => Promise<string>,
): NodeDirectories => ({
  make: async (node, name, bytes) =>
    JSON.parse(await ask(node, `/directories/${name}?bytes=${bytes}`, 'PUT')) as { path: string; unlimited?: string },
  remove: async (node, name) => void (await ask(node, `/directories/${name}`, 'DELETE')),
})
