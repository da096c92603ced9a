// Which flow schema a request belongs to: the first, in the order of precedence, of which a rule matches both the user
// and the action. Pure: the tests call it with literals.
// Source: apiserver pkg/util/flowcontrol/rule.go, formatting.go and apf_filter.go (computeFlowDistinguisher).
import type { User } from '../../api/operation.ts'
import type { FlowSchema } from '../../kinds/flowcontrol/flowschema.ts'
import type {
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
  Subject,
} from '../../kinds/flowcontrol/flowschemaspec.ts'

/** What the classification of a request depends on. */
export interface Digest {
  readonly user: User
  readonly verb: string
  /** The path of a request that is not for a resource. */
  readonly path: string
  /** The resource of a request for one. */
  readonly resource?: {
    readonly group: string
    readonly plural: string
    readonly subresource: string
    readonly namespace: string
    readonly name: string
  }
}

/** Flow schemas in the order in which they are tried: by precedence, then by name. */
export const inOrder = (schemas: Iterable<FlowSchema>): FlowSchema[] =>
  [...schemas].sort(
    (a, b) =>
      a.spec.matchingPrecedence - b.spec.matchingPrecedence ||
      ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1),
  )

/** Whether a flow schema matches a request. */
export const matches = ({ spec }: FlowSchema, digest: Digest): boolean =>
  spec.rules?.some(rule => matchesRule(rule, digest)) ?? false

/** What distinguishes the flows of a schema from each other: the user, the namespace, or nothing. */
export function distinguisherOf({ spec }: FlowSchema, { user, resource }: Digest): string {
  switch (spec.distinguisherMethod?.type) {
    case 'ByUser':
      return user.name
    case 'ByNamespace':
      return resource?.namespace ?? ''
    default:
      return ''
  }
}

function matchesRule({ subjects, resourceRules, nonResourceRules }: PolicyRulesWithSubjects, digest: Digest): boolean {
  if (!subjects.some(subject => isSubject(subject, digest.user))) return false
  const { resource, verb, path } = digest
  if (resource) return resourceRules?.some(rule => matchesResource(rule, verb, resource)) ?? false
  return nonResourceRules?.some(rule => matchesPath(rule, verb, path)) ?? false
}

function isSubject({ kind, user, group, serviceAccount }: Subject, { name, groups }: User): boolean {
  switch (kind) {
    case 'User':
      return user !== undefined && (user.name === '*' || user.name === name)
    case 'Group':
      return group !== undefined && (group.name === '*' || groups.includes(group.name))
    case 'ServiceAccount': {
      if (!serviceAccount) return false
      const prefix = `system:serviceaccount:${serviceAccount.namespace}:`
      return serviceAccount.name === '*' ? name.startsWith(prefix) : name === prefix + serviceAccount.name
    }
    default:
      return false
  }
}

/** Validation makes sure that the star is the only entry where it is one. */
const has = (list: readonly string[], value: string) => list[0] === '*' || list.includes(value)

function matchesResource(
  rule: ResourcePolicyRule,
  verb: string,
  { group, plural, subresource, namespace }: NonNullable<Digest['resource']>,
): boolean {
  if (!has(rule.verbs, verb) || !has(rule.apiGroups, group)) return false
  if (!has(rule.resources, subresource ? `${plural}/${subresource}` : plural)) return false
  return namespace ? has(rule.namespaces ?? [], namespace) : (rule.clusterScope ?? false)
}

const matchesPath = ({ verbs, nonResourceURLs }: NonResourcePolicyRule, verb: string, path: string): boolean =>
  has(verbs, verb) &&
  nonResourceURLs.some(url => {
    if (url === '*' || url === path) return true
    const prefix = url.endsWith('*') ? url.slice(0, -1) : url
    return path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`)
  })
