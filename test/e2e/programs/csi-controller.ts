// The controller's side of the driver of the end-to-end tests: the Controller service, and what the external provisioner,
// attacher and resizer do for drivers, with the client of Kubernetes for Node.js. Each object is looked at whenever one
// changes; what fails is tried again after a second.
import { truncateSync, writeFileSync, mkdirSync, chmodSync } from 'node:fs'
import {
  CoreV1Api,
  KubeConfig,
  type KubernetesObject,
  makeInformer,
  PatchStrategy,
  setHeaderOptions,
  StorageV1Api,
  type V1PersistentVolume,
  type V1PersistentVolumeClaim,
  type V1VolumeAttachment,
} from '@kubernetes/client-node'
import { caller, type Handler, refuse, type Request, serve, status } from './csi-grpc.ts'
import { type Meta, Storage } from './csi-storage.ts'

const { DRIVER = '', STORAGE = '', SOCKET = '' } = process.env
const storage = new Storage(STORAGE)
const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch)

const metaOf = (id: string): Meta => {
  const meta = storage.read(id)
  if (!meta) throw refuse(status.NOT_FOUND, `there is no volume ${id}`)
  return meta
}

const methods: Readonly<Record<string, Handler>> = {
  CreateVolume({ name, capacity_range, volume_capabilities, parameters }: Request) {
    const bytes = capacity_range.required_bytes
    const isBlock = volume_capabilities[0].block !== null
    const id = `vol-${name}`
    if (!storage.read(id)) {
      if (isBlock) {
        writeFileSync(storage.dataOf(id), '')
        truncateSync(storage.dataOf(id), bytes)
      } else {
        mkdirSync(storage.dataOf(id), { recursive: true })
        chmodSync(storage.dataOf(id), 0o777)
      }
      storage.write({ id, name, bytes, nodeBytes: bytes, isBlock })
    }
    return { volume: { volume_id: id, capacity_bytes: bytes, volume_context: parameters } }
  },
  DeleteVolume({ volume_id: id }: Request) {
    if (storage.read(id)?.node) throw refuse(status.FAILED_PRECONDITION, `volume ${id} is attached`)
    storage.remove(id)
    return {}
  },
  ControllerPublishVolume({ volume_id: id, node_id: node }: Request) {
    const meta = metaOf(id)
    if (meta.node && meta.node !== node)
      throw refuse(status.FAILED_PRECONDITION, `volume ${id} is attached to ${meta.node}`)
    storage.write({ ...meta, node })
    return { publish_context: { attached: node } }
  },
  ControllerUnpublishVolume({ volume_id: id, node_id: node }: Request) {
    const meta = storage.read(id)
    if (meta?.node === node) storage.write({ ...meta!, node: undefined })
    return {}
  },
  ControllerExpandVolume({ volume_id: id, capacity_range }: Request) {
    const meta = metaOf(id)
    const bytes = capacity_range.required_bytes
    if (meta.isBlock) truncateSync(storage.dataOf(id), bytes)
    storage.write({ ...meta, bytes })
    return { capacity_bytes: bytes, node_expansion_required: true }
  },
  ControllerGetCapabilities: () => ({ capabilities: [1, 2, 9].map(type => ({ rpc: { type } })) }),
}
await serve(SOCKET, 'csi.proto', {
  'csi.v1.Controller': Object.fromEntries(
    Object.entries(methods).map(([method, work]) => [method, storage.logged(method, 'controller', work)]),
  ),
})

const call = caller(SOCKET, 'csi.proto', 'csi.v1.Controller')
const config = new KubeConfig()
config.loadFromCluster()
const core = config.makeApiClient(CoreV1Api)
const store = config.makeApiClient(StorageV1Api)
const annotation = {
  asked: 'volume.kubernetes.io/storage-provisioner',
  node: 'volume.kubernetes.io/selected-node',
  made: 'pv.kubernetes.io/provisioned-by',
}
const finalizers = {
  provisioner: 'external-provisioner.volume.kubernetes.io/finalizer',
  attacher: `external-attacher/${DRIVER.replaceAll('.', '-')}`,
}

/** Bytes of a quantity with a binary suffix. */
const bytesOf = (text = '0') =>
  Number.parseInt(text, 10) * ({ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 }[text.slice(-2)] ?? 1)
const sizeOf = (claim: V1PersistentVolumeClaim) => claim.spec?.resources?.requests?.storage

async function provision(claim: V1PersistentVolumeClaim): Promise<void> {
  const { metadata, spec } = claim
  if (spec?.volumeName || metadata?.annotations?.[annotation.asked] !== DRIVER || metadata.deletionTimestamp) return
  const storageClass = await store.readStorageClass({ name: spec?.storageClassName ?? '' })
  if (storageClass.volumeBindingMode === 'WaitForFirstConsumer' && !metadata.annotations[annotation.node]) return
  const name = `pvc-${metadata.uid}`
  if (volumes.get('', name)) return
  const isBlock = spec?.volumeMode === 'Block'
  const { volume } = await call('CreateVolume', {
    name,
    capacity_range: { required_bytes: bytesOf(sizeOf(claim)) },
    volume_capabilities: [{ ...(isBlock ? { block: {} } : { mount: {} }), access_mode: { mode: 1 } }],
    parameters: storageClass.parameters ?? {},
  })
  await core.createPersistentVolume({
    body: {
      metadata: { name, annotations: { [annotation.made]: DRIVER }, finalizers: [finalizers.provisioner] },
      spec: {
        accessModes: spec?.accessModes ?? [],
        capacity: { storage: sizeOf(claim) ?? '0' },
        volumeMode: spec?.volumeMode ?? 'Filesystem',
        storageClassName: spec?.storageClassName ?? '',
        persistentVolumeReclaimPolicy: 'Delete',
        claimRef: {
          apiVersion: 'v1',
          kind: 'PersistentVolumeClaim',
          namespace: metadata.namespace!,
          name: metadata.name!,
          uid: metadata.uid!,
        },
        csi: {
          driver: DRIVER,
          volumeHandle: volume.volume_id,
          fsType: isBlock ? '' : 'ext4',
          volumeAttributes: volume.volume_context,
          nodeStageSecretRef: { namespace: 'default', name: 'stage-secret' },
        },
      },
    },
  })
}

