// What one object uses up of a resource quota, and which quotas count it. Source: pkg/quota/v1/evaluator/core.
import { addQuantities } from '../../api/quantity.ts'
import type { AnyKind, KubeObject } from '../../api/kind.ts'
import { parseTime } from '../../api/time.ts'
import { PersistentVolumeClaim } from './persistentvolumeclaim.ts'
import { Pod } from './pod.ts'
import { qosClass } from './pod-defaults.ts'
import { podLimits, podRequests, type Quantities } from './pod-resources.ts'
import { plainCounts } from './quota-rules.ts'
import { ResourceClaim } from '../resource/resourceclaim.ts'
import type { ResourceQuotaSpec } from './resourcequotaspec.ts'
import { Service } from './service.ts'
import { isTerminal } from './pod-phase.ts'
import { betaClass } from './volume-annotations.ts'

/** `count/deployments.apps`, `count/pods`. */
export const countName = (kind: AnyKind): string => `count/${kind.plural}${kind.group && `.${kind.group}`}`

/** What an object uses, by the names quotas know. */
export function usageOf(kind: AnyKind, object: KubeObject, now: number): Quantities {
  const usage: Quantities = { [countName(kind)]: '1' }
  if (kind === Pod) return { ...usage, ...podUsage(object as Pod, now) }
  if (kind.group === '' && plainCounts.has(kind.plural)) usage[kind.plural] = '1'
  if (kind === Service) return { ...usage, ...serviceUsage(object as Service) }
  if (kind === PersistentVolumeClaim) return { ...usage, ...claimUsage(object as PersistentVolumeClaim) }
  if (kind === ResourceClaim) return { ...usage, ...deviceUsage(object as ResourceClaim) }
  return usage
}

function podUsage(pod: Pod, now: number): Quantities {
  if (!isCounted(pod, now)) return {}
  const usage: Quantities = { pods: '1' }
  for (const [name, value] of Object.entries(podRequests(pod.spec))) {
    usage[`requests.${name}`] = value
    if (isNative(name)) usage[name] = value
  }
  for (const [name, value] of Object.entries(podLimits(pod.spec))) if (isNative(name)) usage[`limits.${name}`] = value
  return usage
}

/** Extended resources are counted as requests only. */
const isNative = (name: string) =>
  ['cpu', 'memory', 'ephemeral-storage'].includes(name) || name.startsWith('hugepages-')

// A pod that has ended uses nothing, nor does one whose time to go has passed.
function isCounted(pod: Pod, now: number): boolean {
  if (isTerminal(pod)) return false
  const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata
  if (deletionTimestamp === undefined || deletionGracePeriodSeconds === undefined) return true
  return (parseTime(deletionTimestamp) ?? now) + deletionGracePeriodSeconds * 1000 > now
}

function serviceUsage({ spec }: Service): Quantities {
  const ports = spec.ports ?? []
  const given = ports.filter(port => port.nodePort).length
  const nodePorts =
    spec.type === 'NodePort'
      ? ports.length
      : spec.type === 'LoadBalancer'
        ? spec.allocateLoadBalancerNodePorts === false
          ? given
          : ports.length
        : 0
  return {
    'services.nodeports': String(nodePorts),
    'services.loadbalancers': spec.type === 'LoadBalancer' ? '1' : '0',
  }
}

function claimUsage({ spec, status, metadata }: PersistentVolumeClaim): Quantities {
  const storage = spec.resources?.requests?.storage ?? status.allocatedResources?.storage
  const storageClass = spec.storageClassName ?? metadata.annotations?.[betaClass]
  const prefix = storageClass && `${storageClass}.storageclass.storage.k8s.io/`
  return {
    ...(storage && { 'requests.storage': storage }),
    ...(prefix && { [`${prefix}persistentvolumeclaims`]: '1' }),
    ...(prefix && storage && { [`${prefix}requests.storage`]: storage }),
  }
}

/** The most devices of one claim: what a request for all devices may come to. */
const maxDevices = 32

/** The devices of each class that a claim asks for. Of alternatives, the one with the most devices of a class counts. */
function deviceUsage({ spec }: ResourceClaim): Quantities {
  const counts = new Map<string, number>()
  for (const { exactly, firstAvailable = [] } of spec.devices.requests ?? []) {
    const most = new Map<string, number>()
    for (const { deviceClassName: name, allocationMode, count = 0 } of exactly ? [exactly] : firstAvailable)
      most.set(name, Math.max(most.get(name) ?? 0, allocationMode === 'All' ? maxDevices : count))
    for (const [name, count] of most) counts.set(name, (counts.get(name) ?? 0) + count)
  }
  return Object.fromEntries(
    [...counts].map(([name, count]) => [`${name}.deviceclass.resource.k8s.io/devices`, String(count)]),
  )
}

