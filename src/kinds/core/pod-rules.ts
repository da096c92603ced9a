// What must hold of a pod's spec, in a pod and in the templates that pods are made from.
// Source: pkg/apis/core/validation (ValidatePodSpec and below).
import { named, oneOf, type Problems, validateIP, validateLabels } from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import {
  dnsLabelErrors,
  dnsSubdomainErrors,
  qualifiedNameErrors,
  rangeProblem,
  underscoredSubdomainErrors,
} from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import { addQuantities, compareQuantities } from '../../api/quantity.ts'
import { validateAffinity, validateSpread, validateTolerations } from './affinity-rules.ts'
import { type PodContext, validateContainers } from './container-rules.ts'
import { podRequests } from './pod-resources.ts'
import { validateOS, validateHostProcess } from './pod-os-rules.ts'
import { PodResourceClaim, type PodDNSConfig, type PodSpec } from './podspec.ts'
import { validateContainerResourceName, validatePodResourceName, validateRequirements } from './resource-rules.ts'
import { validatePodSecurity } from './security-rules.ts'
import { type VolumeContext, validateVolumes } from './volume-rules.ts'

type Spec = PodSpec

/** Problems of a pod's spec. */
export function* validatePodSpec(spec: Spec, pod: VolumeContext, at: Path): Problems {
  const { known, problems } = validateVolumes(spec.volumes, pod, at.field('volumes'))
  yield* problems
  const claims = new Set((spec.resourceClaims ?? []).map(claim => claim.name).filter(Boolean))
  yield* validateResourceClaims(spec, at.field('resourceClaims'))
  const ending = { graceSeconds: spec.terminationGracePeriodSeconds, ...(spec.os?.name && { os: spec.os.name }) }
  const context: PodContext = { spec, volumes: known, claims, ending }
  yield* validateContainers(context, at)
  yield* validatePodResources(context, at.field('resources'))
  yield* validateHostNetwork(spec, pod.isPod, at.field('containers'))
  yield* oneOf(spec.restartPolicy, ['Always', 'OnFailure', 'Never'], at.field('restartPolicy'))
  yield* oneOf(spec.dnsPolicy, ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'], at.field('dnsPolicy'))
  yield* validateLabels(spec.nodeSelector, at.field('nodeSelector'))
  yield* validatePodSecurity(spec, at.field('securityContext'))
  if (spec.affinity) yield* validateAffinity(spec.affinity, at.field('affinity'))
  yield* validateDNS(spec.dnsConfig, spec.dnsPolicy, at.field('dnsConfig'))
  yield* validateGates(spec, at)
  yield* validateSpread(spec.topologySpreadConstraints, at.field('topologySpreadConstraints'))
  yield* validateHostProcess(spec, at)
  yield* validateHostUsers(spec, at)
  yield* validateNames(spec, at)
  yield* validateTolerations(spec.tolerations, at.field('tolerations'))
  yield* validateHostAliases(spec, at.field('hostAliases'))
  if (spec.preemptionPolicy !== undefined)
    yield* oneOf(spec.preemptionPolicy, ['PreemptLowerPriority', 'Never'], at.field('preemptionPolicy'))
  const overhead = spec.overhead && { limits: spec.overhead }
  if (overhead) yield* validateRequirements(overhead, validateContainerResourceName, new Set(), at.field('overhead'))
  yield* validateOS(spec, at)
}

function* validateNames(spec: Spec, at: Path): Problems {
  for (const field of ['serviceAccountName', 'nodeName', 'priorityClassName'] as const)
    if (spec[field]) yield* named(dnsSubdomainErrors, spec[field], at.field(field))
  if (spec.runtimeClassName !== undefined)
    yield* named(dnsSubdomainErrors, spec.runtimeClassName, at.field('runtimeClassName'))
  const { activeDeadlineSeconds: seconds } = spec
  if (seconds !== undefined && (seconds < 1 || seconds > 2 ** 31 - 1))
    yield at.field('activeDeadlineSeconds').invalid(seconds, rangeProblem(1, 2 ** 31 - 1))
  for (const field of ['hostname', 'subdomain'] as const)
    if (spec[field]) yield* named(dnsLabelErrors, spec[field], at.field(field))
  yield* validateHostnameOverride(spec, at)
}

const maxHostnameLength = 64

function* validateHostnameOverride(spec: Spec, at: Path): Problems {
  const { hostnameOverride: name } = spec
  if (name === undefined) return
  const path = at.field('hostnameOverride')
  if (spec.setHostnameAsFQDN) yield path.forbidden('may not be specified when setHostnameAsFQDN is true')
  if (spec.hostNetwork) yield path.forbidden('may not be specified when hostNetwork is true')
  yield* named(dnsSubdomainErrors, name, path)
  if (name.length > maxHostnameLength) yield path.tooLong(maxHostnameLength)
}

function* validateResourceClaims({ resourceClaims }: Spec, at: Path): Problems {
  const names = new Set<string>()
  for (const [i, claim] of (resourceClaims ?? []).entries()) {
    const path = at.index(i)
    const { name, resourceClaimName, resourceClaimTemplateName } = claim
    if (!name) yield path.field('name').required()
    else if (names.has(name)) yield path.field('name').duplicate(name)
    else yield* named(dnsLabelErrors, name, path.field('name'))
    names.add(name)
    const shown = () => goStruct(PodResourceClaim, claim)
    if (resourceClaimName !== undefined && resourceClaimTemplateName !== undefined)
      yield path.invalid(shown(), 'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified')
    if (resourceClaimName === undefined && resourceClaimTemplateName === undefined)
      yield path.invalid(shown(), 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`')
    for (const field of ['resourceClaimName', 'resourceClaimTemplateName'] as const)
      if (claim[field] !== undefined) yield* named(dnsSubdomainErrors, claim[field], path.field(field))
  }
}

/** What the pod has as a whole: enough for its containers' requests, and at least each container's limit. */
function* validatePodResources({ spec, claims }: PodContext, at: Path): Problems {
  const { resources } = spec
  if (!resources) return
  if (resources.claims) yield at.field('claims').forbidden('claims may not be set for Resources at pod-level')
  yield* validateRequirements(resources, validatePodResourceName, claims, at)
  const { resources: _resources, overhead: _overhead, ...bare } = spec
  for (const [name, sum] of Object.entries(podRequests({ ...bare } as Spec))) {
    const request = resources.requests?.[name] ?? '0'
    if (compareQuantities(sum, request) > 0)
      yield at
        .field('requests')
        .key(name)
        .invalid(request, `must be greater than or equal to aggregate container requests of ${addQuantities(sum, '0')}`)
  }
  for (const [i, container] of (spec.containers ?? []).entries()) {
    for (const [name, limit] of Object.entries(container.resources.limits ?? {})) {
      const most = resources.limits?.[name]
      if (most !== undefined && compareQuantities(limit, most) > 0)
        yield at
          .field('containers')
          .index(i)
          .key(name)
          .field('limits')
          .invalid(limit, `must be less than or equal to pod limits of ${most}`)
    }
  }
}

/** In the node's network a port is a port of the node. Templates may leave it out: pods get it by default. */
function* validateHostNetwork(spec: Spec, isPod: boolean, at: Path): Problems {
  if (!spec.hostNetwork) return
  for (const [i, container] of (spec.containers ?? []).entries())
    for (const [j, { hostPort = 0, containerPort }] of (container.ports ?? []).entries())
      if ((isPod || hostPort) && hostPort !== containerPort)
        yield at
          .index(i)
          .field('ports')
          .index(j)
          .field('hostPort')
          .invalid(hostPort, 'must match `containerPort` when `hostNetwork` is true')
}

const maxNameservers = 3
const maxSearches = 32
const maxSearchLength = 2048

function* validateDNS(config: PodDNSConfig | undefined, policy: string, at: Path): Problems {
  if (policy === 'None') {
    if (!config) return yield at.required('must provide `dnsConfig` when `dnsPolicy` is None')
    if (!config.nameservers?.length)
      return yield at.field('nameservers').required('must provide at least one DNS nameserver when `dnsPolicy` is None')
  }
  const { nameservers = [], searches = [], options = [] } = config ?? {}
  if (nameservers.length > maxNameservers)
    yield at.field('nameservers').invalid(nameservers, `must not have more than ${maxNameservers} nameservers`)
  for (const [i, server] of nameservers.entries()) yield* validateIP(server, at.field('nameservers').index(i))
  const path = at.field('searches')
  if (searches.length > maxSearches) yield path.invalid(searches, `must not have more than ${maxSearches} search paths`)
  if (searches.join(' ').length > maxSearchLength)
    yield path.invalid(
      searches,
      `must not have more than ${maxSearchLength} characters (including spaces) in the search list`,
    )
  for (const [i, search] of searches.entries())
    if (search !== '.') yield* named(underscoredSubdomainErrors, search.replace(/\.$/, ''), path.index(i))
  for (const [i, { name }] of options.entries())
    if (!name) yield at.field('options').index(i).required('must not be empty')
}

function* validateGates({ readinessGates, schedulingGates }: Spec, at: Path): Problems {
  for (const [i, { conditionType }] of (readinessGates ?? []).entries())
    yield* named(qualifiedNameErrors, conditionType, at.field('readinessGates').index(i).field('conditionType'))
  const seen = new Set<string>()
  for (const [i, { name }] of (schedulingGates ?? []).entries()) {
    const path = at.field('schedulingGates').index(i)
    yield* named(qualifiedNameErrors, name, path)
    if (seen.has(name)) yield path.duplicate(name)
    seen.add(name)
  }
}

/** With user IDs of its own a pod cannot share the node's namespaces. */
function* validateHostUsers(spec: Spec, at: Path): Problems {
  if (spec.hostUsers !== false) return
  const problem = 'when `hostUsers` is false'
  if (spec.hostNetwork) yield at.field('hostNetwork').forbidden(problem)
  if (spec.hostPID) yield at.field('HostPID').forbidden(problem)
  if (spec.hostIPC) yield at.field('HostIPC').forbidden(problem)
}

function* validateHostAliases({ hostAliases }: Spec, at: Path): Problems {
  for (const [i, { ip, hostnames }] of (hostAliases ?? []).entries()) {
    yield* validateIP(ip, at.index(i).field('ip'))
    for (const [j, name] of (hostnames ?? []).entries())
      yield* named(dnsSubdomainErrors, name, at.index(i).field('hostnames').index(j))
  }
}
