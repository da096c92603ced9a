// How many decisions does the scheduler make per second, without the API? Decide and assume, over a full snapshot.
// Usage: node bench/decisions.ts [nodes] [pods]
import { performance } from 'node:perf_hooks'
import { seededRandom } from '../src/base/random.ts'
import { decide } from '../src/scheduler/decide.ts'
import { type Node, type Pod, PodInfo } from '../src/scheduler/info.ts'
import { defaultPlugins } from '../src/scheduler/plugins/index.ts'
import { Snapshot } from '../src/scheduler/snapshot.ts'

const nodes = Number(process.argv[2] ?? 1000)
const pods = Number(process.argv[3] ?? 10_000)
const snapshot = new Snapshot({ namespaceLabels: () => undefined, ownSelector: () => undefined })
for (let i = 0; i < nodes; i++) {
  const name = `node-${i}`
  const metadata = { name, labels: { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': `zone-${i % 10}` } }
  snapshot.setNode({
    metadata,
    spec: {},
    status: { allocatable: { cpu: '64', memory: '256Gi', pods: '110' } },
  } as unknown as Node)
}
const random = seededRandom(1)
const requests = { cpu: '100m', memory: '500Mi' }
const at = performance.now()
let start = 0
for (let i = 0; i < pods; i++) {
  const metadata = { name: `pod-${i}`, namespace: 'default', uid: `uid-${i}`, labels: { app: 'bench' } }
  const pod = new PodInfo({
    metadata,
    spec: { containers: [{ name: 'c', image: 'pause', resources: { requests } }] },
    status: {},
  } as unknown as Pod)
  const { outcome, looked } = decide(pod, { plugins: defaultPlugins, snapshot, random, nominations: new Map(), start })
  start = (start + looked) % nodes
  if (outcome.type === 'node') snapshot.setPod(pod, outcome.node.name, true)
}
const value = Math.round((pods * 1000) / (performance.now() - at))
console.log(JSON.stringify({ bench: 'scheduling-decisions', value, unit: 'pods/s', nodes, pods }))
