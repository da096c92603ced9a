// Defaults, validation and columns of Job. Source: pkg/apis/batch, pkg/registry/batch/job/strategy.go.
import { sameJson } from '../../api/equal.ts'
import { immutable, notNegative, type Problems, validateSelector } from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import { matches } from '../../api/labels.ts'
import type { Path } from '../../api/path.ts'
import type { KubeObject } from '../../api/kind.ts'
import type { Mutable } from '../../api/schema/node.ts'
import { parseTime, shortAge } from '../../api/time.ts'
import { validateTemplate } from '../core/template-rules.ts'
import { validateMatch } from '../apps/workload-rules.ts'
import { shownPodSpec } from '../core/pod-changes.ts'
import { defaultPodSpec } from '../core/pod-defaults.ts'
import { PodTemplateSpec } from '../core/podtemplatespec.ts'
import type { JobStatus } from './jobstatus.ts'
import { dnsLabelErrors } from '../../api/names.ts'
import { validateCompletions, validatePolicies } from './job-policies.ts'
import { type JobSpec, PodFailurePolicy, SuccessPolicy } from './jobspec.ts'

// Spelled out, since the kind's own type is inferred from a definition that uses this file.
type Job = KubeObject & { spec: JobSpec; status: JobStatus }

/** The template of a CronJob's Jobs is left as it is but for its pods: the Jobs get their defaults when they are made. */
export function defaultJobTemplate(spec: Mutable<JobSpec>): void {
  defaultPolicy(spec)
  defaultPodSpec(spec.template.spec)
}

function defaultPolicy({ podFailurePolicy }: Mutable<JobSpec>): void {
  for (const rule of podFailurePolicy?.rules ?? [])
    for (const pattern of rule.onPodConditions ?? []) pattern.status ||= 'True'
}

function defaultJobSpec(spec: Mutable<JobSpec>): void {
  spec.completionMode ??= 'NonIndexed'
  spec.suspend ??= false
  spec.manualSelector ??= false
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1
  spec.parallelism ??= 1
  // With a limit for each index the Job as a whole has none.
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : 2 ** 31 - 1
  // A policy judges how a pod has failed, so it has to be waited for.
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed'
  defaultPolicy(spec)
  defaultPodSpec(spec.template.spec)
}

export function defaultJob(job: Mutable<Job>): void {
  defaultJobSpec(job.spec)
  if (job.spec.template.metadata.labels && !Object.keys(job.metadata.labels ?? {}).length)
    job.metadata.labels = { ...job.spec.template.metadata.labels }
}

const uidLabel = 'batch.kubernetes.io/controller-uid'
const nameLabel = 'batch.kubernetes.io/job-name'

/** The labels by which a job's pods are its own, in their old and their new names. */
const ownLabels = ({ uid = '', name = '' }: KubeObject['metadata']) => ({
  'controller-uid': uid,
  'job-name': name,
  [uidLabel]: uid,
  [nameLabel]: name,
})

/** A job's pods are its own: they are found by a label with its UID, made here unless the user manages the selector. */
export function prepareJob(job: Mutable<Job>, old: Job | undefined): void {
  const { spec, metadata } = job
  if (old || spec.manualSelector) return
  // Labels that were taken over from the template get what it gets.
  const { labels } = spec.template.metadata
  const isFromTemplate = Object.keys(labels ?? {}).length > 0 && sameJson(metadata.labels, labels)
  spec.template.metadata.labels = { ...ownLabels(metadata), ...spec.template.metadata.labels }
  if (isFromTemplate) metadata.labels = { ...spec.template.metadata.labels }
  spec.selector ??= {}
  spec.selector.matchLabels = { [uidLabel]: metadata.uid ?? '', ...spec.selector.matchLabels }
}

/** A job's spec, with a selector or as the template of jobs that will get theirs. */
function* validateJobSpec(spec: JobSpec, at: Path): Problems {
  const { parallelism, completions, backoffLimit, activeDeadlineSeconds, ttlSecondsAfterFinished } = spec
  const { backoffLimitPerIndex, maxFailedIndexes } = spec
  yield* notNegative({ parallelism, completions, backoffLimit, activeDeadlineSeconds, ttlSecondsAfterFinished }, at)
  yield* notNegative({ backoffLimitPerIndex, maxFailedIndexes }, at)
  yield* validateCompletions(spec, at)
  yield* validatePolicies(spec, at)
  yield* validateTemplate(spec.template, at.field('template'))
  const { restartPolicy } = spec.template.spec
  const path = at.field('template', 'spec', 'restartPolicy')
  if (!restartPolicy || restartPolicy === 'Always') yield path.required('valid values: "OnFailure", "Never"')
  else if (restartPolicy !== 'OnFailure' && restartPolicy !== 'Never')
    yield path.notSupported(restartPolicy, ['OnFailure', 'Never'])
  else if (spec.podFailurePolicy && restartPolicy !== 'Never')
    yield path.invalid(restartPolicy, 'only "Never" is supported when podFailurePolicy is specified')
}

/** The template of a cron job: its selector is made with each job. */
export function* validateJobTemplate(spec: JobSpec, at: Path): Problems {
  if (spec.manualSelector) yield at.field('manualSelector').notSupported(true, ['nil', 'false'])
  if (spec.selector) yield at.field('selector').invalid(spec.selector, '`selector` will be auto-generated')
  yield* validateJobSpec(spec, at)
}

export function* validateJob(job: Job, at: Path, old: Job | undefined): Problems {
  const { spec, metadata } = job
  const path = at.field('spec')
  if (spec.selector && !spec.manualSelector) yield* validateOwnSelector(job, path, old)
  yield* validateSelected(spec, path)
  const { completions = 0, completionMode } = spec
  // Pods get this host name.
  const last = `${metadata.name}-${completions - 1}`
  if (completionMode === 'Indexed' && completions > 0)
    for (const error of dnsLabelErrors(last)) yield at.field('metadata', 'name').invalid(last, error)
}

