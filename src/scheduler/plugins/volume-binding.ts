// VolumeBinding: a pod waits until the claims that it mounts exist and are bound, and fits only nodes that can reach
// their volumes. A pod with a claim that waits for its first consumer fits no node, since no part of Kutter binds
// claims or provisions volumes. Source: plugins/volumebinding.
import { matchesTerms } from '../../kinds/core/node-selection.ts'
import { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { claimNames } from '../../kinds/core/pod-claims.ts'
import { StorageClass } from '../../kinds/storage/storageclass.ts'
import { definePlugin, type Handle, type PluginMaker, type Rejected, skip, wake } from '../framework.ts'
import type { PodInfo } from '../info.ts'

const bindCompleted = 'pv.kubernetes.io/bind-completed'
const noVolume = { no: "node(s) didn't find available persistent volumes to bind", ever: false } as const
const elsewhere = { no: "node(s) didn't match PersistentVolume's node affinity", ever: false } as const
const lost = {
  no: 'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)',
  ever: false,
} as const

export const volumeBinding: PluginMaker = {
  name: 'VolumeBinding',
  read(args) {
    args.integer('bindTimeoutSeconds', { min: 0, max: Number.MAX_SAFE_INTEGER }, 600)
    return make
  },
}

function make({ client }: Handle) {
  const claims = client.mirror(PersistentVolumeClaim)
  const volumes = client.mirror(PersistentVolume)
  const classes = client.mirror(StorageClass)
  const waitsForConsumer = ({ spec }: PersistentVolumeClaim) =>
    !spec.volumeName &&
    spec.storageClassName !== undefined &&
    classes.get(undefined, spec.storageClassName)?.volumeBindingMode === 'WaitForFirstConsumer'
  return definePlugin<readonly PersistentVolumeClaim[]>({
    name: 'VolumeBinding',
    prepare({ pod, namespace }) {
      const wanted = claimNames(pod)
      if (!wanted.length) return skip
      const found: PersistentVolumeClaim[] = []
      for (const { name, ephemeral } of wanted) {
        const claim = claims.get(namespace, name)
        const problem = claim ? problemOf(claim) : missing(name, ephemeral)
        if (problem) return { rejected: problem } satisfies Rejected
        found.push(claim!)
      }
      if (found.some(claim => !isBound(claim) && !waitsForConsumer(claim)))
        return { rejected: 'pod has unbound immediate PersistentVolumeClaims' } satisfies Rejected
      return found
    },
    filter(wanted, { node }) {
      for (const claim of wanted) {
        if (!isBound(claim)) return noVolume
        const volume = volumes.get(undefined, claim.spec.volumeName!)
        if (!volume) return lost
        const terms = volume.spec.nodeAffinity?.required?.nodeSelectorTerms
        if (terms && !matchesTerms(node, terms)) return elsewhere
      }
      return true
    },
    wakeOn: [
      wake(PersistentVolumeClaim, (pod, after) => after !== undefined && mounts(pod, after)),
      wake(PersistentVolume, (_, after) => after !== undefined),
      wake(StorageClass, (_, after) => after !== undefined),
    ],
  })
}

const mounts = ({ pod, namespace }: PodInfo, claim: PersistentVolumeClaim) =>
  claim.metadata.namespace === namespace && claimNames(pod).some(({ name }) => name === claim.metadata.name)

const isBound = ({ spec, metadata }: PersistentVolumeClaim) =>
  Boolean(spec.volumeName) && metadata.annotations?.[bindCompleted] !== undefined

const missing = (name: string, ephemeral: boolean) =>
  ephemeral
    ? `waiting for ephemeral volume controller to create the persistentvolumeclaim ${JSON.stringify(name)}`
    : `persistentvolumeclaim ${JSON.stringify(name)} not found`

function problemOf({ metadata, spec, status }: PersistentVolumeClaim): string | undefined {
  const name = JSON.stringify(metadata.name)
  if (status.phase === 'Lost')
    return `persistentvolumeclaim ${name} bound to non-existent persistentvolume ${JSON.stringify(spec.volumeName)}`
  return metadata.deletionTimestamp ? `persistentvolumeclaim ${name} is being deleted` : undefined
}
