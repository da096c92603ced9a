// VolumeBinding: a pod waits until the claims that it mounts exist and are bound, and fits only nodes that can reach
// their volumes. Claims that wait for their first consumer get their volumes with the pod's node:
//
//   filter     which volumes are free on the node, or whether a provisioner can make them there
//   reserve    these volumes are the pod's, and no other pod's that is decided on meanwhile
//   preBind    the volume names the claim, or the claim the node; then controllers bind, and the pod waits for that
//   unreserve  what was reserved is free again
//
// Pods that share a claim share what one of them has reserved for it.
// Source: plugins/volumebinding (volume_binding.go, binder.go).
import { sameJson } from '../../api/equal.ts'
import type { Mirror } from '../../api/mirror.ts'
import { Node } from '../../kinds/core/node.ts'
import { claimNames } from '../../kinds/core/pod-claims.ts'
import { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { storageClassOf, volumeAnnotations as names } from '../../kinds/core/volume-annotations.ts'
import { isReachable } from '../../kinds/core/volume-match.ts'
import { CSIDriver } from '../../kinds/storage/csidriver.ts'
import { CSIStorageCapacity } from '../../kinds/storage/csistoragecapacity.ts'
import { StorageClass } from '../../kinds/storage/storageclass.ts'
import { definePlugin, type Handle, type No, type PluginMaker, type Rejected, skip, wake } from '../framework.ts'
import type { NodeInfo, PodInfo } from '../info.ts'
import { type Choice, chooseVolumes, keyOfClaim, type Reserved, type StorageMirrors } from './volume-choice.ts'
import { untilSeen } from './until.ts'

type Claim = PersistentVolumeClaim

const elsewhere: No = { no: "node(s) didn't match PersistentVolume's node affinity", ever: false }
const lost: No = { no: 'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)', ever: false }

export const volumeBinding: PluginMaker = {
  name: 'VolumeBinding',
  read(args) {
    const timeoutSeconds = args.integer('bindTimeoutSeconds', { min: 0, max: Number.MAX_SAFE_INTEGER }, 600)
    return handle => make(new Volumes(handle, timeoutSeconds * 1000), handle)
  },
}

function make(volumes: Volumes, { client }: Handle) {
  const claims = client.mirror(PersistentVolumeClaim)
  return definePlugin<readonly Claim[]>({
    name: 'VolumeBinding',
    prepare({ pod, namespace }) {
      const wanted = claimNames(pod)
      if (!wanted.length) return skip
      const found: Claim[] = []
      for (const { name, ephemeral } of wanted) {
        const claim = claims.get(namespace, name)
        const problem = claim ? problemOf(claim) : missing(name, ephemeral)
        if (problem) return { rejected: problem } satisfies Rejected
        found.push(claim!)
      }
      if (found.some(claim => !isBound(claim) && !volumes.waitsForConsumer(claim)))
        return { rejected: 'pod has unbound immediate PersistentVolumeClaims' } satisfies Rejected
      return found
    },
    filter(wanted, node) {
      for (const claim of wanted) {
        if (!isBound(claim)) continue
        const volume = volumes.get(claim.spec.volumeName ?? '')
        if (!volume) return lost
        if (!isReachable(volume, node.node)) return elsewhere
      }
      const unbound = wanted.filter(claim => !isBound(claim))
      const choice = unbound.length ? volumes.choose(unbound, node) : undefined
      return choice && 'no' in choice ? choice : true
    },
    reserve: (pod, node, wanted = []) => volumes.reserve(pod, node, wanted),
    unreserve: pod => volumes.release(pod),
    preBind: (pod, node) => volumes.bind(pod, node),
    postBind: pod => volumes.release(pod),
    wakeOn: [
      wake(PersistentVolumeClaim, (pod, after) => after !== undefined && mounts(pod, after)),
      wake(PersistentVolume, (_, after) => after !== undefined),
      // The node of a volume may come back, and a new one may have room for another volume.
      wake(Node, (_, after, before) => after !== undefined && !(before && isLabelledAs(before, after))),
      wake(StorageClass, (_, after) => after !== undefined),
      wake(CSIDriver, (_, after) => after !== undefined && !after.spec.storageCapacity),
      wake(CSIStorageCapacity, (_, after) => after !== undefined),
    ],
  })
}

const mounts = ({ pod, namespace }: PodInfo, claim: Claim) =>
  claim.metadata.namespace === namespace && claimNames(pod).some(({ name }) => name === claim.metadata.name)

const isLabelledAs = (a: Node, b: Node) =>
  a.metadata.labels === b.metadata.labels || sameJson(a.metadata.labels, b.metadata.labels)

const isBound = ({ spec, metadata }: Claim) =>
  Boolean(spec.volumeName) && metadata.annotations?.[names.bindCompleted] !== undefined

const missing = (name: string, ephemeral: boolean) =>
  ephemeral
    ? `waiting for ephemeral volume controller to create the persistentvolumeclaim ${JSON.stringify(name)}`
    : `persistentvolumeclaim ${JSON.stringify(name)} not found`

function problemOf({ metadata, spec, status }: Claim): string | undefined {
  const name = JSON.stringify(metadata.name)
  if (status.phase === 'Lost')
    return `persistentvolumeclaim ${name} bound to non-existent persistentvolume ${JSON.stringify(spec.volumeName)}`
  return metadata.deletionTimestamp ? `persistentvolumeclaim ${name} is being deleted` : undefined
}

/** The volumes of the cluster, and what pods on their way to a node have reserved of them. */
class Volumes {
  readonly #handle: Handle
  readonly #timeoutMs: number
  readonly #claims: Mirror<Claim>
  readonly #mirrors: StorageMirrors
  /** What each pod has chosen, by its uid. */
  readonly #choices = new Map<string, Choice>()
  readonly #reserved = new Map<string, Reserved & { pods: Set<string> }>()

  constructor(handle: Handle, timeoutMs: number) {
    this.#handle = handle
    this.#timeoutMs = timeoutMs
    const { client } = handle
    this.#claims = client.mirror(PersistentVolumeClaim)
    this.#mirrors = {
      volumes: client.mirror(PersistentVolume),
      classes: client.mirror(StorageClass),
      drivers: client.mirror(CSIDriver),
      capacities: client.mirror(CSIStorageCapacity),
    }
  }

  get(name: string): PersistentVolume | undefined {
    return this.#mirrors.volumes.get(undefined, name)
  }

  waitsForConsumer(claim: Claim): boolean {
    if (claim.spec.volumeName) return false
    const name = storageClassOf(claim)
    return this.#mirrors.classes.get(undefined, name)?.volumeBindingMode === 'WaitForFirstConsumer'
  }

  choose(unbound: readonly Claim[], { node }: NodeInfo): Choice | No {
    return chooseVolumes(unbound, node, { mirrors: this.#mirrors, reserved: this.#reserved })
  }

  reserve(pod: PodInfo, node: NodeInfo, wanted: readonly Claim[]): true | string {
    const unbound = wanted.filter(claim => !isBound(claim))
    if (!unbound.length) return true
    const choice = this.choose(unbound, node)
    if ('no' in choice) return String(choice.no)
    this.#choices.set(pod.uid, choice)
    for (const { claim, volume } of choice.bind) this.#take(claim, pod, node, volume.metadata.name)
    for (const claim of choice.provision) this.#take(claim, pod, node, undefined)
    for (const claim of unbound) this.#reserved.get(keyOfClaim(claim))?.pods.add(pod.uid)
    return true
  }

  #take(claim: Claim, pod: PodInfo, { name: node }: NodeInfo, volume: string | undefined): void {
    this.#reserved.set(keyOfClaim(claim), { node, volume, pods: new Set([pod.uid]) })
  }

  release({ uid }: PodInfo): void {
    this.#choices.delete(uid)
    for (const [key, { pods }] of this.#reserved) {
      pods.delete(uid)
      if (!pods.size) this.#reserved.delete(key)
    }
  }

  /** Resolves when all claims of the pod are bound. Throws if a write fails, or they are not bound in time. */
  async bind(pod: PodInfo, node: NodeInfo): Promise<void> {
    const choice = this.#choices.get(pod.uid)
    for (const { claim, volume } of choice?.bind ?? []) await this.#nameClaim(volume, claim)
    for (const claim of choice?.provision ?? []) await this.#nameNode(claim, node.name)
    const keys = claimNames(pod.pod).map(({ name }) => `${pod.namespace}/${name}`)
    const areBound = () => keys.every(key => this.#isBoundOn(key, node.name))
    if (areBound()) return
    await untilSeen(this.#handle, {
      condition: areBound,
      mirrors: [this.#claims, this.#mirrors.volumes],
      name: 'pods that wait for volumes',
      timeoutMs: this.#timeoutMs,
      late: 'binding volumes: context deadline exceeded',
    })
  }

  async #nameClaim(volume: PersistentVolume, { metadata }: Claim): Promise<void> {
    const { namespace = '', name = '', uid = '', resourceVersion = '' } = metadata
    const claimRef = { kind: 'PersistentVolumeClaim', apiVersion: 'v1', namespace, name, uid, resourceVersion }
    const annotations = volume.spec.claimRef
      ? volume.metadata.annotations
      : { ...volume.metadata.annotations, [names.boundByController]: 'yes' }
    await this.#handle.client.update(PersistentVolume, {
      ...volume,
      metadata: { ...volume.metadata, ...(annotations && { annotations }) },
      spec: { ...volume.spec, claimRef },
    })
  }

  async #nameNode({ metadata }: Claim, node: string): Promise<void> {
    const { namespace = '', name = '' } = metadata
    const annotations = { [names.selectedNode]: node }
    await this.#handle.client.patch(PersistentVolumeClaim, { namespace, name }, 'merge', { metadata: { annotations } })
  }

  /** Whether a claim is bound. Throws if it never will be on this node. */
  #isBoundOn(key: string, node: string): boolean {
    const claim = this.#claims.byKey(key)
    if (!claim) throw new Error(`failed to get pvc ${key} from API`)
    if (isBound(claim)) {
      const volume = this.get(claim.spec.volumeName ?? '')
      if (!volume) throw new Error(`failed to get pv ${claim.spec.volumeName} of pvc ${key}`)
      return true
    }
    const reserved = this.#reserved.get(key)
    const selected = claim.metadata.annotations?.[names.selectedNode]
    if (reserved && !reserved.volume && selected !== undefined && selected !== node)
      throw new Error(`selectedNode annotation value ${JSON.stringify(selected)} not set to scheduled node`)
    return false
  }
}
