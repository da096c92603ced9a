// PodTopologyLabels: a pod gets the zone and the region of its node as labels, when it is bound or when it is created
// with a node, so that its containers can read them. Source: plugin/pkg/admission/podtopologylabels.
import type { Mutable } from '../../api/schema/node.ts'
import { Binding } from '../../kinds/core/binding.ts'
import { Node } from '../../kinds/core/node.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import type { Storage } from '../storage.ts'
import { type AdmissionPlugin, isFor } from './chain.ts'

const topology = ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region']

export function podTopologyLabels(storage: Storage): AdmissionPlugin {
  const nodes = storage.mirror(Node)
  return {
    name: 'PodTopologyLabels',
    mutate(request) {
      if (request.type !== 'CREATE') return
      const isBinding = request.body === Binding
      if (!isBinding && !isFor(request, '', 'pods')) return
      const object = request.object as Mutable<Pod | Binding>
      const nodeName = isBinding ? (object as Binding).target.name : (object as Pod).spec.nodeName
      // A node that is not there yet has no labels either, and the pod may name it all the same.
      const labels = nodeName ? nodes.get(undefined, nodeName)?.metadata.labels : undefined
      for (const key of topology) {
        const value = labels?.[key]
        if (value !== undefined) object.metadata.labels = { ...object.metadata.labels, [key]: value }
      }
    },
  }
}
