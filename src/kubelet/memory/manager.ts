// The static policy for memory: containers of Guaranteed pods have their memory and huge pages from certain NUMA nodes,
// on which the kernel keeps them (cpuset.mems). What was given stands in a file, so that a new kubelet gives nothing
// twice. Source: kubernetes pkg/kubelet/cm/memorymanager, KEP-1769.
import type { Pod } from '../../kinds/core/pod.ts'
import type { Rejection } from '../admission/admission.ts'
import { type ReadContainer, uidOf } from '../pod/spec.ts'
import { type Hints, type Mask, maskOf, nodesIn } from '../topology/hints.ts'
import { containersOf, type HintProvider, neededAtOnce, type PodsNow, unexpected } from '../topology/provider.ts'
import { readState, stateFault, writeState } from '../topology/state-file.ts'
import { type Amounts, type Block, chooseNodes, exclusiveMemory, memoryHints, neededWith, type Stock } from './plan.ts'

interface MemoryManagerOptions {
  /** Where what was given is kept. */
  file: string
  /** What containers can have. */
  stock: Stock
  now: PodsNow
  /** A pod on the node. */
  podOf: (uid: string) => Pod | undefined
}

const policyName = 'Static'

/** What always holds: the file has everything that was given before a container gets it. */
export class MemoryManager implements HintProvider {
  readonly #o: MemoryManagerOptions
  readonly #given: Map<string, Map<string, Block>>
  /** The pods that are about to come, by uid. */
  readonly #coming = new Map<string, Pod>()

  /** Throws when the file is damaged, or names NUMA nodes that are not there. */
  constructor(options: MemoryManagerOptions) {
    this.#o = options
    this.#given = this.#load()
  }

  hints(pod: Pod, containers: readonly ReadContainer[]): Hints {
    const resources = new Set(containers.flatMap(container => [...exclusiveMemory(pod, container).keys()]))
    if (!resources.size) return new Map()
    this.#release(uidOf(pod))
    const given = this.#given.get(uidOf(pod))
    const blocks = containers.flatMap(({ name }) => given?.get(name) ?? [])
    if (blocks.length) return new Map([...resources].map(name => [name, heldHints(blocks, name)]))
    const together = (resource: string) =>
      neededAtOnce(pod, containers, container => exclusiveMemory(pod, container).get(resource) ?? 0)
    const asked = new Map([...resources].map(resource => [resource, together(resource)]))
    const [only] = containers.length === 1 ? containers : []
    const neededOf = (mask: Mask) => (only ? neededWith(pod, only, mask, given ?? new Map()) : asked)
    const hints = memoryHints(uidOf(pod), asked, neededOf, this.#now)
    return new Map([...resources].map(resource => [resource, hints]))
  }

  /** Gives a container of a new pod its memory, from these NUMA nodes if they have enough. Returns why it cannot. */
  allocate(pod: Pod, container: ReadContainer, affinity?: Mask): Rejection | undefined {
    const uid = uidOf(pod)
    const amounts = exclusiveMemory(pod, container)
    const given = this.#given.get(uid)
    if (!amounts.size || given?.has(container.name)) return undefined
    this.#release(uid)
    const choice = chooseNodes(pod, uid, container, affinity, this.#now)
    if ('why' in choice) return unexpected(choice.why)
    this.#coming.set(uid, pod)
    this.#given.set(uid, new Map([...(given ?? []), [container.name, { mask: choice.mask, amounts }]]))
    this.#save()
    return undefined
  }

  /** Gives all containers of a new pod their memory. Returns why it cannot, and has given nothing then. */
  admit(pod: Pod): Rejection | undefined {
    for (const container of containersOf(pod)) {
      const rejection = this.allocate(pod, container)
      if (!rejection) continue
      if (this.#given.delete(uidOf(pod))) this.#save()
      return rejection
    }
    return undefined
  }

  /** The NUMA nodes whose memory a container uses, as the kernel writes them; '' for all. */
  memsFor(pod: Pod, { name }: Pick<ReadContainer, 'name'>): string {
    const block = this.#given.get(uidOf(pod))?.get(name)
    return block ? nodesIn(block.mask).join(',') : ''
  }

  /** What a container has for itself. */
  givenTo = (uid: string, container: string): Block | undefined => this.#given.get(uid)?.get(container)

  /** What containers can have, by NUMA node. */
  get allocatable(): Stock {
    return this.#o.stock
  }

  /** To be called when pods came, went or ended. */
  changed(): void {
    this.#release()
  }

  /** Takes back the memory of pods that are over or gone, but for one that is being given some. */
  #release(but?: string): void {
    const { now } = this.#o
    if (!now.isComplete()) return
    const live = now.live()
    const gone = [...this.#given.keys()].filter(uid => uid !== but && !live.has(uid))
    for (const uid of gone) {
      this.#given.delete(uid)
      this.#coming.delete(uid)
    }
    if (gone.length) this.#save()
  }

  get #now() {
    const podOf = (uid: string) => this.#o.podOf(uid) ?? this.#coming.get(uid)
    return { stock: this.#o.stock, given: this.#given, podOf }
  }

  #load(): Map<string, Map<string, Block>> {
    const { file, stock } = this.#o
    const there = maskOf(stock.keys())
    return readState<Block>({
      path: file,
      policyName,
      policy: 'the static policy',
      read: value => {
        const block = readBlock(value)
        if (!block) throw stateFault(file, `${JSON.stringify(value)} is no memory of a container`)
        if (block.mask & ~there)
          throw stateFault(file, `the machine has no NUMA nodes ${nodesIn(block.mask & ~there).join()}`)
        return block
      },
    })
  }

  #save(): void {
    const shown = ({ mask, amounts }: Block) => ({ numaAffinity: nodesIn(mask), bytes: Object.fromEntries(amounts) })
    const entries = new Map(
      Array.from(this.#given, ([uid, of]) => [uid, new Map(Array.from(of, ([name, block]) => [name, shown(block)]))]),
    )
    writeState({ path: this.#o.file, policyName }, entries)
  }
}

const heldHints = (blocks: readonly Block[], resource: string) =>
  blocks.filter(({ amounts }) => amounts.has(resource)).map(({ mask }) => ({ mask, isPreferred: true }))

function readBlock(value: unknown): Block | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (!('numaAffinity' in value) || !Array.isArray(value.numaAffinity) || !('bytes' in value)) return undefined
  const nodes = value.numaAffinity.filter(node => Number.isInteger(node))
  const bytes = typeof value.bytes === 'object' && value.bytes !== null ? Object.entries(value.bytes) : []
  const amounts: Amounts = new Map(bytes.filter(([, amount]) => Number.isSafeInteger(amount) && Number(amount) >= 0))
  const mask = maskOf(nodes)
  return mask && amounts.size === bytes.length && bytes.length ? { mask, amounts } : undefined
}
