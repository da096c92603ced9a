// What becomes of the data on a node: a claim grows while it is written to, a node that is deleted or removed leaves its
// claims bound to volumes that nobody else has, and all other data stays.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { cannotRun, clusterForFile, eventually } from './cluster.ts'
import { eventComes, getPod, isReady, mainOf, podIs, sh } from './pods.ts'

const cluster = clusterForFile('node-data', ['busybox'], ['--nodes', '3'])
const kubectl = (args: string) => cluster.kubectl(args)
const pods = ['db-0', 'db-1', 'db-2']

/** Each start of a pod adds a line of its own, and then numbers, one after the other. */
const script = `echo start $(hostname) >> /data/log
  n=0; trap 'exit 0' TERM
  while :; do n=$((n+1)); echo $n >> /data/log || exit 1; sleep 0.1; done`
const database = {
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name: 'db' },
  spec: {
    serviceName: 'db',
    replicas: 3,
    podManagementPolicy: 'Parallel',
    selector: { matchLabels: { app: 'db' } },
    template: {
      metadata: { labels: { app: 'db' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        automountServiceAccountToken: false,
        affinity: {
          podAntiAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: [
              { labelSelector: { matchLabels: { app: 'db' } }, topologyKey: 'kubernetes.io/hostname' },
            ],
          },
        },
        containers: [sh(script, { volumeMounts: [{ name: 'data', mountPath: '/data' }] })],
      },
    },
    volumeClaimTemplates: [
      {
        metadata: { name: 'data' },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '64Mi' } } },
      },
    ],
  },
}

interface Claim {
  metadata: { uid: string }
  spec: { volumeName: string }
  status: { phase: string; capacity: { storage: string } }
}
interface Volume {
  metadata: { uid: string; name: string }
  spec: { local: { path: string }; capacity: { storage: string } }
  status: { phase: string }
}
const get = async <T>(what: string) => JSON.parse(await kubectl(`get ${what} -o json`)) as T
const claimOf = (pod: string) => get<Claim>(`pvc data-${pod}`)
const volumeOf = async (pod: string) => get<Volume>(`pv ${(await claimOf(pod)).spec.volumeName}`)
const nodeOf = (pod: string) => kubectl(`get pod ${pod} -o jsonpath={.spec.nodeName}`)
const linesOf = (path: string) => readFileSync(`${path}/log`, 'utf8').trimEnd().split('\n')
const starts = (path: string) => linesOf(path).filter(line => line.startsWith('start')).length

/** Which pod is where with which data, for comparison. */
const all = async (...names: string[]) =>
  Promise.all(
    names.map(async name => {
      const pod = await getPod(cluster, name)
      const { metadata, spec } = await volumeOf(name)
      return {
        name,
        uid: pod.metadata.uid,
        id: mainOf(pod)?.containerID,
        volume: metadata.uid,
        starts: starts(spec.local.path),
      }
    }),
  )
const writes = async (name: string) => {
  const { path } = (await volumeOf(name)).spec.local
  const before = linesOf(path).length
  await eventually(`${name} writes`, async () => linesOf(path).length > before)
}
const agentOf = async (node: string) => {
  const { processes } = JSON.parse((await cluster.kutter('status', '-o', 'json')).stdout) as {
    processes: { role: string; node?: string; pid: number }[]
  }
  return processes.find(({ role, node: of }) => role === 'agent' && of === node)!.pid
}

