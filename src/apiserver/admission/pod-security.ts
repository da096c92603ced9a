// PodSecurity: the labels of a namespace say by which of the Pod Security Standards its pods are judged.
//
//   pod-security.kubernetes.io/enforce   pods that violate the level are refused
//   pod-security.kubernetes.io/audit     what violates it gets a note for the audit log
//   pod-security.kubernetes.io/warn      what violates it gets a warning for the client
//
// Each has a second label, with `-version`, for the version of the rules. Templates of workloads are never refused, so
// that one can still be changed; they get warnings and notes. When the level of a namespace rises, the client gets
// warnings of pods that violate it. They go on running.
//
// Source: k8s.io/pod-security-admission (admission, api), plugin/pkg/admission/security/podsecurity.
import { goQuote } from '../../base/go-text.ts'
import type { Labels } from '../../api/labels.ts'
import type { KubeObject } from '../../api/kind.ts'
import { invalidError, type Problem } from '../../api/path.ts'
import type { CronJob } from '../../kinds/batch/cronjob.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { PodSpec } from '../../kinds/core/podspec.ts'
import type { PodTemplate } from '../../kinds/core/podtemplate.ts'
import type { PodTemplateSpec } from '../../kinds/core/podtemplatespec.ts'
import { forbidden } from '../errors.ts'
import type { Storage } from '../storage.ts'
import type { AdmissionPlugin } from './chain.ts'
import type { AdmissionConfiguration } from './configuration.ts'
import { newestMinor, violations } from './pod-security-checks.ts'
import {
  exemptionWarning,
  type Exemptions,
  labelPrefix,
  levels,
  levelText,
  type LevelVersion,
  loosePolicy,
  type Policy,
  policyOf,
} from './pod-security-policy.ts'
import type { AdmissionRequest } from './request.ts'

type Settings = NonNullable<AdmissionConfiguration['podSecurity']>
const nothing: ReadonlySet<string> = new Set()
const noExemptions: Exemptions = { usernames: nothing, namespaces: nothing, runtimeClasses: nothing }

export function podSecurity(
  storage: Storage,
  settings: Settings = { defaults: loosePolicy, exemptions: noExemptions },
): AdmissionPlugin {
  const namespaces = storage.mirror(Namespace)
  const policies = new WeakMap<object, ReturnType<typeof policyOf>>()
  const unlabelled = policyOf(undefined, settings.defaults)
  const policyIn = (name: string) => {
    const namespace = namespaces.get(undefined, name)
    if (!namespace?.metadata.labels) return unlabelled
    let found = policies.get(namespace)
    if (!found) policies.set(namespace, (found = policyOf(namespace.metadata.labels, settings.defaults)))
    return found
  }
  return {
    name: 'PodSecurity',
    validate(request) {
      const { type, operation } = request
      if (type !== 'CREATE' && type !== 'UPDATE') return
      if (operation.kind === Namespace) {
        if (!operation.subresource) checkNamespace(storage, request, settings)
        return
      }
      const judged = judgedOf(request)
      if (!judged) return
      const exempt = exemptionOf(request, judged.spec, settings.exemptions)
      if (exempt) note(request, 'exempt', exempt)
      else if (type === 'CREATE' || !judged.isPod || isSignificant(request.object as Pod, request.old as Pod))
        evaluate(request, policyIn(operation.namespace), judged)
    },
  }
}

/** What is judged by the policy of its namespace: a pod, or the template of pods. */
interface Judged {
  annotations: Labels | undefined
  spec: PodSpec
  isPod: boolean
}

function judgedOf(request: AdmissionRequest): Judged | undefined {
  const { kind, subresource } = request.operation
  if (kind === Pod) {
    if (ignoredSubresources.has(subresource)) return undefined
    const { metadata, spec } = request.object as Pod
    return { annotations: metadata.annotations, spec, isPod: true }
  }
  const template = subresource ? undefined : templateOf(request)
  return template && { annotations: template.metadata.annotations, spec: template.spec, isPod: false }
}

function exemptionOf({ operation }: AdmissionRequest, spec: PodSpec, exemptions: Exemptions): string | undefined {
  if (exemptions.namespaces.has(operation.namespace)) return 'namespace'
  if (exemptions.usernames.has(operation.user.name)) return 'user'
  return spec.runtimeClassName && exemptions.runtimeClasses.has(spec.runtimeClassName) ? 'runtimeClass' : undefined
}

const note = ({ operation }: AdmissionRequest, key: string, value: string) =>
  operation.annotations?.set(labelPrefix + key, value)

const lineOf = ({ field, body }: Problem) => `${field}: ${body}`

function violationsOf({ level, version }: LevelVersion, annotations: Labels | undefined, spec: PodSpec) {
  if (level === 'privileged') return []
  return violations(level, version === 'latest' ? newestMinor : Math.min(version, newestMinor), annotations, spec)
}

/** What a pod violates, in detail. */
const detailOf = (found: ReturnType<typeof violationsOf>): string =>
  found.map(({ reason, detail }) => (detail ? `${reason} (${detail})` : reason)).join(', ')

function evaluate(
  request: AdmissionRequest,
  { policy, problems }: ReturnType<typeof policyOf>,
  { annotations, spec, isPod }: Judged,
): void {
  if (problems.length) note(request, 'error', `Failed to parse policy: ${problems.map(lineOf).join(', ')}`)
  const found = (mode: keyof Policy) => detailOf(violationsOf(policy[mode], annotations, spec))
  const refused = isPod ? found('enforce') : ''
  if (isPod) note(request, 'enforce-policy', levelText(policy.enforce))
  const audited = found('audit')
  if (audited)
    note(request, 'audit-violations', `would violate PodSecurity ${goQuote(levelText(policy.audit))}: ${audited}`)
  if (refused) {
    const { kind, name } = request.operation
    const why = `violates PodSecurity ${goQuote(levelText(policy.enforce))}: ${refused}`
    throw forbidden(kind, name || (request.object?.metadata.name ?? ''), why)
  }
  const warned = found('warn')
  if (warned) request.warn?.(`would violate PodSecurity ${goQuote(levelText(policy.warn))}: ${warned}`)
}

