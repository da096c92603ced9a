// NodeUnschedulable: a cordoned node takes only pods that tolerate the taint node.kubernetes.io/unschedulable.
import { Node } from '../../kinds/core/node.ts'
import { definePlugin, plain, wake } from '../framework.ts'
import { tolerated } from '../../kinds/core/tolerations.ts'

const no = { no: 'node(s) were unschedulable', ever: false } as const
const taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' } as const

export const nodeUnschedulable = plain(
  definePlugin({
    name: 'NodeUnschedulable',
    depends: 'node',
    filter: (_, { node }, { pod }) => !node.spec.unschedulable || tolerated(pod.spec.tolerations, taint) || no,
    wakeOn: [
      wake(
        Node,
        (_, after, before) => after !== undefined && !after.spec.unschedulable && (before?.spec.unschedulable ?? true),
      ),
    ],
  }),
)