describe('the data of nodes', { concurrency: false, skip: cannotRun }, () => {
  test('a claim grows while it is written to, and the pod goes on', async () => {
    await cluster.apply(database)
    await kubectl('rollout status statefulset/db --timeout=90s')
    assert.equal(new Set(await Promise.all(pods.map(nodeOf))).size, 3)
    const before = await all(...pods)
    await kubectl(`patch pvc data-db-0 -p '{"spec":{"resources":{"requests":{"storage":"1Gi"}}}}'`)
    await eventComes(cluster, 'data-db-0', /^VolumeResizeSuccessful: /)
    assert.equal((await claimOf('db-0')).status.capacity.storage, '1Gi')
    assert.equal((await volumeOf('db-0')).spec.capacity.storage, '1Gi')
    await writes('db-0')
    assert.deepEqual(await all(...pods), before)
    const numbers = linesOf((await volumeOf('db-0')).spec.local.path).slice(1)
    assert.deepEqual(
      numbers,
      numbers.map((_, i) => String(i + 1)),
    )
    const smaller = await cluster.tryKubectl(
      `patch pvc data-db-0 -p '{"spec":{"resources":{"requests":{"storage":"64Mi"}}}}'`,
    )
    assert.match(smaller.stderr, /field can not be less than status.capacity/)
  })

  test('pods of a deleted and of a removed node wait for their data, and others keep theirs', async () => {
    const first = await kubectl('get nodes -o jsonpath={.items[*].metadata.name}').then(
      text => text.split(' ').find(name => !name.startsWith('node-'))!,
    )
    const places = new Map(await Promise.all(pods.map(async pod => [await nodeOf(pod), pod] as const)))
    const [stays, deleted, removed] = [places.get(first)!, places.get('node-2')!, places.get('node-3')!]
    const before = await all(stays)
    const volumes = { deleted: await volumeOf(deleted), removed: await volumeOf(removed) }
    const uids = new Map(
      await Promise.all(
        [deleted, removed].map(async name => [name, (await getPod(cluster, name)).metadata.uid] as const),
      ),
    )
    await kubectl('delete node node-2')
    const remove = await cluster.kutter('node', 'remove', 'node-3')
    assert.equal(remove.code, 0, remove.stderr)

    // The collector of pods waits for a node to come back.
    for (const name of [deleted, removed])
      await eventually(
        `another ${name} waits for its volume`,
        async () => {
          const now = await getPod(cluster, name)
          if (now.metadata.uid === uids.get(name)) throw new Error('it is the old pod')
          return (
            now.status.phase === 'Pending' &&
            (await eventComes(
              cluster,
              name,
              /^FailedScheduling: 0\/1 nodes are available: 1 node\(s\) didn't match PersistentVolume's node affinity\./,
            ))
          )
        },
        90_000,
      )
    for (const [name, volume] of [
      [deleted, volumes.deleted],
      [removed, volumes.removed],
    ] as const) {
      assert.equal((await claimOf(name)).status.phase, 'Bound')
      const now = await volumeOf(name)
      assert.deepEqual([now.metadata.uid, now.status.phase], [volume.metadata.uid, 'Bound'])
    }
    await writes(stays)
    assert.deepEqual(await all(stays), before)

    // The agent of the deleted node runs, and its containers ended with their pods. What they wrote is there.
    const { path } = volumes.deleted.spec.local
    const node2 = `${cluster.dataDir}/${cluster.name}/agents/node-2`
    await eventually(
      'the pods of the deleted node have ended',
      async () => !existsSync(`${node2}/pods/${uids.get(deleted)}`),
    )
    assert.equal(starts(path), 1)
    // As in Kubernetes, a node registers when its kubelet starts.
    process.kill(await agentOf('node-2'), 'SIGKILL')
    await podIs(cluster, deleted, 'is back on its node', isReady, 60_000)
    assert.equal(await nodeOf(deleted), 'node-2')
    await writes(deleted)
    assert.equal(starts(path), 2)

    // The removed node took its data along. A claim that is given up lets its pod begin again elsewhere.
    assert.equal(existsSync(volumes.removed.spec.local.path), false)
    await kubectl(`delete pvc data-${removed} --wait=false`)
    await kubectl(`delete pod ${removed}`)
    await eventually(
      'the volume is gone',
      async () => !(await kubectl('get pv -o name')).includes(volumes.removed.metadata.name),
    )
    const add = await cluster.kutter('node', 'add', 'node-4')
    assert.equal(add.code, 0, add.stderr)
    await podIs(cluster, removed, 'runs on the new node', isReady, 60_000)
    assert.equal(await nodeOf(removed), 'node-4')
    assert.equal(linesOf((await volumeOf(removed)).spec.local.path)[0], `start ${removed}`)
    assert.deepEqual(await all(stays), before)
  })

  test('down --purge takes everything along', async () => {
    const down = await cluster.kutter('down', '--purge')
    assert.equal(down.code, 0, down.stdout + down.stderr)
    assert.equal(await cluster.traces(), '')
    assert.equal(existsSync(`${cluster.dataDir}/${cluster.name}`), false)
  })
})
