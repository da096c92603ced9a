// The provisioner that every cluster has: volumes that are directories of nodes, so that a claim works with nothing
// installed. A class names it, and waits for the first consumer: the claim's pod decides which node has the directory.
//
//   claim with a node ──▶ the node makes a directory ──▶ PersistentVolume (local, with the node's affinity) ──▶ bound
//   shared class      ──▶ the same in a directory that all nodes of the machine share, with the machine's affinity
//   claim grown ──▶ the limit of the directory is raised ──▶ the volume and the claim have the new size
//   claim deleted ──▶ volume Released ──▶ the node removes the directory ──▶ the volume is deleted
//
// A finalizer keeps a volume stored until its directory is removed. One whose node is gone for good is let go, since the
// directory went with it.
// Source of events and messages: sig-storage-lib-external-provisioner controller/controller.go.
import { isReason, messageOf } from '../../base/errors.ts'
import type { Draft } from '../../api/schema/node.ts'
import { compareQuantities, quantityValue } from '../../api/quantity.ts'
import { machineLabel } from '../../kinds/core/machine-label.ts'
import { Node } from '../../kinds/core/node.ts'
import { isNodeReady } from '../../kinds/core/node-ready.ts'
import { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { storageClassOf, volumeAnnotations as names } from '../../kinds/core/volume-annotations.ts'
import { StorageClass } from '../../kinds/storage/storageclass.ts'
import type { Context } from '../context.ts'
import { type Controller, defineKeyedController, keyOf, type Result, watch } from '../harness.ts'

export const directoryProvisioner = 'kutter/directory'
const finalizer = 'kutter/directory'
/** On a volume: why its size is not limited. */
const unlimitedAnnotation = 'kutter/size-unlimited'
const hostname = 'kubernetes.io/hostname'
/** With the value `true`: the nodes of a machine share the volumes of the class. */
export const sharedParameter = 'shared'
/** After how long an unreachable node is asked again. */
const retryMs = 10_000

/** The directories of nodes. All methods may be repeated, and throw when the node cannot be reached. */
export interface NodeDirectories {
  make(node: string, name: string, of: Wanted): Promise<{ path: string; unlimited?: string }>
  /** Throws when there is no directory: an empty one must not take the place of data that was lost. */
  grow(node: string, name: string, of: Wanted): Promise<void>
  remove(node: string, name: string, isShared: boolean): Promise<void>
}

interface Wanted {
  bytes: number
  /** Whether all nodes of the machine share it. */
  isShared: boolean
}

type Claim = PersistentVolumeClaim
type Volume = PersistentVolume

const isOwn = ({ metadata }: Volume) => metadata.annotations?.[names.provisionedBy] === directoryProvisioner
const isAsked = ({ metadata, spec }: Claim) =>
  !spec.volumeName && metadata.annotations?.[names.provisioner] === directoryProvisioner

const sizeOf = ({ spec }: Claim) => spec.resources.requests?.storage ?? '0'
const isGrown = (claim: Claim) =>
  claim.status.phase === 'Bound' && compareQuantities(sizeOf(claim), claim.status.capacity?.storage ?? '0') > 0

export function directoryController(directories: NodeDirectories): Controller {
  return defineKeyedController({
    name: 'directory-provisioner',
    reads: [Node, StorageClass],
    watches: [
      watch(PersistentVolumeClaim, claim =>
        isAsked(claim) || isGrown(claim)
          ? [`claim ${keyOf(claim.metadata.namespace ?? '', claim.metadata.name ?? '')}`]
          : [],
      ),
      watch(PersistentVolume, volume => (isOwn(volume) ? [`volume ${volume.metadata.name}`] : [])),
    ],
    async reconcile(key, ctx) {
      const [what = '', of = ''] = key.split(' ')
      if (what === 'claim') {
        const claim = ctx.cache(PersistentVolumeClaim).byKey(of)
        if (!claim || claim.metadata.deletionTimestamp) return undefined
        if (isAsked(claim)) return provision(claim, directories, ctx)
        return isGrown(claim) ? expand(claim, directories, ctx) : undefined
      }
      const volume = ctx.cache(PersistentVolume).get(undefined, of)
      return volume && isOwn(volume) ? reclaim(volume, directories, ctx) : undefined
    },
  })
}

/** Why there is no directory for a claim. Undefined if there can be one. */
function unfit({ spec }: Claim, isShared: boolean): string | undefined {
  const modes = (spec.accessModes ?? []).filter(mode => mode !== 'ReadWriteOnce' && mode !== 'ReadWriteOncePod')
  if (modes.length && !isShared) return `a directory of one node has no access mode ${modes.join(', ')}`
  if (spec.volumeMode === 'Block') return 'a directory is no block device'
  if (spec.dataSource ?? spec.dataSourceRef) return 'a directory is empty at first, and has no data source'
  return spec.selector ? 'claim Selector is not supported' : undefined
}

async function provision(claim: Claim, directories: NodeDirectories, ctx: Context): Promise<Result> {
  const { namespace = '', name = '', uid = '', annotations } = claim.metadata
  const volumeName = `pvc-${uid}`
  if (ctx.cache(PersistentVolume).get(undefined, volumeName)) return undefined
  const className = storageClassOf(claim)
  const storageClass = ctx.cache(StorageClass).get(undefined, className)
  const nodeName = annotations?.[names.selectedNode]
  if (storageClass?.provisioner !== directoryProvisioner || nodeName === undefined) return undefined
  const fail = (why: string) =>
    ctx.event(
      claim,
      'Warning',
      'ProvisioningFailed',
      `failed to provision volume with StorageClass ${JSON.stringify(className)}: ${why}`,
    )
  const isShared = storageClass.parameters?.[sharedParameter] === 'true'
  const problem = unfit(claim, isShared)
  if (problem) return fail(problem)
  const node = ctx.cache(Node).get(undefined, nodeName)
  if (!node) {
    fail(`node ${JSON.stringify(nodeName)} does not exist`)
    return giveBack(claim, ctx)
  }
  ctx.event(
    claim,
    'Normal',
    'Provisioning',
    `External provisioner is provisioning volume for claim "${namespace}/${name}"`,
  )
  const [key, value] = placeOf(node, isShared)
  if (value === undefined) return fail(`node ${JSON.stringify(nodeName)} shares no directory with others`)
  let made: Awaited<ReturnType<NodeDirectories['make']>>
  try {
    made = await directories.make(nodeName, volumeName, { bytes: quantityValue(sizeOf(claim)), isShared })
  } catch (error) {
    fail(messageOf(error))
    return { again: retryMs }
  }
  await ctx.create(PersistentVolume, volumeOf(claim, storageClass, [key, value], made))
  ctx.event(claim, 'Normal', 'ProvisioningSucceeded', `Successfully provisioned volume ${volumeName}`)
  if (made.unlimited)
    ctx.event(claim, 'Normal', 'SizeNotLimited', `The size of the volume is not limited: ${made.unlimited}`)
}

/** The label that only the node has, or only the nodes that share a directory with it. */
function placeOf(
  { metadata: { name, labels = {} } }: Node,
  isShared: boolean,
): [key: string, value: string | undefined] {
  return isShared ? [machineLabel, labels[machineLabel]] : [hostname, labels[hostname] ?? name]
}

/** Lets the scheduler choose another node. */
async function giveBack(claim: Claim, ctx: Context): Promise<void> {
  const annotations = { [names.selectedNode]: null }
  await ctx.patch(PersistentVolumeClaim, claim, 'merge', { metadata: { annotations } })
}

function volumeOf(
  claim: Claim,
  storageClass: StorageClass,
  [key, value]: [key: string, value: string],
  { path, unlimited }: { path: string; unlimited?: string },
): Draft<Volume> {
  const { namespace = '', name = '', uid = '', resourceVersion = '' } = claim.metadata
  return {
    metadata: {
      name: `pvc-${uid}`,
      annotations: {
        [names.provisionedBy]: directoryProvisioner,
        ...(unlimited !== undefined && { [unlimitedAnnotation]: unlimited }),
      },
      finalizers: [finalizer],
    },
    spec: {
      capacity: { storage: sizeOf(claim) },
      accessModes: [...(claim.spec.accessModes ?? [])],
      claimRef: { kind: 'PersistentVolumeClaim', apiVersion: 'v1', namespace, name, uid, resourceVersion },
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? 'Delete',
      storageClassName: storageClass.metadata.name ?? '',
      volumeMode: 'Filesystem',
      local: { path },
      nodeAffinity: {
        required: { nodeSelectorTerms: [{ matchExpressions: [{ key, operator: 'In', values: [value] }] }] },
      },
    },
  }
}

/** Nothing of a directory depends on its size but the limit, so pods go on meanwhile. */
async function expand(claim: Claim, directories: NodeDirectories, ctx: Context): Promise<Result> {
  const { volumeName = '' } = claim.spec
  const volume = ctx.cache(PersistentVolume).get(undefined, volumeName)
  if (!volume || !isOwn(volume)) return undefined
  const storage = sizeOf(claim)
  const node = nodeOf(volume, ctx)
  try {
    if (!node) throw new Error('the node of the volume is gone')
    const of = { bytes: quantityValue(storage), isShared: isShared(volume) }
    await directories.grow(node.metadata.name ?? '', volumeName, of)
  } catch (error) {
    const message = `resize volume ${volumeName} failed: ${messageOf(error)}`
    ctx.event(claim, 'Warning', 'VolumeResizeFailed', message)
    return { again: retryMs }
  }
  if (compareQuantities(storage, volume.spec.capacity?.storage ?? '0') > 0)
    await ctx.update(PersistentVolume, {
      ...volume,
      spec: { ...volume.spec, capacity: { ...volume.spec.capacity, storage } },
    })
  const capacity = { ...claim.status.capacity, storage }
  await ctx.writeStatus(PersistentVolumeClaim, claim, { ...claim.status, capacity } as Draft<Claim['status']>)
  ctx.event(claim, 'Normal', 'VolumeResizeSuccessful', 'Resize volume succeeded')
}

const requirementOf = ({ spec }: Volume) => spec.nodeAffinity?.required?.nodeSelectorTerms[0]?.matchExpressions?.[0]

const isShared = (volume: Volume) => requirementOf(volume)?.key === machineLabel

/** A node with the volume's directory, and one that is ready if there is one; undefined if all of them are gone. */
function nodeOf(volume: Volume, ctx: Context): Node | undefined {
  const value = requirementOf(volume)?.values?.[0]
  const all = ctx
    .cache(Node)
    .list()
    .filter(node => placeOf(node, isShared(volume))[1] === value)
  return all.find(isNodeReady) ?? all[0]
}

async function reclaim(volume: Volume, directories: NodeDirectories, ctx: Context): Promise<Result> {
  const { metadata, spec, status } = volume
  const isReleased = status.phase === 'Released' || status.phase === 'Failed'
  const isKept = spec.persistentVolumeReclaimPolicy !== 'Delete'
  if (!isReleased && !(metadata.deletionTimestamp && status.phase !== 'Bound')) return undefined
  // What is kept stays on its node when the volume is deleted.
  if (isKept) return metadata.deletionTimestamp ? release(volume, ctx) : undefined
  const node = nodeOf(volume, ctx)
  try {
    if (node) await directories.remove(node.metadata.name ?? '', metadata.name ?? '', isShared(volume))
  } catch (error) {
    ctx.event(volume, 'Warning', 'VolumeFailedDelete', messageOf(error))
    return { again: retryMs }
  }
  if (!metadata.deletionTimestamp) await ctx.delete(PersistentVolume, volume)
  return release(ctx.cache(PersistentVolume).get(undefined, metadata.name ?? '') ?? volume, ctx)
}

async function release({ metadata }: Volume, ctx: Context): Promise<void> {
  try {
    const newest = await ctx.client.get(PersistentVolume, { name: metadata.name ?? '' })
    const finalizers = newest.metadata.finalizers?.filter(one => one !== finalizer) ?? []
    if (finalizers.length !== newest.metadata.finalizers?.length)
      await ctx.update(PersistentVolume, { ...newest, metadata: { ...newest.metadata, finalizers } })
  } catch (error) {
    if (!isReason(error, 'NotFound')) throw error
  }
}
