// A runtime without containers: sandboxes and containers are entries in maps, and a function or an annotation of the
// pod sets what they do (how long an image takes to pull, when a process exits and how). On a virtual clock, hundreds
// of nodes of these make a cluster in one process.
import type { Clock } from '../../base/clock.ts'
import { resourcesIn } from './cri-words.ts'
import { StatusError } from '../../base/errors.ts'
import { orAborted } from '../../base/waiters.ts'
import {
  annotationNames,
  type AuthConfig,
  type ContainerConfig,
  type ContainerSeen,
  type ContainerUsage,
  type ExecResult,
  type FileSystem,
  type ImageSeen,
  type ImageView,
  labelNames,
  newestFirst,
  type PodSeen,
  type Runtime,
  type RuntimeInfo,
  type SandboxConfig,
  type SandboxSeen,
} from './runtime.ts'

/** What a simulated container does. */
export interface Behaviour {
  /** The message with which the pull of its image fails. */
  pullError?: string
  pullMs?: number
  startMs?: number
  /** The time from its start until it ends by itself. Without it, it runs until it is stopped. */
  exitAfterMs?: number
  exitCode?: number
  /** The time from SIGTERM to its end. Default 0; Infinity ignores the signal. */
  stopMs?: number
  message?: string
  exec?: (command: readonly string[]) => { exitCode: number; stdout?: string }
}

/** A pod's annotation with a JSON object: container name → Behaviour. */
export const behaviourAnnotation = 'simulated.kutter/behaviour'

/** What a behaviour may depend on. For the pull of an image only `image` is set. */
interface Described {
  name: string
  image: string
  attempt: number
  podName: string
  namespace: string
}

export interface SimulatedOptions {
  clock: Clock
  /** The first three bytes of pod addresses, such as `10.244.7`. */
  subnet?: string
  behave?: (container: Described) => Behaviour
  /** Images that are present from the start. All others are pulled. */
  images?: readonly string[]
}

interface Sandbox extends SandboxSeen {
  ready: boolean
  config: SandboxConfig
}

interface Container extends ContainerSeen {
  uid: string
  behaviour: Behaviour
  cancel?: () => void
  exited: (() => void)[]
}

const maxAddresses = 250
/** The exit code of a process that SIGKILL ended. */
const killed = 137

/**
 * It keeps the contract of Runtime, with these limits: there are no files, streams and statistics, a node has 248 pod
 * addresses, and a container does only what its behaviour describes. Nothing happens but by a call or by the clock, so
 * that a run on a virtual clock can be repeated. `close` does nothing; timers end with their containers.
 */
export class SimulatedRuntime implements Runtime {
  readonly real = false
  readonly #clock: Clock
  #subnet: string
  readonly #behave: NonNullable<SimulatedOptions['behave']>
  readonly #sandboxes = new Map<string, Sandbox>()
  readonly #containers = new Map<string, Container>()
  /** The same by the uid of the pod. A pod without sandboxes and containers has no entry. */
  readonly #pods = new Map<string, { sandboxes: Set<Sandbox>; containers: Set<Container> }>()
  readonly #images: Set<string>
  /** Image volumes, by `POD VOLUME`. */
  readonly #views = new Map<string, ImageView>()
  readonly #addresses = new Set<number>()
  #onChange: ((uid: string) => void) | undefined
  #counter = 0

  constructor({ clock, subnet = '10.244.0', behave = () => ({}), images }: SimulatedOptions) {
    this.#clock = clock
    this.#subnet = subnet
    this.#behave = behave
    this.#images = new Set(images)
  }

  close(): void {}

  async info(): Promise<RuntimeInfo> {
    const problems = { runtimeProblem: '', networkProblem: '' }
    return { name: 'simulated', version: '1', apiVersion: 'v1', ...problems, handlers: [] }
  }

  async appliesCdi(): Promise<boolean> {
    return true
  }

  async watch(onChange: (uid: string) => void, signal: AbortSignal): Promise<void> {
    this.#onChange = onChange
    await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
    this.#onChange = undefined
  }

