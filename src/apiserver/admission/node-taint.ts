// NodeTaint: a new node gets a taint, so that no pods are scheduled to it before it is ready. The node lifecycle
// controller removes the taint. Source: plugin/pkg/admission/nodetaint.
import type { Node } from '../../kinds/core/node.ts'
import { type AdmissionPlugin, isFor } from './chain.ts'
import type { Mutable } from '../../api/schema/node.ts'

const taint = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' } as const

export function nodeTaint(): AdmissionPlugin {
  return {
    name: 'TaintNodesByCondition',
    mutate(request) {
      if (request.type !== 'CREATE' || !isFor(request, '', 'nodes')) return
      const { spec } = request.object as Mutable<Node>
      if (spec.taints?.some(({ key, effect }) => key === taint.key && effect === taint.effect)) return
      spec.taints = [...(spec.taints ?? []), { ...taint }]
    },
  }
}
