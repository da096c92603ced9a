// Databases keep what they acknowledged. Redis and PostgreSQL, on volumes of the class every cluster has, are written
// to without a pause while their processes, their pods and every part of the cluster are killed.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { after, describe, test } from 'node:test'
import { cannotRun, clusterForFile, eventually } from './cluster.ts'
import { getPod, isReady, mainOf, podIs } from './pods.ts'
import { postgres, redis, Writer } from './writers.ts'

const cluster = clusterForFile('databases', ['redis', 'postgres'])
const kubectl = (args: string) => cluster.kubectl(args)

interface Database {
  container: object
  /** Found in the command line of its first process. */
  command: RegExp
  open: (host: string) => ReturnType<typeof redis>
}
const databases: Record<string, Database> = {
  redis: {
    container: {
      args: ['redis-server', '--protected-mode', 'no', '--appendonly', 'yes', '--appendfsync', 'always'],
      readinessProbe: { exec: { command: ['redis-cli', 'ping'] }, periodSeconds: 1 },
    },
    command: /^redis-server/,
    open: redis,
  },
  postgres: {
    container: {
      env: Object.entries({ POSTGRES_HOST_AUTH_METHOD: 'trust', PGDATA: '/data/pgdata' }).map(([name, value]) => ({
        name,
        value,
      })),
      readinessProbe: { exec: { command: ['pg_isready'] }, periodSeconds: 1 },
    },
    command: /^postgres\0/,
    open: postgres,
  },
}
const names = Object.keys(databases)
const pods = names.map(name => `${name}-0`)
const writers = new Map<string, Writer>()

const service = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { selector: { app: name }, ports: [{ port: name === 'redis' ? 6379 : 5432 }] },
})
const statefulSet = (name: string) => ({
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name },
  spec: {
    serviceName: name,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: {
        terminationGracePeriodSeconds: 5,
        automountServiceAccountToken: false,
        containers: [
          {
            name: 'main',
            image: name,
            imagePullPolicy: 'IfNotPresent',
            volumeMounts: [{ name: 'data', mountPath: '/data' }],
            ...databases[name]?.container,
          },
        ],
      },
    },
    volumeClaimTemplates: [
      {
        metadata: { name: 'data' },
        spec: {
          accessModes: ['ReadWriteOnce'],
          storageClassName: 'standard',
          resources: { requests: { storage: '256Mi' } },
        },
      },
    ],
  },
})

/** The processes of this machine whose command line matches, and whose cgroup has the text in its path. */
function processesWith(command: RegExp, cgroup = ''): number[] {
  return readdirSync('/proc')
    .filter(entry => /^\d+$/.test(entry))
    .filter(entry => {
      try {
        const line = readFileSync(`/proc/${entry}/cmdline`, 'utf8')
        return command.test(line) && readFileSync(`/proc/${entry}/cgroup`, 'utf8').includes(cgroup)
      } catch {
        // It has ended in the meantime.
        return false
      }
    })
    .map(Number)
}

const kill = (...pids: number[]) => {
  assert.ok(pids.length, 'there is something to kill')
  for (const pid of pids)
    try {
      process.kill(pid, 'SIGKILL')
    } catch (error) {
      // It has ended with one that was killed before.
      if (!/ESRCH/.test(String(error))) throw error
    }
}
const processesOf = (name: string, uid: string) => processesWith(databases[name]!.command, `pod${uid}`)
const databaseProcesses = async (name: string) => processesOf(name, (await getPod(cluster, `${name}-0`)).metadata.uid)
const partsOf = async (role: RegExp) =>
  (
    JSON.parse((await cluster.kutter('status', '-o', 'json')).stdout) as { processes: { role: string; pid: number }[] }
  ).processes
    .filter(part => role.test(part.role))
    .map(part => part.pid)
const containerd = () => {
  const dir = `${cluster.dataDir}/${cluster.name}/agents`
  return readdirSync(dir).map(node => Number(readFileSync(`${dir}/${node}/c/containerd.pid`, 'utf8')))
}
const shims = () =>
  processesWith(new RegExp(`containerd-shim-runc-v2\\0.*\\0${cluster.dataDir}/${cluster.name}/agents/`, 's'))

