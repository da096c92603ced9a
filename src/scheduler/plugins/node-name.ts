// NodeName: a pod with spec.nodeName fits only that node. Such pods are bound already and never reach the scheduler;
// the filter serves questions about where a pod would fit.
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
