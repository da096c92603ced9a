// The interface to what runs containers. It has two implementations: containerd over CRI, and a simulated runtime that
// keeps containers in memory, on any clock. Times are milliseconds since the epoch; 0 means "not yet".
import type { RuntimeEvent, Request } from '../cri/index.ts'
import type { Readable, Writable } from 'node:stream'

export type SandboxConfig = Request<'PodSandboxConfig'>
export type ContainerConfig = Request<'ContainerConfig'>
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
  handlers: readonly string[]
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
  /** Disconnects. As in Kubernetes the process goes on; resolves when it has ended. */
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
 * What runs containers. contract.ts tests what is promised here, on every implementation.
 *
 * What always holds:
 *
 * - A runtime has sandboxes and containers, and no pods: a pod is what has its uid. Parts without a uid are not shown.
 * - An id is never used twice. A restart is another container with the same name and the next attempt.
 * - States only go on. A sandbox is ready and then not; a container is created, running, exited. What has ended stays
 *   as it was, with its exit code, times and log, until it is removed. Only `unknown` may come at any time: the runtime
 *   itself cannot find out.
 * - `outline` and `pod` show everything that calls have done which resolved before. In a pod the newest come first.
 *
 * Who may call: the kubelet alone, and for one pod its worker, or `NodePods` if it has none. Calls for different parts
 * run at the same time. Results belong to the caller; what it passes in, the runtime does not change.
 *
 * Order: a container is created in a ready sandbox, then started, once. Stopping a sandbox kills what runs in it and
 * gives its addresses back; removing it also removes the containers in it. Parts that do not exist count as stopped and
 * removed, so all four calls can be repeated, and in any order.
 *
 * Failures and aborts: a call that rejected or was aborted may still have done its work, or a part of it; the kubelet
 * looks at the pod again. After an abort of `stopContainer` the container has SIGTERM, and no SIGKILL follows until
 * it is stopped again. A part that does not exist rejects other calls with the reason NotFound.
 *
 * Events are hints: one may be late, doubled or lost, and the pod that it names may be unchanged. Except that an exit is
 * not reported before `pod` shows it. What depends on events compares `outline` now and then.
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
  /** False when there are no files, mounts and processes behind it. */
  readonly real: boolean
  info(): Promise<RuntimeInfo>
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
  /** Sends SIGTERM, and SIGKILL after `graceSeconds`. Resolves when the container has ended. */
  stopContainer(id: string, graceSeconds: number, signal?: AbortSignal): Promise<void>
  removeContainer(id: string): Promise<void>
  execSync(id: string, command: readonly string[], timeoutSeconds: number, signal?: AbortSignal): Promise<ExecResult>
  /** Lets the container continue in a new log file after its file was renamed. */
  reopenLog(id: string): Promise<void>

  image(name: string): Promise<ImageSeen | undefined>
  images(): Promise<readonly ImageSeen[]>
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
  messagePath: 'io.kubernetes.container.terminationMessagePath',
  messagePolicy: 'io.kubernetes.container.terminationMessagePolicy',
} as const

/** Sorted by attempt and creation, newest first. */
export function newestFirst<T extends { attempt: number; createdAtMs: number }>(list: readonly T[]): T[] {
  return [...list].sort((a, b) => b.attempt - a.attempt || b.createdAtMs - a.createdAtMs)
}
