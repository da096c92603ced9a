// The DRA driver of the end-to-end tests as people install one: a DaemonSet with the hostPath mounts that such drivers
// have. What it is asked, and what it does, is logged and ordered in a directory of the machine.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { eventually, type TestCluster } from './cluster.ts'
import { DriverData } from './csi-driver.ts'
import { nodePod } from './node-pod.ts'

export const draDriver = 'things.dra.example.com'
const kubelet = '/var/lib/kubelet'
const socketDir = `${kubelet}/plugins/${draDriver}`
export const cdiDir = '/var/run/cdi'

/** The driver's DaemonSet. */
function daemonSet(data: DriverData): object {
  const hostPath = (path: string) => ({ hostPath: { path, type: 'DirectoryOrCreate' } })
  const places: [string, string, string][] = [
    ['registration', '/registration', `${kubelet}/plugins_registry`],
    ['socket', '/dra', socketDir],
    ['cdi', '/cdi', cdiDir],
    ['storage', '/storage', data.dir],
  ]
  const variables = {
    DRIVER: draDriver,
    STORAGE: '/storage',
    NODE_STORAGE: data.dir,
    SOCKET: '/dra/dra.sock',
    ENDPOINT: `${socketDir}/dra.sock`,
    REGISTRATION: `/registration/${draDriver}-reg.sock`,
    CDI: '/cdi',
  }
  const env = [
    ...Object.entries(variables).map(([name, value]) => ({ name, value })),
    { name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
  ]
  const pod = nodePod('dra-driver.ts', {}) as { containers: { volumeMounts: object[] }[]; volumes: object[] }
  const [container] = pod.containers
  const spec = {
    ...pod,
    serviceAccountName: 'dra-driver',
    // Drivers remove their sockets when they end.
    terminationGracePeriodSeconds: 10,
    containers: [
      {
        ...container,
        env,
        volumeMounts: [...container!.volumeMounts, ...places.map(([name, mountPath]) => ({ name, mountPath }))],
      },
    ],
    volumes: [...pod.volumes, ...places.map(([name, , path]) => ({ name, ...hostPath(path) }))],
  }
  const labels = { app: 'dra-driver' }
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'dra-driver' },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  }
}

const may = (name: string, rules: object[], subject: object) => {
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name }
  const apiVersion = 'rbac.authorization.k8s.io/v1'
  return [
    { apiVersion, kind: 'ClusterRole', metadata: { name }, rules },
    { apiVersion, kind: 'ClusterRoleBinding', metadata: { name }, roleRef, subjects: [subject] },
  ]
}
const rule = (resource: string, ...verbs: string[]) => ({
  apiGroups: ['resource.k8s.io'],
  resources: [resource],
  verbs,
})

/** Installs the driver, and waits until it offers its devices. */
export async function installDraDriver(cluster: TestCluster, data: DriverData): Promise<void> {
  await data.prepare()
  const account = { kind: 'ServiceAccount', name: 'dra-driver', namespace: 'default' }
  const items = [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'dra-driver' } },
    ...may('dra-driver', [rule('resourceclaims', 'get'), rule('resourceslices', 'get', 'create')], account),
    daemonSet(data),
  ]
  await cluster.apply({ apiVersion: 'v1', kind: 'List', items })
  await cluster.kubectl('rollout status daemonset/dra-driver --timeout=120s')
  await eventually('the driver offers its devices', async () => {
    const drivers = await cluster.kubectl('get resourceslices -o jsonpath={.items[*].spec.driver}')
    if (drivers !== draDriver) throw new Error(`slices of ${drivers}`)
    return true
  })
}

/** Removes what a driver that was killed has left for the container runtime of the machine. */
export function removeCdiFiles(names: readonly string[]): void {
  for (const name of names) rmSync(join(cdiDir, name), { force: true })
}

/** Writes into a claim which devices it has, and which pods may use it, as the scheduler does before it binds them. */
export async function allocate(
  cluster: TestCluster,
  claim: string,
  pods: readonly string[],
  devices: Readonly<Record<string, string>>,
): Promise<void> {
  const path = `/apis/resource.k8s.io/v1/namespaces/default/resourceclaims/${claim}`
  // By it the claim's devices are free again when no pod uses it any more.
  const finalizers = ['resource.kubernetes.io/delete-protection']
  await cluster.kubectl(
    `patch resourceclaim ${claim} --type merge -p '${JSON.stringify({ metadata: { finalizers } })}'`,
  )
  const object = JSON.parse(await cluster.kubectl(`get --raw ${path}`)) as object
  const pool = await cluster.kubectl('get nodes -o jsonpath={.items[0].metadata.name}')
  const results = Object.entries(devices).map(([request, device]) => ({ request, driver: draDriver, pool, device }))
  const reservedFor = await Promise.all(
    pods.map(async name => ({
      resource: 'pods',
      name,
      uid: await cluster.kubectl(`get pod ${name} -o jsonpath={.metadata.uid}`),
    })),
  )
  const status = { allocation: { devices: { results } }, reservedFor }
  await cluster.kubectl(`replace --raw ${path}/status -f -`, JSON.stringify({ ...object, status }))
}
