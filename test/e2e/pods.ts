// Helpers for tests with bare pods: containers that run a shell script, pods with them, and their state.
import { eventually, type TestCluster } from './cluster.ts'

export interface ContainerState {
  name: string
  ready: boolean
  started?: boolean
  restartCount: number
  containerID?: string
  imageID?: string
  state: StateOf
  lastState: StateOf
  resources?: { requests?: Record<string, string>; limits?: Record<string, string> }
}
interface StateOf {
  waiting?: { reason: string; message?: string }
  running?: { startedAt: string }
  terminated?: { exitCode: number; reason: string; message?: string; startedAt: string; finishedAt: string }
}
export interface PodObject {
  metadata: { name: string; uid: string; labels?: Record<string, string> }
  spec: { containers: { name: string; image: string }[] }
  status: {
    phase: string
    podIP?: string
    conditions?: { type: string; status: string; reason?: string }[]
    containerStatuses?: ContainerState[]
    initContainerStatuses?: ContainerState[]
  }
}

/** Sleeps until SIGTERM, and ends at once then. */
export const forever = 'trap "exit 0" TERM; while :; do sleep 0.2; done'

export const sh = (script: string, more: object = {}) => ({
  name: 'main',
  image: 'busybox',
  imagePullPolicy: 'IfNotPresent',
  command: ['sh', '-c', script],
  ...more,
})

/** Creates a pod and does not wait for it. It has a grace period of one second, since its containers end at once. */
export const makePod = (cluster: TestCluster, name: string, spec: object, metadata: object = {}) =>
  cluster.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, ...metadata },
    spec: { terminationGracePeriodSeconds: 1, automountServiceAccountToken: false, ...spec },
  })

export const getPod = async (cluster: TestCluster, name: string): Promise<PodObject> =>
  JSON.parse(await cluster.kubectl(`get pod ${name} -o json`)) as PodObject

/** Waits until `holds` is true for the pod. The failure has the pod's status. */
export async function podIs(
  cluster: TestCluster,
  name: string,
  what: string,
  holds: (pod: PodObject) => unknown,
  timeoutMs = 30_000,
): Promise<PodObject> {
  return eventually(
    `${name} ${what}`,
    async () => {
      const pod = await getPod(cluster, name)
      if (holds(pod)) return pod
      throw new Error(`status is ${JSON.stringify(pod.status)}`)
    },
    timeoutMs,
  )
}

export const isReady = (pod: PodObject) =>
  pod.status.conditions?.some(c => c.type === 'Ready' && c.status === 'True') ?? false
export const becomesReady = (cluster: TestCluster, name: string) => podIs(cluster, name, 'is ready', isReady)
export const mainOf = (pod: PodObject) => pod.status.containerStatuses?.[0]
export const waitingFor = (pod: PodObject) => mainOf(pod)?.state.waiting?.reason

/** Returns `REASON: MESSAGE` of every event about the object. */
export async function eventsOf(cluster: TestCluster, name: string): Promise<string[]> {
  const { items } = JSON.parse(
    await cluster.kubectl(`get events --field-selector involvedObject.name=${name} -o json`),
  ) as {
    items: { reason: string; message: string }[]
  }
  return items.map(e => `${e.reason}: ${e.message}`)
}

export const eventComes = (cluster: TestCluster, name: string, like: RegExp) =>
  eventually(
    `event ${like} of ${name}`,
    async () => {
      const events = await eventsOf(cluster, name)
      const found = events.find(e => like.test(e))
      if (!found) throw new Error(events.join('\n'))
      return found
    },
    30_000,
  )

/** Runs a shell script in the pod, and returns its output. */
export const inPod = async (cluster: TestCluster, name: string, script: string, container = 'main') =>
  (await cluster.kubectl(`exec -i ${name} -c ${container} -- sh`, script)).trim()

export const removePods = (cluster: TestCluster, ...names: string[]) =>
  cluster.kubectl(`delete pod ${names.join(' ')} --now --wait=false`)
