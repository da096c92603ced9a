// The interface to what runs containers. It has two implementations: containerd over CRI, and a simulated runtime that
// keeps containers in memory, on any clock. Times are milliseconds since the epoch; 0 means "not yet".
import type { RuntimeEvent, Request } from '../cri/index.ts'
import type { Readable, Writable } from 'node:stream'
import type { ResourceRequirements } from '../../kinds/core/container.ts'

export type SandboxConfig = Request<'PodSandboxConfig'>
export type ContainerConfig = Request<'ContainerConfig'>
export type ContainerResources = NonNullable<NonNullable<ContainerConfig['linux']>['resources']>
export type AuthConfig = Request<'AuthConfig'>

export interface SandboxOutline {
  id: string
  ready: boolean
}

export interface SandboxSeen extends SandboxOutline {
  attempt: number
  createdAtMs: number
  /** The addresses, of which the first is the pod's main one. None on the network of the host. */
  ips: readonly string[]
}

export interface ContainerOutline {
  id: string
  state: 'created' | 'running' | 'exited' | 'unknown'
}

export interface ContainerSeen extends ContainerOutline {
  sandboxId: string
  name: string
  /** How often a container of this name was started before. */
  attempt: number
  createdAtMs: number
  startedAtMs: number
  finishedAtMs: number
  exitCode: number
  reason: string
  message: string
  image: string
  imageRef: string
  /** The hash of its spec at its creation; see `containerHash`. */
  hash: string
  /** Its requests and limits of CPU and memory at its creation, if they were noted then. */
  resources?: Pick<ResourceRequirements, 'requests' | 'limits'>
  logPath: string
}

/** The parts of one pod with their states, in no order. */
export interface PodOutline {
  uid: string
  sandboxes: readonly SandboxOutline[]
  containers: readonly ContainerOutline[]
}

/** The parts of one pod with all details, newest first. */
export interface PodSeen extends PodOutline {
  sandboxes: readonly SandboxSeen[]
  containers: readonly ContainerSeen[]
}

export interface RuntimeInfo {
  name: string
  version: string
  apiVersion: string
  /** Why the runtime is not ready, or ''. */
  runtimeProblem: string
  networkProblem: string
  handlers: readonly RuntimeHandler[]
}

export interface RuntimeHandler {
  /** '' for the one that pods without a RuntimeClass get. */
  name: string
  recursiveReadOnlyMounts: boolean
  userNamespaces: boolean
}

export interface ImageSeen {
  id: string
  tags: readonly string[]
  digests: readonly string[]
  sizeBytes: number
  pinned: boolean
  /** The user in its configuration, as a number or as a name. Without either it is root. */
  uid: number | undefined
  username: string
}

/** A volume with the files of an image. */
export interface ImageView {
  podUid: string
  volume: string
}

/** A filesystem in the form of mount(8). */
export interface FileSystem {
  type: string
  source: string
  options: readonly string[]
}

export interface ContainerUsage {
  id: string
  name: string
  podUid: string
  atMs: number
  cpuNs: number
  cpuNanoCores: number
  workingSetBytes: number
  usageBytes: number
  rssBytes: number
  pageFaults: number
  majorPageFaults: number
  writableBytes: number
  writableInodes: number
}

export interface ExecResult {
  exitCode: number
  stdout: Uint8Array
  stderr: Uint8Array
}

/** A process that was started in a container, with the requested streams. */
export interface ExecProcess {
  stdin: Writable | undefined
  stdout: Readable | undefined
  stderr: Readable | undefined
  /** Resolves with the exit code. Outputs may have more to read then. */
  exited: Promise<number>
  /** Ends the input. Must be called after everything was written to `stdin`. */
  closeStdin(): Promise<void>
  resize(size: { width: number; height: number }): Promise<void>
  /** Disconnects from the process, which goes on as in Kubernetes. Resolves when it has ended. */
  close(): Promise<void>
}

/** The streams that a client of exec or attach requests. */
export interface StreamOptions {
  stdin: boolean
  stdout: boolean
  stderr: boolean
  tty: boolean
}

/**
 * Runs containers. contract.ts tests these promises on every implementation.
 *
 * What always holds:
 *
 * - A runtime has sandboxes and containers, but no pods. The pod of a part is the uid in its labels. Parts without a
 *   uid are not returned.
 * - An id is never used twice. A restart creates another container with the same name and the next attempt.
 * - A state never returns to an earlier one. A sandbox is ready, and then not any more; a container is created,
 *   running, exited. An ended container keeps its exit code, times and log until it is removed. Only `unknown` is
 *   possible at any time, when the runtime cannot determine the state.
 * - `outline` and `pod` include the effects of all calls that resolved before. Within a pod, the newest parts are
 *   first.
 *
 * Callers: only the kubelet. What changes a pod is called only by its worker, or by `NodePods` if it has no worker.
 * Calls for different parts may run at the same time. Results belong to the caller. The runtime does not change its
 * arguments.
 *
 * Order: a container is created in a ready sandbox, and is started once. Stopping a sandbox kills its containers and
 * releases its addresses; removing it also removes its containers. Parts that do not exist count as stopped and
 * removed, so these four calls can be repeated, in any order.
 *
 * Failures and aborts: a call that rejected or was aborted may still have had its effect, or a part of it, so the
 * kubelet reads the pod again. After an abort of `stopContainer`, the container has got SIGTERM and gets no SIGKILL
 * until it is stopped again. Other calls for a part that does not exist reject with the reason NotFound.
 *
 * Events are hints: an event may be late, repeated or lost, and its pod may be unchanged. But an exit is never reported
 * before `pod` returns it. Since events can be lost, the kubelet also compares `outline` regularly.
 *
 * Limits: `createSandbox` fails after four minutes, `stopContainer` a minute after the grace period, `execSync` after
 * `timeoutSeconds` (0 is two minutes), everything else after two minutes, but `pullImage` only when its signal aborts.
 *
 * A worked example, of a container that is restarted once:
 *
 *   createSandbox(attempt 0)         s      pod: [s ready] []
 *   createContainer(s, a, 0)         c0     pod: [s ready] [c0 created]
 *   startContainer(c0)                      pod: [s ready] [c0 running]
 *   its process ends with 3                 pod: [s ready] [c0 exited 3], then the event `exited`
 *   createContainer(s, a, 1), start  c1     pod: [s ready] [c1 running, c0 exited 3]
 *   stopSandbox(s)                          pod: [s] [c1 exited 137, c0 exited 3]
 *   removeSandbox(s)                        pod: [] [], and `outline` does not have it any more
 */