async function reclaim({ metadata, spec, status: state }: V1PersistentVolume): Promise<void> {
  const name = metadata?.name ?? ''
  if (metadata?.annotations?.[annotation.made] !== DRIVER || state?.phase !== 'Released') return
  if (attachments.list().some(attachment => attachment.spec.source.persistentVolumeName === name)) return
  await call('DeleteVolume', { volume_id: spec?.csi?.volumeHandle })
  await core.patchPersistentVolume({ name, body: { metadata: { finalizers: null } } }, merge)
  await core.deletePersistentVolume({ name })
}

async function attach(attachment: V1VolumeAttachment): Promise<void> {
  const { metadata, spec, status: state } = attachment
  const name = metadata?.name ?? ''
  if (spec.attacher !== DRIVER) return
  const csiNode = await store.readCSINode({ name: spec.nodeName })
  const node_id = csiNode.spec.drivers.find(driver => driver.name === DRIVER)?.nodeID ?? `id-of-${spec.nodeName}`
  const volume = volumes.get('', spec.source.persistentVolumeName ?? '')
  const volume_id = volume?.spec?.csi?.volumeHandle
  if (metadata?.deletionTimestamp) {
    if (!metadata.finalizers?.length) return
    await call('ControllerUnpublishVolume', { volume_id, node_id })
    await store.patchVolumeAttachment({ name, body: { metadata: { finalizers: null } } }, merge)
    return
  }
  if (state?.attached) return
  await store.patchVolumeAttachment({ name, body: { metadata: { finalizers: [finalizers.attacher] } } }, merge)
  const write = (body: object) => store.patchVolumeAttachmentStatus({ name, body: { status: body } }, merge)
  try {
    const capability = { mount: {}, access_mode: { mode: 1 } }
    const { publish_context } = await call('ControllerPublishVolume', {
      volume_id,
      node_id,
      volume_capability: capability,
    })
    await write({ attached: true, attachmentMetadata: publish_context, attachError: null })
  } catch (error) {
    await write({ attached: false, attachError: { message: String(error), time: new Date().toISOString() } })
    throw error
  }
}

async function resize(claim: V1PersistentVolumeClaim): Promise<void> {
  const { metadata, spec, status: state } = claim
  const volume = volumes.get('', spec?.volumeName ?? '')
  const bytes = bytesOf(sizeOf(claim))
  if (state?.phase !== 'Bound' || volume?.spec?.csi?.driver !== DRIVER) return
  if (bytes <= bytesOf(volume.spec.capacity?.storage)) return
  await call('ControllerExpandVolume', {
    volume_id: volume.spec.csi.volumeHandle,
    capacity_range: { required_bytes: bytes },
  })
  const condition = { type: 'FileSystemResizePending', status: 'True', message: 'Waiting for user to (re-)start a pod' }
  await core.patchNamespacedPersistentVolumeClaimStatus(
    { namespace: metadata!.namespace!, name: metadata!.name!, body: { status: { conditions: [condition] } } },
    merge,
  )
  await core.patchPersistentVolume(
    { name: spec!.volumeName!, body: { spec: { capacity: { storage: sizeOf(claim) } } } },
    merge,
  )
}

let wake = () => {}
function follow<T extends KubernetesObject>(path: string, list: () => Promise<{ items: T[]; metadata?: object }>) {
  const informer = makeInformer<T>(config, path, list)
  for (const event of ['add', 'update', 'delete'] as const) informer.on(event, () => wake())
  informer.on('error', () => void setTimeout(() => void informer.start(), 500))
  return {
    start: () => informer.start(),
    list: () => informer.list() as T[],
    get: (namespace: string, name: string) => informer.get(name, namespace || undefined) as T | undefined,
  }
}
const claims = follow<V1PersistentVolumeClaim>('/api/v1/persistentvolumeclaims', () =>
  core.listPersistentVolumeClaimForAllNamespaces(),
)
const volumes = follow<V1PersistentVolume>('/api/v1/persistentvolumes', () => core.listPersistentVolume())
const attachments = follow<V1VolumeAttachment>('/apis/storage.k8s.io/v1/volumeattachments', () =>
  store.listVolumeAttachment(),
)
for (const informer of [claims, volumes, attachments]) await informer.start()
console.log('ready')

for (;;) {
  const changed = new Promise<boolean>(resolve => (wake = () => resolve(true)))
  const works = [
    ...claims.list().flatMap(claim => [() => provision(claim), () => resize(claim)]),
    ...volumes.list().map(volume => () => reclaim(volume)),
    ...attachments.list().map(attachment => () => attach(attachment)),
  ]
  for (const work of works) await work().catch(error => console.log(String(error)))
  await Promise.race([changed, new Promise(resolve => setTimeout(resolve, 1000))])
}
