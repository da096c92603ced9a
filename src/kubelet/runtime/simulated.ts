// A runtime without containers: sandboxes and containers are entries in maps, and what they do (how long an image
// takes to pull, when a process exits and how) is told by a function or by an annotation of the pod. On a virtual
// clock, hundreds of nodes of these make a cluster in one process.
import type { Clock } from '../../base/clock.ts'
import { StatusError } from '../../base/errors.ts'
import {
  annotationNames,
  type ContainerSeen,
  type ExecResult,
  type ImageView,
  labelNames,
  newestFirst,
  type Runtime,
  type SandboxConfig,
  type SandboxSeen,
} from './runtime.ts'

/** What a simulated container does. */
export interface Behaviour {
  /** The image cannot be pulled, and this is why. */
  pullError?: string
  pullMs?: number
  startMs?: number
  /** Ends by itself this long after its start; else it runs until it is stopped. */
  exitAfterMs?: number
  exitCode?: number
  /** How long it takes to end after SIGTERM. Default 0; Infinity ignores the signal. */
  stopMs?: number
  message?: string
  exec?: (command: readonly string[]) => { exitCode: number; stdout?: string }
}

/** A pod's annotation with a JSON object: container name → Behaviour. */
export const behaviourAnnotation = 'simulated.kutter/behaviour'

