// Reads pods from CRI. Containers that have ended and addresses of ready sandboxes do not change, so they are read once
// and kept; everything else is read at each call. Entries are dropped when their container is deleted, at the latest by
// the next `outline`.
import type { Clock } from '../../base/clock.ts'
import { isReason, messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { Cri, Message } from '../cri/index.ts'
import { messageFor, millis, seenOf, states } from './cri-words.ts'
import {
  type ContainerOutline,
  type ContainerSeen,
  labelNames,
  newestFirst,
  type PodOutline,
  type PodSeen,
  type SandboxOutline,
  type SandboxSeen,
} from './runtime.ts'

const exitPauseMs = { first: 2, most: 1_000 }

/** The result of a call, or undefined when its object does not exist. */
export async function orNone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (isReason(error, 'NotFound')) return undefined
    throw error
  }
}

export class CriPods {
  readonly #cri: Cri
  readonly #clock: Clock
  readonly #log: Log
  /** The uid of the pod to which a container or sandbox belongs; events name only the latter. */
  readonly #owners = new Map<string, string>()
  readonly #ended = new Map<string, ContainerSeen>()
  readonly #ips = new Map<string, readonly string[]>()

  constructor(cri: Cri, clock: Clock, log: Log) {
    this.#cri = cri
    this.#clock = clock
    this.#log = log
  }

  /** The uid of the pod to which a container or sandbox belongs, if it was listed before. */
  ownerOf(id: string): string | undefined {
    return this.#owners.get(id)
  }

  /** Records the pod of a new container or sandbox before CRI lists it. */
  own(id: string, podUid: string): void {
    this.#owners.set(id, podUid)
  }

  forget(id: string): void {
    for (const map of [this.#owners, this.#ended, this.#ips]) map.delete(id)
  }

  /** One pod with all details of its sandboxes and containers, newest first. */
  async pod(uid: string): Promise<PodSeen> {
    const found = await this.#list({ [labelNames.podUid]: uid })
    const [sandboxes, containers] = await Promise.all([
      Promise.all(found.sandboxes.map(sandbox => this.#sandboxSeen(sandbox))),
      Promise.all(found.containers.map(container => this.#containerSeen(container))),
    ])
    return {
      uid,
      sandboxes: newestFirst(sandboxes.filter(s => s !== undefined)),
      containers: newestFirst(containers.filter(c => c !== undefined)),
    }
  }

  /** All pods with the states of their parts, from two calls. Kept entries of parts that do not exist are dropped. */
  async outline(): Promise<PodOutline[]> {
    const before = [...this.#owners.keys()]
    const { sandboxes, containers } = await this.#list({})
    const there = new Set([...sandboxes, ...containers].map(({ id }) => id))
    for (const id of before) if (!there.has(id)) this.forget(id)
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

  /**
   * Resolves with the pod's uid when CRI reports the exit that an event announced. containerd sends the event before
   * its CRI plugin has recorded the exit, on a busy machine long before, and would still list the container as running.
   * It may even not have recorded the start of a container that ends at once, which is then created, next running, and
   * only after that exited. Rejects only when the signal aborts.
   */
  async exitNoted(id: string, signal: AbortSignal): Promise<string | undefined> {
    for (let pauseMs = exitPauseMs.first; ; pauseMs = Math.min(pauseMs * 2, exitPauseMs.most)) {
      try {
        const { over, uid } = await this.#standingOf(id)
        if (over) return uid
      } catch (error) {
        signal.throwIfAborted()
        this.#log.warn('an exit could not be confirmed, will be retried', { id, why: messageOf(error) })
      }
      await this.#clock.sleep(pauseMs, signal)
    }
  }

  async #standingOf(id: string): Promise<{ over: boolean; uid?: string | undefined }> {
    const container = await orNone(this.#cri.containerStatus({ containerId: id }))
    if (container?.status)
      return {
        over: container.status.state === 'CONTAINER_EXITED' || container.status.state === 'CONTAINER_UNKNOWN',
        uid: container.status.labels[labelNames.podUid],
      }
    const sandbox = await orNone(this.#cri.podSandboxStatus({ podSandboxId: id }))
    return { over: sandbox?.status?.state !== 'SANDBOX_READY', uid: sandbox?.status?.labels[labelNames.podUid] }
  }

  async #list(labelSelector: Record<string, string>) {
    const filter = { labelSelector }
    const [{ items }, { containers }] = await Promise.all([
      this.#cri.listPodSandbox({ filter }),
      this.#cri.listContainers({ filter }),
    ])
    return { sandboxes: this.#ours(items), containers: this.#ours(containers) }
  }

  /** The entries that belong to a pod, whose uid is recorded. */
  #ours<T extends { id: string; labels: Record<string, string> }>(all: readonly T[]): T[] {
    return all.filter(({ id, labels }) => {
      const uid = labels[labelNames.podUid]
      if (uid) this.#owners.set(id, uid)
      return uid
    })
  }

  /** Undefined when the container was removed after it was listed. */
  async #containerSeen(container: Message<'Container'>): Promise<ContainerSeen | undefined> {
    const kept = this.#ended.get(container.id)
    if (kept) return kept
    const status = (await orNone(this.#cri.containerStatus({ containerId: container.id })))?.status
    if (!status) return undefined
    const seen = seenOf(container.podSandboxId, status)
    if (seen.state === 'exited') {
      seen.message = await messageFor(status, seen.message)
      this.#ended.set(container.id, seen)
    }
    return seen
  }

  async #sandboxSeen(sandbox: Message<'PodSandbox'>): Promise<SandboxSeen | undefined> {
    const ready = sandbox.state === 'SANDBOX_READY'
    let ips = this.#ips.get(sandbox.id)
    if (!ips) {
      const answer = await orNone(this.#cri.podSandboxStatus({ podSandboxId: sandbox.id }))
      if (!answer) return undefined
      const network = answer.status?.network
      ips = network?.ip ? [network.ip, ...network.additionalIps.map(a => a.ip)] : []
      if (ready) this.#ips.set(sandbox.id, ips)
    }
    return {
      id: sandbox.id,
      attempt: sandbox.metadata?.attempt ?? 0,
      ready,
      createdAtMs: millis(sandbox.createdAt),
      ips,
    }
  }
}
