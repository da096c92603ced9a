// What a kubelet or a scheduler may say of a pod: the checks of a write through /status, and the addresses that say
// the same twice.
// Source: pkg/apis/core/validation (ValidatePodStatusUpdate), pkg/apis/core/v1/conversion.go (PodStatus).
import { named, type Problems } from '../../api/checks.ts'
import { parseIP } from '../../api/ip.ts'
import type { KubeObject } from '../../api/kind.ts'
import { dnsSubdomainErrors, qualifiedNameErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import type { Mutable } from '../../api/schema/node.ts'
import { immutableValue } from '../unchanged.ts'
import { validateAnnotationsUpdate } from './pod-annotations.ts'
import type { PodSpec } from './podspec.ts'
import type { PodStatus } from './podstatus.ts'

// Spelled out, since the kind's own type is inferred from a definition that uses this file.
type Pod = KubeObject & { spec: PodSpec; status: PodStatus }
type ContainerStatus = NonNullable<PodStatus['containerStatuses']>[number]

/** The first of the addresses is the one that has a field of its own, which wins. */
export function syncAddresses(status: Mutable<PodStatus>): void {
  if (status.podIP) {
    if (status.podIPs?.[0]?.ip !== status.podIP) status.podIPs = [{ ip: status.podIP }]
  } else if (status.podIPs?.[0]?.ip) status.podIP = status.podIPs[0].ip
  if (status.hostIP) {
    if (status.hostIPs?.[0]?.ip !== status.hostIP) status.hostIPs = [{ ip: status.hostIP }]
  } else if (status.hostIPs?.[0]?.ip) status.hostIP = status.hostIPs[0].ip
}

export function* validatePodStatus(next: Pod, old: Pod, at: Path): Problems {
  const path = at.field('status')
  const meta = at.field('metadata')
  yield* validateAnnotationsUpdate(
    next.metadata.annotations ?? {},
    old.metadata.annotations ?? {},
    meta.field('annotations'),
  )
  yield* validateConditions(next.status, meta.field('conditions'))
  const { nominatedNodeName = '' } = next.status
  if (nominatedNodeName && nominatedNodeName !== old.status.nominatedNodeName)
    yield* named(dnsSubdomainErrors, nominatedNodeName, path.field('nominatedNodeName'))
  const generation = next.status.observedGeneration ?? 0
  if (generation < 0) yield path.field('observedGeneration').invalid(generation, 'must be greater than or equal to 0')
  yield* immutableValue(next.status.qosClass, old.status.qosClass, path.field('qosClass'))
  yield* validateTransitions(next, old, path)
  yield* validateAddresses(next.status.podIPs, old.status.podIPs, path.field('podIPs'))
  yield* validateAddresses(next.status.hostIPs, old.status.hostIPs, path.field('hostIPs'))
}

const systemConditions = ['PodScheduled', 'Ready', 'Initialized']

function* validateConditions({ conditions = [] }: Pod['status'], at: Path): Problems {
  for (const [i, { type }] of conditions.entries())
    if (!systemConditions.includes(type)) yield* named(qualifiedNameErrors, type, at.index(i).field('Type'))
}

/** A container that has ended for good does not come back. */
function* validateTransitions(next: Pod, old: Pod, at: Path): Problems {
  const { restartPolicy, containers, initContainers = [] } = old.spec
  const restarts = new Set(
    [...containers, ...initContainers].filter(c => c.restartPolicy !== undefined).map(({ name }) => name),
  )
  const mayFail = restartPolicy === 'OnFailure'
  if (restartPolicy !== 'Always')
    yield* ended(next.status.containerStatuses, old.status.containerStatuses, at.field('containerStatuses'), {
      restarts,
      mayFail,
    })
  yield* ended(next.status.initContainerStatuses, old.status.initContainerStatuses, at.field('initContainerStatuses'), {
    restarts,
    mayFail: restartPolicy !== 'Never',
  })
}

function* ended(
  next: readonly ContainerStatus[] | undefined,
  old: readonly ContainerStatus[] | undefined,
  at: Path,
  { restarts, mayFail }: { restarts: ReadonlySet<string>; mayFail: boolean },
): Problems {
  for (const [i, { name, state }] of (old ?? []).entries()) {
    if (!state.terminated || restarts.has(name) || (mayFail && state.terminated.exitCode !== 0)) continue
    if (next?.some(now => now.name === name && !now.state.terminated))
      yield at.index(i).field('state').forbidden('may not be transitioned to non-terminated state')
  }
}

type Addresses = readonly { readonly ip: string }[] | undefined

function* validateAddresses(next: Addresses = [], old: Addresses, at: Path): Problems {
  const known = new Set(old?.map(({ ip }) => ip))
  const families = new Set<number>()
  for (const [i, { ip }] of next.entries()) {
    const parsed = parseIP(ip)
    if (parsed) families.add(parsed.family)
    else if (!known.has(ip))
      yield at.index(i).invalid(ip, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')
  }
  if (next.length > 1 && (next.length > 2 || families.size < 2))
    yield at.invalid(next, 'may specify no more than one IP for each IP family')
}
