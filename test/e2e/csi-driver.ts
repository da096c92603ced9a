// The driver of the end-to-end tests as people install one: a DaemonSet for the nodes and a StatefulSet for the controller,
// with the hostPath mounts below /var/lib/kubelet that drivers have.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually, run, type TestCluster } from './cluster.ts'
import { nodePod } from './node-pod.ts'

export const driver = 'files.csi.example.com'
export const driverImage = 'test/fixtures/images/csi'

/** One call that the driver was asked for. */
export interface Call {
  method: string
  where: string
  request: {
    volume_id: string
    target_path: string
    staging_target_path: string
    secrets: Record<string, string>
    volume_context: Record<string, string>
    volume_capability: { mount: { fs_type: string } | null }
  }
}

/** The directory with the driver's data, and what can be seen and ordered there. */
export class DriverData {
  readonly dir: string

  constructor(cluster: TestCluster) {
    // The same in every run, so that what a crashed run left is found.
    this.dir = `${cluster.dataDir}-csi-data`
  }

  async prepare(): Promise<void> {
    await this.remove()
    mkdirSync(this.dir, { recursive: true })
    writeFileSync(join(this.dir, 'calls.log'), '')
  }

  calls(method: string): Call[] {
    const lines = readFileSync(join(this.dir, 'calls.log'), 'utf8').split('\n').filter(Boolean)
    return lines.map(line => JSON.parse(line) as Call).filter(call => call.method === method)
  }

  /** What the next calls of a method do: `crash`, `hang`, `lie`, or fail with the text. */
  order(method: string, what: string): void {
    writeFileSync(join(this.dir, 'do', method), what)
  }

  revoke(method: string): void {
    rmSync(join(this.dir, 'do', method), { force: true })
  }

  revokeAll(): void {
    const dir = join(this.dir, 'do')
    if (existsSync(dir)) for (const method of readdirSync(dir)) this.revoke(method)
  }

  isOrdered = (method: string) => existsSync(join(this.dir, 'do', method))
  fileOf = (volume: string, name: string) => join(this.dir, 'volumes', `vol-${volume}`, name)
  names = (what: 'volumes' | 'meta' | 'inline') => readdirSync(join(this.dir, what))

  async remove(): Promise<void> {
    // What a failed test has left attached. The paths are those of the driver's container.
    const { stdout } = await run('losetup', ['--list', '--noheadings', '--output', 'NAME,BACK-FILE'])
    const files = existsSync(join(this.dir, 'volumes')) ? this.names('volumes') : []
    for (const line of stdout.split('\n').filter(text => files.some(file => text.includes(`/volumes/${file}`))))
      await run('losetup', ['--detach', line.split(' ')[0]!])
    rmSync(this.dir, { recursive: true, force: true })
  }
}

const hostPath = (path: string, type = 'DirectoryOrCreate') => ({ hostPath: { path, type } })
const variable = (name: string, value: string) => ({ name, value })
const kubelet = '/var/lib/kubelet'
const socketDir = `${kubelet}/plugins/${driver}`

/** The mounts of a container: name of the volume, and where it is seen. */
const mounts = (...list: [string, string, object?][]) =>
  list.map(([name, mountPath, more = {}]) => ({ name, mountPath, ...more }))

function podOf(program: string, env: object[], own: Record<string, object>, places: ReturnType<typeof mounts>): object {
  const pod = nodePod(program, {}) as { containers: { volumeMounts: object[] }[]; volumes: object[] }
  const [container] = pod.containers
  return {
    ...pod,
    // Drivers remove their sockets when they end.
    terminationGracePeriodSeconds: 10,
    containers: [
      {
        ...container,
        image: 'csi-driver',
        env,
        securityContext: { privileged: true },
        volumeMounts: [...container!.volumeMounts, ...places],
      },
    ],
    volumes: [...pod.volumes, ...Object.entries(own).map(([name, volume]) => ({ name, ...volume }))],
  }
}

/** Installs the driver, and waits until it is registered on all nodes. */
export async function installDriver(cluster: TestCluster, data: DriverData): Promise<void> {
  await data.prepare()
  const meta = (name: string) => ({ metadata: { name } })
  const labelled = (app: string, spec: object) => ({
    selector: { matchLabels: { app } },
    template: { metadata: { labels: { app } }, spec },
  })
  const node = podOf(
    'csi-node.ts',
    [
      variable('DRIVER', driver),
      { name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
      variable('STORAGE', '/storage'),
      variable('SOCKET', '/csi/csi.sock'),
      variable('REGISTRATION', `/registration/${driver}-reg.sock`),
      variable('ENDPOINT', `${socketDir}/csi.sock`),
    ],
    {
      registration: hostPath(`${kubelet}/plugins_registry`),
      socket: hostPath(socketDir),
      pods: hostPath(`${kubelet}/pods`),
      plugins: hostPath(`${kubelet}/plugins`),
      storage: hostPath(data.dir, 'Directory'),
      dev: hostPath('/dev', 'Directory'),
    },
    mounts(
      ['registration', '/registration'],
      ['socket', '/csi'],
      ['pods', `${kubelet}/pods`, { mountPropagation: 'Bidirectional' }],
      ['plugins', `${kubelet}/plugins`, { mountPropagation: 'Bidirectional' }],
      ['storage', '/storage'],
      ['dev', '/dev'],
    ),
  )
  const controller = {
    ...podOf(
      'csi-controller.ts',
      [variable('DRIVER', driver), variable('STORAGE', '/storage'), variable('SOCKET', '/csi/csi.sock')],
      { socket: { emptyDir: {} }, storage: hostPath(data.dir, 'Directory') },
      mounts(['socket', '/csi'], ['storage', '/storage']),
    ),
    serviceAccountName: 'csi-controller',
  }
  const subject = { kind: 'ServiceAccount', name: 'csi-controller', namespace: 'default' }
  const items = [
    { apiVersion: 'v1', kind: 'ServiceAccount', ...meta('csi-controller') },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      ...meta('csi-controller'),
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [subject],
    },
    { apiVersion: 'v1', kind: 'Secret', ...meta('stage-secret'), stringData: { key: 'open sesame' } },
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'CSIDriver',
      ...meta(driver),
      spec: {
        podInfoOnMount: true,
        volumeLifecycleModes: ['Persistent', 'Ephemeral'],
        tokenRequests: [{ audience: 'vault' }],
        serviceAccountTokenInSecrets: true,
        fsGroupPolicy: 'File',
      },
    },
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      ...meta('files'),
      provisioner: driver,
      parameters: { flavour: 'plain' },
      volumeBindingMode: 'WaitForFirstConsumer',
      allowVolumeExpansion: true,
    },
    { apiVersion: 'apps/v1', kind: 'DaemonSet', ...meta('csi-node'), spec: labelled('csi-node', node) },
    {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      ...meta('csi-controller'),
      spec: { serviceName: 'csi', replicas: 1, ...labelled('csi-controller', controller) },
    },
  ]
  await cluster.apply({ apiVersion: 'v1', kind: 'List', items })
  await cluster.kubectl('rollout status daemonset/csi-node --timeout=120s')
  await cluster.kubectl('rollout status statefulset/csi-controller --timeout=120s')
  await eventually('the driver is registered everywhere', async () => {
    const drivers = await cluster.kubectl('get csinodes -o jsonpath={.items[*].spec.drivers[*].name}')
    const nodes = (await cluster.kubectl('get nodes -o name')).trim().split('\n').length
    return drivers.split(' ').filter(name => name === driver).length === nodes
  })
}
