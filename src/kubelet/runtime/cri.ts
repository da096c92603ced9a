// The runtime over CRI: containerd's calls and events, and two things that its CRI does not do: exec without loss of
// input (exec.ts) and mounts of images (views.ts).
import type { Clock } from '../../base/clock.ts'
import { messageOf, StatusError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { counted } from '../metrics.ts'
import { connectCri, containerdEvents, type Cri } from '../cri/index.ts'
import { CriPods, orNone } from './cri-pods.ts'
import { imageSeen, usageOf, withPins } from './cri-words.ts'
import { ContainerdExec } from './exec.ts'
import {
  type AuthConfig,
  type ContainerConfig,
  type ContainerResources,
  type ContainerUsage,
  type ExecProcess,
  type FileSystem,
  type ImageSeen,
  type ImageView,
  labelNames,
  type PodOutline,
  type PodSeen,
  type Runtime,
  type SandboxConfig,
  type StreamOptions,
} from './runtime.ts'
import { ContainerdViews } from './views.ts'

interface CriRuntimeOptions {
  /** containerd's socket, which serves CRI and its own events. */
  socket: string
  clock: Clock
  log: Log
  /** The names of images that were loaded by hand, for a runtime that does not report them as pinned. */
  pinnedImages?: () => Promise<ReadonlySet<string>>
}

/** containerd's configuration of its CRI plugin, as far as it is used here. */
interface ContainerdConfig {
  sandboxImage: string
  /** Missing before version 1.7, which does not know CDI. */
  enableCDI?: boolean
  containerd: { snapshotter: string }
}

const resubscribeMs = 500
const stopSlackMs = 60_000
/** As upstream, twice the time of other calls. */
const sandboxTimeoutMs = 240_000

export class CriRuntime implements Runtime {
  readonly real = true
  readonly #options: CriRuntimeOptions
  readonly #cri: Cri
  readonly #disconnect: () => void
  readonly #pods: CriPods
  readonly #execs: ContainerdExec
  readonly #views: ContainerdViews
  #sandboxImage: string | undefined

  constructor(options: CriRuntimeOptions) {
    this.#options = options
    const { cri, close } = connectCri(options.socket)
    this.#cri = counted(cri, options.clock)
    this.#disconnect = close
    this.#pods = new CriPods(this.#cri, options.clock, options.log)
    this.#execs = new ContainerdExec(options.socket)
    this.#views = new ContainerdViews(options.socket, async () => (await this.#config()).containerd.snapshotter)
  }

  close(): void {
    this.#execs.close()
    this.#views.close()
    this.#disconnect()
  }

  outline(): Promise<PodOutline[]> {
    return this.#pods.outline()
  }

  pod(uid: string): Promise<PodSeen> {
    return this.#pods.pod(uid)
  }

  async watch(onChange: Parameters<Runtime['watch']>[0], signal: AbortSignal): Promise<void> {
    const { socket, log, clock } = this.#options
    while (!signal.aborted) {
      try {
        for await (const event of containerdEvents(socket).subscribe(signal)) {
          if (event.topic === 'subscribed') onChange(undefined, event)
          if (!('containerId' in event) || event.topic === 'exec-exited') continue
          const owner = this.#pods.ownerOf(event.containerId)
          const report = (uid = owner) => uid !== undefined && onChange(uid, event)
          // `exitNoted` rejects only when the signal aborts.
          if (event.topic === 'exited') void this.#pods.exitNoted(event.containerId, signal).then(report, () => {})
          else report()
          if (event.topic === 'deleted') this.#pods.forget(event.containerId)
        }
      } catch (error) {
        if (signal.aborted) return
        log.warn('events of the container runtime ended, will be subscribed again', { why: messageOf(error) })
      }
      // It rejects only after an abort, for which the loop checks.
      await clock.sleep(resubscribeMs, signal).catch(() => {})
    }
  }

  async info() {
    const [version, { status, runtimeHandlers }] = await Promise.all([
      this.#cri.version({ version: 'v1' }),
      this.#cri.status({}),
    ])
    const problem = (type: string) => {
      const condition = status?.conditions.find(c => c.type === type)
      return condition?.status
        ? ''
        : `${type}=false reason:${condition?.reason ?? ''} message:${condition?.message ?? ''}`
    }
    const notReady = problem('RuntimeReady')
    return {
      name: version.runtimeName,
      version: version.runtimeVersion,
      apiVersion: version.runtimeApiVersion,
      runtimeProblem: notReady && `container runtime not ready: ${notReady}`,
      networkProblem: problem('NetworkReady'),
      handlers: runtimeHandlers.map(({ name, features }) => ({
        name,
        recursiveReadOnlyMounts: features?.recursiveReadOnlyMounts ?? false,
        userNamespaces: features?.userNamespaces ?? false,
      })),
    }
  }

  async appliesCdi(): Promise<boolean> {
    return (await this.#config()).enableCDI === true
  }

  async createSandbox(config: SandboxConfig, runtimeHandler: string, signal: AbortSignal): Promise<string> {
    const call = { signal, timeoutMs: sandboxTimeoutMs }
    const { podSandboxId } = await this.#cri.runPodSandbox({ config, runtimeHandler }, call)
    this.#pods.own(podSandboxId, config.metadata?.uid ?? '')
    return podSandboxId
  }

  // A sandbox or container that does not exist counts as stopped and removed.
  async stopSandbox(podSandboxId: string): Promise<void> {
    await orNone(this.#cri.stopPodSandbox({ podSandboxId }))
  }

  async removeSandbox(podSandboxId: string): Promise<void> {
    await orNone(this.#cri.removePodSandbox({ podSandboxId }))
  }

  async createContainer(podSandboxId: string, config: ContainerConfig, sandboxConfig: SandboxConfig): Promise<string> {
    const { containerId } = await this.#cri.createContainer({ podSandboxId, config, sandboxConfig })
    this.#pods.own(containerId, config.labels?.[labelNames.podUid] ?? '')
    return containerId
  }

  async startContainer(containerId: string): Promise<void> {
    await this.#cri.startContainer({ containerId })
  }

  async updateContainer(containerId: string, linux: ContainerResources): Promise<void> {
    await this.#cri.updateContainerResources({ containerId, linux })
  }

  async stopContainer(containerId: string, timeout: number, signal?: AbortSignal): Promise<void> {
    const call = { signal, timeoutMs: timeout * 1000 + stopSlackMs }
    await orNone(this.#cri.stopContainer({ containerId, timeout }, call))
  }

  async removeContainer(containerId: string): Promise<void> {
    await orNone(this.#cri.removeContainer({ containerId }))
  }

  execSync(containerId: string, cmd: readonly string[], timeout: number, signal?: AbortSignal) {
    return this.#cri.execSync({ containerId, cmd, timeout }, { signal, timeoutMs: (timeout || 120) * 1000 + 2000 })
  }

  async reopenLog(containerId: string): Promise<void> {
    await this.#cri.reopenContainerLog({ containerId })
  }

  async image(name: string): Promise<ImageSeen | undefined> {
    const { image } = await this.#cri.imageStatus({ image: { image: name } })
    return image ? withPins(imageSeen(image), await this.#pinned()) : undefined
  }

  async images(): Promise<ImageSeen[]> {
    const pinned = await this.#pinned()
    return (await this.#cri.listImages({})).images.map(image => withPins(imageSeen(image), pinned))
  }

  async imagesInUse(): Promise<ReadonlySet<string>> {
    const { containers } = await this.#cri.listContainers({})
    this.#sandboxImage ??= (await this.#config()).sandboxImage
    const names = containers.flatMap(({ imageRef, image }) => [imageRef, image?.image ?? ''])
    return new Set([...names, this.#sandboxImage].filter(Boolean))
  }

  async #config(): Promise<ContainerdConfig> {
    const { info } = await this.#cri.status({ verbose: true })
    return JSON.parse(info.config ?? '') as ContainerdConfig
  }

  async #pinned(): Promise<ReadonlySet<string>> {
    return (await this.#options.pinnedImages?.()) ?? new Set()
  }

  async pullImage(name: string, auth: AuthConfig | undefined, sandboxConfig: SandboxConfig, signal: AbortSignal) {
    return (await this.#cri.pullImage({ image: { image: name }, auth, sandboxConfig }, { signal })).imageRef
  }

  async removeImage(name: string): Promise<void> {
    await this.#cri.removeImage({ image: { image: name } })
  }

  async viewImage(ref: string, view: ImageView): Promise<readonly FileSystem[]> {
    const { image, info } = await this.#cri.imageStatus({ image: { image: ref }, verbose: true })
    if (!image) throw new StatusError('NotFound', `image ${ref} is not on this node`)
    const { chainID } = JSON.parse(info.info ?? '') as { chainID: string }
    return this.#views.make(chainID, view, this.#options.clock.now())
  }

  releaseViews(podUid: string): Promise<void> {
    return this.#views.release(podUid)
  }

  views(): Promise<readonly ImageView[]> {
    return this.#views.all()
  }

  async usage(): Promise<ContainerUsage[]> {
    return (await this.#cri.listContainerStats({})).stats.flatMap(usageOf)
  }

  async imageFs() {
    const [fs] = (await this.#cri.imageFsInfo({})).imageFilesystems
    return (
      fs && {
        mountpoint: fs.fsId?.mountpoint ?? '',
        usedBytes: fs.usedBytes?.value ?? 0,
        inodesUsed: fs.inodesUsed?.value ?? 0,
      }
    )
  }

  exec(id: string, command: readonly string[], streamOptions: StreamOptions): Promise<ExecProcess> {
    return this.#execs.start(id, command, streamOptions)
  }

  async execUrl(containerId: string, cmd: readonly string[], streamOptions: StreamOptions): Promise<string> {
    return (await this.#cri.exec({ containerId, cmd, ...streamOptions })).url
  }

  async attachUrl(containerId: string, streamOptions: StreamOptions): Promise<string> {
    return (await this.#cri.attach({ containerId, ...streamOptions })).url
  }

  async portForwardUrl(podSandboxId: string, port: readonly number[]): Promise<string> {
    return (await this.#cri.portForward({ podSandboxId, port })).url
  }

  async setPodCidr(podCidr: string): Promise<void> {
    await this.#cri.updateRuntimeConfig({ runtimeConfig: { networkConfig: { podCidr } } })
  }
}
