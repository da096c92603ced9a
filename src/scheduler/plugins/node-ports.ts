// NodePorts: two pods of a node cannot have the same host port.
import { Node } from '../../kinds/core/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { definePlugin, freed, plain, skip, wake } from '../framework.ts'
import type { HostPort } from '../info.ts'

const no = { no: "node(s) didn't have free ports for the requested pod ports", ever: true } as const
const anyAddress = '0.0.0.0'

const clash = (a: HostPort, b: HostPort): boolean =>
  a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === anyAddress || b.ip === anyAddress)

export const nodePorts = plain(
  definePlugin<readonly HostPort[]>({
    name: 'NodePorts',
    depends: 'node',
    prepare: ({ ports }) => (ports.length ? ports : skip),
    filter(wanted, node) {
      for (const { port } of node.ports.values()) if (wanted.some(mine => clash(mine, port))) return no
      return true
    },
    wakeOn: [
      wake(Pod, (_, after, before) => freed(after, before)),
      wake(Node, (_, after, before) => after !== undefined && before === undefined),
    ],
  }),
)