function* validateSelected(spec: JobSpec, at: Path): Problems {
  yield* validateJobSpec(spec, at)
  const problems = [...validateSelector(spec.selector, at.field('selector'))]
  yield* problems
  if (!spec.selector) yield at.field('selector').required()
  if (!problems.length) yield* validateMatch(spec.selector, spec.template, at)
}

/** The selector that was made is the one the job has, and so are the labels that it finds pods by. */
function* validateOwnSelector({ metadata, spec }: Job, at: Path, old: Job | undefined): Problems {
  const { labels } = spec.template.metadata
  const before = old?.spec.template.metadata.labels
  const own: Record<string, string> = ownLabels(metadata)
  // A job from the time of the old names keeps those alone.
  if (old && (before?.[uidLabel] === undefined || before[nameLabel] === undefined)) {
    delete own[uidLabel]
    delete own[nameLabel]
  }
  for (const [key, value] of Object.entries(own)) {
    const path = at.field('template', 'metadata', 'labels').key(key)
    if (labels?.[key] === undefined) yield path.required(`must be '${value}'`)
    else if (labels[key] !== value) yield path.invalid(labels, `must be '${value}'`)
  }
  if (!matches(spec.selector ?? {}, own))
    yield at.field('selector').invalid(spec.selector, '`selector` not auto-generated')
}

const fixedFields = [
  'completionMode',
  'backoffLimitPerIndex',
  'managedBy',
] as const satisfies readonly (keyof JobSpec)[]

export function* validateJobUpdate(next: Job, old: Job, at: Path): Problems {
  const path = at.field('spec')
  // Kubernetes looks at the whole spec once more, and reports what it finds again.
  yield* validateSelected(next.spec, path)
  yield* validateCompletionsUpdate(next.spec, old.spec, path.field('completions'))
  if (!sameJson(next.spec.selector, old.spec.selector))
    yield path.field('selector').invalid(next.spec.selector, immutable)
  yield* validateTemplateUpdate(next, old, path.field('template'))
  for (const field of fixedFields)
    if (next.spec[field] !== old.spec[field]) yield path.field(field).invalid(next.spec[field], immutable)
  if (!sameJson(next.spec.podFailurePolicy, old.spec.podFailurePolicy))
    yield path.field('podFailurePolicy').invalid(goStruct(PodFailurePolicy, next.spec.podFailurePolicy), immutable)
  if (!sameJson(next.spec.successPolicy, old.spec.successPolicy))
    yield path.field('successPolicy').invalid(goStruct(SuccessPolicy, next.spec.successPolicy), immutable)
}

/** Only indexes come and go: as many at a time as there are of them. */
function* validateCompletionsUpdate(next: JobSpec, old: JobSpec, at: Path): Problems {
  const { completions, parallelism, completionMode } = next
  if (completions === old.completions) return
  if (completionMode !== 'Indexed') yield at.invalid(completions, immutable)
  else if (completions !== undefined && completions !== parallelism)
    yield at.invalid(completions, 'can only be modified in tandem with spec.parallelism')
}

/** While a job is suspended, where its pods may run, how they are labelled and what they ask for can change. */
function* validateTemplateUpdate(next: Job, old: Job, at: Path): Problems {
  const [after, before] = [next.spec.template, old.spec.template]
  if (!isAtRest(old)) {
    if (!sameJson(after, before)) yield at.invalid(goStruct(PodTemplateSpec, after), immutable)
    return
  }
  const bare = (list: typeof after.spec.containers | undefined) =>
    list?.map(({ resources: _resources, ...rest }) => rest)
  const fixed = ({
    nodeSelector: _selector,
    tolerations: _tolerations,
    schedulingGates: _gates,
    affinity,
    containers,
    initContainers,
    ...rest
  }: typeof after.spec) => {
    const { nodeAffinity: _nodes, ...others } = affinity ?? {}
    return { ...rest, others, containers: bare(containers), initContainers: bare(initContainers) }
  }
  if (!sameJson(fixed(after.spec), fixed(before.spec)))
    yield at.field('spec').invalid(shownPodSpec(after.spec), immutable)
}

/** Suspended before it has started, or since its last pod has gone. */
const isAtRest = (job: Job) =>
  job.spec.suspend === true && !job.status.active && (job.status.startTime === undefined || condition(job, 'Suspended'))

const condition = (job: Job, type: string) =>
  job.status.conditions?.some(c => c.type === type && c.status === 'True') ?? false

export function jobStatus(job: Job): string {
  if (condition(job, 'Complete')) return 'Complete'
  if (condition(job, 'Failed')) return 'Failed'
  if (job.metadata.deletionTimestamp) return 'Terminating'
  if (condition(job, 'Suspended')) return 'Suspended'
  if (condition(job, 'FailureTarget')) return 'FailureTarget'
  return condition(job, 'SuccessCriteriaMet') ? 'SuccessCriteriaMet' : 'Running'
}

export function jobCompletions({ spec, status }: Job): string {
  const succeeded = status.succeeded ?? 0
  if (spec.completions !== undefined) return `${succeeded}/${spec.completions}`
  return (spec.parallelism ?? 0) > 1 ? `${succeeded}/1 of ${spec.parallelism}` : `${succeeded}/1`
}

export function jobDuration({ status }: Job, now: number): string {
  const start = parseTime(status.startTime)
  return start === undefined ? '' : shortAge((parseTime(status.completionTime) ?? now) - start)
}
