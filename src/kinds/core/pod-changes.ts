// How the change of a pod's spec is looked at: where a pod that still has gates may be narrowed down to, and the
// difference that is shown when more has changed than may.
// Source: pkg/apis/core/validation (validateNodeSelectorMutation, validateNodeAffinityMutation), pkg/apis/core/types.go.
import { sameJson } from '../../api/equal.ts'
import type { Printed, Problem, Path } from '../../api/path.ts'
import type { Problems } from '../../api/checks.ts'
import { goLines, goStruct, goStructs } from '../../api/go-value.ts'
import { unifiedDiff } from '../../api/line-diff.ts'
import { bool, struct } from '../../api/schema/build.ts'
import { asGiven, copyNotes } from '../../api/schema/empties.ts'
import type { Fields } from '../../api/schema/node.ts'
import { type NodeAffinity, NodeSelectorTerm } from './affinity.ts'
import { PodSecurityContext, PodSpec } from './podspec.ts'

type Spec = PodSpec
type Term = NodeSelectorTerm

const { sysctls, seccompProfile, appArmorProfile, seLinuxChangePolicy, ...securityFirst } = PodSecurityContext.fields

/** Inside, what concerns the node's namespaces is part of the security context. */
const internalSecurity = struct('core.PodSecurityContext', '', {
  hostNetwork: bool({}),
  hostPID: bool({}),
  hostIPC: bool({}),
  shareProcessNamespace: bool({ optional: true }),
  hostUsers: bool({ optional: true }),
  ...securityFirst,
  sysctls,
  seccompProfile,
  appArmorProfile,
  seLinuxChangePolicy,
} as Fields)

const order = [
  'volumes',
  'initContainers',
  'containers',
  'ephemeralContainers',
  'restartPolicy',
  'terminationGracePeriodSeconds',
  'activeDeadlineSeconds',
  'dnsPolicy',
  'nodeSelector',
  'serviceAccountName',
  'automountServiceAccountToken',
  'nodeName',
  'securityContext',
  'imagePullSecrets',
  'hostname',
  'subdomain',
  'setHostnameAsFQDN',
  'affinity',
  'schedulerName',
  'tolerations',
  'hostAliases',
  'priorityClassName',
  'priority',
  'preemptionPolicy',
  'dnsConfig',
  'readinessGates',
  'runtimeClassName',
  'overhead',
  'enableServiceLinks',
  'topologySpreadConstraints',
  'os',
  'schedulingGates',
  'resourceClaims',
  'resources',
  'hostnameOverride',
  'schedulingGroup',
] as const

/** A pod's spec as Kubernetes has it inside. */
const internalSpec = struct('core.PodSpec', '', {
  ...Object.fromEntries(order.map(name => [name, PodSpec.fields[name as keyof typeof PodSpec.fields]!])),
  securityContext: internalSecurity.field({}),
})

const internalValue = (spec: Spec): object => {
  const { hostNetwork, hostPID, hostIPC, shareProcessNamespace, hostUsers, securityContext } = spec
  return copyNotes(spec, {
    ...spec,
    securityContext: copyNotes(securityContext ?? {}, {
      hostNetwork,
      hostPID,
      hostIPC,
      shareProcessNamespace,
      hostUsers,
      ...securityContext,
    }),
  })
}

/** A spec for a problem to show. */
export const shownPodSpec = (spec: Spec): Printed => goStruct(internalSpec, internalValue(spec))

/** The lines that differ between two specs. */
export const podSpecDiff = (old: Spec, next: Spec): string =>
  unifiedDiff(goLines(internalSpec, internalValue(old)), goLines(internalSpec, internalValue(next)))

/**
 * A pod that waits at gates may be narrowed down: more node labels, more conditions within the terms there are.
 * Returns what is wrong with that, and the spec with the old placement put back.
 */
export function placementOfGated(next: Spec, old: Spec, at: Path): { problems: Problem[]; rest: Spec } {
  const problems: Problem[] = []
  let rest = next
  if (!sameJson(next.nodeSelector, old.nodeSelector)) {
    problems.push(...validateSelectorMutation(next, old, at.field('nodeSelector')))
    rest = { ...rest, nodeSelector: old.nodeSelector } as Spec
  }
  const [after, before] = [next.affinity?.nodeAffinity, old.affinity?.nodeAffinity]
  if (sameJson(after, before)) return { problems, rest }
  problems.push(...validateAffinityMutation(after, before, at.field('affinity', 'nodeAffinity')))
  return { problems, rest: { ...rest, affinity: withNodeAffinity(rest, old) } as Spec }
}

/** The new affinity with the old one for nodes. One that was made for nodes alone counts as none. */
function withNodeAffinity({ affinity }: Spec, old: Spec): Spec['affinity'] {
  const nodeAffinity = old.affinity?.nodeAffinity
  if (!affinity) return nodeAffinity && { nodeAffinity }
  if (!old.affinity && !affinity.podAffinity && !affinity.podAntiAffinity) return undefined
  const { nodeAffinity: _new, ...others } = affinity
  return { ...(nodeAffinity && { nodeAffinity }), ...others }
}

function* validateSelectorMutation(next: Spec, old: Spec, at: Path): Problems {
  for (const [key, value] of Object.entries(old.nodeSelector ?? {}))
    if (next.nodeSelector?.[key] !== value)
      return yield at.invalid(
        asGiven(next, 'nodeSelector'),
        'only additions to spec.nodeSelector are allowed (no mutations or deletions)',
      )
}

function* validateAffinityMutation(next: NodeAffinity | undefined, old: NodeAffinity | undefined, at: Path): Problems {
  const required = 'requiredDuringSchedulingIgnoredDuringExecution'
  const path = at.field(required, 'nodeSelectorTerms')
  const before = old?.[required]?.nodeSelectorTerms ?? []
  const after = next?.[required] && asGiven(next[required], 'nodeSelectorTerms')
  if (!before.length) return
  if (before.length !== (after ?? []).length)
    return yield path.invalid(
      goStructs(NodeSelectorTerm, after),
      'no additions/deletions to non-empty NodeSelectorTerms list are allowed',
    )
  for (const [i, term] of before.entries())
    if (!hasOnlyMore(after![i]!, term))
      yield path
        .index(i)
        .invalid(goStruct(NodeSelectorTerm, after![i]), 'only additions are allowed (no mutations or deletions)')
}

function hasOnlyMore(next: Term, old: Term): boolean {
  const fields = ['matchExpressions', 'matchFields'] as const
  if (fields.every(field => !old[field]?.length)) return fields.every(field => !next[field]?.length)
  return fields.every(field => sameJson((next[field] ?? []).slice(0, old[field]?.length ?? 0), old[field] ?? []))
}
