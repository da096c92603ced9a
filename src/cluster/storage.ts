// The storage that every cluster has: a class for directories of nodes, one for directories that the nodes of a machine
// share, and the way by which the provisioner asks nodes for
// them. `--disable storage` leaves both out.
import { isReason } from '../base/errors.ts'
import type { Client } from '../client/index.ts'
import { directoryProvisioner, type NodeDirectories, sharedParameter } from '../controllers/index.ts'
import { defaultStorageClass } from '../kinds/default-class.ts'
import { StorageClass } from '../kinds/storage/storageclass.ts'

/** Creates the classes that are missing. `standard` is the default one unless the cluster has another. */
export async function keepStorageClasses(admin: Client): Promise<void> {
  const { items } = await admin.list(StorageClass)
  const isMissing = (name: string) => items.every(({ metadata }) => metadata.name !== name)
  if (isMissing('standard')) await make(admin, 'standard', { isDefault: defaultStorageClass(items) === undefined })
  if (isMissing('shared')) await make(admin, 'shared', { parameters: { [sharedParameter]: 'true' } })
}

interface ClassDetails {
  isDefault?: boolean
  parameters?: Record<string, string>
}

async function make(admin: Client, name: string, { isDefault, parameters }: ClassDetails): Promise<void> {
  const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' }
  try {
    await admin.create(StorageClass, {
      metadata: { name, ...(isDefault && { annotations }) },
      provisioner: directoryProvisioner,
      ...(parameters && { parameters }),
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
  ask: (node: string, path: string, method: 'PUT' | 'DELETE') => Promise<string>,
): NodeDirectories => ({
  make: async (node, name, { bytes, isShared }) => {
    const answer = await ask(node, `/directories/${name}?bytes=${bytes}&shared=${isShared}`, 'PUT')
    return JSON.parse(answer) as { path: string; unlimited?: string }
  },
  grow: async (node, name, { bytes, isShared }) =>
    void (await ask(node, `/directories/${name}?bytes=${bytes}&shared=${isShared}&existing=true`, 'PUT')),
  remove: async (node, name, isShared) => void (await ask(node, `/directories/${name}?shared=${isShared}`, 'DELETE')),
})
