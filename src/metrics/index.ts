// The metrics room: what nodes and pods use right now, for `kubectl top` and autoscaling, gathered from the kubelets
// when somebody asks. usage.ts computes, exposition.ts reads what kubelets say, this file asks them and makes the
// objects of metrics.k8s.io. Source: metrics-server.
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
  /** A node's answer at /metrics/resource. */
  ask(node: string): Promise<string>
  clock: Clock
  log: Log
}

/** How old an answer may be before the kubelets are asked again. */
const freshMs = 10_000
/** A first look says nothing about CPU: this long until the second. */
const firstPauseMs = 1000
/** Looks further apart than this tell little about now. */
const staleMs = 120_000
/** Kubelets asked at a time. */
const maxAtOnce = 50

interface Pair {
  before: Look | undefined
  after: Look
  atMs: number
}

export class ResourceMetrics {
  readonly #options: MetricsOptions
  readonly #looks = new Map<string, Pair>()
  #looking: Promise<void> | undefined

  constructor(options: MetricsOptions) {
    this.#options = options
  }

  /** What nodes use; those that nothing is known of are left out. */
  async nodes(): Promise<Draft<NodeMetrics>[]> {
    const mirror = this.#options.client.mirror(Node)
    await this.#fresh()
    return mirror.list().flatMap(({ metadata }) => {
      const pair = this.#looks.get(metadata.name ?? '')
      const usage = pair && usageOf(pair.before?.node, pair.after.node)
      return usage ? [{ metadata: metadataOf(metadata, usage), ...measured(usage), usage: quantities(usage) }] : []
    })
  }

  /** What running pods use, of one namespace or all; a pod of which a container is not known is left out. */
  async pods(namespace?: string): Promise<Draft<PodMetrics>[]> {
    const mirror = this.#options.client.mirror(Pod)
    await this.#fresh()
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

  /** Looks again where the last look is too old; callers that come together wait for the same look. */
  async #fresh(): Promise<void> {
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined))
    await this.#looking
  }

  async #look(): Promise<void> {
    const { client, clock } = this.#options
    const [nodes, pods] = [client.mirror(Node), client.mirror(Pod)]
    await client.synced([nodes, pods])
    const names = nodes.list().map(node => node.metadata.name ?? '')
    for (const name of this.#looks.keys()) if (!names.includes(name)) this.#looks.delete(name)
    const now = clock.now()
    await this.#ask(names.filter(name => (this.#looks.get(name)?.atMs ?? 0) + freshMs <= now))
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
          const atMs = clock.now()
          const before = last && last.atMs + staleMs > atMs ? last.after : undefined
          this.#looks.set(name, { before, after, atMs })
        } catch (error) {
          // What it said before gets old; a node that is away has no metrics.
          this.#looks.delete(name)
          log.info('no metrics of a node', { node: name, why: messageOf(error) })
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(maxAtOnce, queue.length) }, worker))
  }
}

/** Whether the two looks of a pair are apart enough to tell the node's CPU. */
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
