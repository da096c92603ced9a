// QuietNodes: nodes with a label are left in peace. A pod that asks for a whole CPU or more never gets one; others get
// one only when nothing else is free. Shows a plugin with arguments, a filter, a score and a wake-up.
import { definePlugin, type PluginMaker, wake } from '../../src/scheduler/index.ts'
import { Node } from '../../src/kinds/core/node.ts'

const wholeCpuMilli = 1000
const no = { no: 'node(s) were quiet', ever: false }

const quietNodes: PluginMaker = {
  name: 'QuietNodes',
  // Called once with the plugin's `args`, when the configuration is read; mistakes noted here stop the scheduler from
  // starting. What it returns is called once per profile.
  read(args) {
    const label = args.string('label', 'example.com/quiet')
    return () =>
      definePlugin({
        name: 'QuietNodes',
        // The first request is CPU, in thousandths.
        filter: (_, node, pod) => node.labels[label] === undefined || pod.requests[0]! < wholeCpuMilli || no,
        score: (_, node) => (node.labels[label] === undefined ? 100 : 0),
        // A pod that was kept out is tried again when a node loses the label, or a new one comes without it.
        wakeOn: [wake(Node, (_pod, after) => after !== undefined && after.metadata.labels?.[label] === undefined)],
      })
  },
}

export const plugins = [quietNodes]
