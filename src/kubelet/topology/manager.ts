// Admits pods to the NUMA nodes of the machine: for each container, or for the pod as a whole, the managers of CPUs,
// memory and devices say where they could serve it; if the policy agrees with what these have in common, each of them
// gives the container what it needs there.
// Source: kubernetes pkg/kubelet/cm/topologymanager (scope_container.go, scope_pod.go), KEP-693.
import { Locks } from '../../base/locks.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import type { Rejection } from '../admission/admission.ts'
import type { ReadContainer } from '../pod/spec.ts'
import { type Hint, maxNumaNodes, mergeHints, nodesIn, type TopologyPolicy } from './hints.ts'
import type { NumaNode } from './machine.ts'
import { containersOf, type HintProvider } from './provider.ts'

interface TopologyOptions {
  readonly policy: TopologyPolicy
  /** What is placed together. */
  readonly scope: 'container' | 'pod'
  /** Whether, of sets of nodes of one size, those that are closest to each other are preferred. */
  readonly prefersClosest: boolean
  readonly nodes: readonly NumaNode[]
  readonly providers: readonly HintProvider[]
  readonly signal: AbortSignal
}

export class TopologyManager {
  readonly #o: TopologyOptions
  readonly #locks = new Locks()

  /** Throws for a machine with more nodes than sets of them can be tried. */
  constructor(options: TopologyOptions) {
    this.#o = options
    if (options.nodes.length > maxNumaNodes || options.nodes.some(({ id }) => id >= maxNumaNodes))
      throw new Error(`topologyManagerPolicy: unsupported on machines with more than ${maxNumaNodes} NUMA Nodes`)
  }

  /**
   * Gives a pod what it needs, or the reason why it cannot have it. It rejects only with the signal's reason. Pods follow
   * each other, so that what was free for a hint is still free when it is given; calls to plugins have deadlines.
   */
  admit(pod: Pod): Promise<Rejection | undefined> {
    return this.#locks.run('pods', this.#o.signal, () => this.#place(pod))
  }

  async #place(pod: Pod): Promise<Rejection | undefined> {
    const { scope, providers } = this.#o
    const containers = containersOf(pod)
    const together = scope === 'pod' ? this.#decide(pod, containers) : undefined
    if (together && !together.isAdmitted) return misplaced
    for (const container of containers) {
      const { hint, isAdmitted } = together ?? this.#decide(pod, [container])
      if (!isAdmitted) return misplaced
      for (const provider of providers) {
        const rejection = await provider.allocate(pod, container, hint.mask)
        if (rejection) return rejection
      }
    }
    return undefined
  }

  #decide(pod: Pod, containers: readonly ReadContainer[]): { hint: Hint; isAdmitted: boolean } {
    const { policy, prefersClosest, nodes, providers } = this.#o
    const all = providers.map(provider => provider.hints(pod, containers)).filter(hints => hints.size)
    if (!all.length) return { hint: { mask: undefined, isPreferred: true }, isAdmitted: true }
    const distance = (mask: number) => averageDistance(nodes, nodesIn(mask))
    return mergeHints(all, { policy, nodes: nodes.map(({ id }) => id), ...(prefersClosest && { distance }) })
  }
}

/** Source: ErrorTopologyAffinity. */
const misplaced: Rejection = {
  reason: 'TopologyAffinityError',
  message: 'Resources cannot be allocated with Topology locality',
}

function averageDistance(nodes: readonly NumaNode[], ids: readonly number[]): number {
  const all = ids.flatMap(from => ids.map(to => nodes.find(({ id }) => id === from)?.distances.get(to) ?? 0))
  return all.reduce((sum, distance) => sum + distance, 0) / Math.max(1, all.length)
}
