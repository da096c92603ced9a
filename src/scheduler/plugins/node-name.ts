// NodeName: a pod that asks for a node by name gets that one or none. (Pods that already have spec.nodeName never
// come here; the filter matters to those who ask the scheduler what it would say.)
import { definePlugin, plain, skip } from '../framework.ts'

const no = { no: "node(s) didn't match the requested node name", ever: false } as const

export const nodeName = plain(
  definePlugin<string>({
    name: 'NodeName',
    depends: 'node',
    prepare: ({ pod }) => pod.spec.nodeName || skip,
    filter: (name, node) => node.name === name || no,
  }),
)
