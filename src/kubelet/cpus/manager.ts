// The static policy for CPUs: containers of Guaranteed pods with whole CPUs have these for themselves, and all others
// share the rest. What was given stands in a file, so that a new kubelet gives nothing twice.
//
//   admitted ──▶ CPUs taken, file written ──▶ container created with them ──▶ pod over: given back
//                        └── the pool of the others shrinks or grows: running containers are moved ──┘
//
// Source: kubernetes pkg/kubelet/cm/cpumanager, KEP-3570.
import { messageOf } from '../../base/errors.ts'
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import { Chore } from '../../base/chore.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import type { Rejection } from '../admission/admission.ts'
import { type ReadContainer, uidOf } from '../pod/spec.ts'
import type { PodSeen, Runtime } from '../runtime/runtime.ts'
import { type Hints, hintsWhere, type Mask, maskOf } from '../topology/hints.ts'
import {
  containersOf,
  type HintProvider,
  isPassing,
  neededAtOnce,
  type PodsNow,
  unexpected,
} from '../topology/provider.ts'
import { readState, stateFault, writeState } from '../topology/state-file.ts'
import { type Cpu, cpusetText, cpusIn, cpusPerCore, exclusiveCpus, takeInOrder, wholeCores } from './plan.ts'

/** Options of the static policy. */
export interface CpuPolicyOptions {
  /** Whether CPUs are given by whole cores only, and pods that would share a core are rejected. */
  readonly fullCores: boolean
  /** Whether containers without CPUs of their own do not run on reserved ones. */
  readonly strictReservation: boolean
}

interface CpuManagerOptions extends Partial<CpuPolicyOptions> {
  /** Where what was given is kept. */
  file: string
  cpus: readonly Cpu[]
  /** The CPUs that no container has for itself. */
  reserved: readonly number[]
  /** The pods whose running containers are moved to other CPUs. */
  pods: () => Iterable<{ readonly pod: Pod; readonly seen: PodSeen; readonly over: boolean }>
  now: PodsNow
  runtime: Pick<Runtime, 'updateContainer'>
  clock: Clock
  log: Log
  signal: AbortSignal
}

const reconcileMs = 10_000
const policyName = 'static'

/**
 * What always holds: no CPU is given to two pods, nor to two containers that run at once, and none that is reserved to
 * any. The file has everything that was given before a container gets it.
 */
export class CpuManager implements HintProvider {
  readonly #options: CpuManagerOptions
  readonly #entries: Map<string, Map<string, number[]>>
  /** The CPUs that running containers were moved to, by container id. */
  readonly #applied = new Map<string, string>()
  readonly #moving: Chore

