// Defaults of pods that depend on more than one field, for pods and for the templates they are made from.
// Source: pkg/apis/core/v1/defaults.go.
import { compareQuantities } from '../../api/quantity.ts'
import type { KubeObject } from '../../api/kind.ts'
import type { Mutable } from '../../api/schema/node.ts'
import type { Container } from './container.ts'
import { takeProfiles } from './pod-annotations.ts'
import { podRequests } from './pod-resources.ts'
import type { PodSpec } from './podspec.ts'
import type { PodStatus } from './podstatus.ts'

// Spelled out, since the kind's own type is inferred from a definition that uses this file.
type Pod = KubeObject & { spec: PodSpec; status: PodStatus }

/** Completes a pod's spec, or a template's. Changes it in place. */
export function defaultPodSpec(spec: Mutable<PodSpec>): void {
  // The account has two names, of which the newer one counts.
  const account = spec.serviceAccountName || spec.serviceAccount
  if (account) Object.assign(spec, { serviceAccountName: account, serviceAccount: account })
  for (const container of containersOf(spec)) {
    if (!container.imagePullPolicy) container.imagePullPolicy = defaultPullPolicy(container.image ?? '')
    if (container.livenessProbe?.grpc) container.livenessProbe.grpc.service ??= ''
  }
  for (const volume of spec.volumes ?? []) {
    if (Object.keys(volume).every(field => field === 'name')) volume.emptyDir = {}
    if (volume.image) volume.image.pullPolicy ||= defaultPullPolicy(volume.image.reference ?? '')
  }
}

/** In the node's network a port of a container is a port of the node. Templates do not say so; their pods will. */
export function defaultHostPorts(spec: Mutable<PodSpec>): void {
  if (!spec.hostNetwork) return
  for (const container of [...(spec.containers ?? []), ...(spec.initContainers ?? [])])
    for (const port of container.ports ?? []) port.hostPort ||= port.containerPort
}

/** A pod asks for what it may use at most, where it does not say what it asks for. */
export function defaultRequests(spec: Mutable<PodSpec>): void {
  for (const { resources } of [...(spec.containers ?? []), ...(spec.initContainers ?? [])]) {
    for (const [name, limit] of Object.entries(resources.limits ?? {})) {
      if (resources.requests?.[name] !== undefined) continue
      resources.requests = { ...resources.requests, [name]: limit }
    }
  }
}

/** Names of resources that a pod as a whole may ask for; huge pages come in sizes. */
const isOfWhole = (name: string) => name === 'cpu' || name === 'memory' || name.startsWith('hugepages-')

/** A pod with limits of its own asks, as a whole, for what its containers ask for, or else for its limits. */
export function defaultWhole(spec: Mutable<PodSpec>): void {
  const { resources } = spec
  if (!resources || !(Object.keys(resources.limits ?? {}).length || Object.keys(resources.requests ?? {}).length))
    return
  const { resources: _whole, overhead: _overhead, ...containers } = spec
  const sums = Object.entries(podRequests(containers)).filter(([name]) => !name.startsWith('hugepages-'))
  const wanted = { ...resources.limits, ...Object.fromEntries(sums), ...resources.requests }
  const requests = Object.entries(wanted).filter(
    ([name]) => isOfWhole(name) || resources.requests?.[name] !== undefined,
  )
  if (requests.length) resources.requests = Object.fromEntries(requests)
}

const containersOf = (spec: Mutable<PodSpec>): Mutable<Container>[] => [
  ...(spec.initContainers ?? []),
  ...(spec.containers ?? []),
  ...((spec.ephemeralContainers ?? []) as Mutable<Container>[]),
]

const reference =
  /^([a-zA-Z0-9.-]+(:\d+)?\/)?[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*)*(:[\w][\w.-]*)?(@.+)?$/

/** An image without a tag, or with the tag latest, is pulled each time; what is no image's name is not. */
function defaultPullPolicy(image: string): 'Always' | 'IfNotPresent' {
  if (!reference.test(image)) return 'IfNotPresent'
  const digest = image.includes('@')
  const tag = /:([^/:]+)$/.exec(image)?.[1]
  return !digest && (tag === undefined || tag === 'latest') ? 'Always' : 'IfNotPresent'
}

/** Guaranteed: every container has equal requests and limits of CPU and memory; BestEffort: none has any. */
export function qosClass(spec: PodSpec): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const resources = ['cpu', 'memory']
  const all = [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(c => c.resources)
  if (spec.resources) all.splice(0, all.length, spec.resources)
  const named = all.some(r => resources.some(name => isSet(r.requests?.[name]) || isSet(r.limits?.[name])))
  if (!named) return 'BestEffort'
  const guaranteed = all.every(r =>
    resources.every(
      name =>
        isSet(r.limits?.[name]) && compareQuantities(r.requests?.[name] ?? r.limits![name]!, r.limits![name]!) === 0,
    ),
  )
  return guaranteed ? 'Guaranteed' : 'Burstable'
}

const isSet = (quantity: string | undefined) => quantity !== undefined && compareQuantities(quantity, '0') > 0

/** What a new pod's status starts as, and what stays the server's to say. Changes the pod in place. */
export function preparePod(pod: Mutable<Pod>, old: Pod | undefined, now: string, warn: (text: string) => void): void {
  // A pod that should never stop in order stops in a second.
  if (pod.spec.terminationGracePeriodSeconds < 0) pod.spec.terminationGracePeriodSeconds = 1
  if (old) {
    pod.status.qosClass ??= old.status.qosClass!
    return
  }
  for (const text of takeProfiles(pod.metadata.annotations ?? {}, pod.spec)) warn(text)
  pod.status = { phase: 'Pending', qosClass: qosClass(pod.spec) } as Mutable<Pod['status']>
  if (!pod.spec.schedulingGates?.length) return
  pod.status.conditions = [
    {
      type: 'PodScheduled',
      status: 'False',
      lastTransitionTime: now,
      reason: 'SchedulingGated',
      message: 'Scheduling is blocked due to non-empty scheduling gates',
    } as Mutable<NonNullable<Pod['status']['conditions']>[number]>,
  ]
}
