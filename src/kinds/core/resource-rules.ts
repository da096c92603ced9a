// Names and amounts of resources: what containers, pods, quotas and limit ranges may name, and how much.
// Source: pkg/apis/core/validation (validateResourceRequirements and below), pkg/apis/core/helper/helpers.go.
import { named, type Problems } from '../../api/checks.ts'
import { dnsLabelErrors, qualifiedNameErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import { compareQuantities, quantityMilli, quantityNanos } from '../../api/quantity.ts'
import type { ResourceRequirements } from './container.ts'

type Requirements = ResourceRequirements
type NameRule = (name: string, at: Path) => Problems

const hugePrefix = 'hugepages-'
const ofContainers = ['cpu', 'memory', 'ephemeral-storage']
const standard = [
  ...ofContainers,
  'storage',
  'pods',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
  'resourcequotas',
  'requests.cpu',
  'requests.memory',
  'requests.storage',
  'requests.ephemeral-storage',
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
]
const ofQuotas = standard.filter(name => name !== 'storage')
/** Things that are counted: half of one makes no sense. */
const counted = new Set([
  'pods',
  'services',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
])

const isHuge = (name: string) => name.startsWith(hugePrefix)
const isPlain = (name: string) => !name.includes('/')
/** Kubernetes' own: without a domain, or of kubernetes.io. */
const isNative = (name: string): boolean => isPlain(name) || name.includes('kubernetes.io/')
/** Resources that may be promised more than once. */
export const mayOvercommit = (name: string): boolean => isNative(name) && !isHuge(name)
/** A resource that only some nodes have, such as example.com/gpu. */
export const isExtended = (name: string) =>
  !isNative(name) && !name.startsWith('requests.') && qualifiedNameErrors(`requests.${name}`).length === 0

/** Whether a ResourceQuota may limit the resource, which is not the count of a kind. */
export const isQuotaResource = (name: string): boolean =>
  ofQuotas.includes(name) || isHuge(name) || name.startsWith(`requests.${hugePrefix}`)

/** A resource by its name alone. */
export function* validateResourceName(name: string, at: Path): Problems {
  const problems = [...named(qualifiedNameErrors, name, at)]
  yield* problems
  if (problems.length || !isPlain(name)) return
  if (!standard.includes(name) && !isQuotaResource(name) && !isHuge(name))
    yield at.invalid(name, 'must be a standard resource type or fully qualified')
}

/** A resource that containers can ask for. */
export function* validateContainerResourceName(name: string, at: Path): Problems {
  yield* validateResourceName(name, at)
  if (isPlain(name)) {
    if (!ofContainers.includes(name) && !isHuge(name))
      yield at.invalid(name, 'must be a standard resource for containers')
  } else if (!isNative(name) && !isExtended(name))
    yield at.invalid(name, "doesn't follow extended resource name standard")
}

/** A resource that a pod as a whole can ask for. */
export function* validatePodResourceName(name: string, at: Path): Problems {
  const problems = [...validateResourceName(name, at)]
  yield* problems
  if (!problems.length && name !== 'cpu' && name !== 'memory' && !isHuge(name))
    yield at.notSupported(name, ['cpu', hugePrefix, 'memory'])
}

/** A resource that a quota can limit. */
export function* validateQuotaResourceName(name: string, at: Path): Problems {
  yield* validateResourceName(name, at)
  if (isPlain(name) && !isQuotaResource(name)) yield at.invalid(name, 'must be a standard resource for quota')
}

/** An amount of a resource: not below zero, and whole where the resource is counted. */
export function* validateAmount(name: string, amount: string, at: Path): Problems {
  if (compareQuantities(amount, '0') < 0) yield at.invalid(amount, 'must be greater than or equal to 0')
  if ((counted.has(name) || isExtended(name)) && quantityMilli(amount) % 1000 !== 0)
    yield at.invalid(amount, 'must be an integer')
}

/** What something asks for and may take. `claims` are the names of the pod's claims. */
export function* validateRequirements(
  requirements: Requirements,
  nameRule: NameRule,
  claims: ReadonlySet<string>,
  at: Path,
): Problems {
  const limits = requirements.limits ?? {}
  const requests = requirements.requests ?? {}
  for (const [name, amount] of Object.entries(limits))
    yield* validateNamed(name, amount, nameRule, at.field('limits').key(name))
  for (const [name, amount] of Object.entries(requests)) {
    yield* validateNamed(name, amount, nameRule, at.field('requests').key(name))
    yield* validateAgainstLimit(name, amount, limits[name], at)
  }
  const names = [...Object.keys(limits), ...Object.keys(requests)]
  if (names.some(isHuge) && !names.includes('cpu') && !names.includes('memory'))
    yield at.forbidden('HugePages require cpu or memory')
  yield* validateClaimsOf(requirements.claims ?? [], claims, at.field('claims'))
}

function* validateNamed(name: string, amount: string, nameRule: NameRule, at: Path): Problems {
  yield* nameRule(name, at)
  yield* validateAmount(name, amount, at)
  if (!isHuge(name)) return
  const page = quantityNanos(name.slice(hugePrefix.length)) ?? 0n
  const nanos = quantityNanos(amount) ?? 0n
  if (page <= 0n || nanos % page !== 0n)
    yield at.invalid(amount, `${amount} is not positive integer multiple of ${name}`)
}

function* validateAgainstLimit(name: string, amount: string, limit: string | undefined, at: Path): Problems {
  if (limit === undefined) {
    if (!mayOvercommit(name)) yield at.field('limits').required('Limit must be set for non overcommitable resources')
    return
  }
  const difference = compareQuantities(amount, limit)
  if (difference !== 0 && !mayOvercommit(name))
    yield at.field('requests').invalid(amount, `must be equal to ${name} limit of ${limit}`)
  else if (difference > 0)
    yield at.field('requests').invalid(amount, `must be less than or equal to ${name} limit of ${limit}`)
}

/** Which claims of the pod a container uses: each request once, or the whole claim once. */
function* validateClaimsOf(
  used: readonly { readonly name: string; readonly request?: string }[],
  known: ReadonlySet<string>,
  at: Path,
): Problems {
  const seen = new Set<string>()
  for (const [i, { name, request }] of used.entries()) {
    const path = at.index(i)
    if (!name) {
      yield path.required()
      continue
    }
    if (request) yield* named(dnsLabelErrors, request, path.field('request'))
    const key = request ? `${name}/${request}` : name
    if (seen.has(name)) yield path.duplicate(name)
    else if (seen.has(key)) yield path.duplicate(key)
    else if (!request) for (const other of seen) if (other.startsWith(`${name}/`)) yield path.duplicate(name)
    seen.add(key)
    if (!known.has(name)) {
      const names = known.size ? `: ${[...known].sort().join(', ')}` : ' which is empty'
      yield path.notFound(name, `must be one of the names in pod.spec.resourceClaims${names}`)
    }
  }
}
