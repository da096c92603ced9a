// Which volumes of drivers are attached to a node, and which are detached from it. Pure.
//
//   a pod on the node wants it ──▶ VolumeAttachment ──attacher──▶ attached ──▶ volumesAttached of the node
//   no pod wants it ──▶ out of volumesAttached ──▶ out of the node's volumesInUse ──▶ VolumeAttachment deleted
//                                                   └─ or 6 minutes of a node that is not ready, or one that is out of service
//
// A volume for one node is attached only after its VolumeAttachments for other nodes are gone.
// Source: pkg/controller/volume/attachdetach/reconciler/reconciler.go.
import type { Node } from '../../kinds/core/node.ts'
import { isNodeReady } from '../../kinds/core/node-ready.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { isTerminal } from '../../kinds/core/pod-phase.ts'
import { attachmentName, isAttachmentName, uniqueName, volumeOfName } from '../../kinds/storage/attachment-names.ts'
import type { VolumeAttachment } from '../../kinds/storage/volumeattachment.ts'

/** A volume that pods of the node want. */
export interface WantedVolume {
  /** The name of the PersistentVolume. */
  name: string
  driver: string
  handle: string
  /** Whether it may be attached to one node only. */
  isExclusive: boolean
  pods: readonly Pod[]
}

export interface NodeState {
  name: string
  /** Undefined when it was deleted. */
  node: Node | undefined
  wanted: readonly WantedVolume[]
  /** The VolumeAttachments of the node. */
  attachments: readonly VolumeAttachment[]
  /** The nodes other than this one that have a VolumeAttachment of a volume. */
  otherNodes(volume: string): readonly string[]
  /** Since when a VolumeAttachment is not wanted any more, in ms of the steady clock, by name. */
  unwantedSince: ReadonlyMap<string, number>
}

export interface AttachPlan {
  attach: readonly WantedVolume[]
  /** Volumes that another node has. */
  blocked: readonly { volume: WantedVolume; nodes: readonly string[] }[]
  /** `isForced`: although the node may use it. */
  detach: readonly { attachment: VolumeAttachment; isForced: boolean }[]
  /** What the node's status is to report, by `uniqueName`. */
  attached: readonly string[]
  /** VolumeAttachments that no pod wants, by name. */
  unwanted: readonly string[]
  /** When to plan again if nothing happens, in ms of the steady clock. */
  againAt: number | undefined
}

/** Source: ReconcilerMaxWaitForUnmountDuration. */
export const maxWaitForUnmountMs = 360_000

export function planAttachments(state: NodeState, now: number): AttachPlan {
  const { name, wanted, attachments, otherNodes } = state
  const own = new Map(attachments.map(attachment => [attachment.metadata.name ?? '', attachment]))
  const wantedNames = new Map(wanted.map(volume => [attachmentName(volume, name), volume]))
  const missing = wanted.filter(volume => !own.has(attachmentName(volume, name)))
  const blockers = (volume: WantedVolume) => (volume.isExclusive ? otherNodes(volume.name) : [])
  const unwanted = [...own].filter(
    ([key, { metadata }]) => isAttachmentName(key) && !wantedNames.has(key) && !metadata.deletionTimestamp,
  )
  const used = namesInUse(state)
  const detach: { attachment: VolumeAttachment; isForced: boolean }[] = []
  let againAt: number | undefined
  for (const [key, attachment] of unwanted) {
    const forcedAt = timeOfForce(state, key, now)
    const isUsed = !used || used.has(key)
    if (!isUsed || forcedAt <= now) detach.push({ attachment, isForced: isUsed })
    else if (Number.isFinite(forcedAt)) againAt = Math.min(againAt ?? forcedAt, forcedAt)
  }
  const leaving = new Set(detach.map(({ attachment }) => attachment.metadata.name))
  return {
    attach: missing.filter(volume => !blockers(volume).length),
    blocked: missing.flatMap(volume => {
      const nodes = blockers(volume)
      return nodes.length ? [{ volume, nodes }] : []
    }),
    detach,
    attached: reported(state, key => {
      const attachment = own.get(key)
      return attachment?.status.attached === true && !attachment.metadata.deletionTimestamp && !leaving.has(key)
    }),
    unwanted: unwanted.map(([key]) => key),
    againAt,
  }
}

/** The names of the VolumeAttachments of what the node uses. Undefined when nobody can say: the node was deleted. */
export function namesInUse({ node, name }: Pick<NodeState, 'node' | 'name'>): ReadonlySet<string> | undefined {
  if (!node) return undefined
  const volumes = (node.status.volumesInUse ?? []).map(volumeOfName)
  return new Set(volumes.flatMap(volume => (volume ? [attachmentName(volume, name)] : [])))
}

/** When a volume is detached although the node may use it. */
function timeOfForce({ node, unwantedSince }: NodeState, key: string, now: number): number {
  if (node && isOutOfService(node)) return now
  // A node that is ready unmounts it, however long that takes.
  if (node && isNodeReady(node)) return Infinity
  return (unwantedSince.get(key) ?? now) + maxWaitForUnmountMs
}

const isOutOfService = ({ spec }: Node) =>
  spec.taints?.some(({ key }) => key === 'node.kubernetes.io/out-of-service') ?? false

/** Of the volumes that are wanted or were reported, those that are attached. Names that are not of drivers stay. */
function reported({ node, name, wanted }: NodeState, isAttached: (key: string) => boolean): string[] {
  const before = (node?.status.volumesAttached ?? []).map(volume => volume.name)
  const all = new Set([...before, ...wanted.map(uniqueName)])
  return [...all]
    .filter(unique => {
      const volume = volumeOfName(unique)
      return !volume || isAttached(attachmentName(volume, name))
    })
    .sort()
}

/**
 * Whether a pod wants its volumes. One that has ended does not, nor one that was deleted and whose containers have
 * ended. Source: pkg/volume/util (IsPodTerminated).
 */
export function wantsVolumes(pod: Pod): boolean {
  if (!pod.spec.nodeName || isTerminal(pod)) return false
  return (
    !pod.metadata.deletionTimestamp ||
    (pod.status.containerStatuses ?? []).some(({ state }) => !state?.terminated && !state?.waiting)
  )
}

/** Whether a volume may be attached to one node only. Source: isMultiAttachForbidden. */
export const isExclusive = (accessModes: readonly string[] | undefined): boolean =>
  (accessModes?.length ?? 0) > 0 && !accessModes?.some(mode => mode === 'ReadWriteMany' || mode === 'ReadOnlyMany')

/** The event of a pod whose volume is attached elsewhere. `others`: the pods that use it there. */
export function multiAttachMessage(volume: string, pod: Pod, others: readonly Pod[]): string {
  const near = others.filter(({ metadata }) => metadata.namespace === pod.metadata.namespace)
  const far = others.length - near.length
  const names = near.map(({ metadata }) => metadata.name).join(', ')
  const elsewhere = `${far} pod(s) in different namespaces`
  const why = !others.length
    ? "Volume is already exclusively attached to one node and can't be attached to another"
    : near.length
      ? `Volume is already used by pod(s) ${names}${far ? ` and ${elsewhere}` : ''}`
      : `Volume is already used by ${elsewhere}`
  return `Multi-Attach error for volume "${volume}" ${why}`
}
