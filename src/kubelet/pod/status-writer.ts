// Writes a pod's status to the API: only what differs, one write at a time, always the newest, and again after a
// failure. Source: kubernetes pkg/kubelet/status/status_manager.go.
import { Chore } from '../../base/chore.ts'
import { isReason, messageOf } from '../../base/errors.ts'
import { sameJson, stored } from '../../api/equal.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { PodStatus } from '../../kinds/core/podstatus.ts'
import type { NodeContext } from './context.ts'
import { nameOf, namespaceOf, uidOf } from './spec.ts'
import { replacing } from './status.ts'

const retry = { firstMs: 200, mostMs: 10_000 }

export class StatusWriter {
  readonly #context: NodeContext
  #pod: Pod
  /** What the API has, as far as we know; undefined: what the mirror's pod says. */
  #written: { status: PodStatus; revision: number } | undefined
  #wanted: PodStatus | undefined
  readonly #writing: Chore
  readonly #end = new AbortController()

  constructor(context: NodeContext, pod: Pod) {
    this.#context = context
    this.#pod = pod
    const { clock, log } = context
    const failed = (error: unknown) =>
      log.warn('pod status not written, trying again', { pod: nameOf(this.#pod), why: messageOf(error) })
    this.#writing = new Chore({ signal: this.#end.signal, retry: { ...retry, clock, failed } }, () =>
      this.#writeNewest(),
    )
  }

  /** A newer pod came from the API. */
  observe(pod: Pod): void {
    this.#pod = pod
    if (this.#written && Number(pod.metadata.resourceVersion) >= this.#written.revision) this.#written = undefined
  }

  write(status: PodStatus): void {
    this.#wanted = status
    this.#writing.wake()
  }

  /** Resolves when the newest status is written, or refused for good. */
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
        // It will not be taken the next time either, and the pod must not wait for it with its end.
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
    const body = patchOf(status, there, uidOf(this.#pod))
    try {
      const result = await this.#context.client.patch(Pod, ref, 'strategic', body, { subresource: 'status' })
      const revision = Number(result.metadata.resourceVersion)
      if (Number(this.#pod.metadata.resourceVersion) < revision) this.#written = { status, revision }
    } catch (error) {
      // Many writers at once, or another pod of the same name: there is nobody to report the status of this one to.
      if (isReason(error, 'Conflict') && (await this.#context.client.get(Pod, ref)).metadata.uid !== uidOf(this.#pod))
        return
      throw error
    }
  }
}

const optionalFields = ['reason', 'message', 'podIP', 'podIPs'] as const

/** Whether the API's status lacks something of ours. What others wrote beside it does not count. */
function differs(ours: PodStatus, theirs: PodStatus): boolean {
  const [mine, there] = [stored(PodStatus, ours), stored(PodStatus, theirs)]
  for (const field of Object.keys(ours) as (keyof PodStatus)[]) {
    if (field !== 'conditions' && !sameJson(mine[field], there[field])) return true
  }
  const others = new Map(there.conditions?.map(condition => [condition.type, condition]))
  return (
    mine.conditions?.some(condition => !sameJson(condition, others.get(condition.type))) ||
    optionalFields.some(field => mine[field] === undefined && there[field] !== undefined)
  )
}

// Conditions merge by type, so that those of others stay; lists of addresses are replaced as a whole.
function patchOf(status: PodStatus, there: PodStatus, uid: string): object {
  const replaced = (name: 'podIPs' | 'hostIPs') => {
    const list = status[name]
    return list ? replacing(list, there[name]) : null
  }
  // Merged by type, a condition keeps what is not taken away.
  const conditions = status.conditions?.map(c => ({ ...c, reason: c.reason ?? null, message: c.message ?? null }))
  const nulls = Object.fromEntries(optionalFields.filter(f => status[f] === undefined).map(f => [f, null]))
  return {
    metadata: { uid },
    status: { ...nulls, ...status, conditions, podIPs: replaced('podIPs'), hostIPs: replaced('hostIPs') },
  }
}