/** Whether a quota counts this object: its scopes are about pods (and one about claims). */
export function isInScope(spec: ResourceQuotaSpec, kind: AnyKind, object: KubeObject): boolean {
  const scopes: Scope[] = [
    ...(spec.scopes ?? []).map(scopeName => ({ scopeName, operator: 'Exists' })),
    ...(spec.scopeSelector?.matchExpressions ?? []),
  ]
  if (!scopes.length) return true
  if (kind === Pod) return scopes.every(scope => podInScope(scope, object as Pod))
  if (kind === PersistentVolumeClaim) return scopes.every(scope => claimInScope(scope, object as PersistentVolumeClaim))
  return false
}

type Scope = { readonly scopeName: string; readonly operator: string; readonly values?: readonly string[] }

function podInScope({ scopeName, operator, values = [] }: Scope, { spec }: Pod): boolean {
  switch (scopeName) {
    case 'Terminating':
      return spec.activeDeadlineSeconds !== undefined
    case 'NotTerminating':
      return spec.activeDeadlineSeconds === undefined
    case 'BestEffort':
      return qosClass(spec) === 'BestEffort'
    case 'NotBestEffort':
      return qosClass(spec) !== 'BestEffort'
    case 'CrossNamespacePodAffinity':
      return crossesNamespaces(spec)
    case 'PriorityClass':
      return valueMatches(spec.priorityClassName ?? '', operator, values)
    default:
      return false
  }
}

function claimInScope({ scopeName, operator, values = [] }: Scope, claim: PersistentVolumeClaim): boolean {
  if (scopeName !== 'VolumeAttributesClass') return false
  return valueMatches(claim.spec.volumeAttributesClassName ?? '', operator, values)
}

function valueMatches(value: string, operator: string, values: readonly string[]): boolean {
  switch (operator) {
    case 'In':
      return values.includes(value)
    case 'NotIn':
      return !values.includes(value)
    case 'Exists':
      return value !== ''
    default:
      return value === ''
  }
}

function crossesNamespaces({ affinity }: Pod['spec']): boolean {
  const sides = [affinity?.podAffinity, affinity?.podAntiAffinity]
  const terms = sides.flatMap(side => [
    ...(side?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(side?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(term => term.podAffinityTerm),
  ])
  return terms.some(term => (term?.namespaces?.length ?? 0) > 0 || term?.namespaceSelector !== undefined)
}

/** What of a usage a quota limits. */
export const limitedPart = (usage: Quantities, hard: Readonly<Quantities> | undefined): Quantities =>
  Object.fromEntries(Object.entries(usage).filter(([name]) => hard?.[name] !== undefined))

/** Everything of a namespace that a quota counts, summed. */
export function totalUsage(
  spec: ResourceQuotaSpec,
  objects: Iterable<readonly [AnyKind, KubeObject]>,
  now: number,
): Quantities {
  const used: Quantities = Object.fromEntries(Object.keys(spec.hard ?? {}).map(name => [name, '0']))
  for (const [kind, object] of objects) {
    if (!isInScope(spec, kind, object)) continue
    for (const [name, value] of Object.entries(limitedPart(usageOf(kind, object, now), spec.hard)))
      used[name] = addQuantities(used[name]!, value)
  }
  return used
}

/** Compute resources that pods must name, where a quota limits them. */
const computeResource = /^(requests\.|limits\.)?(cpu|memory)$/

/** What a pod leaves out that a quota counts: `limits.cpu for: main,helper; requests.memory for: main`, or nothing. */
export function missingResources({ spec }: Pod, hard: Readonly<Quantities> | undefined): string {
  const problems = new Map<string, string[]>()
  for (const name of Object.keys(hard ?? {}).filter(name => computeResource.test(name))) {
    const isLimit = name.startsWith('limits.')
    const plain = name.replace(/^(requests|limits)\./, '')
    const whole = isLimit ? spec.resources?.limits : spec.resources?.requests
    if (whole?.[plain] !== undefined) continue
    const lacking = [...(spec.initContainers ?? []), ...spec.containers].filter(
      ({ resources }) => (isLimit ? resources?.limits : resources?.requests)?.[plain] === undefined,
    )
    if (lacking.length) problems.set(name, lacking.map(container => container.name).sort())
  }
  return [...problems]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, containers]) => `${name} for: ${containers.join(',')}`)
    .join('; ')
}

/** The kinds whose objects quotas count. */
export const isCountable = (kind: AnyKind): boolean =>
  kind.namespaced && kind.verbs.includes('list') && kind.plural !== 'events'
