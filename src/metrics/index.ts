// The metrics room: the present use of CPU and memory by nodes and pods, for `kubectl top` and autoscaling. It is
// gathered from the kubelets only on request. This file asks them and makes the objects of metrics.k8s.io,
// exposition.ts parses the answers, and usage.ts computes. Source: metrics-server.
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Draft } from '../api/kind.ts'
import { durationText, timeText } from '../api/time.ts'
import type { Client } from '../client/index.ts'
import { Node } from '../kinds/core/node.ts'
import { Pod } from '../kinds/core/pod.ts'
import type { ContainerMetrics, NodeMetrics, PodMetrics } from '../kinds/metrics/resource-metrics.ts'
import { type Look, readLook, type Usage, usageOf } from './usage.ts'

interface MetricsOptions {
  client: Client
  /** Gets /metrics/resource from the kubelet of a node. */
  ask(node: string): Promise<string>
  clock: Clock
  log: Log
}

/** How old an answer may be before a kubelet is asked again. */
const freshMs = 10_000
/** How long after a node's first look the second one follows: a rate of CPU takes two. */
const firstPauseMs = 1000
/** The most that two looks may be apart: over a longer time, the average says little about the present. */
const staleMs = 120_000
/** Limit of kubelets that are asked at the same time. */
const maxAtOnce = 50

interface Pair {
  before: Look | undefined
  after: Look
  /** By the steady clock. */
  atMs: number
}

/**
 * Keeps the last two looks at each node. Every call makes sure that the newest is at most `freshMs` old, and computes
 * from the two. A node whose kubelet fails loses its looks and has no metrics until it answers again, like a node that
 * is away.
 */
export class ResourceMetrics {
  readonly #options: MetricsOptions
  readonly #looks = new Map<string, Pair>()
  #looking: Promise<void> | undefined

  constructor(options: MetricsOptions) {
    this.#options = options
  }

  /** The use of all nodes, without those that have no metrics. */
  async nodes(): Promise<Draft<NodeMetrics>[]> {
    const mirror = this.#options.client.mirror(Node)
    await this.#refresh()
    return mirror.list().flatMap(({ metadata }) => {
      const pair = this.#looks.get(metadata.name ?? '')
      const usage = pair && usageOf(pair.before?.node, pair.after.node)
      return usage ? [{ metadata: metadataOf(metadata, usage), ...measured(usage), usage: quantities(usage) }] : []
    })
  }

  /** The use of running pods in one namespace or in all. A pod with a container that has no metrics is left out. */
  async pods(namespace?: string): Promise<Draft<PodMetrics>[]> {
    const mirror = this.#options.client.mirror(Pod)
    await this.#refresh()
    return mirror.list(namespace).flatMap(pod => this.#pod(pod) ?? [])
  }

  #pod({ metadata, spec, status }: Pod): Draft<PodMetrics> | undefined {
    const pair = this.#looks.get(spec.nodeName ?? '')
    if (!pair || status.phase !== 'Running') return undefined
    const prefix = `${metadata.namespace}/${metadata.name}/`
    const running = [...(status.containerStatuses ?? []), ...(status.initContainerStatuses ?? [])]
      .filter(s => s.state?.running)
      .map(s => s.name)
    const usages = running.map(name => ({
      name,
      usage: usageOf(pair.before?.containers.get(prefix + name), pair.after.containers.get(prefix + name)),
    }))
    if (!usages.length || usages.some(({ usage }) => !usage)) return undefined
    const containers = usages.map(({ name, usage }) => ({ name, usage: quantities(usage!) })) as ContainerMetrics[]
    const oldest = usages.reduce((a, b) => (a.usage!.atMs <= b.usage!.atMs ? a : b)).usage!
    return { metadata: metadataOf(metadata, oldest), ...measured(oldest), containers }
  }

  /** Asks the kubelets whose last look is too old. Callers that come meanwhile wait for the same answers. */
  async #refresh(): Promise<void> {
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined))
    await this.#looking
  }

  async #look(): Promise<void> {
    const { client, clock } = this.#options
    const [nodes, pods] = [client.mirror(Node), client.mirror(Pod)]
    await client.synced([nodes, pods])
    const names = nodes.list().map(node => node.metadata.name ?? '')
    for (const name of this.#looks.keys()) if (!names.includes(name)) this.#looks.delete(name)
    const now = clock.steady()
    await this.#ask(names.filter(name => (this.#looks.get(name)?.atMs ?? Number.NEGATIVE_INFINITY) + freshMs <= now))
    const single = names.filter(name => {
      const pair = this.#looks.get(name)
      return pair && (!pair.before || !hasNews(pair))
    })
    if (!single.length) return
    await clock.sleep(firstPauseMs)
    await this.#ask(single)
  }

  async #ask(names: readonly string[]): Promise<void> {
    const { ask, clock, log } = this.#options
    const queue = [...names]
    const worker = async () => {
      for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
        try {
          const after = readLook(await ask(name), clock.now())
          const last = this.#looks.get(name)
          const atMs = clock.steady()
          const before = last && last.atMs + staleMs > atMs ? last.after : undefined
          this.#looks.set(name, { before, after, atMs })
        } catch (error) {
          // Earlier looks are dropped: old figures would hide that the node is away.
          this.#looks.delete(name)
          log.info('cannot get the metrics of a node', { node: name, why: messageOf(error) })
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(maxAtOnce, queue.length) }, worker))
  }
}

/** Whether the two looks of a pair are far enough apart to compute the CPU of the node. */
const hasNews = ({ before, after }: Pair) => usageOf(before?.node, after.node) !== undefined

const quantities = ({ cpuCores, memoryBytes }: Usage) => ({
  cpu: `${Math.round(cpuCores * 1e9)}n`,
  memory: `${Math.round(memoryBytes / 1024)}Ki`,
})

const measured = ({ atMs, windowMs }: Usage) => ({ timestamp: timeText(atMs), window: durationText(windowMs * 1e6) })

interface Named {
  readonly name?: string
  readonly namespace?: string
  readonly labels?: Readonly<Record<string, string>>
}

const metadataOf = ({ name = '', namespace, labels }: Named, { atMs }: Usage) => ({
  name,
  ...(namespace && { namespace }),
  ...(labels && { labels: { ...labels } }),
  creationTimestamp: timeText(atMs),
})
