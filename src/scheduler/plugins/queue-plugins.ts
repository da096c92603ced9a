// The plugins of the queue and the binding: SchedulingGates keeps gated pods out of the queue, PrioritySort puts pods
// of higher priority first, DefaultBinder writes the binding. Source: plugins/schedulinggates, queuesort,
// defaultbinder.
import { Pod } from '../../kinds/core/pod.ts'
import { Binding } from '../../kinds/core/binding.ts'
import { definePlugin, plain, type PluginMaker } from '../framework.ts'

export const schedulingGates = plain(
  definePlugin({
    name: 'SchedulingGates',
    preEnqueue({ pod }) {
      const gates = pod.spec.schedulingGates
      return gates?.length ? `waiting for scheduling gates: [${gates.map(({ name }) => name).join(' ')}]` : true
    },
  }),
)

export const prioritySort = plain(definePlugin({ name: 'PrioritySort', before: (a, b) => a.priority > b.priority }))

export const defaultBinder: PluginMaker = {
  name: 'DefaultBinder',
  read:
    () =>
    ({ client }) =>
      definePlugin({
        name: 'DefaultBinder',
        async bind({ pod, namespace, uid }, node) {
          const name = pod.metadata.name ?? ''
          await client.createUnder(Pod, { namespace, name }, 'binding', Binding, {
            metadata: { name, namespace, uid },
            target: { kind: 'Node', name: node.name },
          })
          return true
        },
      }),
}
