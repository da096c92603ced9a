// How many pods does the scheduler place per second? In one process with the API server on the memory store; counts
// from the first pod created ahead of time to the last binding. `decisions` leaves the API out.
// Usage: node bench/scheduling.ts [nodes] [pods] [basic|anti-affinity|spread]
import { performance } from 'node:perf_hooks'
import { realClock } from '../src/base/clock.ts'
import { silentLog } from '../src/base/log.ts'
import { seededRandom } from '../src/base/random.ts'
import type { Draft } from '../src/api/kind.ts'
import { openControlPlane } from '../src/cluster/control-plane.ts'
import { Node } from '../src/kinds/core/node.ts'
import { Pod } from '../src/kinds/core/pod.ts'
import { ServiceAccount } from '../src/kinds/core/serviceaccount.ts'
import { startScheduler } from '../src/scheduler/index.ts'
import { openMemoryStore } from '../src/store/index.ts'
import { makeSigningKey } from '../src/wire/jwt.ts'

const nodes = Number(process.argv[2] ?? 1000)
const pods = Number(process.argv[3] ?? 10_000)
const workload = process.argv[4] ?? 'basic'

const labels = { app: 'bench', color: 'green' }
const special: Record<string, Draft<Pod['spec']>> = {
  basic: {},
  'anti-affinity': {
    affinity: {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { color: 'green' } } },
        ],
      },
    },
  },
  spread: {
    topologySpreadConstraints: [
      {
        maxSkew: 5,
        topologyKey: 'topology.kubernetes.io/zone',
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: { matchLabels: { color: 'green' } },
      },
    ],
  },
}

const random = seededRandom(1)
const plane = await openControlPlane({
  store: openMemoryStore(),
  clock: realClock,
  random,
  log: silentLog,
  tokenKey: makeSigningKey(),
  serviceCidr: '10.96.0.0/16',
  nodePorts: [30000, 32767],
  advertise: { address: '192.0.2.1', port: 6443 },
})
const client = plane.client('bench', ['system:masters'])
await client.create(ServiceAccount, { metadata: { name: 'default', namespace: 'default' } })
const capacity = { cpu: '64', memory: '256Gi', pods: '110' }
for (let i = 0; i < nodes; i++) {
  const name = `node-${i}`
  const zone = { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': `zone-${i % 10}` }
  await client.create(Node, { metadata: { name, labels: zone } })
  await client.patch(
    Node,
    { name },
    'merge',
    { status: { capacity, allocatable: capacity } },
    { subresource: 'status' },
  )
}
const createAt = performance.now()
for (let i = 0; i < pods; i += 100) {
  await Promise.all(
    Array.from({ length: Math.min(100, pods - i) }, (_, j) =>
      client.create(Pod, {
        metadata: { name: `pod-${i + j}`, namespace: 'default', labels },
        spec: {
          containers: [{ name: 'c', image: 'pause', resources: { requests: { cpu: '100m', memory: '500Mi' } } }],
          ...special[workload],
        },
      }),
    ),
  )
}
const createMs = performance.now() - createAt
const ending = new AbortController()
const at = performance.now()
const bound = new Promise<void>(resolve => {
  let left = pods
  client.mirror(Pod).subscribe(changes => {
    for (const { item, before } of changes)
      if (item.object.spec.nodeName && !before?.object.spec.nodeName && --left === 0) resolve()
  })
})
const scheduler = await startScheduler({
  client: plane.client('system:kube-scheduler'),
  clock: realClock,
  random,
  log: silentLog,
  signal: ending.signal,
})
await bound
const ms = performance.now() - at
const value = Math.round((pods * 1000) / ms)
const created = Math.round((pods * 1000) / createMs)
console.log(
  JSON.stringify({
    bench: `scheduling-${workload}`,
    value,
    unit: 'pods/s',
    nodes,
    pods,
    created,
    waiting: scheduler.waiting(),
  }),
)
ending.abort()
await plane.close()
process.exit(0)
