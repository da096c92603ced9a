// Writes what was decided: events, the condition PodScheduled, the nominated node of a pod, and evictions.
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

/** The longest message of an event, as validation allows it. */
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
  /** The node that the pod is nominated to; empty to remove the nomination. */
  nominated?: string
}

/** The fields of a pod that are needed to write its status and events. */
type Reported = Pick<PodInfo, 'pod' | 'key' | 'namespace' | 'uid'>

const ref = ({ namespace, pod }: Reported) => ({ namespace, name: pod.metadata.name ?? '' })

export class Reporter {
  readonly #options: ReporterOptions
  /** The event recorders, by scheduler name. */
  readonly #recorders = new Map<string, EventRecorder>()

  constructor(options: ReporterOptions) {
    this.#options = options
  }

  bound(pod: PodInfo, node: string): void {
    this.#record(pod).event(pod.pod, 'Normal', 'Scheduled', `Successfully assigned ${pod.key} to ${node}`)
  }

  /** Records an event, and writes the condition and the nomination if they differ. A failure is only logged. */
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

  /** Removes the nomination of a pod. A failure is only logged. */
  async unnominate(pod: PodInfo): Promise<void> {
    const body = { status: { nominatedNodeName: null } }
    await this.#try('nomination not removed', pod, () =>
      this.#options.client.patch(Pod, ref(pod), 'strategic', body, { subresource: 'status' }),
    )
  }

  /** Evicts the victims. Returns true if every one is deleted or terminating. */
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

  /** Returns false if the write failed. That the pod does not exist, or another one has its name, is no failure. */
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

  /** Records that the scheduler cannot use a node. */
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
