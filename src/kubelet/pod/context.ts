// The parts of a node that everything which works on pods shares, and the recording of events about pods.
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { counter } from '../../base/metrics.ts'
import type { Client, EventRecorder } from '../../client/index.ts'
import type { Cpuset, NodeSettings } from '../config/configs.ts'
import type { EnvSources } from '../config/env.ts'
import type { NodeFacts } from '../config/fields.ts'
import type { CdiParts } from '../cdi/index.ts'
import type { DeviceManager } from '../devices/index.ts'
import type { NodeDra } from '../dra/index.ts'
import type { PodHost } from '../host.ts'
import type { Images } from '../images.ts'
import type { NodeObjects } from '../objects.ts'
import type { Runtime, RuntimeHandler } from '../runtime/runtime.ts'
import { fieldPathOf, nameOf, namespaceOf, type ReadContainer, uidOf } from './spec.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import type { ResourceStatus } from '../../kinds/core/podstatus.ts'

/** What not every runtime can do. */
type Abilities = Omit<RuntimeHandler, 'name'>

export interface NodeContext {
  client: Client
  runtime: Runtime
  host: PodHost
  images: Images
  objects: NodeObjects
  /** Undefined on a node without devices. */
  devices: Pick<DeviceManager, 'optionsOf' | 'healthOf'> | undefined
  /** Undefined on a node without drivers for claims. */
  dra: Pick<NodeDra, 'manager' | 'healthOf'> | undefined
  /** What a container has with its CDI devices, for a runtime that does not apply them. Throws CdiFailure. */
  cdiParts: (devices: readonly string[]) => Promise<CdiParts>
  events: EventRecorder
  facts: NodeFacts
  settings: NodeSettings
  services: EnvSources['services']
  /** The uid of the object that has a pod's status in the API; undefined while there is none. */
  apiUid: (pod: Pod) => string | undefined
  /** Why the network of pods is not ready, or ''. */
  networkProblem: () => string
  /** The CPUs on which a container may run, and the NUMA nodes whose memory it uses, such as `0-2`; '' for all. */
  cpusetOf: (pod: Pod, container: Pick<ReadContainer, 'name'>) => Cpuset
  /**
   * To be awaited before the first container of a sandbox with these addresses: what keeps the pod apart from others is
   * in force then. It throws why it is not.
   */
  isolate: (pod: Pod, ips: readonly string[]) => Promise<void> | undefined
  /** What the runtime can do for a pod, by its RuntimeClass' handler. */
  abilities: (handler: string) => Abilities
  /** The prefix of container ids in statuses: `containerd` in `containerd://ID`. */
  runtimeName: string
  /** The runtime handler of a RuntimeClass. Throws NotFound. */
  runtimeHandler: (className: string) => Promise<string>
  clock: Clock
  log: Log
}

/** The health of the devices that a container has. */
export const resourceHealth = (
  { devices, dra }: Pick<NodeContext, 'devices' | 'dra'>,
  pod: Pod,
  container: ReadContainer,
): ResourceStatus[] => [
  ...(devices?.healthOf(uidOf(pod), container.name) ?? []),
  ...(dra?.healthOf(pod, container) ?? []),
]

const unsynced = counter('kutter_kubelet_unsynced_total', 'Rounds over a pod that failed outside of its steps.')

/** Reports a failure of the kubelet itself while it worked on a pod, in the log and as an event. */
export function reportUnsynced(context: NodeContext, pod: Pod, error: unknown): void {
  unsynced.add()
  context.log.error('pod could not be synced', { pod: nameOf(pod), namespace: namespaceOf(pod), error })
  podEvent(context, pod, 'Warning', 'FailedSync', `error syncing pod: ${messageOf(error)}`)
}

/** Records an event about the node. */
export const nodeEvent = (
  { events }: { events: Pick<EventRecorder, 'event'> },
  name: string,
  type: 'Normal' | 'Warning',
  reason: string,
  message: string,
): void => events.event({ kind: 'Node', apiVersion: 'v1', name, uid: name }, type, reason, message)

/** Records an event about a pod, or about one of its containers. */
export function podEvent(
  context: { events: Pick<EventRecorder, 'event'> },
  pod: Pod,
  type: 'Normal' | 'Warning',
  reason: string,
  message: string,
  container?: string,
): void {
  const about = {
    kind: 'Pod',
    apiVersion: 'v1',
    namespace: namespaceOf(pod),
    name: nameOf(pod),
    uid: uidOf(pod),
    ...(pod.metadata.resourceVersion && { resourceVersion: pod.metadata.resourceVersion }),
    ...(container !== undefined && { fieldPath: fieldPathOf(pod, container) }),
  }
  context.events.event(about, type, reason, message)
}