  async outline(): Promise<PodSeen[]> {
    return Array.from(this.#pods.keys(), uid => this.#podOf(uid))
  }

  async pod(uid: string): Promise<PodSeen> {
    return this.#podOf(uid)
  }

  async createSandbox(config: SandboxConfig): Promise<string> {
    const onHost = config.linux?.securityContext?.namespaceOptions?.network === 'NODE'
    const sandbox: Sandbox = {
      id: this.#newId('5a'),
      attempt: config.metadata?.attempt ?? 0,
      ready: true,
      createdAtMs: this.#clock.now(),
      ips: onHost ? [] : [`${this.#subnet}.${this.#takeAddress()}`],
      config,
    }
    this.#sandboxes.set(sandbox.id, sandbox)
    this.#entryOf(config.metadata?.uid ?? '').sandboxes.add(sandbox)
    return sandbox.id
  }

  async stopSandbox(id: string): Promise<void> {
    const sandbox = this.#sandboxes.get(id)
    if (!sandbox?.ready) return
    for (const container of this.#containers.values()) if (container.sandboxId === id) this.#exit(container, killed)
    for (const ip of sandbox.ips) this.#addresses.delete(Number(ip.split('.')[3]))
    sandbox.ready = false
    this.#onChange?.(sandbox.config.metadata?.uid ?? '')
  }

  async removeSandbox(id: string): Promise<void> {
    const sandbox = this.#sandboxes.get(id)
    if (!sandbox) return
    const uid = sandbox.config.metadata?.uid ?? ''
    for (const container of this.#pods.get(uid)?.containers ?? [])
      if (container.sandboxId === id) await this.removeContainer(container.id)
    this.#sandboxes.delete(id)
    this.#pods.get(uid)?.sandboxes.delete(sandbox)
    this.#dropEmpty(uid)
  }

  async createContainer(sandboxId: string, config: ContainerConfig, sandbox: SandboxConfig): Promise<string> {
    if (!this.#sandboxes.has(sandboxId)) throw notFound('sandbox', sandboxId)
    const name = config.metadata?.name ?? ''
    const attempt = config.metadata?.attempt ?? 0
    const image = config.image?.userSpecifiedImage ?? config.image?.image ?? ''
    const uid = sandbox.metadata?.uid ?? ''
    const resources = resourcesIn(config.annotations ?? {})
    const container: Container = {
      id: this.#newId('c0'),
      sandboxId,
      name,
      attempt,
      state: 'created',
      createdAtMs: this.#clock.now(),
      startedAtMs: 0,
      finishedAtMs: 0,
      exitCode: 0,
      reason: '',
      message: '',
      image,
      imageRef: `sha256:${image}`,
      hash: config.annotations?.[annotationNames.hash] ?? '',
      ...(resources && { resources }),
      logPath: '',
      uid: config.labels?.[labelNames.podUid] ?? uid,
      behaviour: this.#behaviourOf({ name, image, attempt }, sandbox),
      exited: [],
    }
    this.#containers.set(container.id, container)
    this.#entryOf(uid).containers.add(container)
    return container.id
  }

  async startContainer(id: string): Promise<void> {
    const container = this.#find(id)
    if (container.state !== 'created')
      throw new StatusError('InternalError', `rpc error: code = Unknown desc = container ${id} is ${container.state}`)
    const { startMs = 0, exitAfterMs, exitCode = 0 } = container.behaviour
    if (startMs) await this.#clock.sleep(startMs)
    container.state = 'running'
    container.startedAtMs = this.#clock.now()
    if (exitAfterMs !== undefined)
      container.cancel = this.#clock.after(exitAfterMs, () => this.#exit(container, exitCode))
    this.#onChange?.(container.uid)
  }

  async updateContainer(id: string): Promise<void> {
    const { state } = this.#find(id)
    if (state !== 'running')
      throw new StatusError('InternalError', `rpc error: code = Unknown desc = container ${id} is ${state}`)
  }

  async stopContainer(id: string, graceSeconds: number, signal?: AbortSignal): Promise<void> {
    const container = this.#containers.get(id)
    if (container?.state !== 'running') return
    const ended = new Promise<void>(resolve => container.exited.push(resolve))
    const { stopMs = 0, exitCode = 0 } = container.behaviour
    if (graceSeconds === 0) this.#exit(container, killed)
    else if (stopMs === 0) this.#exit(container, exitCode)
    else {
      const graceMs = graceSeconds * 1000
      const cancel = this.#clock.after(Math.min(stopMs, graceMs), () =>
        this.#exit(container, stopMs <= graceMs ? exitCode : killed),
      )
      signal?.addEventListener('abort', cancel, { once: true })
    }
    await (signal ? orAborted(ended, signal) : ended)
  }

  async removeContainer(id: string): Promise<void> {
    const container = this.#containers.get(id)
    if (!container) return
    this.#exit(container, killed)
    this.#containers.delete(id)
    this.#pods.get(container.uid)?.containers.delete(container)
    this.#dropEmpty(container.uid)
  }

  async execSync(id: string, command: readonly string[]): Promise<ExecResult> {
    const { exitCode = 0, stdout = '' } = this.#find(id).behaviour.exec?.(command) ?? {}
    return { exitCode, stdout: Buffer.from(stdout), stderr: new Uint8Array() }
  }

  async reopenLog(): Promise<void> {}

  async image(name: string): Promise<ImageSeen | undefined> {
    return this.#images.has(name) ? imageOf(name) : undefined
  }

  async images(): Promise<ImageSeen[]> {
    return Array.from(this.#images, imageOf)
  }

  async imagesInUse(): Promise<Set<string>> {
    return new Set(Array.from(this.#containers.values(), container => container.imageRef))
  }

  async pullImage(
    name: string,
    _auth: AuthConfig | undefined,
    sandbox: SandboxConfig,
    signal: AbortSignal,
  ): Promise<string> {
    const image = { name: '', image: name, attempt: 0 }
    // `behave` is also called with the image alone, for behaviours that do not depend on the pod.
    const alone = this.#behave({ ...image, podName: '', namespace: '' })
    const ofPod = this.#behaviourOf(image, sandbox)
    const pullMs = alone.pullMs ?? ofPod.pullMs ?? 0
    const pullError = alone.pullError ?? ofPod.pullError
    if (pullMs) await this.#clock.sleep(pullMs, signal)
    if (pullError) throw new StatusError('NotFound', pullError)
    this.#images.add(name)
    return `sha256:${name}`
  }

  async removeImage(name: string): Promise<void> {
    this.#images.delete(name.replace(/^sha256:/, ''))
  }

  async viewImage(_ref: string, view: ImageView): Promise<FileSystem[]> {
    this.#views.set(`${view.podUid} ${view.volume}`, view)
    return []
  }

  async releaseViews(podUid: string): Promise<void> {
    for (const [key, view] of this.#views) if (view.podUid === podUid) this.#views.delete(key)
  }

  async views(): Promise<ImageView[]> {
    return [...this.#views.values()]
  }

  async usage(): Promise<ContainerUsage[]> {
    return []
  }

  async imageFs(): Promise<undefined> {}

  async execUrl(): Promise<string> {
    return refuse()
  }

  async attachUrl(): Promise<string> {
    return refuse()
  }

  async portForwardUrl(): Promise<string> {
    return refuse()
  }

  /** Later sandboxes get addresses of this range, of which the first three bytes count. */
  async setPodCidr(cidr: string): Promise<void> {
    this.#subnet = cidr.split('.').slice(0, 3).join('.')
  }

  #newId(prefix: string): string {
    return `${prefix}${(++this.#counter).toString(16).padStart(60, '0')}`
  }

  #entryOf(uid: string) {
    let entry = this.#pods.get(uid)
    if (!entry) this.#pods.set(uid, (entry = { sandboxes: new Set(), containers: new Set() }))
    return entry
  }

  #dropEmpty(uid: string): void {
    const entry = this.#pods.get(uid)
    if (entry && !entry.sandboxes.size && !entry.containers.size) this.#pods.delete(uid)
  }

  #podOf(uid: string): PodSeen {
    const entry = this.#pods.get(uid)
    // The objects are copied, as the answer of a real runtime would be.
    const copy = <T extends object>(set: Set<T> | undefined) => Array.from(set ?? [], x => ({ ...x }))
    return {
      uid,
      sandboxes: newestFirst(copy(entry?.sandboxes)),
      containers: newestFirst(copy(entry?.containers)),
    }
  }

  #find(id: string): Container {
    const container = this.#containers.get(id)
    if (!container) throw notFound('container', id)
    return container
  }

  #takeAddress(): number {
    for (let n = 2; n < maxAddresses; n++) {
      if (this.#addresses.has(n)) continue
      this.#addresses.add(n)
      return n
    }
    throw new StatusError('InternalError', `no addresses left in ${this.#subnet}.0/24`)
  }

  #behaviourOf(container: Pick<Described, 'name' | 'image' | 'attempt'>, { annotations, metadata }: SandboxConfig) {
    const text = annotations?.[behaviourAnnotation]
    const given = text ? (JSON.parse(text) as Record<string, Behaviour>)[container.name] : undefined
    const pod = { podName: metadata?.name ?? '', namespace: metadata?.namespace ?? '' }
    return given ?? this.#behave({ ...container, ...pod })
  }

  #exit(container: Container, exitCode: number): void {
    if (container.state !== 'running') return
    container.cancel?.()
    Object.assign(container, {
      state: 'exited',
      exitCode,
      reason: exitCode === 0 ? 'Completed' : 'Error',
      finishedAtMs: this.#clock.now(),
      message: container.behaviour.message ?? '',
    })
    for (const done of container.exited.splice(0)) done()
    this.#onChange?.(container.uid)
  }
}

const imageOf = (name: string): ImageSeen => ({
  id: `sha256:${name}`,
  tags: [name],
  digests: [],
  sizeBytes: 0,
  pinned: false,
  uid: undefined,
  username: '',
})

const notFound = (what: string, id: string) =>
  new StatusError('NotFound', `rpc error: code = NotFound desc = no ${what} ${id}`)

function refuse(): never {
  throw new StatusError('MethodNotAllowed', 'a simulated container has no streams')
}
