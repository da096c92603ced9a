// The runtime over CRI: containerd's answers in the kubelet's words. Containers that ended never change, so what was
// read of them is kept; everything else is asked again.
import { open } from 'node:fs/promises'
import type { Clock } from '../../base/clock.ts'
import { isReason, messageOf, StatusError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { connectCri, containerdEvents, type Message } from '../cri/index.ts'
import { readLastLines } from '../logs/read.ts'
import { ContainerdExec } from './exec.ts'
import { ContainerdViews } from './views.ts'
import {
  annotationNames,
  type ContainerOutline,
  type ContainerSeen,
  type ImageSeen,
  labelNames,
  newestFirst,
  type PodOutline,
  type PodSeen,
  type Runtime,
  type SandboxOutline,
  type SandboxSeen,
} from './runtime.ts'

interface CriRuntimeOptions {
  /** containerd's socket, which serves CRI and its own events. */
  socket: string
  clock: Clock
  log: Log
  /** Names of images that were loaded by hand and so must stay, where the runtime itself cannot tell. */
  pinnedImages?: () => Promise<ReadonlySet<string>>
}

const resubscribeMs = 500
const exitPauseMs = { first: 2, most: 1_000 }
const maxMessageBytes = 4096
const maxLogMessage = { bytes: 2048, lines: 80 }
const stopSlackMs = 60_000
/** Twice what other calls get, as upstream has it. */
const sandboxTimeoutMs = 240_000

export function criRuntime({ socket, clock, log, pinnedImages }: CriRuntimeOptions): Runtime {
  const pins = pinnedImages ?? (async () => new Set<string>())
  const { cri, close } = connectCri(socket)
  const execs = new ContainerdExec(socket)
  const views = new ContainerdViews(socket, async () => {
    const { info } = await cri.status({ verbose: true })
    return (JSON.parse(info.config ?? '') as { containerd: { snapshotter: string } }).containerd.snapshotter
  })
  /** Which pod a container or sandbox belongs to, to tell whom an event concerns. */
  const owners = new Map<string, string>()
  const ended = new Map<string, ContainerSeen>()
  const ips = new Map<string, readonly string[]>()

  const orNone = async <T>(work: Promise<T>): Promise<T | undefined> => {
    try {
      return await work
    } catch (error) {
      if (isReason(error, 'NotFound')) return undefined
      throw error
    }
  }
  // Gone already is what was wanted.
  const containerSeen = async (container: Message<'Container'>): Promise<ContainerSeen | undefined> => {
    const known = ended.get(container.id)
    if (known) return known
    const status = (await orNone(cri.containerStatus({ containerId: container.id })))?.status
    if (!status) return undefined
    const seen = seenOf(container.podSandboxId, status)
    if (seen.state === 'exited') {
      seen.message = await messageFor(status, seen.message)
      ended.set(container.id, seen)
    }
    return seen
  }
  const sandboxSeen = async (sandbox: Message<'PodSandbox'>): Promise<SandboxSeen | undefined> => {
    const ready = sandbox.state === 'SANDBOX_READY'
    let found = ips.get(sandbox.id)
    if (!found) {
      const answer = await orNone(cri.podSandboxStatus({ podSandboxId: sandbox.id }))
      if (!answer) return undefined
      const network = answer.status?.network
      found = network?.ip ? [network.ip, ...network.additionalIps.map(a => a.ip)] : []
      if (ready) ips.set(sandbox.id, found)
    }
    return {
      id: sandbox.id,
      attempt: sandbox.metadata?.attempt ?? 0,
      ready,
      createdAtMs: millis(sandbox.createdAt),
      ips: found,
    }
  }
  const list = async (labelSelector: Record<string, string>) => {
    const filter = { labelSelector }
    const [{ items }, { containers }] = await Promise.all([
      cri.listPodSandbox({ filter }),
      cri.listContainers({ filter }),
    ])
    const ours = <T extends { id: string; labels: Record<string, string> }>(all: readonly T[]) =>
      all.filter(({ id, labels }) => {
        const uid = labels[labelNames.podUid]
        if (uid) owners.set(id, uid)
        return uid
      })
    return { sandboxes: ours(items), containers: ours(containers) }
  }
  const pod = async (uid: string): Promise<PodSeen> => {
    const found = await list({ [labelNames.podUid]: uid })
    const [sandboxes, containers] = await Promise.all([
      Promise.all(found.sandboxes.map(sandboxSeen)),
      Promise.all(found.containers.map(containerSeen)),
    ])
    return {
      uid,
      sandboxes: newestFirst(sandboxes.filter(s => s !== undefined)),
      containers: newestFirst(containers.filter(c => c !== undefined)),
    }
  }
  const outline = async (): Promise<PodOutline[]> => {
    const known = [...owners.keys()]
    const { sandboxes, containers } = await list({})
    // Deletions that no event told of.
    const there = new Set([...sandboxes, ...containers].map(({ id }) => id))
    for (const id of known) if (!there.has(id)) forget(id)
    const pods = new Map<string, { uid: string; sandboxes: SandboxOutline[]; containers: ContainerOutline[] }>()
    const podOf = ({ labels }: { labels: Record<string, string> }) => {
      const uid = labels[labelNames.podUid]!
      const made = pods.get(uid) ?? { uid, sandboxes: [], containers: [] }
      pods.set(uid, made)
      return made
    }
    for (const s of sandboxes) podOf(s).sandboxes.push({ id: s.id, ready: s.state === 'SANDBOX_READY' })
    for (const c of containers) podOf(c).containers.push({ id: c.id, state: states[c.state] })
    return [...pods.values()]
  }
  const forget = (id: string) => {
    for (const map of [owners, ended, ips]) map.delete(id)
  }
  const quietly = async (work: Promise<unknown>): Promise<void> => void (await orNone(work))
  // containerd sends the event of an exit before its CRI part has noted the exit, and on a busy machine long before:
  // who looked then would find everything running. Resolves with the pod's uid when CRI says the same as the event.
  const noted = async (id: string, signal: AbortSignal): Promise<string | undefined> => {
    for (let pauseMs = exitPauseMs.first; ; pauseMs = Math.min(pauseMs * 2, exitPauseMs.most)) {
      try {
        const { over, uid } = await standingOf(id)
        if (over) return uid
      } catch (error) {
        signal.throwIfAborted()
        log.warn('an exit could not be looked at, trying again', { id, why: messageOf(error) })
      }
      await clock.sleep(pauseMs, signal)
    }
  }
  const standingOf = async (id: string): Promise<{ over: boolean; uid?: string | undefined }> => {
    const container = await orNone(cri.containerStatus({ containerId: id }))
    if (container?.status)
      return {
        over: container.status.state !== 'CONTAINER_RUNNING',
        uid: container.status.labels[labelNames.podUid],
      }
    const sandbox = await orNone(cri.podSandboxStatus({ podSandboxId: id }))
    return { over: sandbox?.status?.state !== 'SANDBOX_READY', uid: sandbox?.status?.labels[labelNames.podUid] }
  }
  const watch: Runtime['watch'] = async (heard, signal) => {
    while (!signal.aborted) {
      try {
        for await (const event of containerdEvents(socket).subscribe(signal)) {
          if (event.topic === 'subscribed') heard(undefined, event)
          if (!('containerId' in event) || event.topic === 'exec-exited') continue
          const owner = owners.get(event.containerId)
          const tell = (uid = owner) => uid !== undefined && heard(uid, event)
          // Rejects only when the signal aborts.
          if (event.topic === 'exited') void noted(event.containerId, signal).then(tell, () => {})
          else tell()
          if (event.topic === 'deleted') forget(event.containerId)
        }
      } catch (error) {
        if (signal.aborted) return
        log.warn('events of the container runtime ended, subscribing again', { why: messageOf(error) })
      }
      // Rejects only when aborted, which the loop's condition sees.
      await clock.sleep(resubscribeMs, signal).catch(() => {})
    }
  }

  return {
    real: true,
    watch,
    close: () => (execs.close(), views.close(), close()),
    outline,
    pod,
    async info() {
      const [version, { status, runtimeHandlers }] = await Promise.all([cri.version({ version: 'v1' }), cri.status({})])
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
        handlers: runtimeHandlers.map(h => h.name),
      }
    },
    async createSandbox(config, runtimeHandler, signal) {
      const { podSandboxId } = await cri.runPodSandbox(
        { config, runtimeHandler },
        { signal, timeoutMs: sandboxTimeoutMs },
      )
      owners.set(podSandboxId, config.metadata?.uid ?? '')
      return podSandboxId
    },
    stopSandbox: podSandboxId => quietly(cri.stopPodSandbox({ podSandboxId })),
    removeSandbox: podSandboxId => quietly(cri.removePodSandbox({ podSandboxId })),
    async createContainer(podSandboxId, config, sandboxConfig) {
      const { containerId } = await cri.createContainer({ podSandboxId, config, sandboxConfig })
      owners.set(containerId, config.labels?.[labelNames.podUid] ?? '')
      return containerId
    },
    async startContainer(containerId) {
      await cri.startContainer({ containerId })
    },
    stopContainer: (containerId, timeout, signal) =>
      quietly(cri.stopContainer({ containerId, timeout }, { signal, timeoutMs: timeout * 1000 + stopSlackMs })),
    removeContainer: containerId => quietly(cri.removeContainer({ containerId })),
    execSync: (containerId, cmd, timeout, signal) =>
      cri.execSync({ containerId, cmd, timeout }, { signal, timeoutMs: (timeout || 120) * 1000 + 2000 }),
    async reopenLog(containerId) {
      await cri.reopenContainerLog({ containerId })
    },
    async image(name) {
      const { image } = await cri.imageStatus({ image: { image: name } })
      return image ? withPins(imageSeen(image), await pins()) : undefined
    },
    async images() {
      const pinned = await pins()
      return (await cri.listImages({})).images.map(image => withPins(imageSeen(image), pinned))
    },
    async pullImage(name, auth, sandboxConfig, signal) {
      return (await cri.pullImage({ image: { image: name }, auth, sandboxConfig }, { signal })).imageRef
    },
    async removeImage(name) {
      await cri.removeImage({ image: { image: name } })
    },
    async viewImage(ref, view) {
      const { image, info } = await cri.imageStatus({ image: { image: ref }, verbose: true })
      if (!image) throw new StatusError('NotFound', `image ${ref} is not on this node`)
      const { chainID } = JSON.parse(info.info ?? '') as { chainID: string }
      return views.make(chainID, view, clock.now())
    },
    releaseViews: podUid => views.release(podUid),
    views: () => views.all(),
    async usage() {
      const { stats } = await cri.listContainerStats({})
      return stats.flatMap(s => {
        const labels = s.attributes?.labels ?? {}
        if (!s.attributes || !labels[labelNames.podUid]) return []
        return [
          {
            id: s.attributes.id,
            name: s.attributes.metadata?.name ?? '',
            podUid: labels[labelNames.podUid]!,
            atMs: millis(s.cpu?.timestamp ?? 0),
            cpuNs: s.cpu?.usageCoreNanoSeconds?.value ?? 0,
            cpuNanoCores: s.cpu?.usageNanoCores?.value ?? 0,
            workingSetBytes: s.memory?.workingSetBytes?.value ?? 0,
            usageBytes: s.memory?.usageBytes?.value ?? 0,
            rssBytes: s.memory?.rssBytes?.value ?? 0,
            pageFaults: s.memory?.pageFaults?.value ?? 0,
            majorPageFaults: s.memory?.majorPageFaults?.value ?? 0,
            writableBytes: s.writableLayer?.usedBytes?.value ?? 0,
            writableInodes: s.writableLayer?.inodesUsed?.value ?? 0,
          },
        ]
      })
    },
    async imageFs() {
      const [fs] = (await cri.imageFsInfo({})).imageFilesystems
      return (
        fs && {
          mountpoint: fs.fsId?.mountpoint ?? '',
          usedBytes: fs.usedBytes?.value ?? 0,
          inodesUsed: fs.inodesUsed?.value ?? 0,
        }
      )
    },
    exec: (id, command, wishes) => execs.start(id, command, wishes),
    execUrl: async (containerId, cmd, wishes) => (await cri.exec({ containerId, cmd, ...wishes })).url,
    attachUrl: async (containerId, wishes) => (await cri.attach({ containerId, ...wishes })).url,
    portForwardUrl: async (podSandboxId, port) => (await cri.portForward({ podSandboxId, port })).url,
    async setPodCidr(podCidr) {
      await cri.updateRuntimeConfig({ runtimeConfig: { networkConfig: { podCidr } } })
    },
  }
}

