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
import { own } from '../../base/own.ts'
import type { Labels } from '../../api/labels.ts'
import type { KubeObject } from '../../api/kind.ts'
import { invalidError, type Problem, root } from '../../api/path.ts'
import type { CronJob } from '../../kinds/batch/cronjob.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { PodSpec } from '../../kinds/core/podspec.ts'
import type { PodTemplate } from '../../kinds/core/podtemplate.ts'
import type { PodTemplateSpec } from '../../kinds/core/podtemplatespec.ts'
import { forbidden } from '../errors.ts'
import type { Storage } from '../storage.ts'
import type { AdmissionPlugin } from './chain.ts'
import { newestMinor, violations } from './pod-security-checks.ts'
import type { AdmissionRequest } from './request.ts'

const levels = ['privileged', 'baseline', 'restricted'] as const
type Level = (typeof levels)[number]

interface LevelVersion {
  level: Level
  /** A minor version of Kubernetes, or the newest rules. */
  version: number | 'latest'
}

const modes = ['enforce', 'audit', 'warn'] as const
type Policy = Record<(typeof modes)[number], LevelVersion>

const prefix = 'pod-security.kubernetes.io/'
const loose: LevelVersion = { level: 'privileged', version: 'latest' }

const textOf = ({ level, version }: LevelVersion) => `${level}:${version === 'latest' ? version : `v1.${version}`}`

export function podSecurity(storage: Storage): AdmissionPlugin {
  const namespaces = storage.mirror(Namespace)
  const policies = new WeakMap<object, ReturnType<typeof policyOf>>()
  const policyIn = (name: string) => {
    const namespace = namespaces.get(undefined, name)
    if (!namespace?.metadata.labels) return policyOf(undefined)
    let found = policies.get(namespace)
    if (!found) policies.set(namespace, (found = policyOf(namespace.metadata.labels)))
    return found
  }
  return {
    name: 'PodSecurity',
    validate(request) {
      const { type, operation } = request
      if (type !== 'CREATE' && type !== 'UPDATE') return
      const { kind, subresource } = operation
      if (kind === Namespace) {
        if (!subresource) checkNamespace(storage, request)
      } else if (kind === Pod) {
        if (ignoredSubresources.has(subresource)) return
        if (type === 'CREATE' || isSignificant(request.object as Pod, request.old as Pod)) {
          const { metadata, spec } = request.object as Pod
          evaluate(request, policyIn(operation.namespace), metadata.annotations, spec, true)
        }
      } else if (!subresource) {
        const template = templateOf(request)
        if (template)
          evaluate(request, policyIn(operation.namespace), template.metadata.annotations, template.spec, false)
      }
    },
  }
}

const lineOf = ({ field, body }: Problem) => `${field}: ${body}`

/** The levels that labels ask for. A level that cannot be read is the strictest, or for notes and warnings the loosest. */
function policyOf(labels: Labels | undefined): { policy: Policy; problems: Problem[] } {
  const policy = { enforce: loose, audit: loose, warn: loose }
  const problems: Problem[] = []
  if (!labels) return { policy, problems }
  const at = root.field('metadata', 'labels')
  for (const mode of modes) {
    const [key, versionKey] = [prefix + mode, `${prefix}${mode}-version`]
    const [level, version] = [own(labels, key), own(labels, versionKey)]
    let next = policy[mode]
    if (level !== undefined) {
      const known = levels.find(one => one === level)
      if (!known) problems.push(at.key(key).invalid(level, `must be one of ${levels.join(', ')}`))
      next = { ...next, level: known ?? (mode === 'enforce' ? 'restricted' : 'privileged') }
    }
    if (version !== undefined) {
      const minor = /^v1\.(0|[1-9]\d*)$/.exec(version)?.[1]
      if (minor === undefined && version !== 'latest')
        problems.push(at.key(versionKey).invalid(version, 'must be "latest" or "v1.x"'))
      next = { ...next, version: minor === undefined ? 'latest' : Number(minor) }
    }
    policy[mode] = next
  }
  return { policy, problems }
}

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
  annotations: Labels | undefined,
  spec: PodSpec,
  enforces: boolean,
): void {
  const note = (key: string, value: string) => request.operation.annotations?.set(prefix + key, value)
  if (problems.length) note('error', `Failed to parse policy: ${problems.map(lineOf).join(', ')}`)
  const found = (mode: keyof Policy) => detailOf(violationsOf(policy[mode], annotations, spec))
  const refused = enforces ? found('enforce') : ''
  if (enforces) note('enforce-policy', textOf(policy.enforce))
  const audited = found('audit')
  if (audited) note('audit-violations', `would violate PodSecurity ${goQuote(textOf(policy.audit))}: ${audited}`)
  if (refused) {
    const { kind, name } = request.operation
    const why = `violates PodSecurity ${goQuote(textOf(policy.enforce))}: ${refused}`
    throw forbidden(kind, name || (request.object?.metadata.name ?? ''), why)
  }
  const warned = found('warn')
  if (warned) request.warn?.(`would violate PodSecurity ${goQuote(textOf(policy.warn))}: ${warned}`)
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
function checkNamespace(storage: Storage, request: AdmissionRequest): void {
  const { metadata } = request.object as Namespace
  const { policy, problems } = policyOf(metadata.labels)
  const before = request.old && policyOf(request.old.metadata.labels)
  const known = new Set(before?.problems.map(lineOf))
  if (problems.length && (!before || problems.some(problem => !known.has(lineOf(problem)))))
    throw invalidError(Namespace, metadata.name ?? '', problems)
  if (!before) return
  const [now, then] = [policy.enforce, before.policy.enforce]
  if (textOf(now) === textOf(then) || now.level === 'privileged') return
  if (now.version === then.version && levels.indexOf(now.level) <= levels.indexOf(then.level)) return
  for (const text of podWarnings(storage, metadata.name ?? '', now)) request.warn?.(text)
}

/** Pods that are looked at when the level of a namespace changes. */
const maxPods = 3000

/** What the pods of a namespace violate: for each set of reasons the first pod, and how many others there are. */
function podWarnings(storage: Storage, namespace: string, enforced: LevelVersion): string[] {
  const pods = storage.mirror(Pod).list(namespace)
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
      `existing pods in namespace ${goQuote(namespace)} violate the new PodSecurity enforce level ${goQuote(textOf(enforced))}`,
    )
  const decorated = [...byReasons].map(([reasons, names]) => {
    const others = names.length - 1
    const more = others > 1 ? ` (and ${others} other pods)` : others ? ' (and 1 other pod)' : ''
    return `${names.toSorted()[0]}${more}: ${reasons}`
  })
  return [...warnings, ...decorated.sort()]
}
