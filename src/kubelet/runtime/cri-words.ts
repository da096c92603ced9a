// Translates CRI messages into the types of runtime.ts. Source: CRI api.proto; kubernetes
// pkg/kubelet/kuberuntime/helpers.go.
import { open } from 'node:fs/promises'
import { messageOf } from '../../base/errors.ts'
import { decode } from '../../api/schema/decode.ts'
import { ResourceRequirements } from '../../kinds/core/container.ts'
import type { Message } from '../cri/index.ts'
import { readLastLines } from '../logs/read.ts'
import { annotationNames, type ContainerSeen, type ContainerUsage, type ImageSeen, labelNames } from './runtime.ts'

const maxMessageBytes = 4096
const maxLogMessage = { bytes: 2048, lines: 80 }

/** CRI's nanoseconds as milliseconds. */
export const millis = (nanos: number) => Math.floor(nanos / 1e6)

export const states = {
  CONTAINER_CREATED: 'created',
  CONTAINER_RUNNING: 'running',
  CONTAINER_EXITED: 'exited',
  CONTAINER_UNKNOWN: 'unknown',
} as const

export function seenOf(sandboxId: string, s: Message<'ContainerStatus'>): ContainerSeen {
  const resources = resourcesIn(s.annotations)
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
    ...(resources && { resources }),
  }
}

/** The requests and limits that a container was created with. Undefined if it has no note of them, or a wrong one. */
export function resourcesIn(annotations: Readonly<Record<string, string | undefined>>): ContainerSeen['resources'] {
  try {
    const noted = annotations[annotationNames.resources]
    return noted === undefined ? undefined : decode(ResourceRequirements, JSON.parse(noted), {})
  } catch {
    return undefined
  }
}

// The termination message: the file that the container wrote, or the end of its log if it failed and its policy is
// FallbackToLogsOnError.
export async function messageFor(status: Message<'ContainerStatus'>, said: string): Promise<string> {
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

// containerd 1.6 does not report which images are pinned, so their names come from a file.
export const withPins = (image: ImageSeen, pins: ReadonlySet<string>): ImageSeen => ({
  ...image,
  pinned: image.pinned || image.tags.some(tag => pins.has(tag)),
})

export function imageSeen(image: Message<'Image'>): ImageSeen {
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

/** The usage of a container. Empty for a container that does not belong to a pod. */
export function usageOf(s: Message<'ContainerStats'>): ContainerUsage[] {
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
}