const isWhole = () => eventually('the cluster is whole', async () => (await cluster.kutter('status')).code === 0)

/** Waits until both databases acknowledge writes again, and then looks whether they have all that they acknowledged. */
async function allIsThere(): Promise<void> {
  for (const [name, writer] of writers) {
    const before = writer.acknowledged.length
    await eventually(`${name} acknowledges writes`, async () => writer.acknowledged.length > before + 20)
    assert.deepEqual(await writer.faults(), { lost: [], madeUp: [] }, name)
  }
}

describe('databases', { concurrency: false, skip: cannotRun }, () => {
  after(async () => {
    for (const writer of writers.values()) await writer.stop()
  })

  test('they start on claims of the class that every cluster has', async () => {
    for (const name of names) {
      await cluster.apply(service(name))
      await cluster.apply(statefulSet(name))
    }
    for (const name of names) {
      await kubectl(`rollout status statefulset/${name} --timeout=60s`)
      const host = await kubectl(`get service ${name} -o jsonpath={.spec.clusterIP}`)
      writers.set(name, new Writer(() => databases[name]!.open(host)))
    }
    await allIsThere()
  })

  test('their processes are killed', async () => {
    for (const name of names) kill(...(await databaseProcesses(name)))
    for (const pod of pods) await podIs(cluster, pod, 'was restarted', p => isReady(p) && mainOf(p)?.restartCount === 1)
    await allIsThere()
  })

  test('their pods are deleted, and the agent is killed while they end', async () => {
    const uids = await Promise.all(pods.map(async pod => (await getPod(cluster, pod)).metadata.uid))
    await kubectl(`delete pod ${pods.join(' ')} --wait=false`)
    kill(...(await partsOf(/agent/)))
    for (const [i, pod] of pods.entries())
      await eventually(`another ${pod} is ready`, async () => {
        const now = await getPod(cluster, pod)
        return isReady(now) && now.metadata.uid !== uids[i]
      })
    // Two servers on the files of one would damage them.
    for (const [i, name] of names.entries()) assert.deepEqual(processesOf(name, uids[i]!), [])
    await allIsThere()
  })

  for (const [what, find] of Object.entries({
    agent: () => partsOf(/agent/),
    containerd: async () => containerd(),
    server: () => partsOf(/server/),
    'agent and containerd': async () => [...(await partsOf(/agent/)), ...containerd()],
  }))
    test(`${what} killed: they go on in the same processes`, async () => {
      const ids = () => Promise.all(pods.map(async pod => mainOf(await getPod(cluster, pod))?.containerID))
      const before = await ids()
      kill(...(await find()))
      await allIsThere()
      await isWhole()
      assert.deepEqual(await ids(), before)
    })

  test('containerd and its shims are killed', async () => {
    const before = await Promise.all(names.map(databaseProcesses))
    kill(...containerd(), ...shims())
    await isWhole()
    for (const [i, name] of names.entries())
      await eventually(`one new ${name} runs`, async () => {
        const now = await databaseProcesses(name)
        return now.length > 0 && before[i]!.every(pid => !now.includes(pid))
      })
    for (const pod of pods) await podIs(cluster, pod, 'is ready', isReady)
    await allIsThere()
  })

  test('everything is killed at once, and the cluster is started again', async () => {
    const everything = [...(await partsOf(/./)), ...containerd(), ...shims()]
    for (const name of names) everything.push(...(await databaseProcesses(name)))
    kill(...everything)
    await cluster.up()
    await isWhole()
    for (const pod of pods) await podIs(cluster, pod, 'is ready', isReady)
    await allIsThere()
  })

  test('down stops them and leaves nothing but the data, with which up starts them again', async () => {
    const down = await cluster.kutter('down')
    assert.equal(down.code, 0, down.stdout + down.stderr)
    assert.equal(await cluster.traces(), '')
    assert.ok(existsSync(`${cluster.dataDir}/${cluster.name}`))
    await cluster.up()
    await isWhole()
    for (const pod of pods) await podIs(cluster, pod, 'is ready', isReady)
    await allIsThere()
  })
})
