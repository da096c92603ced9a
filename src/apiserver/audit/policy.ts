// Which requests are audited, and how much of them is written down: the Policy of audit.k8s.io/v1. The first rule that
// matches a request decides; without one, nothing is written.
// Source: apiserver pkg/apis/audit/v1/types.go, pkg/audit/policy/checker.go.
import { parseYaml } from '../../base/yaml-file.ts'
import { type Fields, readFields } from '../../api/config-file.ts'
import type { User } from '../../api/operation.ts'

const auditLevels = ['None', 'Metadata', 'Request', 'RequestResponse'] as const
export type AuditLevel = (typeof auditLevels)[number]
const auditStages = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const
export type AuditStage = (typeof auditStages)[number]

/** What rules look at. */
export interface AuditAttributes {
  readonly user: User
  readonly verb: string
  /** The path of a request that is not about a resource. */
  readonly path?: string
  readonly group: string
  readonly resource: string
  readonly subresource: string
  readonly namespace: string
  readonly name: string
}

export interface AuditRule {
  readonly level: AuditLevel
  readonly omitStages: readonly AuditStage[]
  readonly omitManagedFields: boolean
  readonly users: readonly string[]
  readonly groups: readonly string[]
  readonly verbs: readonly string[]
  readonly namespaces: readonly string[]
  readonly nonResourceURLs: readonly string[]
  readonly resources: readonly GroupResources[]
}

interface GroupResources {
  readonly group: string
  readonly resources: readonly string[]
  readonly resourceNames: readonly string[]
}

export interface AuditPolicy {
  readonly rules: readonly AuditRule[]
}

/** Limit of the rules of a policy, each of which every request may pass. */
const maxRules = 1000

/** Reads the text of a file. Throws a StatusError that names the file and all fields with mistakes. */
export const parseAuditPolicy = (text: string, source: string): AuditPolicy =>
  auditPolicyOf(parseYaml(text, source), source)

/** The same of a document that has been parsed. */
export function auditPolicyOf(document: unknown, source: string): AuditPolicy {
  return readFields(document, source, root => {
    if (root.string('apiVersion') !== 'audit.k8s.io/v1') root.problem('apiVersion', 'must be audit.k8s.io/v1')
    if (root.string('kind') !== 'Policy') root.problem('kind', 'must be Policy')
    root.raw('metadata')
    const omitStages = readStages(root)
    const omitManagedFields = root.boolean('omitManagedFields', false)
    const entries = root.objects('rules')
    if (!entries.length) root.problem('rules', 'must not be empty')
    if (entries.length > maxRules) root.problem('rules', `must be at most ${maxRules}`)
    const rules = entries.slice(0, maxRules).map(entry => readRule(entry, omitStages, omitManagedFields))
    root.end()
    return { rules }
  })
}

function readStages(fields: Fields): AuditStage[] {
  return fields.strings('omitStages').flatMap((name, i) => {
    const stage = auditStages.find(one => one === name)
    if (!stage) fields.problem(`omitStages[${i}]`, `must be one of ${auditStages.join(', ')}`)
    return stage ?? []
  })
}

function readRule(fields: Fields, stages: readonly AuditStage[], omitManagedFields: boolean): AuditRule {
  if (!fields.has('level')) fields.problem('level', 'is required')
  const rule: AuditRule = {
    level: fields.oneOf('level', auditLevels, 'None'),
    omitStages: [...new Set([...stages, ...readStages(fields)])],
    omitManagedFields: fields.boolean('omitManagedFields', omitManagedFields),
    users: fields.strings('users'),
    groups: fields.strings('userGroups'),
    verbs: fields.strings('verbs'),
    namespaces: fields.strings('namespaces'),
    nonResourceURLs: fields.strings('nonResourceURLs'),
    resources: fields.objects('resources').map(readResources),
  }
  rule.nonResourceURLs.forEach((url, i) => {
    if (url !== '*' && !/^\/[^*]*\*?$/.test(url))
      fields.problem(`nonResourceURLs[${i}]`, 'must begin with a slash, and have no star but at its end')
  })
  if (rule.nonResourceURLs.length && (rule.resources.length || rule.namespaces.length))
    fields.problem('nonResourceURLs', 'rules cannot apply to both regular resources and non-resource URLs')
  fields.end()
  return rule
}

function readResources(fields: Fields): GroupResources {
  const group = fields.string('group', '')
  const [resources, resourceNames] = [fields.strings('resources'), fields.strings('resourceNames')]
  if (resourceNames.length && !resources.length)
    fields.problem('resourceNames', 'using resourceNames requires at least one resource')
  fields.end()
  return { group, resources, resourceNames }
}

/** The rule that decides about a request. */
export const ruleFor = ({ rules }: AuditPolicy, request: AuditAttributes): AuditRule | undefined =>
  rules.find(rule => matches(rule, request))

function matches(rule: AuditRule, request: AuditAttributes): boolean {
  if (rule.users.length && !rule.users.includes(request.user.name)) return false
  if (rule.groups.length && !rule.groups.some(group => request.user.groups.includes(group))) return false
  if (rule.verbs.length && !rule.verbs.includes(request.verb)) return false
  if (!rule.namespaces.length && !rule.resources.length && !rule.nonResourceURLs.length) return true
  if (request.path !== undefined) return rule.nonResourceURLs.some(url => matchesPath(url, request.path!))
  if (rule.nonResourceURLs.length) return false
  if (rule.namespaces.length && !rule.namespaces.includes(request.namespace)) return false
  return !rule.resources.length || rule.resources.some(one => matchesResource(one, request))
}

const matchesPath = (url: string, path: string): boolean =>
  url === '*' || url === path || (url.endsWith('*') && path.startsWith(url.slice(0, -1)))

/** `pods` is the objects alone, `pods/log` one subresource, `pods/*` all of them, and a star also of any resource. */
function matchesResource({ group, resources, resourceNames }: GroupResources, request: AuditAttributes): boolean {
  if (group !== request.group) return false
  if (!resources.length) return true
  if (resourceNames.length && !resourceNames.includes(request.name)) return false
  const { resource, subresource } = request
  const full = subresource ? `${resource}/${subresource}` : resource
  return resources.some(
    one =>
      one === '*' ||
      one === full ||
      (subresource !== '' && one === `*/${subresource}`) ||
      (one.endsWith('/*') && one === `${resource}/*`),
  )
}