export interface Runtime {
  /** False for a simulated runtime, which has no files, mounts and processes. */
  readonly real: boolean
  info(): Promise<RuntimeInfo>
  /** Whether it gives a container the CDI devices that its configuration names. */
  appliesCdi(): Promise<boolean>
  /** All pods. It costs two calls, however many pods there are. */
  outline(): Promise<readonly PodOutline[]>
  pod(uid: string): Promise<PodSeen>
  /**
   * Calls `onChange` with the uid of each pod whose parts changed, or with undefined when any pod may have changed. An
   * exit is reported once `pod` returns it. Resolves when `signal` aborts.
   */
  watch(onChange: (uid: string | undefined, event?: RuntimeEvent) => void, signal: AbortSignal): Promise<void>

  createSandbox(config: SandboxConfig, handler: string, signal: AbortSignal): Promise<string>
  stopSandbox(id: string): Promise<void>
  removeSandbox(id: string): Promise<void>
  createContainer(sandboxId: string, config: ContainerConfig, sandbox: SandboxConfig): Promise<string>
  startContainer(id: string): Promise<void>
  /** Changes the limits of a running container. 0 leaves one as it is. */
  updateContainer(id: string, resources: ContainerResources): Promise<void>
  /** Sends SIGTERM, and SIGKILL after `graceSeconds`. Resolves when the container has ended. */
  stopContainer(id: string, graceSeconds: number, signal?: AbortSignal): Promise<void>
  removeContainer(id: string): Promise<void>
  execSync(id: string, command: readonly string[], timeoutSeconds: number, signal?: AbortSignal): Promise<ExecResult>
  /** Lets the container continue in a new log file after its file was renamed. */
  reopenLog(id: string): Promise<void>

  image(name: string): Promise<ImageSeen | undefined>
  images(): Promise<readonly ImageSeen[]>
  /** The ids and names of the images that containers have, dead containers included, and that of sandboxes. */
  imagesInUse(): Promise<ReadonlySet<string>>
  /** Pulls an image. Returns the reference by which `image` finds it. */
  pullImage(name: string, auth: AuthConfig | undefined, sandbox: SandboxConfig, signal: AbortSignal): Promise<string>
  removeImage(name: string): Promise<void>
  /**
   * Keeps the files of an image for a volume, and returns the filesystems to mount there, each over the one before;
   * none if there are no files. A second call for a volume replaces the first. `ref` is the result of a pull, or the
   * image's id.
   */
  viewImage(ref: string, view: ImageView): Promise<readonly FileSystem[]>
  /** Releases the files that are kept for a pod's volumes. They must be unmounted. */
  releaseViews(podUid: string): Promise<void>
  /** The volumes for which files of images are kept. */
  views(): Promise<readonly ImageView[]>
  usage(): Promise<readonly ContainerUsage[]>
  imageFs(): Promise<{ mountpoint: string; usedBytes: number; inodesUsed: number } | undefined>

  /** Starts a process in a container. A runtime without it has only `execUrl`. */
  exec?(id: string, command: readonly string[], streamOptions: StreamOptions): Promise<ExecProcess>
  execUrl(id: string, command: readonly string[], streamOptions: StreamOptions): Promise<string>
  attachUrl(id: string, streamOptions: StreamOptions): Promise<string>
  portForwardUrl(sandboxId: string, ports: readonly number[]): Promise<string>
  setPodCidr(cidr: string): Promise<void>
  close(): void
}

/** Labels and annotations by which a kubelet recognizes its pods. Source: kubernetes pkg/kubelet/types/labels.go. */
export const labelNames = {
  podName: 'io.kubernetes.pod.name',
  podNamespace: 'io.kubernetes.pod.namespace',
  podUid: 'io.kubernetes.pod.uid',
  container: 'io.kubernetes.container.name',
} as const
export const annotationNames = {
  hash: 'io.kubernetes.container.hash',
  restartCount: 'io.kubernetes.container.restartCount',
  /** Requests and limits of CPU and memory, as JSON. */
  resources: 'kutter.local/resources',
  messagePath: 'io.kubernetes.container.terminationMessagePath',
  messagePolicy: 'io.kubernetes.container.terminationMessagePolicy',
} as const

/** Sorted by attempt and creation, newest first. */
export function newestFirst<T extends { attempt: number; createdAtMs: number }>(list: readonly T[]): T[] {
  return [...list].sort((a, b) => b.attempt - a.attempt || b.createdAtMs - a.createdAtMs)
}
