// Which pod has which devices, CPUs and claims, for monitoring agents and plugins on the node. Pure answers; start.ts serves them.
// Source: pkg/kubelet/apis/podresources/server_v1.go, pkg/kubelet/cm/devicemanager/pod_devices.go.
import type { Received, Sent } from '../../wire/grpc.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import {
  initContainers,
  isSidecar,
  mainContainers,
  nameOf,
  namespaceOf,
  type ReadContainer,
  uidOf,
} from '../pod/spec.ts'
import type { Allotment } from './checkpoint.ts'
import type { podResourcesMessages } from './definition.ts'
import { type Mask, nodesIn } from '../topology/hints.ts'
import { healthyOf, type Stock } from './stock.ts'

type Message<N extends keyof typeof podResourcesMessages> = Sent<
  Received<typeof podResourcesMessages, Record<never, string>, N>
>

export interface ResourceCpus {
  /** Those of one container. */
  givenTo(uid: string, container: string): readonly number[]
  /** Those that containers can have. */
  readonly allocatable: readonly number[]
}

/** Bytes by resource, such as `memory`. */
type Amounts = ReadonlyMap<string, number>

export interface ResourceMemory {
  /** What one container has for itself, and from which NUMA nodes. */
  givenTo(uid: string, container: string): { readonly mask: Mask; readonly amounts: Amounts } | undefined
  /** What containers can have, by NUMA node. */
  readonly allocatable: ReadonlyMap<number, Amounts>
}

/** What the answers are made from. */
export interface ResourcesNow {
  /** The pods that have not ended. */
  readonly pods: readonly Pod[]
  readonly stocks: ReadonlyMap<string, Stock>
  allotmentsOf(uid: string): readonly Allotment[]
  /** The CPUs that containers have for themselves. Undefined where all containers share all CPUs. */
  readonly cpus: ResourceCpus | undefined
  /** The memory that containers have for themselves. Undefined where all containers use that of all NUMA nodes. */
  readonly memory: ResourceMemory | undefined
  /** The claims that a container uses, with their devices. */
  dynamicOf(pod: Pod, container: ReadContainer): Message<'DynamicResource'>[]
}

/** The pods with their containers, and what those have. Init containers are there if they go on running. */
export const listResources = (now: ResourcesNow): Message<'ListPodResourcesResponse'> => ({
  podResources: now.pods.map(pod => resourcesOf(pod, now)),
})

/** Throws an error when no pod has the name. */
export function getResources(request: object, now: ResourcesNow): Message<'GetPodResourcesResponse'> {
  const fields = new Map<string, unknown>(Object.entries(request))
  const [name, namespace] = [fields.get('podName'), fields.get('podNamespace')]
  const pod = now.pods.find(item => nameOf(item) === name && namespaceOf(item) === namespace)
  if (!pod) throw new Error(`pod ${String(name)} in namespace ${String(namespace)} not found`)
  return { podResources: resourcesOf(pod, now) }
}

/** The healthy devices of the node, the CPUs and the memory, whether pods have them or not. */
export const allocatableResources = ({
  stocks,
  cpus,
  memory,
}: ResourcesNow): Message<'AllocatableResourcesResponse'> => ({
  devices: Array.from(stocks).flatMap(([resource, stock]) => shown(resource, Array.from(healthyOf(stock)), stock)),
  cpuIds: cpus?.allocatable ?? [],
  memory: Array.from(memory?.allocatable ?? []).flatMap(([node, amounts]) => memoryOf(amounts, [node])),
})

function memoryOf(amounts: Amounts, nodes: readonly number[]): Message<'ContainerMemory'>[] {
  const topology = { nodes: nodes.map(ID => ({ ID })) }
  return Array.from(amounts, ([memoryType, size]) => ({ memoryType, size, topology }))
}

function resourcesOf(pod: Pod, now: ResourcesNow): Message<'PodResources'> {
  const { stocks, cpus, memory, dynamicOf } = now
  const allotments = now.allotmentsOf(uidOf(pod))
  const blockOf = (name: string) => memory?.givenTo(uidOf(pod), name)
  const containers = [...initContainers(pod).filter(isSidecar), ...mainContainers(pod)].map(container => ({
    name: container.name,
    devices: allotments
      .filter(allotment => allotment.container === container.name)
      .flatMap(({ resource, ids }) => shown(resource, ids, stocks.get(resource))),
    cpuIds: cpus?.givenTo(uidOf(pod), container.name) ?? [],
    memory: memoryOf(blockOf(container.name)?.amounts ?? new Map(), nodesIn(blockOf(container.name)?.mask ?? 0)),
    dynamicResources: dynamicOf(pod, container),
  }))
  return { name: nameOf(pod), namespace: namespaceOf(pod), containers }
}

/** One entry for each device, and for each NUMA node that it is near to. */
function shown(resourceName: string, ids: readonly string[], stock: Stock | undefined): Message<'ContainerDevices'>[] {
  return ids.flatMap(id => {
    const nodes = stock?.devices.get(id)?.numaNodes ?? []
    const entry = { resourceName, deviceIds: [id] }
    return nodes.length ? nodes.map(ID => ({ ...entry, topology: { nodes: [{ ID }] } })) : [entry]
  })
}
