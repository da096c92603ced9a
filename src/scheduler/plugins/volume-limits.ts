// NodeVolumeLimits: no node gets more volumes of a CSI driver than the driver can attach to it, as its CSINode says. A
// volume that several pods of a node use counts once.
// Source: plugins/nodevolumelimits (csi.go).
import { claimNames } from '../../kinds/core/pod-claims.ts'
import { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { storageClassOf } from '../../kinds/core/volume-annotations.ts'
import { CSINode } from '../../kinds/storage/csinode.ts'
import { StorageClass } from '../../kinds/storage/storageclass.ts'
import { definePlugin, freed, type Handle, type No, type PluginMaker, skip, wake } from '../framework.ts'
import type { PodInfo } from '../info.ts'

const tooMany: No = { no: 'node(s) exceed max volume count', ever: true }

/** Volumes by an id that no two have, each with its driver. */
type Attached = Map<string, string>

export const nodeVolumeLimits: PluginMaker = {
  name: 'NodeVolumeLimits',
  read: () => make,
}

function make({ client }: Handle) {
  const [claims, volumes] = [client.mirror(PersistentVolumeClaim), client.mirror(PersistentVolume)]
  const [classes, nodes] = [client.mirror(StorageClass), client.mirror(CSINode)]
  const add = ({ pod, namespace }: PodInfo, to: Attached) => {
    for (const { name } of claimNames(pod)) {
      const claim = claims.get(namespace, name)
      if (!claim) continue
      const { volumeName } = claim.spec
      const csi = volumeName ? volumes.get(undefined, volumeName)?.spec.csi : undefined
      if (csi) to.set(`${csi.driver}/${csi.volumeHandle}`, csi.driver)
      // A volume that is still to be made will be one of the provisioner of its class.
      const provisioner = volumeName ? undefined : classes.get(undefined, storageClassOf(claim))?.provisioner
      if (provisioner) to.set(`${provisioner}/${namespace}/${name}`, provisioner)
    }
  }
  const limitOf = (node: string, driver: string) =>
    nodes.get(undefined, node)?.spec.drivers?.find(({ name }) => name === driver)?.allocatable?.count
  return definePlugin<Attached>({
    name: 'NodeVolumeLimits',
    prepare(pod) {
      const wanted: Attached = new Map()
      add(pod, wanted)
      return wanted.size ? wanted : skip
    },
    filter(wanted, { name, pods }) {
      const limits = new Map([...new Set(wanted.values())].map(driver => [driver, limitOf(name, driver)]))
      if (![...limits.values()].some(limit => limit !== undefined)) return true
      const attached: Attached = new Map()
      for (const pod of pods.values()) add(pod, attached)
      for (const [driver, limit] of limits) {
        if (limit === undefined) continue
        const there = [...attached].filter(([, of]) => of === driver).length
        const more = [...wanted].filter(([id, of]) => of === driver && !attached.has(id)).length
        if (more && there + more > limit) return tooMany
      }
      return true
    },
    wakeOn: [
      wake(Pod, (_, after, before) => freed(after, before)),
      wake(CSINode, (_, after) => after !== undefined),
      wake(PersistentVolumeClaim, (pod, after) => after !== undefined && after.metadata.namespace === pod.namespace),
    ],
  })
}
