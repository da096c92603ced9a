// From two looks at a node to what it and its containers use: CPU is a counter, so it takes two. Pure.
// Source: metrics-server pkg/storage, pkg/scraper/client/resource.
import { readSamples } from './exposition.ts'

/** A counter and a size at one moment. */
interface Point {
  /** Milliseconds since the epoch. */
  atMs: number
  /** CPU used since the start, in seconds. */
  cpuSeconds: number
  memoryBytes: number
  /** When the container began, in seconds since the epoch: its counter begins there. */
  startedAt: number
}

/** What one node said at one time; containers by `namespace/pod/container`. */
export interface Look {
  node?: Point
  containers: ReadonlyMap<string, Point>
}

export interface Usage {
  atMs: number
  windowMs: number
  cpuCores: number
  memoryBytes: number
}

const emptyPoint = (): Point => ({ atMs: 0, cpuSeconds: -1, memoryBytes: -1, startedAt: 0 })

/** Reads a kubelet's answer. What has only half of its values is left out. */
export function readLook(text: string, nowMs: number): Look {
  const node = emptyPoint()
  const containers = new Map<string, Point>()
  for (const { name, labels, value, atMs = nowMs } of readSamples(text)) {
    const key = `${labels.namespace}/${labels.pod}/${labels.container}`
    let point = node
    if (name.startsWith('container_')) {
      point = containers.get(key) ?? emptyPoint()
      containers.set(key, point)
    } else if (!name.startsWith('node_')) continue
    if (name.endsWith('_cpu_usage_seconds_total')) {
      point.cpuSeconds = value
      point.atMs = atMs
    } else if (name.endsWith('_memory_working_set_bytes')) point.memoryBytes = value
    else if (name === 'container_start_time_seconds') point.startedAt = value
  }
  for (const [key, point] of containers) if (!isWhole(point)) containers.delete(key)
  return { ...(isWhole(node) && { node }), containers }
}

const isWhole = (point: Point) => point.cpuSeconds >= 0 && point.memoryBytes >= 0

/** The use between two looks; undefined when they tell nothing: the same moment, or a container that began anew. */
export function usageOf(before: Point | undefined, after: Point | undefined): Usage | undefined {
  if (!after) return undefined
  // A container younger than the first look: from its start on.
  const from =
    before && before.startedAt === after.startedAt
      ? before
      : after.startedAt > 0
        ? { atMs: after.startedAt * 1000, cpuSeconds: 0 }
        : undefined
  if (!from || after.atMs <= from.atMs || after.cpuSeconds < from.cpuSeconds) return undefined
  const windowMs = after.atMs - from.atMs
  return {
    atMs: after.atMs,
    windowMs,
    cpuCores: (after.cpuSeconds - from.cpuSeconds) / (windowMs / 1000),
    memoryBytes: after.memoryBytes,
  }
}
