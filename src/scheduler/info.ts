// Pods and nodes in the form in which decisions need them: what is read for each pair of a pod and a node is computed
// once.
import { assert } from '../base/errors.ts'
import { own } from '../base/own.ts'
import type { Labels } from '../api/labels.ts'
import type { Affinity, PodAffinityTerm, WeightedPodAffinityTerm } from '../kinds/core/affinity.ts'
import { add, type Amounts, amounts, podAmounts, subtract } from './resources.ts'
import type { Pod } from '../kinds/core/pod.ts'
import type { Node } from '../kinds/core/node.ts'

const none: readonly never[] = []

export interface HostPort {
  ip: string
  protocol: string
  port: number
}

/** A pod. Only `pod` may be replaced, by a newer state whose other fields here are the same (`Snapshot.confirm`). */
export class PodInfo {
  pod: Pod
  readonly key: string
  readonly uid: string
  readonly namespace: string
  readonly labels: Labels
  readonly priority: number
  readonly requests: Amounts
  readonly scored: readonly [number, number]
  readonly ports: readonly HostPort[]
  readonly affinity: readonly PodAffinityTerm[]
  readonly antiAffinity: readonly PodAffinityTerm[]
  readonly preferred: readonly WeightedPodAffinityTerm[]
  readonly preferredAnti: readonly WeightedPodAffinityTerm[]
  #signature: string | undefined

  constructor(pod: Pod) {
    const { metadata, spec } = pod
    this.pod = pod
    this.namespace = metadata.namespace ?? ''
    this.key = `${this.namespace}/${metadata.name}`
    this.uid = metadata.uid ?? ''
    this.labels = metadata.labels ?? {}
    this.priority = spec.priority ?? 0
    const { requests, scored } = podAmounts(pod)
    this.requests = requests
    this.scored = scored
    this.ports = hostPorts(pod)
    const affinity: Affinity = spec.affinity ?? {}
    const term = (raw: PodAffinityTerm) => complete(raw, this.labels)
    const weighted = (raw: WeightedPodAffinityTerm) => completeWeighted(raw, this.labels)
    const { podAffinity, podAntiAffinity } = affinity
    this.affinity = podAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.map(term) ?? none
    this.antiAffinity = podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.map(term) ?? none
    this.preferred = podAffinity?.preferredDuringSchedulingIgnoredDuringExecution?.map(weighted) ?? none
    this.preferredAnti = podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution?.map(weighted) ?? none
  }

  /** Every built-in plugin gives the same answer for pods with the same signature. It is computed at the first use. */
  get signature(): string {
    return (this.#signature ??= signatureOf(this))
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

/** Fields that no built-in plugin reads, such as the names of volumes, are left out, so that more pods are alike. */
function signatureOf({ namespace, labels, pod: { metadata, spec } }: PodInfo): string {
  const sizes = (containers: typeof spec.containers | undefined) =>
    containers?.map(({ image, resources, ports, restartPolicy }) => [image, resources, ports, restartPolicy])
  return JSON.stringify([
    [namespace, labels, metadata.ownerReferences?.map(owner => owner.uid)],
    [sizes(spec.containers), sizes(spec.initContainers), spec.resources, spec.overhead],
    [spec.nodeName, spec.nodeSelector, spec.affinity, spec.tolerations, spec.topologySpreadConstraints],
    [spec.priority, spec.preemptionPolicy, spec.schedulerName],
  ])
}

/** A term with the labels that its matchLabelKeys take from the pod, as the API server writes them into new pods. */
function complete(term: PodAffinityTerm, labels: Labels): PodAffinityTerm {
  if (!term.matchLabelKeys?.length && !term.mismatchLabelKeys?.length) return term
  const expressions = (keys: readonly string[] | undefined, operator: string) =>
    (keys ?? []).flatMap(key => {
      const value = own(labels, key)
      return value === undefined ? [] : [{ key, operator, values: [value] }]
    })
  return {
    ...term,
    labelSelector: {
      ...term.labelSelector,
      matchExpressions: [
        ...(term.labelSelector?.matchExpressions ?? []),
        ...expressions(term.matchLabelKeys, 'In'),
        ...expressions(term.mismatchLabelKeys, 'NotIn'),
      ],
    },
  }
}

function completeWeighted(term: WeightedPodAffinityTerm, labels: Labels): WeightedPodAffinityTerm {
  const podAffinityTerm = complete(term.podAffinityTerm, labels)
  return podAffinityTerm === term.podAffinityTerm ? term : { ...term, podAffinityTerm }
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

let generations = 0

/**
 * A node with the sums over its pods. It is changed in place, only by the snapshot and, for a moment and back, by
 * preemption; every change gives it another generation.
 */
export class NodeInfo {
  readonly name: string
  node: Node
  labels: Labels
  allocatable: Amounts
  readonly requested: Amounts = [0, 0, 0, 0]
  scoredCpu = 0
  scoredMemory = 0
  /** Changes with the node and the pods on it. No two states of any nodes have the same, so it can key a cache. */
  generation = ++generations
  /** The node's index in arrays over nodes. Slots of removed nodes are used again. */
  readonly slot: number
  readonly pods = new Map<string, PodInfo>()
  /** Host ports in use, with the number of pods that use each. */
  readonly ports = new Map<string, { port: HostPort; count: number }>()
  /** Sizes of the node's images in bytes, by name. */
  images: ReadonlyMap<string, number>

  constructor(node: Node, slot: number) {
    this.slot = slot
    this.name = node.metadata.name ?? ''
    this.node = node
    this.labels = node.metadata.labels ?? {}
    this.allocatable = amounts(node.status.allocatable)
    this.images = imagesOf(node)
  }

  /** Gives the node another generation, so that cached answers for it are not used any more. */
  touch(): void {
    this.generation = ++generations
  }

  /** Takes over a newer state of the node. If it throws, nothing has changed. */
  setNode(node: Node): void {
    const allocatable = amounts(node.status.allocatable)
    const images = node.status.images === this.node.status.images ? this.images : imagesOf(node)
    this.node = node
    this.labels = node.metadata.labels ?? {}
    this.allocatable = allocatable
    this.images = images
    this.touch()
  }

  /** The pod must not be on the node yet. */
  addPod(pod: PodInfo): void {
    assert(!this.pods.has(pod.uid), () => `pod ${pod.key} (${pod.uid}) is on node ${this.name} already`)
    this.touch()
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

  /** The pod must be on the node, with this very PodInfo, whose sums are subtracted. */
  removePod(pod: PodInfo): void {
    assert(
      this.pods.get(pod.uid) === pod,
      () => `pod ${pod.key} (${pod.uid}) is not on node ${this.name}, or changed there`,
    )
    this.pods.delete(pod.uid)
    this.touch()
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

const imagesOf = ({ status }: Node): ReadonlyMap<string, number> =>
  new Map(
    (status.images ?? []).flatMap(image =>
      (image.names ?? []).map((name): [string, number] => [name, image.sizeBytes ?? 0]),
    ),
  )
