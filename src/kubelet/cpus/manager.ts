// The static policy for CPUs: containers of Guaranteed pods with whole CPUs have these for themselves, and all others
// share the rest. What was given stands in a file, so that a new kubelet gives nothing twice.
//
//   admitted ──▶ CPUs taken, file written ──▶ container created with them ──▶ pod over: given back
//                        └── the pool of the others shrinks or grows: running containers are moved ──┘
//
// Source: kubernetes pkg/kubelet/cm/cpumanager, KEP-3570.
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { messageOf } from '../../base/errors.ts'
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import { Chore } from '../../base/chore.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import type { Rejection } from '../admission/admission.ts'
import { initContainers, mainContainers, type ReadContainer, uidOf } from '../pod/spec.ts'
import type { PodSeen, Runtime } from '../runtime/runtime.ts'
import { type Cpu, cpusetText, cpusIn, exclusiveCpus, takeCpus } from './plan.ts'

/** A pod on the node. */
export interface OnNode {
  readonly pod: Pod
  readonly seen: PodSeen
  readonly over: boolean
}

interface CpuManagerOptions {
  /** Where what was given is kept. */
  file: string
  cpus: readonly Cpu[]
  /** The CPUs that no container has for itself. */
  reserved: readonly number[]
  pods: () => Iterable<OnNode>
  /** Whether `pods` has all pods that are on the node. */
  isComplete: () => boolean
  runtime: Pick<Runtime, 'updateContainer'>
  clock: Clock
  log: Log
  signal: AbortSignal
}

/** The file. Entries are CPUs by the uid of a pod and the name of a container. */
interface State {
  policyName: 'static'
  defaultCpuSet: string
  entries: Record<string, Record<string, string>>
}

const reconcileMs = 10_000

/**
 * What always holds: no CPU is given to two containers, and none that is reserved to any. The file has everything that
 * was given before a container gets it.
 */
export class CpuManager {
  readonly #options: CpuManagerOptions
  readonly #entries = new Map<string, Map<string, number[]>>()
  /** The CPUs that running containers were moved to, by container id. */
  readonly #applied = new Map<string, string>()
  readonly #moving: Chore

  /** Throws when the file is damaged, or names CPUs that are not there. */
  constructor(options: CpuManagerOptions) {
    this.#options = options
    this.#load()
    this.#moving = new Chore({ signal: options.signal }, () => this.#move())
  }

  /** Moves running containers, at once and then regularly, until the signal aborts. */
  async run(): Promise<void> {
    const { clock, signal } = this.#options
    while (!signal.aborted) {
      this.#release()
      this.#moving.wake()
      // It rejects only after an abort, for which the loop checks.
      await clock.sleep(reconcileMs, signal).catch(() => {})
    }
  }

