// Defaults, validation and columns of Job. Source: pkg/apis/batch, pkg/registry/batch/job/strategy.go.
import type { Path, Problem } from '../../api/path.ts'
import type { KubeObject } from '../../api/kind.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
import { parseTime, shortAge } from '../../api/time.ts'
import { notNegative, validateTemplate } from '../apps/workload-rules.ts'
import { defaultPodSpec } from '../core/pod-defaults.ts'
import type { JobStatus } from './job.ts'
import type { JobSpec } from './jobspec.ts'

// Spelled out, since the kind's own type is inferred from a definition that uses this file.
type Job = KubeObject & { spec: JobSpec; status: JobStatus }

export function defaultJobSpec(spec: JobSpec): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1
  spec.parallelism ??= 1
  // With a limit for each index the Job as a whole has none.
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : 2 ** 31 - 1
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
  yield* notNegative({ parallelism, completions, backoffLimit, activeDeadlineSeconds, ttlSecondsAfterFinished }, at)
  if (spec.completionMode === 'Indexed' && completions === undefined)
    yield at.field('completions').required('when completion mode is Indexed')
  yield* validateTemplate(spec.template, at.field('template'), ['OnFailure', 'Never'])
}

export function* validateJob(job: DeepReadonly<Job>, at: Path): Iterable<Problem> {
  yield* validateJobSpec(job.spec, at.field('spec'))
}

export function* validateJobUpdate(next: DeepReadonly<Job>, old: DeepReadonly<Job>, at: Path): Iterable<Problem> {
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)
  const mayResize = old.spec.completionMode === 'Indexed' && next.spec.completions === next.spec.parallelism
  if (!mayResize && next.spec.completions !== old.spec.completions)
    yield at.field('spec', 'completions').invalid(next.spec.completions ?? null, 'field is immutable')
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
