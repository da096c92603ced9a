// How much can one server carry? First a stream of pods, each created, bound, Running and deleted, with 1,000 simulated
// nodes; then 100,000 pods held: how long requests take, how much memory it needs. The clients are in the server's
// process, the store is on disk.
// Usage: node bench/scale.ts [--nodes 1000] [--rate 1000] [--seconds 120] [--hold 100000]
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { realClock } from '../src/base/clock.ts'
import type { Draft } from '../src/api/kind.ts'
import { Pod } from '../src/kinds/core/pod.ts'
import { ServiceAccount } from '../src/kinds/core/serviceaccount.ts'
import {
  inBatches,
  openWorld,
  print,
  quantile,
  refOf,
  residentMiB,
  round,
  seconds,
  until,
  type World,
} from './world.ts'

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '1000' },
    rate: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '120' },
    hold: { type: 'string', default: '100000' },
  },
})
const nodes = Number(values.nodes)
const rate = Number(values.rate)
const runSeconds = Number(values.seconds)
const hold = Number(values.hold)

const world = await openWorld(nodes)
await until('the service account', () => world.client.mirror(ServiceAccount).get('default', 'default') !== undefined)
if (runSeconds > 0) await stream(world)
if (hold > 0) await holding(world)
await world.close()
process.exit(0)

function podDraft(name: string): Draft<Pod> {
  const resources = { requests: { cpu: '100m', memory: '128Mi' } }
  return {
    metadata: { name, namespace: 'default', labels: { app: 'bench' } },
    spec: { containers: [{ name: 'c', image: 'pause', resources }], terminationGracePeriodSeconds: 30 },
  } as Draft<Pod>
}

async function stream({ client }: World): Promise<void> {
  const createdAt = new Map<string, number>()
  const [creates, deletes, starts]: [number[], number[], number[]] = [[], [], []]
  let [running, gone, failed] = [0, 0, 0]
  const stop = client.mirror(Pod).subscribe(changes => {
    for (const { type, item, before } of changes) {
      const pod = item.object
      const began = createdAt.get(pod.metadata.name ?? '')
      if (began === undefined) continue
      if (type === 'DELETED') gone++
      else if (pod.status.phase === 'Running' && before?.object.status.phase !== 'Running') {
        running++
        starts.push(performance.now() - began)
        void timed(deletes, () => client.delete(Pod, refOf(pod)))
      }
    }
  })
  const cpu = process.cpuUsage()
  const begin = performance.now()
  let created = 0
  while (seconds(begin) < runSeconds) {
    const due = Math.floor(seconds(begin) * rate)
    for (; created < due; created++) {
      const name = `stream-${created}`
      createdAt.set(name, performance.now())
      timed(creates, () => client.create(Pod, podDraft(name))).catch(() => failed++)
    }
    await realClock.sleep(5)
  }
  const atEnd = { running: running / runSeconds, gone: gone / runSeconds }
  await until('the last pod to go', () => gone + failed >= created, 120_000)
  stop()
  const took = seconds(begin)
  const used = process.cpuUsage(cpu)
  print('scale-pods', gone / took, 'pods/s created, bound, Running and deleted', {
    nodes,
    asked: rate,
    seconds: round(took),
    pods: created,
    failed,
    runningPerSecond: round(atEnd.running),
    gonePerSecond: round(atEnd.gone),
    toRunningP50Ms: quantile(starts, 0.5),
    toRunningP99Ms: quantile(starts, 0.99),
    createP99Ms: quantile(creates, 0.99),
    deleteP99Ms: quantile(deletes, 0.99),
    coresUsed: round((used.user + used.system) / 1e6 / took),
    residentMiB: residentMiB(),
  })
}

async function timed<T>(into: number[], work: () => Promise<T>): Promise<T> {
  const at = performance.now()
  try {
    return await work()
  } finally {
    into.push(performance.now() - at)
  }
}

async function holding({ client, plane }: World): Promise<void> {
  let running = 0
  const stop = client.mirror(Pod).subscribe(changes => {
    for (const { item, before } of changes)
      if (item.object.status.phase === 'Running' && before?.object.status.phase !== 'Running') running++
  })
  const begin = performance.now()
  await inBatches(hold, i => client.create(Pod, podDraft(`held-${i}`)))
  await until('all of them Running', () => running >= hold)
  stop()
  const filled = seconds(begin)
  const [creates, patches, gets, lists]: [number[], number[], number[], number[]] = [[], [], [], []]
  // A second of quiet, then what a cluster does all the time.
  await realClock.sleep(1000)
  for (let i = 0; i < 500; i++) {
    const ref = { namespace: 'default', name: `held-${(i * 7919) % hold}` }
    const labels = { round: String(i) }
    await Promise.all([
      timed(creates, () =>
        client.create(Pod, {
          ...podDraft(`more-${i}`),
          spec: { ...podDraft('').spec, nodeName: 'nowhere' },
        } as Draft<Pod>),
      ),
      timed(patches, () => client.patch(Pod, ref, 'merge', { metadata: { labels } })),
      timed(gets, () => client.get(Pod, ref)),
    ])
  }
  for (let i = 0; i < 5; i++) await timed(lists, () => wholeList())
  print('scale-held', hold, 'pods held', {
    nodes,
    filledPerSecond: round(hold / filled),
    createP99Ms: quantile(creates, 0.99),
    patchP99Ms: quantile(patches, 0.99),
    getP99Ms: quantile(gets, 0.99),
    listOfAllMs: quantile(lists, 0.5),
    listOfAllMaxMs: quantile(lists, 1),
    residentMiB: residentMiB(),
  })

  /** A LIST of everything as the HTTP server answers it: the bytes of every item. */
  async function wholeList(): Promise<number> {
    const result = await plane.serve({
      verb: 'list',
      kind: Pod,
      subresource: '',
      namespace: '',
      name: '',
      user: { name: 'bench', groups: ['system:masters'] },
      options: {},
    })
    if (result.type !== 'list') throw new Error(`a list was answered with ${result.type}`)
    return result.items.reduce((sum, item) => sum + item.bytes.length, 0)
  }
}
