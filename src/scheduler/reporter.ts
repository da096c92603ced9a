// Tells the world about decisions: events, the PodScheduled condition, the node a pod is to get, and evictions.
// Source: pkg/scheduler/schedule_one.go (handleSchedulingFailure), framework/preemption (prepareCandidate).
import type { Clock } from '../base/clock.ts'
import { isReason, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { timeText } from '../api/time.ts'
import { type Client, EventRecorder } from '../client/index.ts'
import { Pod } from '../kinds/core/pod.ts'
import type { Eviction } from './framework.ts'
import type { PodInfo } from './info.ts'
import type { Node } from '../kinds/core/node.ts'

/** Events cannot say more than this. */
const maxNoteLength = 1024

interface ReporterOptions {
  client: Client
  clock: Clock
  log: Log
  signal: AbortSignal
}

interface Refused {
  reason: 'Unschedulable' | 'SchedulerError'
  message: string
  /** The node it is to get; empty to take back what was said before. */
  nominated?: string
}

/** As much of a pod as is needed to write about it. */
type Reported = Pick<PodInfo, 'pod' | 'key' | 'namespace' | 'uid'>

const ref = ({ namespace, pod }: Reported) => ({ namespace, name: pod.metadata.name ?? '' })

export class Reporter {
  readonly #options: ReporterOptions
  /** Each scheduler name tells in its own name. */
  readonly #recorders = new Map<string, EventRecorder>()

  constructor(options: ReporterOptions) {
    this.#options = options
  }

  bound(pod: PodInfo, node: string): void {
    this.#record(pod).event(pod.pod, 'Normal', 'Scheduled', `Successfully assigned ${pod.key} to ${node}`)
  }

  /** The pod got no node: an event, and its condition where that says something else. Never fails. */
  async refused(pod: Reported, refused: Refused): Promise<void> {
    await this.#try('pod condition not written', pod, () => this.#refuse(pod, refused))
  }

  async #refuse(pod: Reported, { reason, message, nominated }: Refused): Promise<void> {
    const { clock, client } = this.#options
    this.#record(pod).event(pod.pod, 'Warning', 'FailedScheduling', shorten(message))
    const { status, metadata } = pod.pod
    const old = status.conditions?.find(c => c.type === 'PodScheduled')
    const renominated = nominated !== undefined && nominated !== (status.nominatedNodeName ?? '')
    const sameCondition = old?.status === 'False' && old.message === message && old.reason === reason
    if (!renominated && sameCondition) return
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason,
      message,
      lastProbeTime: null,
      lastTransitionTime: old?.status === 'False' ? old.lastTransitionTime : timeText(clock.now()),
      ...(metadata.generation && { observedGeneration: metadata.generation }),
    }
    const change = { conditions: [condition], ...(renominated && { nominatedNodeName: nominated || null }) }
    await client.patch(Pod, ref(pod), 'strategic', { status: change }, { subresource: 'status' })
  }

  /** Takes back the node that a pod was to get. Never fails. */
  async unnominate(pod: PodInfo): Promise<void> {
    const body = { status: { nominatedNodeName: null } }
    await this.#try('nomination not taken back', pod, () =>
      this.#options.client.patch(Pod, ref(pod), 'strategic', body, { subresource: 'status' }),
    )
  }

  /** Makes room; true when every victim is gone or on its way. */
  async evict({ victims, node }: Eviction, forPod: PodInfo): Promise<boolean> {
    const done = await Promise.all(
      victims
        .filter(({ pod }) => !pod.metadata.deletionTimestamp)
        .map(victim => this.#try('pod not evicted', victim, () => this.#evictOne(victim, forPod, node.name))),
    )
    return done.every(Boolean)
  }

  async #evictOne(victim: PodInfo, forPod: PodInfo, node: string): Promise<void> {
    const { clock, client } = this.#options
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'PreemptionByScheduler',
      message: `${forPod.pod.spec.schedulerName}: preempting to accommodate a higher priority pod`,
      lastTransitionTime: timeText(clock.now()),
      ...(victim.pod.metadata.generation && { observedGeneration: victim.pod.metadata.generation }),
    }
    const body = { status: { conditions: [condition] } }
    await client.patch(Pod, ref(victim), 'strategic', body, { subresource: 'status' })
    await client.delete(Pod, ref(victim), { uid: victim.uid })
    this.preempted(victim, forPod, node)
  }

  preempted(victim: PodInfo, forPod: PodInfo, node: string): void {
    this.#record(forPod).event(victim.pod, 'Normal', 'Preempted', `Preempted by pod ${forPod.uid} on node ${node}`)
  }

  /** False when it failed; a pod that is gone, or is another of the same name by now, is no failure. */
  async #try(what: string, pod: Reported, write: () => Promise<unknown>): Promise<boolean> {
    try {
      await write()
      return true
    } catch (error) {
      if (isReason(error, 'NotFound', 'Conflict') || this.#options.signal.aborted) return true
      this.#options.log.warn(what, { pod: pod.key, why: messageOf(error) })
      return false
    }
  }

  /** The scheduler works without a node that it cannot take in. */
  nodeLeftOut(node: Node, message: string): void {
    this.#recorder('default-scheduler').event(node, 'Warning', 'SchedulerError', shorten(message))
  }

  #record({ pod }: Reported): EventRecorder {
    return this.#recorder(pod.spec.schedulerName)
  }

  #recorder(component: string): EventRecorder {
    let recorder = this.#recorders.get(component)
    if (!recorder) {
      recorder = new EventRecorder(this.#options.client, { component })
      this.#recorders.set(component, recorder)
    }
    return recorder
  }
}

const shorten = (message: string): string =>
  message.length <= maxNoteLength ? message : `${message.slice(0, maxNoteLength - 4)} ...`
