// What volumes cost: a pod with a new claim beside one without, claims bound to volumes that are there, and a new kubelet
// that takes over pods with volumes. The real command, the real kubelet, every write on disk.
// Usage: tools/node bench/storage.ts [PODS=100]
import type { Client } from '../src/client/index.ts'
import { Node } from '../src/kinds/core/node.ts'
import { PersistentVolume } from '../src/kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../src/kinds/core/persistentvolumeclaim.ts'
import { Pod } from '../src/kinds/core/pod.ts'
import { realClock } from '../src/base/clock.ts'
import { clientOf, kutter, podNamed, runPods, status, tell, timed, withCluster } from './real.ts'

const count = Number(process.argv[2] ?? 100)
const rounds = 10
const claims = 500
const namespace = 'default'
const storage = '1Mi'

const claimNamed = (name: string, spec: object = {}) => ({
  metadata: { name, namespace },
  spec: { accessModes: ['ReadWriteOnce' as const], resources: { requests: { storage } }, ...spec },
})
const withClaim = (name: string) =>
  podNamed(
    name,
    { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: name } }] },
    { volumeMounts: [{ name: 'v', mountPath: '/data' }] },
  )

async function createWithClaim(client: Client, name: string): Promise<void> {
  await client.create(PersistentVolumeClaim, claimNamed(name))
  await client.create(Pod, withClaim(name))
}

const median = (list: number[]) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]!

async function single(client: Client): Promise<void> {
  const [plain, claimed]: [number[], number[]] = [[], []]
  await runPods(client, ['warm'], name => createWithClaim(client, name))
  for (let i = 0; i < rounds; i++) {
    plain.push(await runPods(client, [`plain-${i}`], name => client.create(Pod, podNamed(name))))
    claimed.push(await runPods(client, [`claimed-${i}`], name => createWithClaim(client, name)))
  }
  const more = { plain: Math.round(median(plain)), rounds }
  tell('pod-with-claim', median(claimed), 'ms', more)
  tell('pod-with-claim-on-top', median(claimed) - median(plain), 'ms', more)
  await removePods(client)
}

async function removePods(client: Client): Promise<void> {
  const { items } = await client.list(Pod, { namespace })
  for (const { metadata } of items)
    await client.delete(Pod, { namespace, name: metadata.name! }, { gracePeriodSeconds: 0 })
}

/** Claims without a class, for volumes of the same size. */
async function binding(client: Client): Promise<void> {
  const names = Array.from({ length: claims }, (_, i) => `bound-${i}`)
  const own = { accessModes: ['ReadWriteOnce' as const], capacity: { storage }, hostPath: { path: '/tmp' } }
  await Promise.all(names.map(name => client.create(PersistentVolume, { metadata: { name }, spec: own })))
  const took = await timed(
    client,
    PersistentVolumeClaim,
    names,
    ({ status }) => status.phase === 'Bound',
    name => client.create(PersistentVolumeClaim, claimNamed(name, { storageClassName: '' })),
  )
  tell('claims-bound', (claims / took) * 1000, '1/s', { claims })
}

/** From the death of the agent until the next one has all pods. */
async function restart(client: Client, raw: (path: string) => Promise<string>): Promise<void> {
  const names = Array.from({ length: count }, (_, i) => `kept-${i}`)
  await runPods(client, names, name => createWithClaim(client, name))
  const [node] = (await client.list(Node)).items
  const { processes } = await status()
  const { pid } = processes.find(({ role }) => role === 'agent')!
  process.kill(pid, 'SIGKILL')
  const began = performance.now()
  const metrics = `/api/v1/nodes/${node!.metadata.name}/proxy/metrics`
  for (;;) {
    const text = await raw(metrics).catch(() => '')
    if (Number(/^kubelet_running_pods (\d+)$/m.exec(text)?.[1]) >= count) break
    await realClock.sleep(20)
  }
  tell('agent-restart', performance.now() - began, 'ms', { pods: count })
}

await withCluster(
  async () => void (await kutter('up', '--port', '16900')),
  async () => {
    const { client, raw, close } = clientOf((await status()).server)
    await single(client)
    await binding(client)
    await restart(client, raw)
    close()
  },
)
process.exit(0)
