// What the scheduler knows of a pod and of a node: everything it looks at for each pair, worked out once.
import type { Labels } from '../api/labels.ts'
import type { DeepReadonly } from '../api/schema/node.ts'
import type { Affinity, PodAffinityTerm, WeightedPodAffinityTerm } from '../kinds/core/affinity.ts'
import type { Node as NodeObject } from '../kinds/core/node.ts'
import type { Pod as PodObject } from '../kinds/core/pod.ts'
import { add, type Amounts, amounts, podAmounts, subtract } from './resources.ts'

export type Pod = DeepReadonly<PodObject>
export type Node = DeepReadonly<NodeObject>
export type AffinityTerm = DeepReadonly<PodAffinityTerm>
export type WeightedTerm = DeepReadonly<WeightedPodAffinityTerm>

const none: readonly never[] = []

export interface HostPort {
  ip: string
  protocol: string
  port: number
}

export class PodInfo {
  readonly pod: Pod
  readonly key: string
  readonly uid: string
  readonly namespace: string
  readonly labels: Labels
  readonly priority: number
  readonly requests: Amounts
  readonly scored: readonly [number, number]
  readonly ports: readonly HostPort[]
  readonly affinity: readonly AffinityTerm[]
  readonly antiAffinity: readonly AffinityTerm[]
  readonly preferred: readonly WeightedTerm[]
  readonly preferredAnti: readonly WeightedTerm[]

  constructor(pod: Pod) {
    const { metadata, spec } = pod
    this.pod = pod
    this.namespace = metadata.namespace ?? ''
    this.key = `${this.namespace}/${metadata.name}`
    this.uid = metadata.uid ?? ''
    this.labels = metadata.labels ?? {}
    this.priority = spec.priority ?? 0
    const { requests, scored } = podAmounts(spec)
    this.requests = requests
    this.scored = scored
    this.ports = hostPorts(pod)
    const affinity: DeepReadonly<Affinity> = spec.affinity ?? {}
    this.affinity = affinity.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? none
    this.antiAffinity = affinity.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? none
    this.preferred = affinity.podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? none
    this.preferredAnti = affinity.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? none
  }

  get hasAffinity(): boolean {
    return (
      this.affinity.length > 0 ||
      this.antiAffinity.length > 0 ||
      this.preferred.length > 0 ||
      this.preferredAnti.length > 0
    )
  }
}

function hostPorts({ spec }: Pod): readonly HostPort[] {
  let ports: HostPort[] | undefined
  const sidecars = spec.initContainers?.filter(container => container.restartPolicy === 'Always') ?? none
  for (const container of sidecars.length ? [...spec.containers, ...sidecars] : spec.containers) {
    for (const { hostPort, hostIP, protocol } of container.ports ?? none)
      if (hostPort) (ports ??= []).push({ ip: hostIP || '0.0.0.0', protocol, port: hostPort })
  }
  return ports ?? none
}

export class NodeInfo {
  readonly name: string
  node: Node
  labels: Labels
  allocatable: Amounts
  readonly requested: Amounts = [0, 0, 0, 0]
  scoredCpu = 0
  scoredMemory = 0
  readonly pods = new Map<string, PodInfo>()
  /** Host ports in use, with how many pods use each. */
  readonly ports = new Map<string, { port: HostPort; count: number }>()
  #images: Map<string, number> | undefined

  constructor(node: Node) {
    this.name = node.metadata.name ?? ''
    this.node = node
    this.labels = node.metadata.labels ?? {}
    this.allocatable = amounts(node.status.allocatable)
  }

  setNode(node: Node): void {
    this.node = node
    this.labels = node.metadata.labels ?? {}
    this.allocatable = amounts(node.status.allocatable)
    this.#images = undefined
  }

  /** Sizes of the images the node has, by name. */
  get images(): ReadonlyMap<string, number> {
    this.#images ??= new Map(
      (this.node.status.images ?? []).flatMap(image =>
        image.names.map((name): [string, number] => [name, image.sizeBytes ?? 0]),
      ),
    )
    return this.#images
  }

  addPod(pod: PodInfo): void {
    this.pods.set(pod.uid, pod)
    add(this.requested, pod.requests)
    this.scoredCpu += pod.scored[0]
    this.scoredMemory += pod.scored[1]
    for (const port of pod.ports) {
      const key = `${port.ip} ${port.protocol} ${port.port}`
      const used = this.ports.get(key)
      if (used) used.count++
      else this.ports.set(key, { port, count: 1 })
    }
  }

  removePod(pod: PodInfo): void {
    if (!this.pods.delete(pod.uid)) return
    subtract(this.requested, pod.requests)
    this.scoredCpu -= pod.scored[0]
    this.scoredMemory -= pod.scored[1]
    for (const port of pod.ports) {
      const key = `${port.ip} ${port.protocol} ${port.port}`
      const used = this.ports.get(key)
      if (used && --used.count === 0) this.ports.delete(key)
    }
  }
}