/** All others change a pod, and are judged. */
const ignoredSubresources = new Set(['exec', 'attach', 'binding', 'eviction', 'log', 'portforward', 'proxy', 'status'])

/** Whether an update changes what the checks look at: images, containers, and annotations of seccomp. */
function isSignificant(next: Pod, old: Pod): boolean {
  const [now, before] = [next.metadata.annotations, old.metadata.annotations]
  const seccomp = 'seccomp.security.alpha.kubernetes.io/pod'
  if (now?.[seccomp] !== before?.[seccomp]) return true
  return (['initContainers', 'containers', 'ephemeralContainers'] as const).some(field => {
    const [containers, olds] = [next.spec[field] ?? [], old.spec[field] ?? []]
    if (field !== 'ephemeralContainers' && containers.length !== olds.length) return true
    return containers.some(({ name, image }, i) => {
      const other = field === 'ephemeralContainers' ? olds.find(o => o.name === name) : olds[i]
      const key = `container.seccomp.security.alpha.kubernetes.io/${name}`
      return !other || other.image !== image || now?.[key] !== before?.[key]
    })
  })
}

const workloads = new Set([
  '/replicationcontrollers',
  'apps/replicasets',
  'apps/deployments',
  'apps/statefulsets',
  'apps/daemonsets',
  'batch/jobs',
])

/** The template of a workload; undefined for other objects, and for a ReplicationController that has none. */
function templateOf({ operation: { kind }, object }: AdmissionRequest): PodTemplateSpec | undefined {
  const name = `${kind.group}/${kind.plural}`
  if (name === '/podtemplates') return (object as PodTemplate).template
  if (name === 'batch/cronjobs') return (object as CronJob).spec.jobTemplate.spec.template
  if (!workloads.has(name)) return undefined
  return (object as KubeObject & { spec: { template?: PodTemplateSpec } }).spec.template
}

/** Refuses labels that cannot be read, and warns of pods that violate a level that is new. */
function checkNamespace(storage: Storage, request: AdmissionRequest, { defaults, exemptions }: Settings): void {
  const { metadata } = request.object as Namespace
  const name = metadata.name ?? ''
  const { policy, problems } = policyOf(metadata.labels, defaults)
  const before = request.old && policyOf(request.old.metadata.labels, defaults)
  const known = new Set(before?.problems.map(lineOf))
  if (problems.length && (!before || problems.some(problem => !known.has(lineOf(problem)))))
    throw invalidError(Namespace, name, problems)
  if (before && !isTightened(policy.enforce, before.policy.enforce)) return
  if (exemptions.namespaces.has(name)) {
    const warning = exemptionWarning(name, metadata.labels ?? {}, policy, defaults)
    if (warning) request.warn?.(warning)
  } else if (before) for (const text of podWarnings(storage, name, policy.enforce, exemptions)) request.warn?.(text)
}

function isTightened(now: LevelVersion, then: LevelVersion): boolean {
  if (levelText(now) === levelText(then) || now.level === 'privileged') return false
  return now.version !== then.version || levels.indexOf(now.level) > levels.indexOf(then.level)
}

/** Pods that are looked at when the level of a namespace changes. */
const maxPods = 3000

/** What the pods of a namespace violate: for each set of reasons the first pod, and how many others there are. */
function podWarnings(
  storage: Storage,
  namespace: string,
  enforced: LevelVersion,
  { runtimeClasses }: Exemptions,
): string[] {
  const all = storage.mirror(Pod).list(namespace)
  const pods = mostTelling(all.filter(({ spec }) => !runtimeClasses.has(spec.runtimeClassName ?? '')))
  const byReasons = new Map<string, string[]>()
  for (const { metadata, spec } of pods.slice(0, maxPods)) {
    const found = violationsOf(enforced, metadata.annotations, spec)
    if (!found.length) continue
    const reasons = found.map(({ reason }) => reason).join(', ')
    byReasons.set(reasons, [...(byReasons.get(reasons) ?? []), metadata.name ?? ''])
  }
  const warnings: string[] = []
  if (pods.length > maxPods)
    warnings.push(
      `new PodSecurity enforce level only checked against the first ${maxPods} of ${pods.length} existing pods`,
    )
  if (byReasons.size)
    warnings.push(
      `existing pods in namespace ${goQuote(namespace)} violate the new PodSecurity enforce level ${goQuote(levelText(enforced))}`,
    )
  const decorated = [...byReasons].map(([reasons, names]) => {
    const others = names.length - 1
    const more = others > 1 ? ` (and ${others} other pods)` : others ? ' (and 1 other pod)' : ''
    return `${names.toSorted()[0]}${more}: ${reasons}`
  })
  return [...warnings, ...decorated.sort()]
}

/** One pod of each controller comes first, since the others are mostly the same. */
function mostTelling(pods: readonly Pod[]): Pod[] {
  const [first, others]: [Pod[], Pod[]] = [[], []]
  const controllers = new Set<string>()
  for (const pod of pods) {
    const uid = pod.metadata.ownerReferences?.find(({ controller }) => controller)?.uid
    if (uid !== undefined && controllers.has(uid)) others.push(pod)
    else first.push(pod)
    if (uid !== undefined) controllers.add(uid)
  }
  return [...first, ...others]
}
