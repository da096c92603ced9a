// What runs containers, as the kubelet needs it. Two forms: containerd over CRI, and a simulated one that keeps a
// node's containers in memory on any clock. Times are milliseconds since the epoch; 0 means "not yet".
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
  /** The first is the pod's main address; none on the host's network. */
  ips: readonly string[]
}

export interface ContainerOutline {
  id: string
  state: 'created' | 'running' | 'exited' | 'unknown'
}

export interface ContainerSeen extends ContainerOutline {
  sandboxId: string
  name: string
  /** How often a container of this name had been started before. */
  attempt: number
  createdAtMs: number
  startedAtMs: number
  finishedAtMs: number
  exitCode: number
  reason: string
  message: string
  image: string
  imageRef: string
  /** Of the spec it was made from; see `containerHash`. */
  hash: string
  logPath: string
}

/** What a runtime has of one pod, in no order. */
export interface PodOutline {
  uid: string
  sandboxes: readonly SandboxOutline[]
  containers: readonly ContainerOutline[]
}

/** Everything a runtime has of one pod, newest first. */
export interface PodSeen extends PodOutline {
  sandboxes: readonly SandboxSeen[]
  containers: readonly ContainerSeen[]
}

export interface RuntimeInfo {
  name: string
  version: string
  apiVersion: string
  /** Why the runtime is not ready, else ''. */
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
  /** The user its configuration names: a number, or a name (''= neither, root). */
  uid: number | undefined
  username: string
}

/** A volume that shows the files of an image. */
export interface ImageView {
  podUid: string
  volume: string
}

/** A filesystem as mount(8) takes it. */
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

/** A process that was started in a container, with the ends of its streams that were asked for. */
export interface ExecProcess {
  stdin: Writable | undefined
  stdout: Readable | undefined
  stderr: Readable | undefined
  /** Resolves with the exit code; outputs may have more to read then. */
  exited: Promise<number>
  /** Everything the input was given is on its way: the process sees its end. */
  closeStdin(): Promise<void>
  resize(size: { width: number; height: number }): Promise<void>
  /** Nobody is connected any more: the process goes on, as under Kubernetes; resolves when it has ended. */
  close(): Promise<void>
}

/** What a client of exec or attach wants connected. */
export interface StreamWishes {
  stdin: boolean
  stdout: boolean
  stderr: boolean
  tty: boolean
}

export interface Runtime {
  /** False when there are no files, mounts and processes behind it. */
  readonly real: boolean
  info(): Promise<RuntimeInfo>
  /** All pods it has, at the cost of two calls, however many they are. */
  outline(): Promise<readonly PodOutline[]>
  pod(uid: string): Promise<PodSeen>
  /**
   * Calls `heard` with the pod that something happened to (undefined: anything may have happened to any pod). An exit is
   * reported once `pod` shows it. Ends when `signal` aborts.
   */
  watch(heard: (uid: string | undefined, event?: RuntimeEvent) => void, signal: AbortSignal): Promise<void>

  createSandbox(config: SandboxConfig, handler: string, signal: AbortSignal): Promise<string>
  stopSandbox(id: string): Promise<void>
  removeSandbox(id: string): Promise<void>
  createContainer(sandboxId: string, config: ContainerConfig, sandbox: SandboxConfig): Promise<string>
  startContainer(id: string): Promise<void>
  /** Ends when the container has: SIGTERM, after `graceSeconds` SIGKILL. */
  stopContainer(id: string, graceSeconds: number, signal?: AbortSignal): Promise<void>
  removeContainer(id: string): Promise<void>
  execSync(id: string, command: readonly string[], timeoutSeconds: number, signal?: AbortSignal): Promise<ExecResult>
  /** The container's log file was renamed: write a new one. */
  reopenLog(id: string): Promise<void>

  image(name: string): Promise<ImageSeen | undefined>
  images(): Promise<readonly ImageSeen[]>
  /** Returns the reference the image is known by from now on. */
  pullImage(name: string, auth: AuthConfig | undefined, sandbox: SandboxConfig, signal: AbortSignal): Promise<string>
  removeImage(name: string): Promise<void>
  /**
   * Keeps the files of an image for a volume, and returns what to mount there, one over the other; nothing where there
   * are no files. Asked again for a volume, it begins anew. `ref` is what pulling the image returned, or its id.
   */
  viewImage(ref: string, view: ImageView): Promise<readonly FileSystem[]>
  /** Gives back what was kept for a pod's volumes, once they are unmounted. */
  releaseViews(podUid: string): Promise<void>
  /** The volumes that images are kept for. */
  views(): Promise<readonly ImageView[]>
  usage(): Promise<readonly ContainerUsage[]>
  imageFs(): Promise<{ mountpoint: string; usedBytes: number; inodesUsed: number } | undefined>

  /** Puts a process into a container; undefined where only `execUrl` can. */
  exec?(id: string, command: readonly string[], wishes: StreamWishes): Promise<ExecProcess>
  execUrl(id: string, command: readonly string[], wishes: StreamWishes): Promise<string>
  attachUrl(id: string, wishes: StreamWishes): Promise<string>
  portForwardUrl(sandboxId: string, ports: readonly number[]): Promise<string>
  setPodCidr(cidr: string): Promise<void>
  close(): void
}

/** Labels and annotations by which a kubelet finds its pods again. Source: kubernetes pkg/kubelet/types/labels.go. */
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

/** Newest first. */
export function newestFirst<T extends { attempt: number; createdAtMs: number }>(list: readonly T[]): T[] {
  return [...list].sort((a, b) => b.attempt - a.attempt || b.createdAtMs - a.createdAtMs)
}
