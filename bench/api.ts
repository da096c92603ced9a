// How fast the API server itself is: creates, status patches and gets of pods through the in-process client on the
// memory store, so that neither TLS nor the disk is in the figure. One line of JSON for each.
import { Pod } from '../src/kinds/core/pod.ts'
import { ServiceAccount } from '../src/kinds/core/serviceaccount.ts'
import { openPlane } from './plane.ts'

const total = 5_000
const width = 32
const plane = await openPlane()
const client = plane.client('bench', ['system:masters'])
await client.create(ServiceAccount, { metadata: { name: 'default', namespace: 'default' } })

async function measure(bench: string, work: (i: number) => Promise<unknown>): Promise<void> {
  const began = performance.now()
  let next = 0
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (next < total) await work(next++)
    }),
  )
  const perSecond = (total / (performance.now() - began)) * 1000
  console.log(
    JSON.stringify({
      bench,
      value: Math.round(perSecond),
      unit: '1/s',
      width,
      total,
      store: 'memory',
      transport: 'in process',
    }),
  )
}

const ref = (i: number) => ({ namespace: 'default', name: `p-${i}` })
const pod = (i: number) => ({
  metadata: { ...ref(i), labels: { app: 'web', tier: 'front' } },
  spec: {
    containers: [
      {
        name: 'a',
        image: 'registry/app:1',
        ports: [{ containerPort: 80 }],
        resources: { requests: { cpu: '100m', memory: '128Mi' } },
      },
    ],
  },
})
const status = {
  status: {
    phase: 'Running',
    podIP: '10.244.0.5',
    conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }],
  },
}
await measure('api-pod-creates', i => client.create(Pod, pod(i)))
await measure('api-pod-status-patches', i => client.patch(Pod, ref(i), 'merge', status, { subresource: 'status' }))
await measure('api-pod-gets', i => client.get(Pod, ref(i)))
await plane.close()
process.exit(0)
