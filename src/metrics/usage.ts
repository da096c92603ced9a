// Computes the use of a node and its containers from two looks at its kubelet's metrics. CPU is a counter, so a rate
// takes two. The functions are pure.
// Source: metrics-server pkg/storage, pkg/scraper/client/resource.
import { readSamples } from './exposition.ts'

/** The CPU counter and the memory of a node or container at one moment. */
interface Point {
  /** Milliseconds since the epoch. */
  atMs: number
  /** CPU used since the start, in seconds. */
  cpuSeconds: number
  memoryBytes: number
  /** When the container started, in seconds since the epoch. Its counter began there. 0 for a node. */
  startedAt: number
}

/** The parsed answer of a kubelet: the node, and its containers by `namespace/pod/container`. */
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

/** Parses a kubelet's answer. A container or node without both of its values is left out. */
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

/** The use between two points; undefined when they are of the same moment, or the counter has been reset in between. */
export function usageOf(before: Point | undefined, after: Point | undefined): Usage | undefined {
  if (!after) return undefined
  // A container that started after the first look is measured from its start.
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