  /** Gives a new pod its CPUs. Returns why it cannot. */
  admit(pod: Pod): Rejection | undefined {
    const uid = uidOf(pod)
    const wanted = [...initContainers(pod), ...mainContainers(pod)]
      .map(container => ({ name: container.name, count: exclusiveCpus(pod, container) }))
      .filter(({ count }) => count > 0)
    if (!wanted.length || this.#entries.has(uid)) return undefined
    this.#release()
    const given = new Map<string, number[]>()
    const free = this.#free()
    for (const { name, count } of wanted) {
      const taken = takeCpus(this.#options.cpus, free, count)
      if (!taken) return notEnough(count, free.size)
      for (const id of taken) free.delete(id)
      given.set(name, taken)
    }
    this.#entries.set(uid, given)
    this.#save()
    this.#moving.wake()
    return undefined
  }

  /** The CPUs on which a container may run. */
  cpusetFor(pod: Pod, container: Pick<ReadContainer, 'name'>): string {
    return cpusetText(this.#entries.get(uidOf(pod))?.get(container.name) ?? this.#shared())
  }

  /** The CPUs that a container has for itself. */
  givenTo = (uid: string, container: string): readonly number[] => this.#entries.get(uid)?.get(container) ?? []

  /** The CPUs that containers can have for themselves. */
  get allocatable(): readonly number[] {
    const { cpus, reserved } = this.#options
    return cpus.flatMap(({ id }) => (reserved.includes(id) ? [] : [id]))
  }

  /** To be called when pods came, went or ended. */
  changed(): void {
    if (this.#release()) this.#moving.wake()
  }

  /** Takes back the CPUs of pods that are over or gone. Returns whether there were any. */
  #release(): boolean {
    // Before all pods are there, one that is missing may yet come.
    if (!this.#options.isComplete()) return false
    const active = new Set<string>()
    for (const { pod, over } of this.#options.pods()) if (!over) active.add(uidOf(pod))
    const gone = [...this.#entries.keys()].filter(uid => !active.has(uid))
    for (const uid of gone) this.#entries.delete(uid)
    if (gone.length) this.#save()
    return gone.length > 0
  }

  #given(): Set<number> {
    return new Set([...this.#entries.values()].flatMap(containers => [...containers.values()].flat()))
  }

  /** The CPUs that nobody has for himself. */
  #shared(): number[] {
    const given = this.#given()
    return this.#options.cpus.flatMap(({ id }) => (given.has(id) ? [] : [id]))
  }

  #free(): Set<number> {
    const given = this.#given()
    return new Set(this.allocatable.filter(id => !given.has(id)))
  }

  async #move(): Promise<void> {
    const { pods, runtime, log } = this.#options
    const running = new Set<string>()
    for (const { pod, seen, over } of pods())
      for (const { id, name, state } of over ? [] : seen.containers) {
        if (state !== 'running') continue
        running.add(id)
        const cpuset = this.cpusetFor(pod, { name })
        if (this.#applied.get(id) === cpuset) continue
        try {
          await runtime.updateContainer(id, { cpusetCpus: cpuset })
          this.#applied.set(id, cpuset)
        } catch (error) {
          log.warn('a container could not be moved to other CPUs', { id, cpuset, why: messageOf(error) })
        }
      }
    for (const id of this.#applied.keys()) if (!running.has(id)) this.#applied.delete(id)
  }

  #load(): void {
    const { file } = this.#options
    let text: string
    try {
      text = readFileSync(file, 'utf8')
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return
      throw error
    }
    const fault = (why: string) => new Error(`${file}: ${why}; remove the file once no pod runs on the node`)
    const entries = entriesIn(text)
    if (!entries) throw fault('it is not the state of the static policy')
    const may = new Set(this.allocatable)
    const seen = new Set<number>()
    for (const [uid, containers] of Object.entries(entries)) {
      const given = new Map<string, number[]>()
      for (const [name, cpuset] of Object.entries(containers)) {
        const ids = cpusIn(cpuset)
        if (!ids?.length) throw fault(`${JSON.stringify(cpuset)} is no set of CPUs`)
        for (const id of ids) {
          if (!may.has(id)) throw fault(`CPU ${id} cannot be given to a container`)
          if (seen.has(id)) throw fault(`CPU ${id} is given twice`)
          seen.add(id)
        }
        given.set(name, ids)
      }
      this.#entries.set(uid, given)
    }
  }

  /** Replaces the file, so that one that was written in part is never read. It is small, and written seldom. */
  #save(): void {
    const { file } = this.#options
    const entries = Object.fromEntries(
      Array.from(this.#entries, ([uid, containers]) => [
        uid,
        Object.fromEntries(Array.from(containers, ([name, ids]) => [name, cpusetText(ids)])),
      ]),
    )
    const state: State = { policyName: 'static', defaultCpuSet: cpusetText(this.#shared()), entries }
    writeFileSync(`${file}.new`, JSON.stringify(state), { mode: 0o600, flush: true })
    renameSync(`${file}.new`, file)
  }
}

function notEnough(requested: number, available: number): Rejection {
  const why = `not enough cpus available to satisfy request: requested=${requested}, available=${available}`
  return { reason: 'UnexpectedAdmissionError', message: `Allocate failed due to ${why}, which is unexpected` }
}

/** The entries of a file; undefined if it is anything else. */
function entriesIn(text: string): State['entries'] | undefined {
  const isObject = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
  let state: unknown
  try {
    state = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isObject(state) || state.policyName !== 'static' || !isObject(state.entries)) return undefined
  const entries: State['entries'] = {}
  for (const [uid, containers] of Object.entries(state.entries)) {
    if (!isObject(containers)) return undefined
    const own: Record<string, string> = {}
    for (const [name, cpuset] of Object.entries(containers)) {
      if (typeof cpuset !== 'string') return undefined
      own[name] = cpuset
    }
    entries[uid] = own
  }
  return entries
}