  /** Throws when the file is damaged, or names CPUs that are not there. */
  constructor(options: CpuManagerOptions) {
    this.#options = options
    this.#entries = this.#load()
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

  hints(pod: Pod, containers: readonly ReadContainer[]): Hints {
    const count = neededAtOnce(pod, containers, container => exclusiveCpus(pod, container))
    if (!count) return new Map()
    this.#release(uidOf(pod))
    const { cpus } = this.#options
    const given = containers.flatMap(({ name }) => this.givenTo(uidOf(pod), name))
    if (given.length) {
      const mask = maskOf(cpus.flatMap(({ id, node }) => (given.includes(id) ? [node] : [])))
      return new Map([['cpu', new Set(given).size === count ? [{ mask, isPreferred: true }] : []]])
    }
    const nodes = [...new Set(cpus.map(({ node }) => node))]
    const free = this.#freeFor(pod)
    const within = (mask: Mask, may: (id: number) => boolean) =>
      cpus.filter(({ id, node }) => mask & (1 << node) && may(id)).length >= count
    return new Map([
      [
        'cpu',
        hintsWhere(
          nodes,
          mask => within(mask, () => true),
          mask => within(mask, id => free.has(id)),
        ),
      ],
    ])
  }

  /** Gives a container of a new pod its CPUs, near to these NUMA nodes as far as they have enough. */
  allocate(pod: Pod, container: ReadContainer, affinity?: Mask): Rejection | undefined {
    const uid = uidOf(pod)
    const count = exclusiveCpus(pod, container)
    const given = this.#entries.get(uid)
    if (!count || given?.has(container.name)) return undefined
    this.#release(uidOf(pod))
    const { cpus, fullCores } = this.#options
    const perCore = cpusPerCore(cpus)
    if (fullCores && count % perCore)
      return misaligned(`requested ${count} cpus not multiple cpus per core = ${perCore}`)
    let free = this.#freeFor(pod)
    if (fullCores) {
      free = wholeCores(cpus, free)
      if (free.size < count)
        return misaligned(
          `not enough free physical CPUs: available physical CPUs = ${free.size}, requested CPUs = ${count}, CPUs per core = ${perCore}`,
        )
    }
    const near = new Set(
      cpus.filter(({ node }) => affinity === undefined || affinity & (1 << node)).map(({ id }) => id),
    )
    // What an earlier container of the pod had is used again first, so that the pod has no more than it needs at once.
    const passedOn = both(this.#passedOn(pod), free)
    const sets = [both(passedOn, near), both(free, near), passedOn, free]
    const taken = takeInOrder(cpus, sets, count)
    if (!taken) return notEnough(count, free.size)
    this.#entries.set(uid, new Map([...(given ?? []), [container.name, taken]]))
    this.#save()
    this.#moving.wake()
    return undefined
  }

  /** Gives all containers of a new pod their CPUs, from any NUMA nodes. Returns why it cannot, and has given nothing. */
  admit(pod: Pod): Rejection | undefined {
    for (const container of containersOf(pod)) {
      const rejection = this.allocate(pod, container)
      if (!rejection) continue
      if (this.#entries.delete(uidOf(pod))) this.#save()
      return rejection
    }
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

  /** Takes back the CPUs of pods that are over or gone, but for one that is being given some. Returns whether there were any. */
  #release(but?: string): boolean {
    const { now } = this.#options
    if (!now.isComplete()) return false
    const live = now.live()
    const gone = [...this.#entries.keys()].filter(uid => uid !== but && !live.has(uid))
    for (const uid of gone) this.#entries.delete(uid)
    if (gone.length) this.#save()
    return gone.length > 0
  }

  #given(): Set<number> {
    return new Set([...this.#entries.values()].flatMap(containers => [...containers.values()].flat()))
  }

  /** The CPUs of the containers that have none for themselves. */
  #shared(): number[] {
    const { cpus, reserved, strictReservation } = this.#options
    const given = this.#given()
    const isKept = (id: number) => strictReservation === true && reserved.includes(id)
    return cpus.flatMap(({ id }) => (given.has(id) || isKept(id) ? [] : [id]))
  }

  /** The CPUs that the next container of a pod can have: free ones, and those of init containers that have ended by then. */
  #freeFor(pod: Pod): Set<number> {
    const given = this.#given()
    for (const id of this.#passedOn(pod)) given.delete(id)
    return new Set(this.allocatable.filter(id => !given.has(id)))
  }

  #passedOn(pod: Pod): Set<number> {
    const passed = new Set<number>()
    for (const container of containersOf(pod))
      for (const id of this.givenTo(uidOf(pod), container.name)) {
        if (isPassing(pod, container)) passed.add(id)
        else passed.delete(id)
      }
    return passed
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

  #load(): Map<string, Map<string, number[]>> {
    const { file } = this.#options
    const fault = (why: string) => stateFault(file, why)
    const may = new Set(this.allocatable)
    const entries = readState<number[]>({
      path: file,
      policyName,
      policy: 'the static policy',
      read: value => {
        const ids = typeof value === 'string' ? cpusIn(value) : undefined
        if (!ids?.length) throw fault(`${JSON.stringify(value)} is no set of CPUs`)
        const wrong = ids.find(id => !may.has(id))
        if (wrong !== undefined) throw fault(`CPU ${wrong} cannot be given to a container`)
        return ids
      },
    })
    const seen = new Set<number>()
    // Within a pod, an init container may have passed its CPUs on.
    for (const containers of entries.values())
      for (const id of new Set([...containers.values()].flat())) {
        if (seen.has(id)) throw fault(`CPU ${id} is given twice`)
        seen.add(id)
      }
    return entries
  }

  #save(): void {
    const entries = new Map(
      Array.from(this.#entries, ([uid, of]) => [
        uid,
        new Map(Array.from(of, ([name, ids]) => [name, cpusetText(ids)])),
      ]),
    )
    writeState({ path: this.#options.file, policyName }, entries, { defaultCpuSet: cpusetText(this.#shared()) })
  }
}

const both = (a: ReadonlySet<number>, b: ReadonlySet<number>) => new Set([...a].filter(id => b.has(id)))

const misaligned = (why: string): Rejection => ({ reason: 'SMTAlignmentError', message: `SMT Alignment Error: ${why}` })

function notEnough(requested: number, available: number): Rejection {
  return unexpected(`not enough cpus available to satisfy request: requested=${requested}, available=${available}`)
}
