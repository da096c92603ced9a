// VolumeZone: volumes that a cloud has labelled with a zone or region are reached only from there. Most volumes have a
// node affinity instead, by which VolumeBinding decides.
// Source: plugins/volumezone (volume_zone.go).
import { claimNames } from '../../kinds/core/pod-claims.ts'
import { Node } from '../../kinds/core/node.ts'
import { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { definePlugin, type Handle, type No, type PluginMaker, skip, wake } from '../framework.ts'

const otherZone: No = { no: 'node(s) had no available volume zone', ever: false }

/** Labels, with the names that took their place. */
const topology: Readonly<Record<string, string>> = {
  'topology.kubernetes.io/zone': 'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region': 'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone': 'topology.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region': 'topology.kubernetes.io/region',
}

interface Demand {
  key: string
  values: ReadonlySet<string>
}

export const volumeZone: PluginMaker = {
  name: 'VolumeZone',
  read: () => make,
}

function make({ client }: Handle) {
  const [claims, volumes] = [client.mirror(PersistentVolumeClaim), client.mirror(PersistentVolume)]
  return definePlugin<readonly Demand[]>({
    name: 'VolumeZone',
    prepare({ pod, namespace }) {
      const bound = claimNames(pod).map(({ name }) => claims.get(namespace, name)?.spec.volumeName ?? '')
      const demands = bound.flatMap(name => demandsOf(volumes.get(undefined, name)))
      return demands.length ? demands : skip
    },
    filter(demands, { labels }) {
      // A node that states no place at all is not known to be elsewhere.
      if (!Object.keys(topology).some(key => labels[key] !== undefined)) return true
      const isThere = ({ key, values }: Demand) => values.has(labels[key] ?? labels[topology[key]!] ?? '')
      return demands.every(isThere) || otherZone
    },
    wakeOn: [
      wake(Node, (_, after) => after !== undefined),
      wake(PersistentVolume, (_, after) => after !== undefined),
      wake(PersistentVolumeClaim, (pod, after) => after !== undefined && after.metadata.namespace === pod.namespace),
    ],
  })
}

/** A volume in several zones names them all, separated by two underscores. */
const demandsOf = (volume: PersistentVolume | undefined): Demand[] =>
  Object.entries(volume?.metadata.labels ?? {}).flatMap(([key, value]) =>
    Object.hasOwn(topology, key) ? [{ key, values: new Set(value.split('__')) }] : [],
  )
