// Whether the rules of a user cover those of a role. The role's rules are split into single rights (one verb on one
// resource or path), and each right must be granted by one of the user's rules. Wildcards are not split: `*` is covered
// only by `*`. Source: component-helpers auth/rbac/validation, pkg/registry/rbac/validation.
import type { PolicyRule } from '../../kinds/rbac/types.ts'
import type { Mutable } from '../../api/schema/node.ts'

/** The rules that grant all rights. */
export const everyRule: readonly PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
]

/** The rights among `wanted` that no rule of `held` grants. The verbs on one resource are joined to one rule. */
export function missingRights(held: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  const missing = wanted.flatMap(singleRights).filter(right => !held.some(rule => covers(rule, right)))
  return compact(missing)
}

function singleRights(rule: PolicyRule): PolicyRule[] {
  const { verbs = [], apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule
  const names = resourceNames.length ? resourceNames.map(name => [name]) : [undefined]
  const rights = (apiGroups ?? []).flatMap(group =>
    resources.flatMap(resource =>
      (verbs ?? []).flatMap(verb =>
        names.map(name => ({
          verbs: [verb],
          apiGroups: [group],
          resources: [resource],
          ...(name && { resourceNames: name }),
        })),
      ),
    ),
  )
  const paths = nonResourceURLs.flatMap(url => (verbs ?? []).map(verb => ({ verbs: [verb], nonResourceURLs: [url] })))
  return [...rights, ...paths]
}

const any = (list: readonly string[] | null | undefined, value: string) =>
  list?.some(entry => entry === '*' || entry === value) ?? false

/**
 * Whether one rule grants a right.
 * @param right a rule from `singleRights`, with one verb on one resource or path
 */
function covers(rule: PolicyRule, right: PolicyRule): boolean {
  if (!any(rule.verbs, right.verbs![0]!)) return false
  const path = right.nonResourceURLs?.[0]
  if (path !== undefined)
    return (
      rule.nonResourceURLs?.some(url => url === path || (url.endsWith('*') && path.startsWith(url.slice(0, -1)))) ??
      false
    )
  const resource = right.resources![0]!
  const slash = resource.indexOf('/')
  const anyParent = slash > 0 && (rule.resources?.includes(`*${resource.slice(slash)}`) ?? false)
  const name = right.resourceNames?.[0]
  return (
    any(rule.apiGroups, right.apiGroups![0]!) &&
    (any(rule.resources, resource) || anyParent) &&
    (!rule.resourceNames?.length || (name !== undefined && rule.resourceNames.includes(name)))
  )
}

/** Joins rights that differ only in their verbs. */
function compact(rights: readonly PolicyRule[]): PolicyRule[] {
  const byResource = new Map<string, Mutable<PolicyRule>>()
  const out: PolicyRule[] = []
  for (const right of rights) {
    const simple = !right.resourceNames && !right.nonResourceURLs
    const key = JSON.stringify([right.apiGroups, right.resources])
    const known = simple ? byResource.get(key) : undefined
    if (known) {
      known.verbs = [...(known.verbs ?? []), ...(right.verbs ?? [])]
      continue
    }
    const own = structuredClone(right) as Mutable<PolicyRule>
    if (simple) byResource.set(key, own)
    out.push(own)
  }
  return out
}

/** A rule in one line, as Go prints it. */
export function ruleText(rule: PolicyRule): string {
  const parts = [
    ['APIGroups', rule.apiGroups],
    ['Resources', rule.resources],
    ['NonResourceURLs', rule.nonResourceURLs],
    ['ResourceNames', rule.resourceNames],
    ['Verbs', rule.verbs],
  ] as const
  return `{${parts.flatMap(([name, list]) => (list?.length ? [`${name}:${listText(list)}`] : [])).join(', ')}}`
}

/** A list of strings, as Go prints it. */
export const listText = (list: readonly string[]): string => `[${list.map(entry => JSON.stringify(entry)).join(' ')}]`