const millis = (nanos: number) => Math.floor(nanos / 1e6)
const states = {
  CONTAINER_CREATED: 'created',
  CONTAINER_RUNNING: 'running',
  CONTAINER_EXITED: 'exited',
  CONTAINER_UNKNOWN: 'unknown',
} as const

function seenOf(sandboxId: string, s: Message<'ContainerStatus'>): ContainerSeen {
  return {
    id: s.id,
    sandboxId,
    name: s.labels[labelNames.container] ?? s.metadata?.name ?? '',
    attempt: s.metadata?.attempt ?? 0,
    state: states[s.state],
    createdAtMs: millis(s.createdAt),
    startedAtMs: millis(s.startedAt),
    finishedAtMs: millis(s.finishedAt),
    exitCode: s.exitCode,
    reason: s.reason,
    message: s.message,
    image: s.image?.image ?? '',
    imageRef: s.imageRef,
    hash: s.annotations[annotationNames.hash] ?? '',
    logPath: s.logPath,
  }
}

// The container's last words: its termination file, or, when it failed and asked for that, the end of its log.
async function messageFor(status: Message<'ContainerStatus'>, said: string): Promise<string> {
  const path = status.annotations[annotationNames.messagePath]
  const file = status.mounts.find(m => m.containerPath === path)?.hostPath
  const text = file ? await headOf(file) : ''
  const fallback =
    status.annotations[annotationNames.messagePolicy] === 'FallbackToLogsOnError' && status.exitCode !== 0
  const own = text === '' && fallback && status.logPath ? await readLastLines(status.logPath, maxLogMessage) : text
  return [said, own].filter(Boolean).join(': ').slice(0, maxMessageBytes)
}

async function headOf(path: string): Promise<string> {
  try {
    const file = await open(path, 'r')
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(maxMessageBytes), 0, maxMessageBytes, 0)
      return buffer.subarray(0, bytesRead).toString()
    } finally {
      await file.close()
    }
  } catch (error) {
    if (['ENOENT', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return ''
    return `Error reading termination message: ${messageOf(error)}`
  }
}

// containerd 1.6 does not tell which images are pinned.
const withPins = (image: ImageSeen, pins: ReadonlySet<string>): ImageSeen => ({
  ...image,
  pinned: image.pinned || image.tags.some(tag => pins.has(tag)),
})

function imageSeen(image: Message<'Image'>): ImageSeen {
  return {
    id: image.id,
    tags: image.repoTags,
    digests: image.repoDigests,
    sizeBytes: image.size,
    pinned: image.pinned,
    uid: image.uid?.value,
    username: image.username,
  }
}
