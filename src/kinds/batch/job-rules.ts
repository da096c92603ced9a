// Defaults, validation and columns of Job. Source: pkg/apis/batch, pkg/registry/batch/job/strategy.go.
import type { Path, Problem } from '../../api/path.ts'
import type { KubeObject } from '../../api/kind.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
import { parseTime, shortAge } from '../../api/time.ts'
import { notNegative } from '../../api/checks.ts'
import { validateTemplate } from '../core/template-rules.ts'
import { defaultPodSpec } from '../core/pod-defaults.ts'
import type { JobStatus } from './job.ts'
import { dnsLabelErrors } from '../../api/names.ts'
import { validateCompletions, validatePolicies } from './job-policies.ts'
import type { JobSpec } from './jobspec.ts'

// Spelled out, since the kind's own type is inferred from a definition that uses this file.
type Job = KubeObject & { spec: JobSpec; status: JobStatus }

export function defaultJobSpec(spec: JobSpec): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1
  spec.parallelism ??= 1
  // With a limit for each index the Job as a whole has none.
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : 2 ** 31 - 1
  // A policy judges how a pod has failed, so it has to be waited for.
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed'
  defaultPodSpec(spec.template.spec)
}

export function defaultJob(job: Job): void {
  defaultJobSpec(job.spec)
  if (job.spec.template.metadata.labels && !Object.keys(job.metadata.labels ?? {}).length)
    job.metadata.labels = { ...job.spec.template.metadata.labels }
}

/** A job's pods are its own: they are found by a label with its UID, made here unless the user chose a selector. */
export function prepareJob(job: Job, old: DeepReadonly<Job> | undefined): void {
  if (old) {
    if (!job.spec.selector && old.spec.selector)
      job.spec.selector = structuredClone(old.spec.selector) as NonNullable<JobSpec['selector']>
    return
  }
  if (job.spec.manualSelector || job.spec.selector) return
  const uid = job.metadata.uid ?? ''
  const name = job.metadata.name ?? ''
  const labels = job.spec.template.metadata.labels ?? {}
  job.spec.template.metadata.labels = {
    ...labels,
    'controller-uid': uid,
    'job-name': name,
    'batch.kubernetes.io/controller-uid': uid,
    'batch.kubernetes.io/job-name': name,
  }
  job.spec.selector = { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } }
}

export function* validateJobSpec(spec: DeepReadonly<JobSpec>, at: Path): Iterable<Problem> {
  const { parallelism, completions, backoffLimit, activeDeadlineSeconds, ttlSecondsAfterFinished } = spec
  const { backoffLimitPerIndex, maxFailedIndexes } = spec
  yield* notNegative({ parallelism, completions, backoffLimit, activeDeadlineSeconds, ttlSecondsAfterFinished }, at)
  yield* notNegative({ backoffLimitPerIndex, maxFailedIndexes }, at)
  yield* validateCompletions(spec, at)
  yield* validatePolicies(spec, at)
  yield* validateTemplate(spec.template, at.field('template'))
}

export function* validateJob(job: DeepReadonly<Job>, at: Path): Iterable<Problem> {
  yield* validateJobSpec(job.spec, at.field('spec'))
  const { completions = 0, completionMode } = job.spec
  // Pods get this host name.
  const last = `${job.metadata.name}-${completions - 1}`
  if (completionMode === 'Indexed' && completions > 0)
    for (const error of dnsLabelErrors(last)) yield at.field('metadata', 'name').invalid(last, error)
}

const fixedFields = [
  'completionMode',
  'podFailurePolicy',
  'backoffLimitPerIndex',
  'managedBy',
  'successPolicy',
] as const satisfies readonly (keyof JobSpec)[]

export function* validateJobUpdate(next: DeepReadonly<Job>, old: DeepReadonly<Job>, at: Path): Iterable<Problem> {
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)
  const isIndexed = old.spec.completionMode === 'Indexed'
  if (next.spec.completions !== old.spec.completions && !isIndexed)
    yield at.field('spec', 'completions').invalid(next.spec.completions ?? null, 'field is immutable')
  else if (next.spec.completions !== old.spec.completions && next.spec.completions !== next.spec.parallelism)
    yield at
      .field('spec', 'completions')
      .invalid(next.spec.completions ?? null, 'can only be modified in tandem with spec.parallelism')
  for (const field of fixedFields)
    if (!same(next.spec[field], old.spec[field]))
      yield at.field('spec', field).invalid(next.spec[field] ?? null, 'field is immutable')
  if (!same(next.spec.selector, old.spec.selector))
    yield at.field('spec', 'selector').invalid(next.spec.selector ?? null, 'field is immutable')
  if (!old.spec.suspend && !same(next.spec.template, old.spec.template))
    yield at.field('spec', 'template').invalid(next.spec.template, 'field is immutable')
}

const condition = (job: DeepReadonly<Job>, type: string) =>
  job.status.conditions?.some(c => c.type === type && c.status === 'True') ?? false

export function jobStatus(job: DeepReadonly<Job>): string {
  if (condition(job, 'Complete')) return 'Complete'
  if (condition(job, 'Failed')) return 'Failed'
  if (job.metadata.deletionTimestamp) return 'Terminating'
  if (condition(job, 'Suspended')) return 'Suspended'
  if (condition(job, 'FailureTarget')) return 'FailureTarget'
  return condition(job, 'SuccessCriteriaMet') ? 'SuccessCriteriaMet' : 'Running'
}

export function jobCompletions({ spec, status }: DeepReadonly<Job>): string {
  const succeeded = status.succeeded ?? 0
  if (spec.completions !== undefined) return `${succeeded}/${spec.completions}`
  return (spec.parallelism ?? 0) > 1 ? `${succeeded}/1 of ${spec.parallelism}` : `${succeeded}/1`
}

export function jobDuration({ status }: DeepReadonly<Job>, now: number): string {
  const start = parseTime(status.startTime)
  return start === undefined ? '' : shortAge((parseTime(status.completionTime) ?? now) - start)
}
