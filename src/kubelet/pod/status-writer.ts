// Writes a pod's status to the API. Source: kubernetes pkg/kubelet/status/status_manager.go.
//
// - `write` returns at once. Only the newest status is kept: a status that another replaces before its turn is never
//   written.
// - One write runs at a time. It is a patch with the pod's uid, and is left out if the API has nothing different. Only
//   the kubelet's own conditions are compared and replaced; those of others stay.
// - A failed write is retried with a pause of 0.2 to 10 seconds until it succeeds, with the newest status. It is given
//   up when the pod does not exist any more, when another pod has its name, or when the API refuses it as invalid,
//   since it would do so again and the pod must not wait for it with its end.
// - After `close` nothing more is written. `flush` resolves when nothing is left to write.
//
// For example, the statuses Running, Ready and Failed that follow each other within one slow write lead to two patches:
// Running, which was under way, and Failed.
import { Chore } from '../../base/chore.ts'
import { isReason, messageOf } from '../../base/errors.ts'
import { sameJson, stored } from '../../api/equal.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { PodStatus } from '../../kinds/core/podstatus.ts'
import { resizeConditions } from '../resize/applied.ts'
import type { NodeContext } from './context.ts'
import { nameOf, namespaceOf } from './spec.ts'
import { replacing } from './status.ts'

const retry = { firstMs: 200, maxMs: 10_000 }

export class StatusWriter {
  readonly #context: NodeContext
  #pod: Pod
  /** The status that was written last, until the mirror has a pod of that revision; then the mirror's counts. */
  #written: { status: PodStatus; revision: number } | undefined
  #wanted: PodStatus | undefined
  readonly #writing: Chore
  readonly #end = new AbortController()

  constructor(context: NodeContext, pod: Pod) {
    this.#context = context
    this.#pod = pod
    const { clock, log } = context
    const failed = (error: unknown) =>
      log.warn('pod status not written, will be retried', { pod: nameOf(this.#pod), why: messageOf(error) })
    this.#writing = new Chore({ signal: this.#end.signal, retry: { ...retry, clock, failed } }, () =>
      this.#writeNewest(),
    )
  }

  /** Takes over a newer state of the pod from the mirror. */
  observe(pod: Pod): void {
    this.#pod = pod
    if (this.#written && Number(pod.metadata.resourceVersion) >= this.#written.revision) this.#written = undefined
  }

  write(status: PodStatus): void {
    this.#wanted = status
    this.#writing.wake()
  }

  /** Resolves when the newest status has been written or given up. */
  flush(): Promise<void> {
    return this.#writing.settled()
  }

  /** Writes nothing more. */
  close(): void {
    this.#end.abort()
  }

  async #writeNewest(): Promise<void> {
    const status = this.#wanted
    if (!status) return
    this.#wanted = undefined
    try {
      await this.#writeOnce(status)
    } catch (error) {
      if (isReason(error, 'NotFound')) return
      if (isReason(error, 'Invalid')) {
        // The API would refuse it again.
        this.#context.log.error('pod status refused', { pod: nameOf(this.#pod), error })
        return
      }
      this.#wanted ??= status
      throw error
    }
  }

  async #writeOnce(status: PodStatus): Promise<void> {
    const there = this.#written?.status ?? this.#pod.status
    if (!differs(status, there)) return
    const ref = { namespace: namespaceOf(this.#pod), name: nameOf(this.#pod) }
    const uid = this.#context.apiUid(this.#pod)
    // When the object comes, the worker writes the status again.
    if (uid === undefined) return
    const body = patchOf(status, there, uid)
    try {
      const result = await this.#context.client.patch(Pod, ref, 'strategic', body, { subresource: 'status' })
      const revision = Number(result.metadata.resourceVersion)
      if (Number(this.#pod.metadata.resourceVersion) < revision) this.#written = { status, revision }
    } catch (error) {
      // Another pod may have the name now, of which the uid in the patch is no more valid than the rest of the status.
      if (isReason(error, 'Conflict', 'Invalid') && (await this.#isReplaced(ref, uid))) return
      throw error
    }
  }

  async #isReplaced(ref: { namespace: string; name: string }, uid: string): Promise<boolean> {
    try {
      return (await this.#context.client.get(Pod, ref)).metadata.uid !== uid
    } catch (error) {
      // A node may read its own pods, so this one is of another node, or of none yet.
      if (isReason(error, 'Forbidden')) return true
      throw error
    }
  }
}

const optionalFields = ['reason', 'message', 'podIP', 'podIPs'] as const

/** Whether the API's status differs from ours. Fields and conditions that only others write do not count. */
function differs(ours: PodStatus, theirs: PodStatus): boolean {
  const [mine, there] = [stored(PodStatus, ours), stored(PodStatus, theirs)]
  for (const field of Object.keys(ours) as (keyof PodStatus)[]) {
    if (field !== 'conditions' && !sameJson(mine[field], there[field])) return true
  }
  const others = new Map(there.conditions?.map(condition => [condition.type, condition]))
  return (
    mine.conditions?.some(condition => !sameJson(condition, others.get(condition.type))) ||
    pastConditions(ours, theirs).length > 0 ||
    optionalFields.some(field => mine[field] === undefined && there[field] !== undefined)
  )
}

/** The conditions that the API has, and that are not there any more. */
const pastConditions = (ours: PodStatus, theirs: PodStatus) =>
  resizeConditions.filter(type => {
    const has = ({ conditions = [] }: PodStatus) => conditions.some(c => c.type === type)
    return has(theirs) && !has(ours)
  })

// Conditions are merged by type, so that those of others stay. Lists of addresses are replaced as a whole.
function patchOf(status: PodStatus, there: PodStatus, uid: string): object {
  const replaced = (name: 'podIPs' | 'hostIPs') => {
    const list = status[name]
    return list ? replacing(list, there[name]) : null
  }
  // A merged condition keeps fields that the patch does not contain, so absent ones are set to null.
  const conditions = status.conditions?.map(c => ({ ...c, reason: c.reason ?? null, message: c.message ?? null }))
  const past = pastConditions(status, there).map(type => ({ type, $patch: 'delete' }))
  const nulls = Object.fromEntries(optionalFields.filter(f => status[f] === undefined).map(f => [f, null]))
  return {
    metadata: { uid },
    status: {
      ...nulls,
      ...status,
      conditions: [...(conditions ?? []), ...past],
      podIPs: replaced('podIPs'),
      hostIPs: replaced('hostIPs'),
    },
  }
}
