// The controller that has volumes of drivers attached to the nodes of the pods that want them, and detached afterwards. It
// decides (attach-plan.ts) and writes VolumeAttachments; the attacher of the driver does what they say.
//
// - A key is a node, since all of a node's volumes share one status.
// - Before a volume is detached, it is taken out of the node's volumesAttached, and the node is read once more: a kubelet
//   reports a volume in use before it looks at volumesAttached, so at least one of the two sees the other.
//
// Source: pkg/controller/volume/attachdetach.
import { sameJson } from '../../api/equal.ts'
import { Node } from '../../kinds/core/node.ts'
import { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { claimsOf } from '../../kinds/core/pod-claims.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { attachmentName, uniqueName } from '../../kinds/storage/attachment-names.ts'
import { CSIDriver } from '../../kinds/storage/csidriver.ts'
import { VolumeAttachment } from '../../kinds/storage/volumeattachment.ts'
import type { Caches, Context } from '../context.ts'
import { type Controller, defineKeyedController, keyOf, type Result, watch } from '../harness.ts'
import { podsOfNodeIndex } from '../pod-gc.ts'
import {
  type AttachPlan,
  isExclusive,
  multiAttachMessage,
  namesInUse,
  planAttachments,
  type WantedVolume,
  wantsVolumes,
} from './attach-plan.ts'

/** Only of nodes that say so. The kubelet of others attaches by itself. */
const managed = 'volumes.kubernetes.io/controller-managed-attach-detach'

const nodeOfAttachment = ({ spec }: VolumeAttachment) => [spec.nodeName]
const volumeOfAttachment = ({ spec }: VolumeAttachment) =>
  spec.source.persistentVolumeName ? [spec.source.persistentVolumeName] : []

/** The nodes of the pods that use a claim. */
const nodesOfClaim = (caches: Caches, key: string): string[] =>
  caches(Pod)
    .byIndex('all claims', claimsOf, key)
    .flatMap(({ spec }) => (spec.nodeName ? [spec.nodeName] : []))

const nodesOfVolume = (caches: Caches, volume: PersistentVolume | undefined): string[] => {
  const ref = volume?.spec.csi && volume.spec.claimRef
  return ref ? nodesOfClaim(caches, keyOf(ref.namespace ?? '', ref.name ?? '')) : []
}

/** What the controller keeps in memory; a new one begins from nothing. */
interface Memory {
  /** Since when no pod wants a VolumeAttachment, by name. */
  unwantedSince: Map<string, number>
  /** For which node a volume is being attached, until the mirror has its VolumeAttachment. */
  attaching: Map<string, string>
  /** The events that need not be repeated: the text by pod and volume. */
  reported: Map<string, string>
}

/** The number of events that are kept; beyond it they may be repeated. */
const maxReported = 10_000

export function attachDetachController(): Controller {
  const memory: Memory = { unwantedSince: new Map(), attaching: new Map(), reported: new Map() }
  return defineKeyedController({
    name: 'attachdetach-controller',
    watches: [
      watch(Pod, pod => (claimsOf(pod).length ? podsOfNodeIndex(pod) : [])),
      watch(PersistentVolumeClaim, ({ metadata }, caches) =>
        nodesOfClaim(caches, keyOf(metadata.namespace ?? '', metadata.name ?? '')),
      ),
      watch(PersistentVolume, (volume, caches) => nodesOfVolume(caches, volume)),
      watch(VolumeAttachment, (attachment, caches) => [
        ...nodeOfAttachment(attachment),
        // Pods of other nodes may wait for its end.
        ...volumeOfAttachment(attachment).flatMap(name =>
          nodesOfVolume(caches, caches(PersistentVolume).get(undefined, name)),
        ),
      ]),
      watch(CSIDriver, (_, caches) =>
        caches(Node)
          .list()
          .map(({ metadata }) => metadata.name ?? ''),
      ),
      watch(
        Node,
        ({ metadata }) => [metadata.name ?? ''],
        (node, before) => !before || !sameJson(whatMatters(node), whatMatters(before)),
      ),
    ],
    reconcile: (name, ctx) => reconcile(name, ctx, memory),
  })
}

const whatMatters = ({ metadata, spec, status }: Node) => [
  metadata.annotations?.[managed],
  spec.taints,
  status.volumesInUse,
  status.volumesAttached,
  status.conditions?.find(({ type }) => type === 'Ready')?.status,
]

async function reconcile(name: string, ctx: Context, memory: Memory): Promise<Result> {
  const node = ctx.cache(Node).get(undefined, name)
  const attachments = ctx.cache(VolumeAttachment).byIndex('node', nodeOfAttachment, name)
  if (node && node.metadata.annotations?.[managed] === undefined) return
  const wanted = node ? wantedVolumes(name, ctx) : []
  const otherNodes = (volume: string) => nodesThatHave(volume, ctx, memory).filter(other => other !== name)
  const { unwantedSince } = memory
  const plan = planAttachments({ name, node, wanted, attachments, otherNodes, unwantedSince }, ctx.steady())
  const unwanted = new Set(plan.unwanted)
  for (const { metadata } of attachments)
    if (!unwanted.has(metadata.name ?? '')) unwantedSince.delete(metadata.name ?? '')
  for (const key of unwanted) if (!unwantedSince.has(key)) unwantedSince.set(key, ctx.steady())
  if (node) await reportAttached(node, plan, wanted, ctx)
  reportFailures(name, wanted, ctx, memory)
  for (const { volume, nodes } of plan.blocked) reportBlocked(volume, nodes, ctx, memory)
  await detach(name, plan, ctx, memory)
  await attach(name, plan, ctx, memory)
  return plan.againAt === undefined ? undefined : { again: plan.againAt - ctx.steady() }
}

/** The nodes that have a VolumeAttachment of a volume, or get one. */
function nodesThatHave(volume: string, ctx: Context, { attaching }: Memory): string[] {
  const nodes = ctx
    .cache(VolumeAttachment)
    .byIndex('volume', volumeOfAttachment, volume)
    .map(({ spec }) => spec.nodeName)
  const next = attaching.get(volume)
  return next === undefined ? nodes : [...nodes, next]
}

/** The volumes that must be attached for the pods of a node. */
function wantedVolumes(node: string, ctx: Context): WantedVolume[] {
  const found = new Map<string, WantedVolume & { pods: Pod[] }>()
  for (const pod of ctx.cache(Pod).byIndex('node', podsOfNodeIndex, node)) {
    if (!wantsVolumes(pod)) continue
    for (const key of claimsOf(pod)) {
      const claim = ctx.cache(PersistentVolumeClaim).byKey(key)
      const name = claim?.status.phase === 'Bound' ? claim.spec.volumeName : undefined
      const volume = name ? ctx.cache(PersistentVolume).get(undefined, name) : undefined
      const csi = volume?.spec.csi
      if (!name || !csi || volume.spec.claimRef?.uid !== claim?.metadata.uid) continue
      if (ctx.cache(CSIDriver).get(undefined, csi.driver)?.spec.attachRequired === false) continue
      const { driver, volumeHandle: handle } = csi
      const before = found.get(name)
      if (before) before.pods.push(pod)
      else found.set(name, { name, driver, handle, isExclusive: isExclusive(volume.spec.accessModes), pods: [pod] })
    }
  }
  return [...found.values()]
}

/** Writes which volumes are attached. Pods that wait for one get an event. */
async function reportAttached(node: Node, { attached }: AttachPlan, wanted: readonly WantedVolume[], ctx: Context) {
  const before = (node.status.volumesAttached ?? []).map(volume => volume.name)
  if (sameJson([...before].sort(), attached)) return
  const volumesAttached = attached.map(name => {
    const old = node.status.volumesAttached?.find(volume => volume.name === name)
    return { name, devicePath: old?.devicePath ?? '' }
  })
  await ctx.patch(Node, node, 'merge', { status: { volumesAttached } }, { subresource: 'status' })
  for (const volume of wanted) {
    const unique = uniqueName(volume)
    if (before.includes(unique) || !attached.includes(unique)) continue
    const message = `AttachVolume.Attach succeeded for volume "${volume.name}" `
    for (const pod of volume.pods) ctx.event(pod, 'Normal', 'SuccessfulAttachVolume', message)
  }
}

/** Reports what attachers could not do, each failure once. */
function reportFailures(node: string, wanted: readonly WantedVolume[], ctx: Context, memory: Memory): void {
  for (const volume of wanted) {
    const attachment = ctx.cache(VolumeAttachment).get(undefined, attachmentName(volume, node))
    const failure = attachment?.status.attached ? undefined : attachment?.status.attachError
    if (!failure) continue
    const message = `AttachVolume.Attach failed for volume "${volume.name}" : ${failure.message ?? ''}`
    for (const pod of volume.pods) reportOnce(pod, volume, message, `${message} ${failure.time ?? ''}`, ctx, memory)
  }
}

function reportBlocked(volume: WantedVolume, nodes: readonly string[], ctx: Context, memory: Memory): void {
  const others = nodes
    .flatMap(node => ctx.cache(Pod).byIndex('node', podsOfNodeIndex, node))
    .filter(pod => wantsVolumes(pod) && usesVolume(pod, volume.name, ctx))
  for (const pod of volume.pods) {
    const message = multiAttachMessage(volume.name, pod, others)
    reportOnce(pod, volume, message, 'Multi-Attach error', ctx, memory)
  }
}

const usesVolume = (pod: Pod, volume: string, ctx: Context) =>
  claimsOf(pod).some(key => ctx.cache(PersistentVolumeClaim).byKey(key)?.spec.volumeName === volume)

/** Records an event unless the last one about the pod and the volume had the same mark. */
function reportOnce(
  pod: Pod,
  { name }: WantedVolume,
  message: string,
  mark: string,
  ctx: Context,
  { reported }: Memory,
) {
  const key = `${pod.metadata.uid} ${name}`
  if (reported.get(key) === mark) return
  if (reported.size >= maxReported) reported.clear()
  reported.set(key, mark)
  ctx.event(pod, 'Warning', 'FailedAttachVolume', message)
}

async function detach(name: string, { detach: planned }: AttachPlan, ctx: Context, memory: Memory): Promise<void> {
  if (!planned.length) return
  // The mirror may be behind the kubelet, which reports what it is about to mount.
  const used = namesInUse({ node: await ctx.client.find(Node, { name }), name })
  for (const { attachment, isForced } of planned) {
    const key = attachment.metadata.name ?? ''
    if (!isForced && used?.has(key)) continue
    if (isForced) ctx.log.warn('a volume is detached from a node that may use it', { node: name, attachment: key })
    await ctx.delete(VolumeAttachment, attachment)
    memory.unwantedSince.delete(key)
  }
}

async function attach(node: string, { attach: planned }: AttachPlan, ctx: Context, memory: Memory): Promise<void> {
  const { attaching } = memory
  // Nodes are reconciled at the same time, so each volume is taken before anything is awaited.
  const taken = planned.filter(volume => {
    const isFree = !volume.isExclusive || nodesThatHave(volume.name, ctx, memory).every(other => other === node)
    if (isFree) attaching.set(volume.name, node)
    return isFree
  })
  for (const volume of taken) {
    try {
      await ctx.create(VolumeAttachment, {
        metadata: { name: attachmentName(volume, node) },
        spec: { attacher: volume.driver, nodeName: node, source: { persistentVolumeName: volume.name } },
      })
      await ctx.seen(kind => kind === VolumeAttachment)
    } finally {
      attaching.delete(volume.name)
    }
  }
}
