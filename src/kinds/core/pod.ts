// A pod: containers that run together on one node, with one address and shared volumes.
import { warnOfName, warnOfPod } from './pod-warnings.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { PodSpec } from './podspec.ts'
import { PodStatus } from './podstatus.ts'
import { podColumns } from './pod-columns.ts'
import { defaultPodSpec, defaultHostPorts, defaultRequests, defaultWhole, preparePod } from './pod-defaults.ts'
import { syncAddresses, validatePodStatus } from './pod-status-rules.ts'
import { validatePod, validatePodUpdate } from './pod-validation.ts'
import { isTerminal } from './pod-phase.ts'

const completed = (reason: string, message: string) => ({ type: 'Completed', status: 'True', reason, message })

export const Pod = defineKind({
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  scope: 'Namespaced',
  shortNames: ['po'],
  categories: ['all'],
  subresources: [
    'attach',
    'binding',
    'ephemeralcontainers',
    'eviction',
    'exec',
    'log',
    'portforward',
    'proxy',
    'resize',
  ],
  status: true,
  doc: 'Pod is a group of containers that run together on one node, sharing an IP address and volumes.',
  generation: true,
  statusKeeps: ['ownerReferences', 'deletionTimestamp'],
  returnsDeleted: true,
  rowConditions({ status: { phase } }) {
    if (phase === 'Succeeded') return [completed('Succeeded', 'The pod has completed successfully.')]
    return phase === 'Failed' ? [completed('Failed', 'The pod failed.')] : undefined
  },
  columns: podColumns,
  selectable: {
    'spec.nodeName': pod => pod.spec.nodeName ?? '',
    'spec.restartPolicy': pod => pod.spec.restartPolicy,
    'spec.schedulerName': pod => pod.spec.schedulerName,
    'spec.serviceAccountName': pod => pod.spec.serviceAccountName ?? '',
    'spec.hostNetwork': pod => String(pod.spec.hostNetwork ?? false),
    'status.phase': pod => pod.status.phase ?? '',
    'status.podIP': pod => pod.status.podIP ?? '',
    'status.nominatedNodeName': pod => pod.status.nominatedNodeName ?? '',
  },
  // Nobody has to stop a pod that never reached a node, or that has ended.
  gracePeriod: (pod, asked) => {
    if (!pod.spec.nodeName || isTerminal(pod)) return 0
    return Math.max(0, asked ?? pod.spec.terminationGracePeriodSeconds)
  },
  defaults: pod => {
    defaultPodSpec(pod.spec)
    defaultRequests(pod.spec)
    defaultWhole(pod.spec)
    defaultHostPorts(pod.spec)
    pod.spec.enableServiceLinks ??= true
    syncAddresses(pod.status)
  },
  prepare: preparePod,
  explicit: true,
  *warnings({ metadata, spec }, old, at) {
    if (!old) yield* warnOfName(metadata.name, "the Pod's hostname", at)
    if (!old) yield* warnOfPod(metadata.annotations, spec, false, at)
  },
  validate: validatePod,
  validateUpdate: validatePodUpdate,
  validateStatus: validatePodStatus,
  fields: {
    spec: PodSpec.value({ proto: 2, doc: 'Desired state of the pod.' }),
    status: PodStatus.value({
      proto: 3,
      doc: 'Most recently observed state of the pod. Set by the kubelet and the scheduler. May be slightly out of date.',
    }),
  },
})
export type Pod = Of<typeof Pod>
