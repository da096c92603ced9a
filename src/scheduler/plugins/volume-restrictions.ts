// VolumeRestrictions: what only one pod may use at a time. A claim with the access mode ReadWriteOncePod is for one pod
// of the whole cluster; some disks are attached to a node for one pod, unless all of them only read.
// Source: plugins/volumerestrictions (volume_restrictions.go).
import { claimNames } from '../../kinds/core/pod-claims.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { definePlugin, freed, type Handle, type No, type PluginMaker, skip, wake } from '../framework.ts'
import type { PodInfo } from '../info.ts'

type Volume = NonNullable<Pod['spec']['volumes']>[number]

const diskInUse: No = { no: 'node(s) had no available disk', ever: true }
const claimInUse = 'node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode'

interface State {
  disks: readonly Volume[]
  /** The pods that use a claim of this pod that is for one pod. */
  rivals: readonly PodInfo[]
}

export const volumeRestrictions: PluginMaker = {
  name: 'VolumeRestrictions',
  read: () => make,
}

function make({ client }: Handle) {
  const claims = client.mirror(PersistentVolumeClaim)
  /** The names of the claims that no other pod may use. */
  const ownClaims = ({ pod, namespace }: PodInfo) =>
    new Set(
      claimNames(pod)
        .map(({ name }) => name)
        .filter(name => claims.get(namespace, name)?.spec.accessModes?.includes('ReadWriteOncePod')),
    )
  return definePlugin<State>({
    name: 'VolumeRestrictions',
    prepare(pod, { nodes }) {
      const disks = (pod.pod.spec.volumes ?? []).filter(isDisk)
      const own = ownClaims(pod)
      if (!disks.length && !own.size) return skip
      const uses = (other: PodInfo) =>
        other.namespace === pod.namespace && claimNames(other.pod).some(({ name }) => own.has(name))
      return { disks, rivals: own.size ? nodes.flatMap(({ pods }) => [...pods.values()].filter(uses)) : [] }
    },
    filter({ disks, rivals }, { pods }) {
      if (disks.length)
        for (const { pod } of pods.values())
          if (pod.spec.volumes?.some(other => disks.some(disk => conflict(disk, other)))) return diskInUse
      // A rival elsewhere stays, whichever pods leave this node.
      if (rivals.some(({ uid }) => !pods.has(uid))) return { no: claimInUse, ever: false }
      return rivals.length ? { no: claimInUse, ever: true } : true
    },
    wakeOn: [
      wake(Pod, (_, after, before) => freed(after, before)),
      wake(PersistentVolumeClaim, (pod, after) => after !== undefined && after.metadata.namespace === pod.namespace),
    ],
  })
}

const isDisk = ({ gcePersistentDisk, awsElasticBlockStore, rbd, iscsi }: Volume) =>
  Boolean(gcePersistentDisk ?? awsElasticBlockStore ?? rbd ?? iscsi)

/** Whether two volumes are one disk that both cannot use. */
function conflict(one: Volume, other: Volume): boolean {
  const bothRead = (...of: ({ readonly readOnly?: boolean | undefined } | undefined)[]) => of.every(v => v?.readOnly)
  if (one.gcePersistentDisk && one.gcePersistentDisk.pdName === other.gcePersistentDisk?.pdName)
    return !bothRead(one.gcePersistentDisk, other.gcePersistentDisk)
  if (one.awsElasticBlockStore) return one.awsElasticBlockStore.volumeID === other.awsElasticBlockStore?.volumeID
  if (one.iscsi && one.iscsi.iqn === other.iscsi?.iqn) return !bothRead(one.iscsi, other.iscsi)
  const [a, b] = [one.rbd, other.rbd]
  const isSame = a && b && a.monitors.some(m => b.monitors.includes(m)) && a.pool === b.pool && a.image === b.image
  return Boolean(isSame) && !bothRead(a, b)
}
