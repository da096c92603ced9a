// A real cluster for benchmarks: started by the command, used over HTTPS, and removed at the end.
import { execFile } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { promisify } from 'node:util'
import { parse } from 'yaml'
import { realClock } from '../src/base/clock.ts'
import { silentLog } from '../src/base/log.ts'
import { Client, httpsTransport } from '../src/client/index.ts'
import type { Draft, Kind, KubeObject } from '../src/api/kind.ts'
import type { Mirror } from '../src/api/mirror.ts'
import { Pod } from '../src/kinds/core/pod.ts'

const exec = promisify(execFile)
const root = new URL('..', import.meta.url).pathname
const dataDir = '/tmp/kutter-bench'
const env = { ...process.env, KUBECONFIG: `${dataDir}.kubeconfig`, KUTTER_PACKAGE_CACHE: '/var/cache/kutter-test' }

export const kutter = (...args: string[]) =>
  exec('./kutter', [...args, '--name', 'bench', '--data-dir', dataDir], { cwd: root, env, maxBuffer: 1 << 24 })

/** Prints one figure. */
export const tell = (bench: string, value: number, unit: string, more: object = {}) =>
  console.log(JSON.stringify({ bench, value: Math.round(value * 100) / 100, unit, ...more }))

export interface Status {
  server: string
  processes: { role: string; pid: number }[]
}

export const status = async () => JSON.parse((await kutter('status', '-o', 'json')).stdout) as Status

interface Connection {
  client: Client
  /** GET of any path. Throws for another status than 200. */
  raw(path: string): Promise<string>
  close(): void
}

export function clientOf(server: string): Connection {
  const config = parse(readFileSync(`${dataDir}/bench/kubeconfig`, 'utf8')) as {
    clusters: { cluster: Record<string, string> }[]
    users: { user: Record<string, string> }[]
  }
  const text = (value: string | undefined) => Buffer.from(value ?? '', 'base64').toString()
  const { cluster } = config.clusters[0]!
  const { user } = config.users[0]!
  const transport = httpsTransport(() => ({
    server,
    ca: text(cluster['certificate-authority-data']),
    cert: text(user['client-certificate-data']),
    key: text(user['client-key-data']),
  }))
  const client = new Client({
    serve: transport.serve,
    user: { name: '', groups: [] },
    userAgent: 'bench',
    clock: realClock,
    log: silentLog,
  })
  const kubectl = ['kubectl', '--kubeconfig', `${dataDir}/bench/kubeconfig`] as const
  return {
    client,
    raw: async path =>
      (await exec(kubectl[0], [...kubectl.slice(1), 'get', '--raw', path], { maxBuffer: 1 << 24 })).stdout,
    close: () => (client.close(), transport.close()),
  }
}

/** Runs `use` with a new cluster that has busybox, and removes it. */
export async function withCluster(start: () => Promise<void>, use: () => Promise<void>): Promise<void> {
  try {
    await kutter('down', '--purge')
    await start()
    await kutter('image', 'build', 'examples/images/busybox')
    await use()
  } finally {
    await kutter('down', '--purge')
    rmSync(env.KUBECONFIG, { force: true })
  }
}

export const podNamed = (name: string, spec: object = {}, container: object = {}): Draft<Pod> => ({
  metadata: { name, namespace: 'default' },
  spec: {
    terminationGracePeriodSeconds: 0,
    containers: [
      { name: 'a', image: 'busybox', imagePullPolicy: 'IfNotPresent', command: ['sleep', '3600'], ...container },
    ],
    ...spec,
  },
})

/** Resolves when a mirror has had all of these objects in the state that `holds`. */
function allSeen<T extends KubeObject>(
  mirror: Mirror<T>,
  names: readonly string[],
  holds: (object: T) => boolean,
): Promise<void> {
  const waiting = new Set(names)
  return new Promise(resolve => {
    const stop = mirror.subscribe(changes => {
      for (const { item } of changes) if (holds(item.object)) waiting.delete(item.object.metadata.name ?? '')
      if (waiting.size) return
      stop()
      resolve()
    }, 'bench')
  })
}

/** Milliseconds from the first create until a watch has seen all of the objects in the state that `holds`. */
export async function timed<T extends KubeObject>(
  client: Client,
  kind: Kind<T>,
  names: readonly string[],
  holds: (object: T) => boolean,
  create: (name: string) => Promise<unknown>,
): Promise<number> {
  const mirror = client.mirror(kind, { namespace: 'default' })
  await client.synced([mirror], new AbortController().signal)
  const began = performance.now()
  const done = allSeen(mirror, names, holds)
  await Promise.all(names.map(create))
  await done
  return performance.now() - began
}

/** Milliseconds from the first create until all pods are Running. */
export const runPods = (client: Client, names: readonly string[], create: (name: string) => Promise<unknown>) =>
  timed(client, Pod, names, ({ status }) => status.phase === 'Running', create)