export interface SimulatedOptions {
  clock: Clock
  /** The first three bytes of pod addresses: `10.244.7`. */
  subnet?: string
  behave?: (container: {
    name: string
    image: string
    attempt: number
    podName: string
    namespace: string
  }) => Behaviour
  /** Images that are there from the start; everything else is pulled. */
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

export function simulatedRuntime(o: SimulatedOptions): Runtime {
  const { clock } = o
  const sandboxes = new Map<string, Sandbox>()
  const containers = new Map<string, Container>()
  const byPod = new Map<string, { sandboxes: Set<Sandbox>; containers: Set<Container> }>()
  const images = new Set(o.images)
  /** Volumes that show images, by `POD VOLUME`. */
  const views = new Map<string, ImageView>()
  const addresses = new Set<number>()
  let heard: ((uid: string) => void) | undefined
  let counter = 0
  const id = (what: string) => `${what}${(++counter).toString(16).padStart(60, '0')}`
  const groupOf = (uid: string) => {
    let group = byPod.get(uid)
    if (!group) byPod.set(uid, (group = { sandboxes: new Set(), containers: new Set() }))
    return group
  }
  const address = () => {
    for (let n = 2; n < maxAddresses; n++) {
      if (addresses.has(n)) continue
      addresses.add(n)
      return n
    }
    throw new StatusError('InternalError', `no addresses left in ${o.subnet ?? '10.244.0'}.0/24`)
  }
  const find = (containerId: string) => {
    const container = containers.get(containerId)
    if (!container) throw new StatusError('NotFound', `rpc error: code = NotFound desc = no container ${containerId}`)
    return container
  }
  const exit = (container: Container, exitCode: number, reason = exitCode === 0 ? 'Completed' : 'Error') => {
    if (container.state !== 'running') return
    container.cancel?.()
    Object.assign(container, {
      state: 'exited',
      exitCode,
      reason,
      finishedAtMs: clock.now(),
      message: container.behaviour.message ?? '',
    })
    for (const done of container.exited.splice(0)) done()
    heard?.(container.uid)
  }
  const podOf = (uid: string) => {
    const group = byPod.get(uid)
    const copy = <T extends object>(set: Set<T> | undefined) => Array.from(set ?? [], x => ({ ...x }))
    return {
      uid,
      sandboxes: newestFirst(copy(group?.sandboxes)),
      containers: newestFirst(copy(group?.containers)),
    }
  }
  const forget = (uid: string) => {
    const group = byPod.get(uid)
    if (group && !group.sandboxes.size && !group.containers.size) byPod.delete(uid)
  }
  const behaviourOf = (config: SandboxConfig, name: string, image: string, attempt: number): Behaviour => {
    const text = config.annotations?.[behaviourAnnotation]
    const given = text ? (JSON.parse(text) as Record<string, Behaviour>)[name] : undefined
    return (
      given ??
      o.behave?.({
        name,
        image,
        attempt,
        podName: config.metadata?.name ?? '',
        namespace: config.metadata?.namespace ?? '',
      }) ??
      {}
    )
  }
  const removeContainer = async (containerId: string) => {
    const container = containers.get(containerId)
    if (!container) return
    exit(container, 137)
    containers.delete(containerId)
    byPod.get(container.uid)?.containers.delete(container)
    forget(container.uid)
  }

  return {
    real: false,
    close() {},
    async watch(listener, signal) {
      heard = listener
      await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
      heard = undefined
    },
    info: async () => ({
      name: 'simulated',
      version: '1',
      apiVersion: 'v1',
      runtimeProblem: '',
      networkProblem: '',
      handlers: [],
    }),
    outline: async () => Array.from(byPod.keys(), podOf),
    pod: async uid => podOf(uid),
    async createSandbox(config) {
      const host = config.linux?.securityContext?.namespaceOptions?.network === 'NODE'
      const sandbox: Sandbox = {
        id: id('5a'),
        attempt: config.metadata?.attempt ?? 0,
        ready: true,
        createdAtMs: clock.now(),
        ips: host ? [] : [`${o.subnet ?? '10.244.0'}.${address()}`],
        config,
      }
      sandboxes.set(sandbox.id, sandbox)
      groupOf(config.metadata?.uid ?? '').sandboxes.add(sandbox)
      return sandbox.id
    },
    async stopSandbox(sandboxId) {
      const sandbox = sandboxes.get(sandboxId)
      if (!sandbox?.ready) return
      for (const container of containers.values()) if (container.sandboxId === sandboxId) exit(container, 137)
      for (const ip of sandbox.ips) addresses.delete(Number(ip.split('.')[3]))
      sandbox.ready = false
      heard?.(sandbox.config.metadata?.uid ?? '')
    },
    async removeSandbox(sandboxId) {
      const sandbox = sandboxes.get(sandboxId)
      if (!sandbox) return
      const uid = sandbox.config.metadata?.uid ?? ''
      for (const container of byPod.get(uid)?.containers ?? [])
        if (container.sandboxId === sandboxId) await removeContainer(container.id)
      sandboxes.delete(sandboxId)
      byPod.get(uid)?.sandboxes.delete(sandbox)
      forget(uid)
    },
    async createContainer(sandboxId, config, sandboxConfig) {
      const name = config.metadata?.name ?? ''
      const attempt = config.metadata?.attempt ?? 0
      const image = config.image?.userSpecifiedImage ?? config.image?.image ?? ''
      const uid = sandboxConfig.metadata?.uid ?? ''
      const container: Container = {
        id: id('c0'),
        sandboxId,
        name,
        attempt,
        state: 'created',
        createdAtMs: clock.now(),
        startedAtMs: 0,
        finishedAtMs: 0,
        exitCode: 0,
        reason: '',
        message: '',
        image,
        imageRef: `sha256:${image}`,
        hash: config.annotations?.[annotationNames.hash] ?? '',
        logPath: '',
        uid: config.labels?.[labelNames.podUid] ?? uid,
        behaviour: behaviourOf(sandboxConfig, name, image, attempt),
        exited: [],
      }
      containers.set(container.id, container)
      groupOf(uid).containers.add(container)
      return container.id
    },
    async startContainer(containerId) {
      const container = find(containerId)
      const { startMs = 0, exitAfterMs, exitCode = 0 } = container.behaviour
      if (startMs) await clock.sleep(startMs)
      container.state = 'running'
      container.startedAtMs = clock.now()
      if (exitAfterMs !== undefined) container.cancel = clock.after(exitAfterMs, () => exit(container, exitCode))
      heard?.(container.uid)
    },
    async stopContainer(containerId, graceSeconds, signal) {
      const container = containers.get(containerId)
      if (container?.state !== 'running') return
      const ended = new Promise<void>(resolve => container.exited.push(resolve))
      const { stopMs = 0, exitCode = 0 } = container.behaviour
      if (stopMs === 0 && graceSeconds > 0) exit(container, exitCode)
      else if (graceSeconds === 0) exit(container, 137)
      else {
        const kind = stopMs <= graceSeconds * 1000
        const cancel = clock.after(kind ? stopMs : graceSeconds * 1000, () => exit(container, kind ? exitCode : 137))
        signal?.addEventListener('abort', cancel, { once: true })
      }
      await Promise.race([
        ended,
        new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason), { once: true })),
      ])
    },
    removeContainer,
    async execSync(containerId, command): Promise<ExecResult> {
      const container = find(containerId)
      const { exitCode = 0, stdout = '' } = container.behaviour.exec?.(command) ?? {}
      return { exitCode, stdout: Buffer.from(stdout), stderr: new Uint8Array() }
    },
    async reopenLog() {},
    image: async name => (images.has(name) ? imageOf(name) : undefined),
    images: async () => Array.from(images, imageOf),
    async pullImage(name, _auth, sandbox, signal) {
      const { pullMs = 0, pullError } = behaviourOf(sandbox, '', name, 0)
      const asked = o.behave?.({ name: '', image: name, attempt: 0, podName: '', namespace: '' })
      const ms = asked?.pullMs ?? pullMs
      if (ms) await clock.sleep(ms, signal)
      const why = asked?.pullError ?? pullError
      if (why) throw new StatusError('NotFound', why)
      images.add(name)
      return `sha256:${name}`
    },
    async removeImage(name) {
      images.delete(name)
    },
    async viewImage(_ref, view) {
      views.set(`${view.podUid} ${view.volume}`, view)
      return []
    },
    async releaseViews(podUid) {
      for (const [key, view] of views) if (view.podUid === podUid) views.delete(key)
    },
    views: async () => [...views.values()],
    usage: async () => [],
    imageFs: async () => undefined,
    execUrl: refuse,
    attachUrl: refuse,
    portForwardUrl: refuse,
    async setPodCidr() {},
  }
}

const imageOf = (name: string) => ({
  id: `sha256:${name}`,
  tags: [name],
  digests: [],
  sizeBytes: 0,
  pinned: false,
  uid: undefined,
  username: '',
})

async function refuse(): Promise<string> {
  throw new StatusError('MethodNotAllowed', 'a simulated container has no streams')
}
